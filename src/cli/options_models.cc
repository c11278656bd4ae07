// SPDX-License-Identifier: Apache-2.0
#include "cli/options_models.h"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include <memory>

#include "cli/eval.h"
#include "cli/generate.h"
#include "cli/logits.h"
#include "cli/models.h"
#include "cli/pull.h"
#include "cli/template.h"
#include "cli/tokenize.h"

namespace weft::cli {
namespace {

// A text of which nothing is left says nothing that could be done: an empty variable of a script.
void note_empty(CLI::Option* option, ChatOptions& chat) {
  option->each([option, &chat](const std::string& value) {
    if (value.empty()) chat.empty_flags.push_back(option->get_name());
  });
}

void add_chat_flags(CLI::App& command, ChatOptions& chat) {
  command.add_option("--model", chat.model, "a name, a Hugging Face directory, a .gguf file");
  command.add_option("--system", chat.system, "a system message in front");
  command.add_flag("--think", chat.think, "reason before the answer");
  command.add_flag("--no-think", chat.no_think, "answer at once");
  command.add_option("--thinking-budget", chat.thinking_budget, "reasoning tokens at most");
  command.add_option("--max-tokens", chat.max_tokens, "reasoning and answer together")
      ->capture_default_str();
  command.add_option("--temperature", chat.temperature, "0 = the likeliest token each time");
  command.add_option("--top-p", chat.top_p, "(0, 1]");
  command.add_option("--top-k", chat.top_k, "0 = all");
  command.add_option("--min-p", chat.min_p, "[0, 1]");
  command.add_option("--repetition-penalty", chat.repetition_penalty, "1 = none");
  command.add_option("--presence-penalty", chat.presence_penalty, "0 = none");
  command.add_option("--frequency-penalty", chat.frequency_penalty, "0 = none");
  check_seed(command.add_option("--seed", chat.seed, "same request and seed: same tokens"));
  command.add_option("--stop", chat.stop, "a text that ends the answer; may be repeated");
  for (CLI::Option* option :
       {command.add_option("--schema", chat.schema, "file: the answer is JSON of this JSON Schema"),
        command.add_option("--regex", chat.regex, "the whole answer matches"),
        command.add_option("--choice", chat.choice, "the answer is one of these: a,b,c"),
        command.add_option("--ebnf", chat.ebnf, "file: the answer follows this grammar (GBNF)")}) {
    note_empty(option, chat);
  }
  command.add_option("--dtype", chat.precision, "f32, native, q8 or q4: arithmetic of the weights")
      ->capture_default_str();
  add_model_flags(command, chat.flags);
  check_threads(command.add_option("--threads", chat.threads, "0 = all usable cores"));
  command.add_flag("--no-cache", chat.no_cache, "no packed weights from, or for, another start");
}

void add_models_quantize(CLI::App& models, Action& action) {
  auto options = std::make_shared<ModelsQuantizeOptions>();
  CLI::App* command =
      models.add_subcommand("quantize", "The same model with 8 or 4 bits a weight, and its error");
  command->add_option("IN", options->model, "a name, a directory, a .gguf file")->required();
  command->add_option("OUT", options->directory, "a new directory")->required();
  command->add_option("--type", options->type, "q8 or q4")->capture_default_str();
  command->add_option("--text", options->text, "a file to compare the logits on");
  command->add_option("--positions", options->positions, "compared; 0 = none")
      ->capture_default_str()
      ->check(CLI::Range(0, 1 << 20));
  check_threads(command->add_option("--threads", options->threads, "0 = all usable cores"));
  command->add_flag("--json", options->json, "one JSON document on stdout");
  command->callback(
      [&action, options] { action = [options] { return quantize_model(*options); }; });
}

void add_models_pull(CLI::App& models, Action& action) {
  auto options = std::make_shared<PullOptions>();
  CLI::App* command = models.add_subcommand("pull", "A model from a Hugging Face server");
  command->add_option("REPOSITORY", options->repository, "OWNER/NAME")->required();
  command->add_option("--revision", options->revision, "branch, tag or commit")
      ->capture_default_str();
  command->add_option("--file", options->files, "only this file; may be repeated")
      ->allow_extra_args(false);
  command->add_option("--to", options->directory, "a directory (default: the user's own)");
  command->add_flag("--json", options->json, "one JSON document on stdout");
  command->footer("HF_TOKEN: a token for gated models. HF_ENDPOINT: another server.\n");
  command->callback([&action, options] { action = [options] { return pull_model(*options); }; });
}

void add_eval_flags(CLI::App& command, EvalOptions& options) {
  command.add_option("CASES", options.files, "JSON lines of cases, see docs/eval.md")->required();
  command.add_option("--workflow", options.workflow, "run this workflow for each case");
  command.add_option("--model", options.model, "ask this model (or: use it in the workflow)");
  command.add_option("--system", options.system, "a system message in front of every case");
  command.add_option("--prompt", options.prompt, "around a case's input, {} is where it goes");
  command.add_option("--schema", options.schema, "file: answers are held to this JSON Schema");
  add_run_grants(command, options.grants);
  command.add_flag("--think", options.think, "reason before the answer");
  command.add_flag("--no-think", options.no_think, "answer at once");
  command.add_option("--max-tokens", options.max_tokens,
                     "reasoning and answer together (default: 512)")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 30));
  check_number(command.add_option("--temperature", options.temperature,
                                  "0 = the likeliest token each time (default)"), 0, 100);
  check_seed(command.add_option("--seed", options.seed, "of everything random"));
  check_number(command.add_option("--case-timeout", options.case_timeout_s,
                                  "seconds for one case, 0 = no limit (default: 120 for a "
                                  "workflow)"), 0, 1e6);
  command.add_option("-p,--parallel", options.parallel, "cases at once; changes no result")
      ->check(CLI::Range(int64_t{1}, int64_t{1024}))
      ->capture_default_str();
  command.add_option("--suite", options.suites, "only this suite; may be repeated")
      ->allow_extra_args(false);
  command.add_option("--limit", options.limit, "the first N cases of each suite and language")
      ->check(CLI::Range(int64_t{0}, int64_t{1'000'000}));
  command.add_option("--baseline", options.baseline, "an earlier --json report to compare with");
  command.add_option("--require", options.require, "floors; exit code 1 if one is missed");
  command.add_option("--markdown", options.markdown, "write the whole report there");
  command.add_option("--html", options.html, "the same as one page for a browser");
  command.add_flag("--json", options.json, "the report with every case as JSON on stdout");
}

}  // namespace

