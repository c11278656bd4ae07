// SPDX-License-Identifier: Apache-2.0
#include "cli/options_tools.h"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include <fmt/format.h>

#include <charconv>
#include <memory>

#include "base/strings.h"
#include "cli/mcp.h"
#include "cli/new.h"
#include "cli/plan.h"
#include "cli/tools.h"

namespace weft::cli {

void check_seed(CLI::Option* option, uint64_t max) {
  option->check([max](const std::string& text) -> std::string {
    uint64_t seed = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seed);
    if (error == std::errc() && end == text.data() + text.size() && seed <= max) return {};
    return fmt::format("expected a whole number from 0 to {}, found {}", max, quoted(text, 40));
  });
}

void check_number(CLI::Option* option, double low, double high) {
  option->check([low, high](const std::string& text) -> std::string {
    double number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    const bool read = error == std::errc() && end == text.data() + text.size();
    if (read && number >= low && number <= high) return {};  // nan is neither
    return fmt::format("expected a number from {} to {}, found {}", low, high, quoted(text, 40));
  });
}

void check_threads(CLI::Option* option) { option->check(CLI::Range(0, 1024)); }

void add_grants(CLI::App& command, Grants& grants) {
  command.add_option("--allow-host", grants.hosts,
                     "a private host that http steps may call; may be repeated")
      ->allow_extra_args(false);
  command.add_option("--database", grants.databases,
                     "NAME=URL, or NAME=write:URL: sqlite:FILE, postgres://…, env:VARIABLE")
      ->allow_extra_args(false);
  command.add_option("--backend", grants.backends,
                     "NAME=[KIND:]URL[,URL…][#MODEL]: a model that another server answers for; "
                     "KIND: openai, vllm, sglang, llama.cpp, weft")
      ->allow_extra_args(false);
  command.add_option("--mcp", grants.mcp,
                     "NAME=COMMAND WORDS… or NAME=URL: an MCP server whose tools mcp steps call")
      ->allow_extra_args(false);
  command.add_flag("--allow-shell", grants.shell, "shell steps run, in a sandbox");
  command.add_option("--smtp", grants.smtp, "smtp://HOST:PORT, for mail");
  command.add_option("--mail-from", grants.mail_from, "the address that mail comes from");
}

void add_model_flags(CLI::App& command, ModelFlags& flags) {
  command.add_option("--kv", flags.kv,
                     "f32, f16 (default, but with --dtype f32) or q8: the KV cache of this "
                     "process's models");
  command.add_option("--numerics", flags.numerics,
                     "portable, or fast: bf16 weights meet activations rounded to bf16");
}

void add_run_grants(CLI::App& command, Grants& grants) {
  command.add_option("--config", grants.config,
                     "weft.yaml: its models, rules of routing, MCP servers and secrets");
  add_grants(command, grants);
  add_model_flags(command, grants.model);
}

namespace {

void add_tools_call(CLI::App& tools, Action& action) {
  auto call = std::make_shared<ToolsCallOptions>();
  CLI::App* command = tools.add_subcommand("call", "Call a tool by hand");
  command->add_option("name", call->name, "of the tool")->required();
  command->add_option("-i,--input", call->inputs, "key=value, or @file.json")
      ->allow_extra_args(false);
  command->add_option("--workflow", call->workflow, "the file that declares it");
  command->add_option("--run-input", call->run_input, "JSON: what its templates see as `input`");
  command->add_option("--files", call->files, "the directory of file steps (default: this one)");
  command->add_option("--timeout", call->timeout_s, "seconds")->capture_default_str();
  command->add_option("--config", call->grants.config, "weft.yaml: its MCP servers and secrets");
  add_grants(*command, call->grants);
  command->add_flag("--json", call->json, "JSON on stdout also where the result is text");
  command->callback([&action, call] { action = [call] { return call_tool(*call); }; });
}

}  // namespace

void add_store(CLI::App& command, StoreFlags& store, const char* help) {
  command.add_option("--store", store.path, help);
  command.add_option("--master-key", store.master_key,
                     "what its payloads are sealed under: file:PATH, env:NAME, command:LINE");
}

