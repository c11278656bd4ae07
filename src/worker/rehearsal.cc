// SPDX-License-Identifier: Apache-2.0
#include "worker/rehearsal.h"

#include <utility>

#include "schema/example.h"
#include "worker/secrets.h"

namespace weft::worker {
namespace {

using workflow::Wake;
using workflow::WaitReason;

// "sort[3].ask" of a loop is "sort.ask" for who gives answers.
std::string without_indices(std::string_view path) {
  std::string out;
  bool inside = false;
  for (const char c : path) {
    inside = inside || c == '[';
    if (!inside) out += c;
    if (c == ']') inside = false;
  }
  return out;
}

Started begin_with_secrets(const StepType& type, StepContext context, StepDone done) {
  auto values = SecretValues::put_into(context);
  if (!values.ok()) return failed(std::move(values).error(), false);
  const auto secrets = std::move(*values);
  context.secrets = secrets;
  Started started = type.start(std::move(context), [secrets, done = std::move(done)](
                                                       StepOutcome outcome) {
    done(secrets->redacted(std::move(outcome)));
  });
  if (started.outcome) started.outcome = secrets->redacted(std::move(*started.outcome));
  return started;
}

}  // namespace

const json::Value* Rehearsal::answer_for(const RehearsedCall& call) {
  const std::string keys[] = {call.tool, call.path, without_indices(call.path)};
  for (const std::string& key : keys) {
    if (!call.tool.empty() && key != call.tool) break;  // a tool's answer is no step's
    const auto found = answers_.find(key);
    if (found == answers_.end()) continue;
    used_[key] = true;
    return &found->second;
  }
  return nullptr;
}

Started Rehearsal::answered(RehearsedCall call, json::Value usual) {
  const json::Value* given = answer_for(call);
  call.given = given != nullptr;
  call.answer = given != nullptr ? *given : std::move(usual);
  calls_.push_back(call);
  return succeeded(std::move(call.answer));
}

Started Rehearsal::begin(const StepType& type, StepContext context, StepDone done,
                         std::string_view tool, bool approval) {
  if (auto usual = type.rehearse(context)) {
    if (!usual->ok()) return failed(std::move(*usual).error(), false);
    return answered({.path = context.path,
                     .type = std::string(type.name()),
                     .tool = std::string(tool),
                     .approval = approval,
                     .parameters = std::move(context.parameters)},
                    std::move(**usual));
  }
  StepContext again = context;
  Started started = type.start(std::move(context), done);
  const auto* wait = started.outcome ? std::get_if<StepWait>(&*started.outcome) : nullptr;
  if (wait == nullptr) return started;
  return waited(type, std::move(again), std::move(done), *wait);
}

// What it waits for comes at once.
Started Rehearsal::waited(const StepType& type, StepContext context, StepDone done,
                          const StepWait& wait) {
  RehearsedCall call{.path = context.path,
                     .type = std::string(type.name()),
                     .parameters = context.parameters};
  const json::Value* given = answer_for(call);
  call.given = given != nullptr;
  context.wake = wait.reason == WaitReason::kTime ? Wake::kTime : Wake::kAnswer;
  if (wait.reason == WaitReason::kPerson) {
    json::Object decision{{"decision", "approved"}, {"by", "dry run"}, {"at_us", context.now_us}};
    for (const auto& [key, value] : given && given->is_object() ? given->get_object()
                                                                : json::Object()) {
      decision[key] = value;
    }
    context.answer = std::move(decision);
  } else if (wait.reason == WaitReason::kSignal) {
    const json::Value* schema = context.parameters.if_contains("schema");
    json::Value payload;
    if (given != nullptr) {
      payload = *given;
    } else if (schema != nullptr) {
      auto made = schema::example_of(*schema, wait.name);
      if (!made.ok()) return failed(std::move(made).error(), false);
      payload = std::move(*made);
    }
    context.answer = json::Object{{"payload", std::move(payload)}};
  }
  Started resumed = type.resume(std::move(context), std::move(done));
  if (const auto* result = resumed.outcome ? std::get_if<StepResult>(&*resumed.outcome) : nullptr) {
    call.answer = result->output;
  }
  calls_.push_back(std::move(call));
  return resumed;
}

std::vector<std::string> Rehearsal::unused_answers() const {
  std::vector<std::string> out;
  for (const auto& [key, answer] : answers_) {
    if (!used_.contains(key)) out.push_back(key);
  }
  return out;
}

Started begin_step(const StepType& type, StepContext context, StepDone done,
                   std::string_view tool, bool approval) {
  Rehearsal* const rehearsal = context.services->rehearsal;
  if (rehearsal == nullptr && context.secret_use == nullptr) {
    return type.start(std::move(context), std::move(done));
  }
  if (rehearsal == nullptr) return begin_with_secrets(type, std::move(context), std::move(done));
  context.secret_use.reset();  // nothing is sent
  return rehearsal->begin(type, std::move(context), std::move(done), tool, approval);
}

}  // namespace weft::worker
