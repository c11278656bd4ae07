// SPDX-License-Identifier: Apache-2.0
#include "cli/generate.h"

#include <unistd.h>

#include <fmt/format.h>

#include <condition_variable>
#include <csignal>
#include <memory>
#include <mutex>

#include "backend/answer_form.h"
#include "backend/local.h"
#include "base/file.h"
#include "base/json.h"
#include "base/strings.h"
#include "cli/config.h"
#include "cli/demo_model.h"
#include "cli/exit.h"
#include "cli/interrupt.h"
#include "cli/json_argument.h"
#include "cli/terminal.h"
#include "cli/thinking_flags.h"
#include "model/weights.h"
#include "runtime/model_instance.h"

namespace weft::cli {
namespace {

// The form of the answer, from files where it is long.
Status add_form(const ChatOptions& options, backend::ChatRequest& request) {
  if (!options.schema.empty()) {
    request.output_schema = TRY(json_of_file("--schema", options.schema));
  }
  if (!options.regex.empty()) request.regex = options.regex;
  if (!options.ebnf.empty()) request.ebnf = TRY(read_file(options.ebnf));
  if (options.choice.empty()) return ok_status();
  for (const std::string_view one : split(options.choice, ',')) {
    if (one.empty()) {
      return make_error("E0904", fmt::format("--choice {} has an empty alternative",
                                             quoted(options.choice)), "e.g. --choice yes,no");
    }
    request.choice.emplace_back(one);
  }
  return ok_status();
}

Result<backend::ChatRequest> request_of(const ChatOptions& options) {
  backend::ChatRequest request;
  request.model = options.model;
  const auto thinking =
      TRY(thinking_of_flags(options.think, options.no_think, options.thinking_budget));
  request.thinking = thinking.mode;
  request.thinking_budget_tokens = thinking.budget_tokens;
  request.max_tokens = options.max_tokens;
  request.temperature = options.temperature;
  request.top_p = options.top_p;
  request.top_k = options.top_k;
  request.min_p = options.min_p;
  request.repetition_penalty = options.repetition_penalty;
  request.presence_penalty = options.presence_penalty;
  request.frequency_penalty = options.frequency_penalty;
  request.seed = options.seed;
  request.stop = options.stop;
  TRY(add_form(options, request));
  if (!options.system.empty()) {
    request.messages.push_back(json::Object{{"role", "system"}, {"content", options.system}});
  }
  return request;
}

Result<std::unique_ptr<backend::LocalBackend>> backend_of(const ChatOptions& options) {
  backend::ModelsOptions models;
  models.load = {.precision = TRY(model::precision_of(options.precision)),
                 .threads = options.threads};
  if (!options.no_cache) models.load.cache_directory = cache_directory();
  TRY(options.flags.set(models.load));
  models.engine.threads = options.threads;
  return std::make_unique<backend::LocalBackend>(std::move(models));
}

// Asks and waits, showing the answer as it comes unless `quiet`. Ctrl-C cancels the call.
Result<backend::ChatResult> ask(backend::Backend& backend, backend::ChatRequest request,
                                bool quiet) {
  struct Waiting {
    std::mutex mutex;
    std::condition_variable changed;
    std::optional<Result<backend::ChatResult>> result;
    bool answering = false;
  };
  auto waiting = std::make_shared<Waiting>();
  backend::ChatCallbacks callbacks;
  if (!quiet) {
    callbacks.on_delta = [waiting](const backend::ChatDelta& delta) {
      if (!delta.reasoning.empty()) say_raw(painted(delta.reasoning, Colour::kDim));
      if (!delta.content.empty() && !waiting->answering && delta.tokens.reasoning > 0) {
        say_raw("\n");
      }
      waiting->answering = waiting->answering || !delta.content.empty();
      print_raw(delta.content);
    };
  }
  callbacks.on_done = [waiting](Result<backend::ChatResult> result) {
    const std::lock_guard lock(waiting->mutex);
    waiting->result = std::move(result);
    waiting->changed.notify_all();
  };
  const Interrupt interrupt;
  const auto call = backend.chat(std::move(request), std::move(callbacks));
  std::unique_lock lock(waiting->mutex);
  while (!waiting->result.has_value()) {
    waiting->changed.wait_for(lock, std::chrono::milliseconds(50));
    if (interrupt.seen()) call->cancel();
  }
  return std::move(*waiting->result);
}

std::string speed_line(const backend::ChatResult& result) {
  const double generated =
      static_cast<double>(result.tokens.reasoning + result.tokens.answer);
  return fmt::format("{} prompt tokens, {} thinking, {} answer; {:.0f} tokens/s; {}",
                     result.tokens.prompt, result.tokens.reasoning, result.tokens.answer,
                     result.decode_seconds > 0 ? generated / result.decode_seconds : 0.0,
                     result.finish_reason);
}

json::Object document_of(const backend::ChatResult& result) {
  return {{"content", result.content},
          {"reasoning", result.reasoning},
          {"tool_calls", result.tool_calls},
          {"finish_reason", result.finish_reason},
          {"tokens", json::Object{{"prompt", result.tokens.prompt},
                                  {"reasoning", result.tokens.reasoning},
                                  {"answer", result.tokens.answer}}},
          {"seconds", json::Object{{"prefill", result.prefill_seconds},
                                   {"decode", result.decode_seconds}}},
          {"model", result.evidence.model},
          {"system_fingerprint", result.evidence.system_fingerprint}};
}

// What no flag may hold, before anything is loaded.
Status check_texts(const ChatOptions& chat, const std::string& prompt) {
  if (!chat.empty_flags.empty()) {
    return make_error("E0904", fmt::format("{} is empty", chat.empty_flags[0]),
                      "leave it out, or give it a text");
  }
  for (const auto& [flag, text] :
       {std::pair<std::string_view, const std::string&>{"--prompt", prompt},
        std::pair<std::string_view, const std::string&>{"--system", chat.system}}) {
    const auto at = invalid_utf8_at(text);
    if (at) return make_error("E0904", fmt::format("{} is not UTF-8, at byte {}", flag, *at));
  }
  return ok_status();
}

Result<int> generate(const GenerateOptions& options) {
  TRY(check_texts(options.chat, options.prompt));
  if (options.prompt.empty() == options.messages.empty()) {
    return make_error("E0904", "expected either --prompt or --messages",
                      "weft generate --prompt \"I was charged twice\"");
  }
  backend::ChatRequest request = TRY(request_of(options.chat));
  if (!options.prompt.empty()) {
    request.messages.push_back(json::Object{{"role", "user"}, {"content", options.prompt}});
  } else {
    for (json::Value& message : TRY(json_list("--messages", options.messages))) {
      request.messages.push_back(std::move(message));
    }
  }
  if (!options.tools.empty()) request.tools = TRY(json_list("--tools", options.tools));
  if (options.tool_choice == "auto" || options.tool_choice == "none" ||
      options.tool_choice == "required") {
    request.tool_choice = options.tool_choice;
  } else if (!options.tool_choice.empty()) {
    request.tool_choice =
        json::Object{{"type", "function"}, {"function", {{"name", options.tool_choice}}}};
  }
  const auto backend = TRY(backend_of(options.chat));
  const backend::ChatResult result = TRY(ask(*backend, std::move(request), options.json));
  if (options.json) {
    print_data(json::dump(document_of(result)));
  } else {
    print_raw("\n");
    for (const json::Value& call : result.tool_calls) print_data(json::dump(call));
    say(painted(speed_line(result), Colour::kDim));
  }
  return result.finish_reason == "cancelled" ? kExitInterrupted : kExitOk;
}

// One line of the person, without its line feed; nothing at the end of input.
std::optional<std::string> read_line() {
  std::string line;
  char c = 0;
  while (::read(STDIN_FILENO, &c, 1) == 1) {
    if (c == '\n') return line;
    line += c;
  }
  return line.empty() ? std::nullopt : std::optional(line);
}

Result<int> chat(const ChatOptions& options) {
  TRY(check_texts(options, ""));
  const auto backend = TRY(backend_of(options));
  const backend::ChatRequest first = TRY(request_of(options));
  json::Array messages = first.messages;
  if (runtime::means_embedded_model(options.model)) {
    say(painted(kDemoModelLine, Colour::kDim));
  }
  say(painted("An empty line or Ctrl-D ends the conversation.", Colour::kDim));
  for (;;) {
    if (people_watch()) say_raw(painted("> ", Colour::kBold));
    const auto line = read_line();
    if (!line || line->empty()) return kExitOk;
    if (const auto at = invalid_utf8_at(*line)) {
      return make_error("E0904", fmt::format("message {} is not UTF-8, at byte {}",
                                             (messages.size() - first.messages.size()) / 2 + 1,
                                             *at),
                        "set the terminal to UTF-8");
    }
    messages.push_back(json::Object{{"role", "user"}, {"content", *line}});
    backend::ChatRequest request = first;
    request.messages = messages;
    const backend::ChatResult result = TRY(ask(*backend, std::move(request), false));
    print_raw("\n");
    say(painted(speed_line(result), Colour::kDim));
    messages.push_back(json::Object{{"role", "assistant"}, {"content", result.content}});
  }
}

// The form of the answer under the flag that gave it.
Error in_flag_words(Error error, const ChatOptions& options) {
  const std::pair<std::string_view, std::string> places[] = {
      {backend::kSchemaPlace, "--schema " + options.schema},
      {backend::kRegexPlace, "--regex"},
      {backend::kChoicePlace, "--choice"},
      {backend::kEbnfPlace, "--ebnf " + options.ebnf}};
  for (const auto& [place, flag] : places) {
    if (!error.message.starts_with(std::string(place) + ": ")) continue;
    error.message.replace(0, place.size(), flag);
    return error;
  }
  return error;
}

// Flags and the files they name may be wrong in ways that only the model's own parts see: numbers
// (E0712, E0730), types (E0214), forms of the answer (E030x, E032x but for the vocabulary's),
// messages, thinking, tools.
bool means_wrong_use(std::string_view code) {
  if (code == "E0325") return false;
  for (const std::string_view one : {"E0214", "E0904", "E030", "E032", "E0712", "E0730", "E0740",
                                     "E0743", "E0744"}) {
    if (code.starts_with(one)) return true;
  }
  return false;
}

int finish(Result<int> result, const ChatOptions& options) {
  if (result.ok()) return *result;
  const Error error = in_flag_words(std::move(result).error(), options);
  say_error(error);
  if (means_wrong_use(error.code)) return kExitUsage;
  return error.code == "E0710" || error.code == "E0020" ? kExitNotFound : kExitFailed;
}

}  // namespace

int run_generate(const GenerateOptions& options) {
  return finish(generate(options), options.chat);
}
int run_chat(const ChatOptions& options) { return finish(chat(options), options); }

}  // namespace weft::cli