void add_generate(CLI::App& app, Action& action) {
  auto options = std::make_shared<GenerateOptions>();
  CLI::App* command = app.add_subcommand("generate", "One answer of a model, streamed");
  add_chat_flags(*command, options->chat);
  note_empty(command->add_option("--prompt", options->prompt, "one message of a user"),
             options->chat);
  note_empty(command->add_option("--messages", options->messages,
                                 "a conversation: JSON, or @file.json"),
             options->chat);
  command->add_option("--tools", options->tools,
                      "OpenAI function definitions: JSON, or @file.json");
  command->add_option("--tool-choice", options->tool_choice,
                      "auto, none, required, or the name of a tool");
  command->add_flag("--json", options->json, "one JSON document on stdout");
  command->footer(
      "Examples:\n"
      "  weft generate --prompt \"I was charged twice\" --no-think\n"
      "  weft generate --prompt \"Is this urgent? Help!!\" --choice yes,no --no-think\n"
      "  weft generate --model ./Qwen3-0.6B --messages @chat.json --think --thinking-budget 256\n");
  command->callback([&action, options] { action = [options] { return run_generate(*options); }; });
}

void add_chat(CLI::App& app, Action& action) {
  auto options = std::make_shared<ChatOptions>();
  CLI::App* command = app.add_subcommand("chat", "A conversation on this terminal");
  add_chat_flags(*command, *options);
  command->footer("Examples:\n  weft chat\n  weft chat --model ./Qwen3-0.6B --think\n");
  command->callback([&action, options] { action = [options] { return run_chat(*options); }; });
}