void add_tools(CLI::App& app, Action& action) {
  CLI::App* tools = app.add_subcommand("tools", "What agents may call");
  tools->require_subcommand(1);
  auto list = std::make_shared<ToolsListOptions>();
  CLI::App* command = tools->add_subcommand("list", "The tools of a workflow, and those built in");
  command->add_option("--workflow", list->workflow, "a file; without: those built in");
  command->add_flag("--json", list->json, "OpenAI's function definitions on stdout");
  command->callback([&action, list] { action = [list] { return list_tools(*list); }; });
  add_tools_call(*tools, action);
  auto import = std::make_shared<ToolsImportOptions>();
  command = tools->add_subcommand(
      "import", "The operations of an OpenAPI document, or the tools of an MCP server, as tools");
  command->add_option("file", import->file,
                      "OpenAPI 3, JSON or YAML; or mcp:NAME with --mcp or --config")
      ->required();
  command->add_option("--config", import->grants.config, "weft.yaml: its MCP servers");
  add_grants(*command, import->grants);
  command->add_option("--operation", import->operations, "only this one; may be repeated")
      ->allow_extra_args(false);
  command->add_option("--server", import->server,
                      "where the API is, if not where the document says");
  command->add_option("--base-url", import->base_url,
                      "where the document comes from, if its servers are relative to that");
  command->add_flag("--json", import->json, "a JSON list on stdout");
  command->callback([&action, import] { action = [import] { return import_tools(*import); }; });
}

void add_mcp(CLI::App& app, Action& action) {
  auto options = std::make_shared<McpOptions>();
  CLI::App* command = app.add_subcommand(
      "mcp", "Workflows as tools of the Model Context Protocol, on standard input and output");
  command->add_option("--workflow", options->workflows,
                      "a workflow's file: a tool by its id; may be repeated")
      ->allow_extra_args(false)
      ->required();
  command->add_option("--config", options->config, "weft.yaml: resources and prompts of `mcp`");
  command->add_option("--files", options->files, "the directory that file steps may use");
  add_store(*command, options->store, "the store's file (default: the user's own)");
  add_grants(*command, options->grants);
  add_model_flags(*command, options->grants.model);
  command->footer(
      "Example, for a program that starts MCP servers:\n"
      "  {\"command\": \"weft\", \"args\": [\"mcp\", \"--workflow\", \"triage.yaml\"]}\n");
  command->callback([&action, options] { action = [options] { return run_mcp(*options); }; });
}

void add_plan(CLI::App& app, Action& action) {
  auto options = std::make_shared<PlanOptions>();
  CLI::App* command = app.add_subcommand(
      "plan", "What a run of a workflow will take: tokens, seconds and money, before it begins");
  command->add_option("FILE", options->file, "a workflow file")->required();
  command->add_option("--config", options->config, "weft.yaml: the prices of its models");
  add_store(*command, options->store, "the store's file (default: the user's own)");
  command->add_flag("--json", options->json, "one JSON document on stdout");
  command->callback([&action, options] { action = [options] { return run_plan(*options); }; });
}

void add_dry_run(CLI::App& command, RunOptions& options) {
  CLI::Option* dry = command.add_flag(
      "--dry-run", options.dry_run, "send, change and keep nothing; show what would have happened");
  command.add_option("--answer", options.answers,
                     "STEP=JSON or TOOL=JSON (or =@file.json): what a dry run takes for its answer")
      ->needs(dry)
      ->allow_extra_args(false);
  dry->excludes(command.get_option("--detach"))->excludes(command.get_option("--follow"));
}

void add_new(CLI::App& app, Action& action) {
  auto options = std::make_shared<NewOptions>();
  CLI::App* command = app.add_subcommand("new", "A workflow to start from, drafted by a model");
  command->add_option("--from", options->from, "what it should do, in words")->required();
  command->add_option("--model", options->model, "which model drafts it")->capture_default_str();
  command->add_option("-o,--output", options->output, "a new file (default: stdout)");
  check_seed(command->add_option("--seed", options->seed,
                                 "sample the draft: another one, another draft"), INT64_MAX);
  command->add_flag("!--no-dry-run", options->dry_run, "do not try it: the draft alone");
  add_run_grants(*command, options->grants);
  command->footer(
      "Example:\n"
      "  weft new --from \"sort inquiries, let a person approve refunds\" -o refunds.yaml\n");
  command->callback([&action, options] { action = [options] { return run_new(*options); }; });
}

}  // namespace weft::cli
