// SPDX-License-Identifier: Apache-2.0
//
// The calls of one turn of an agent (agent_run.h): which of them are made, how, and what the model
// reads of each.
#include <algorithm>

#include "schema/validator.h"
#include "worker/acts.h"
#include "worker/agent_run.h"
#include "worker/rehearsal.h"

namespace weft::worker {
namespace {

constexpr size_t kResultBytesMax = size_t{16} << 10;  // of one result, as the model reads it
constexpr size_t kCallsMax = 16;                      // of one turn

}  // namespace

// A model of this process is held to copying by its grammar.
Result<json::Value> AgentRun::bound_to_conversation(const std::string& tool,
                                                    const json::Value& schema) {
  const bool remote = context_.services->backend->is_remote(options_.request.model);
  if (!remote || !chat::asks_verbatim(schema)) return schema;
  const auto known = copies_.bound.find(tool);
  if (known != copies_.bound.end()) return known->second;
  if (!copies_.source) {
    copies_.source = TRY(chat::CopySource::of(turn_request(options_, progress_).messages));
  }
  return copies_.bound.emplace(tool, chat::bound_to(schema, *copies_.source)).first->second;
}

// Arguments that had to be copied from the conversation and were not: a model elsewhere is not held
// to that. In words for the model; empty: all is well.
std::string AgentRun::made_up(const Call& call) {
  const json::Value parameters(call.tool->parameters);
  if (!chat::asks_verbatim(parameters)) return {};
  const auto loose = schema::Schema::parse(parameters);
  if (!loose.ok() || !schema::is_valid(*loose, call.arguments)) return {};  // prepare_call says it
  const auto bound = bound_to_conversation(call.name, parameters);
  if (!bound.ok()) return bound.error().message;
  const auto schema = schema::Schema::parse(*bound);
  if (!schema.ok()) return schema.error().message;
  const auto violations = schema::validate(*schema, call.arguments);
  if (violations.empty()) return {};
  return fmt::format("{} of {} should stand in the conversation word for word, found {}",
                     violations[0].instance_path, call.name, violations[0].found);
}

std::string AgentRun::identity(const Call& call) {
  return fmt::format("{} {}", call.name, json::canonical(call.arguments));
}

// What one turn holds too much of, in words for the model: no failure of the tool.
std::string AgentRun::excess(size_t index) const {
  if (index >= kCallsMax) return fmt::format("at most {} calls at once", kCallsMax);
  const std::string same = identity(calls_[index]);
  for (size_t i = 0; i < index; ++i) {
    if (identity(calls_[i]) == same) return "this very call stands above in the same turn";
  }
  return {};
}

// Why the call is not made; for whoever reads the audit, and for the model.
std::optional<AgentRun::Objection> AgentRun::objection(size_t index) {
  const Call& call = calls_[index];
  if (call.refused) return Objection{"not approved", call.text};
  if (std::string words = excess(index); !words.empty()) {
    return Objection{index >= kCallsMax ? "too many at once" : "repeated", std::move(words)};
  }
  if (call.tool == nullptr) {
    return Objection{"not on offer", fmt::format("there is no tool {}", call.name)};
  }
  if (rejected_.contains(identity(call))) {
    return Objection{"not approved", "this very call was rejected before"};
  }
  if (made_.contains(identity(call))) {
    return Objection{"repeated", "this very call was made before; its result stands above"};
  }
  if (std::string words = made_up(call); !words.empty()) {
    return Objection{"not from the conversation", std::move(words)};
  }
  return std::nullopt;
}

// Unsafe calls that a process which is gone may have made: a person must look at all of them.
bool AgentRun::tell_cut_off() {
  std::vector<size_t> cut_off;
  std::vector<ActRow> acts;
  for (size_t i = 0; i < calls_.size(); ++i) {
    Call& call = calls_[i];
    // Of one that is unknown a person has said: again.
    if (!std::exchange(call.begun, false) || call.ended || call.unknown) continue;
    if (!unsafe(i) || objection(i)) continue;
    cut_off.push_back(i);
    acts.push_back(told_of(i, StepUnknown{make_error("E0606", "its process ended")}, true));
  }
  if (cut_off.empty()) return false;
  Error error = make_error(
      "E0606", fmt::format("its process ended while {} being called", these(cut_off)),
      fmt::format("look whether it happened, then: weft runs resolve {} {} retry|fail|succeed",
                  context_.run, context_.path));
  tell_unknown(std::move(error), cut_off, std::move(acts));
  return true;
}

// "post was", "post, append were"
std::string AgentRun::these(const std::vector<size_t>& calls) const {
  std::string names;
  for (const size_t i : calls) names += (names.empty() ? "" : ", ") + calls_[i].name;
  return names + (calls.size() == 1 ? " was" : " were");
}

// What stands in the notes as unknown is called again when the step goes on, so it may stand there
// only together with the step's being unknown: both are one commit.
void AgentRun::tell_unknown(Error error, const std::vector<size_t>& calls,
                            std::vector<ActRow> acts) {
  CHECK(!calls.empty(), "nothing is unknown");
  acted_ = true;
  StepUnknown unknown{std::move(error), {}, std::move(acts)};
  for (const size_t i : calls) {
    CHECK(!calls_[i].ended, "{} has ended", calls_[i].id);
    unknown.notes.emplace_back(note_of_unknown(i));
  }
  tell(std::move(unknown));
}

json::Object AgentRun::note_of_unknown(size_t index) const {
  json::Object noted = about(index);
  noted["unknown"] = true;
  return noted;
}

bool AgentRun::unsafe(size_t index) const {
  const Call& call = calls_[index];
  if (call.tool == nullptr) return false;
  const auto prepared =
      prepare_call(*call.tool, call.arguments, call_context(index), context_.effect_key);
  return prepared.ok() && prepared->context.effect == EffectClass::kUnsafe;
}

void AgentRun::run_call(size_t index) {
  if (!done_) return;
  Call& call = calls_[index];
  if (std::exchange(call.unknown, false)) {  // a person has looked, and says: again
    json::Object noted = about(index);
    noted["again"] = true;
    return context_.note({std::move(noted), {}, [weak = weak_from_this(), index] {
                            if (const auto self = weak.lock()) self->run_call(index);
                          }});
  }
  if (auto why = objection(index)) {
    ActRow act = act_of_call(call.name, call.arguments);
    act.outcome = "refused";
    act.reason = why->kind;
    return end_call(index, std::move(why->words), true, std::move(act));
  }
  auto prepared = prepare_call(*call.tool, call.arguments, call_context(index),
                               context_.effect_key);
  if (!prepared.ok()) {
    return end_call(index, prepared.error().message, true,
                    told_of(index, StepFailure{prepared.error(), false}, false));
  }
  call.acts = prepared->context.effect == EffectClass::kUnsafe;
  acted_ = acted_ || call.acts;
  const auto finished = [weak = weak_from_this(), &loop = context_.services->loop,
                         index](StepOutcome outcome) {
    auto told = std::make_shared<StepOutcome>(std::move(outcome));
    loop.post([weak, told, index] {
      if (const auto self = weak.lock()) self->on_call(index, std::move(*told));
    });
  };
  Started started = begin_step(*prepared->type, std::move(prepared->context), finished, call.name,
                               options_.approve.contains(call.name));
  if (started.activity) {
    call.activity = std::move(started.activity);
  } else {
    finished(std::move(*started.outcome));
  }
}

StepContext AgentRun::call_context(size_t index) const {
  StepContext out;
  out.run = context_.run;
  out.path = context_.path;
  out.attempt = context_.attempt;
  out.seed = context_.seed;
  out.effect_key = fmt::format("{}/{}.{}", context_.effect_key, progress_.turn, index);
  out.now_us = now_us();
  out.deadline_us = context_.deadline_us;
  out.workflow = context_.workflow;
  out.run_context = &run_context_;
  out.input = &input_;
  out.env = &env_;
  out.services = context_.services;
  out.on_progress = [](StepProgress) {};
  out.note = [](StepNote) {};
  return out;
}

// The act for the audit.
ActRow AgentRun::told_of(size_t index, const StepOutcome& outcome, bool began) const {
  const Call& call = calls_[index];
  ActRow act = act_of_call(call.name, call.arguments);
  if (call.tool != nullptr) {
    const auto prepared =
        prepare_call(*call.tool, call.arguments, call_context(index), context_.effect_key);
    aim_act(act, *call.tool->type, prepared.ok() ? prepared->context.parameters : json::Object());
  }
  end_act(act, outcome, began);
  return act;
}

std::vector<ActRow> AgentRun::under_way() const {
  std::vector<ActRow> acts;
  for (size_t i = 0; i < calls_.size(); ++i) {
    if (calls_[i].activity && !calls_[i].ended) {
      acts.push_back(told_of(i, StepUnknown{make_error("E0606", "it was stopped")}, true));
    }
  }
  return acts;
}

void AgentRun::on_call(size_t index, StepOutcome outcome) {
  if (!done_ || calls_[index].ended) return;
  Call& call = calls_[index];
  const bool began = call.activity != nullptr;
  call.activity = nullptr;
  ActRow act = told_of(index, outcome, began);
  if (auto* unknown = std::get_if<StepUnknown>(&outcome)) {
    std::vector<size_t> also;  // they are stopped now
    for (size_t i = 0; i < calls_.size(); ++i) {
      if (i != index && calls_[i].acts && !calls_[i].ended) also.push_back(i);
    }
    if (!also.empty()) {
      unknown->error.message += fmt::format("; {} under way, too", these(also));
    }
    also.insert(also.begin(), index);
    return tell_unknown(std::move(unknown->error), also, {std::move(act)});
  }
  if (auto* failure = std::get_if<StepFailure>(&outcome)) {
    return end_call(index, fmt::format("error: {}", failure->error.message), true, std::move(act));
  }
  auto* result = std::get_if<StepResult>(&outcome);
  if (result == nullptr) {
    return end_call(index, "error: a tool cannot wait", true, std::move(act));
  }
  auto output = tool_output(*call.tool, call.arguments, context_, std::move(result->output));
  if (!output.ok()) {
    return end_call(index, fmt::format("error: {}", output.error().message), true, std::move(act));
  }
  end_call(index, tool_text(*output, kResultBytesMax), false, std::move(act));
}

void AgentRun::end_call(size_t index, std::string said, bool is_error, ActRow act) {
  Call& call = calls_[index];
  CHECK(!call.ended, "{} ends twice", call.id);
  call.ended = true;
  call.failed = is_error;
  call.text = std::move(said);
  json::Object noted = about(index);
  noted[is_error ? "error" : "output"] = call.text;
  const bool over = std::ranges::all_of(calls_, [](const Call& one) { return one.ended; });
  // Another server may be told only what is on disk; the model of this process need not wait.
  const bool waits = over && context_.services->backend->is_remote(options_.request.model);
  std::function<void()> then;
  if (waits) {
    then = [weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->next_turn();
    };
  }
  context_.note({std::move(noted), {}, std::move(then), {std::move(act)}});
  if (over && !waits) next_turn();
}

// Which call a note is about.
json::Object AgentRun::about(size_t index) const {
  return {{"turn", progress_.turn}, {"call", static_cast<int64_t>(index)}};
}

}  // namespace weft::worker