void add_logits(CLI::App& app, Action& action) {
  auto options = std::make_shared<LogitsOptions>();
  CLI::App* command = app.add_subcommand(
      "logits", "JSON lines {tokens, top?, positions?, greedy?, chunks?} on stdin: bare logits");
  command->add_option("--model", options->model, "a directory in Hugging Face layout");
  command->add_option("--dtype", options->dtype, "f32 (default), native, q8 or q4");
  add_model_flags(*command, options->flags);
  check_threads(command->add_option("--threads", options->threads, "0 = all usable cores"));
  command->callback([&action, options] { action = [options] { return run_logits(*options); }; });
}

void add_models(CLI::App& app, Action& action) {
  CLI::App* models = app.add_subcommand("models", "Models: what there is, what fits, fewer bits");
  models->require_subcommand(1);
  auto list_options = std::make_shared<ModelsListOptions>();
  CLI::App* list = models->add_subcommand("list", "The embedded model and those fetched");
  list->add_flag("--json", list_options->json, "a JSON list on stdout");
  list->callback([&action, list_options] {
    action = [list_options] { return list_models(*list_options); };
  });
  auto show_options = std::make_shared<ModelsShowOptions>();
  CLI::App* show =
      models->add_subcommand("show", "Shape, parameters, memory, and what fits this machine");
  show->add_option("MODEL", show_options->model, "a name, a directory, a .gguf file")->required();
  show->add_flag("--json", show_options->json, "one JSON document on stdout");
  show->callback([&action, show_options] {
    action = [show_options] { return show_model(*show_options); };
  });
  add_models_quantize(*models, action);
  add_models_pull(*models, action);
}

void add_eval(CLI::App& app, Action& action) {
  auto options = std::make_shared<EvalOptions>();
  CLI::App* command = app.add_subcommand(
      "eval", "How often a model or a workflow is right: accuracy, seconds, tokens");
  add_eval_flags(*command, *options);
  command->footer(
      "Examples:\n"
      "  weft eval examples/customer-service.cases.jsonl \\\n"
      "      --workflow examples/customer-service.yaml\n"
      "  weft eval cases.jsonl --model ./Qwen3-0.6B --no-think --json > before.json\n"
      "  weft eval cases.jsonl --model ./tuned --no-think --baseline before.json --html a.html\n");
  command->callback([&action, options] { action = [options] { return run_eval(*options); }; });
}

void add_tokenize(CLI::App& app, Action& action) {
  auto options = std::make_shared<TokenizeOptions>();
  CLI::App* command = app.add_subcommand(
      "tokenize", "Text to tokens and back, JSON lines on stdin and stdout");
  command->add_option("--model", options->model, "a name, or a directory with tokenizer.json")
      ->required();
  command->add_flag("--json", options->json, "accepted; the answers always are JSON");
  command->footer(
      "{\"text\": s, \"untrusted\": bool?, \"specials_as_text\": bool?} -> {\"ids\": [...]}\n"
      "{\"ids\": [...], \"skip_special\": bool?} -> {\"text\": s}\n");
  command->callback([&action, options] { action = [options] { return run_tokenize(*options); }; });
}

void add_template(CLI::App& app, Action& action) {
  auto options = std::make_shared<TemplateOptions>();
  CLI::App* command = app.add_subcommand(
      "template", "Conversations through a chat template, JSON lines on stdin and stdout");
  command->add_option("--model", options->model, "a directory with tokenizer_config.json")
      ->capture_default_str();
  command->add_option("--template", options->template_file, "another template for that model");
  command->add_flag("--json", options->json, "accepted; the answers always are JSON");
  command->footer(
      "{messages, tools?, documents?, add_generation_prompt?, kwargs?: {}, variables?: {}, now?}\n"
      "  -> {\"text\": s} or {\"error\": s}\n");
  command->callback([&action, options] { action = [options] { return run_template(*options); }; });
}

}  // namespace weft::cli
