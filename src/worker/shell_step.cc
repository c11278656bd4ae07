// SPDX-License-Identifier: Apache-2.0
//
// shell: a command in the sandbox (sandbox.h), where the operator has switched it on.
//
//   {command: [program, argument…] | "line for sh", stdin, directory, environment}
//   -> {exit_code: 0, stdout, stderr}
//
// `directory` lies below the run's roots and is what the command sees as /work; without it nothing
// of this machine but its programs. Another exit code than 0 fails the step.
#include <algorithm>

#include "base/strings.h"
#include "worker/acts.h"
#include "worker/blocking_activity.h"
#include "worker/rooted_files.h"
#include "worker/run_context.h"
#include "worker/sandbox.h"
#include "worker/step_types.h"
#include "worker/tool_settings.h"

namespace weft::worker {
namespace {

constexpr size_t kWordsMax = 1024;

bool has_zero(std::string_view text) { return text.find('\0') != std::string_view::npos; }

Result<std::vector<std::string>> command_of(const json::Object& parameters) {
  const json::Value* command = parameters.if_contains("command");
  if (command != nullptr && command->is_string() && !has_zero(command->get_string())) {
    return std::vector<std::string>{"/bin/sh", "-c", std::string(command->get_string())};
  }
  const json::Array* list = command != nullptr ? command->if_array() : nullptr;
  if (list == nullptr || list->empty() || list->size() > kWordsMax) {
    return wrong_parameter("command", "text, or a list of texts",
                           command ? std::string(json::kind_name(*command)) : "nothing");
  }
  std::vector<std::string> words;
  for (const json::Value& word : *list) {
    if (!word.is_string() || has_zero(word.get_string())) {
      return wrong_parameter("command", "texts without zero bytes",
                             std::string(json::kind_name(word)));
    }
    words.emplace_back(word.get_string());
  }
  if (words[0].empty()) return wrong_parameter("command", "a program", "an empty text");
  return words;
}

Result<SandboxRequest> request_of(const StepContext& context) {
  const json::Object& parameters = context.parameters;
  const std::string known[] = {"command", "stdin", "directory", "environment"};
  TRY(only_parameters(parameters, known));
  if (context.services->tools == nullptr || !context.services->tools->shell) {
    return make_error("E0627", "commands are switched off in this process",
                      "start it with --allow-shell if workflows may run commands in a sandbox");
  }
  SandboxRequest out{.command = TRY(command_of(parameters))};
  out.input = TRY(text_parameter_or(parameters, "stdin", ""));
  out.directory = TRY(text_parameter_or(parameters, "directory", ""));
  if (const json::Value* given = parameters.if_contains("environment"); given != nullptr) {
    if (!given->is_object()) {
      return wrong_parameter("environment", "a mapping", std::string(json::kind_name(*given)));
    }
    for (const auto& member : given->get_object()) {
      if (!member.value().is_string() || has_zero(member.value().get_string()) ||
          has_zero(member.key())) {
        return wrong_parameter("environment", "texts", std::string(member.key()));
      }
      out.environment[member.key()] = member.value().get_string();
    }
  }
  if (context.deadline_us != 0) {
    out.timeout_ms = std::max<int64_t>(1, (context.deadline_us - context.now_us) / 1000);
  }
  return out;
}

StepOutcome outcome_of(Result<SandboxResult> result) {
  if (!result.ok()) return StepFailure{std::move(result).error(), false};
  for (const std::string* text : {&result->output, &result->error_output}) {
    if (!invalid_utf8_at(*text)) continue;
    return StepFailure{make_error("E0627", "the command wrote bytes that are not UTF-8 text",
                                  "let it write base64"), false};
  }
  if (result->exit_code != 0) {
    const std::string_view said = trim(result->error_output);
    return StepFailure{make_error("E0627", fmt::format("the command ended with code {}{}{}",
                                                       result->exit_code, said.empty() ? "" : ": ",
                                                       beginning(said, 400))), false};
  }
  return StepResult{json::Object{{"exit_code", 0},
                                 {"stdout", std::move(result->output)},
                                 {"stderr", std::move(result->error_output)}}, {}};
}

class ShellStep final : public StepType {
 public:
  std::string_view name() const override { return "shell"; }
  EffectClass effect(const json::Object&, const workflow::Step&) const override {
    return EffectClass::kUnsafe;
  }
  std::optional<ActTarget> target(const json::Object& parameters) const override {
    const auto command = command_of(parameters);
    return ActTarget{command.ok() ? command->front() : ""};
  }
  Rehearsed rehearse(const StepContext& context) const override {
    return rehearsed(request_of(context),
                     json::Object{{"exit_code", 0}, {"stdout", kNotSent}, {"stderr", ""}});
  }
  Started start(StepContext context, StepDone done) const override {
    auto request = request_of(context);
    if (!request.ok()) return failed(std::move(request).error(), false);
    RootedFiles files(run_context_from_json(*context.run_context).roots);
    return on_pool(context.services->pools.commands, std::move(done),
                   [request = std::move(*request),
                    files = std::move(files)](const std::atomic<bool>& cancelled) mutable {
                     request.stop = &cancelled;
                     if (!request.directory.empty()) {
                       auto real = files.directory(request.directory);
                       if (!real.ok()) {
                         return StepOutcome(StepFailure{std::move(real).error(), false});
                       }
                       request.directory = std::move(*real);
                     }
                     return outcome_of(run_sandboxed(request));
                   });
  }
};

}  // namespace

const StepType& shell_step() {
  static const ShellStep step;
  return step;
}

}  // namespace weft::worker
