// SPDX-License-Identifier: Apache-2.0
#include "worker/agent_run.h"

#include <algorithm>

#include "base/code_fence.h"
#include "base/strings.h"
#include "schema/validator.h"
#include "worker/llm_request.h"
#include "worker/rehearsal.h"

namespace weft::worker {
namespace {

using backend::ChatResult;

const json::Value& member(const json::Object& object, std::string_view name) {
  static const json::Value kNull;
  const json::Value* value = object.if_contains(name);
  return value != nullptr ? *value : kNull;
}

int64_t integer(const json::Object& object, std::string_view name) {
  const json::Value& value = member(object, name);
  return value.is_int64() ? value.get_int64() : 0;
}

std::string text(const json::Object& object, std::string_view name) {
  const json::Value& value = member(object, name);
  return value.is_string() ? std::string(value.get_string()) : std::string();
}

json::Object assistant_message(const ChatResult& result, int turn) {
  json::Object message{{"role", "assistant"}};
  message["content"] = result.content.empty() ? json::Value() : json::Value(result.content);
  json::Array calls;
  for (const json::Value& call : result.tool_calls) {
    json::Object one = call.as_object();
    one["id"] = fmt::format("call_{}_{}", turn, calls.size());
    calls.push_back(std::move(one));
  }
  if (!calls.empty()) message["tool_calls"] = std::move(calls);
  return message;
}

// Remote models may give arguments as text.
json::Value arguments_of(const json::Object& function) {
  const json::Value& given = member(function, "arguments");
  if (!given.is_string()) return given.is_null() ? json::Value(json::Object()) : given;
  auto parsed = json::parse(given.get_string());
  return parsed.ok() ? std::move(*parsed) : given;
}

}  // namespace

backend::ChatRequest turn_request(const AgentOptions& options, const AgentProgress& progress) {
  backend::ChatRequest request = options.request;
  request.max_tokens = options.tokens_max - progress.tokens;
  request.seed += static_cast<uint64_t>(progress.turn);
  if (request.thinking_budget_tokens) {
    *request.thinking_budget_tokens =
        std::max<int64_t>(0, *request.thinking_budget_tokens - progress.reasoning);
  }
  for (const json::Value& message : progress.messages) request.messages.push_back(message);
  for (const Tool& tool : options.tools) request.tools.push_back(openai_form(tool));
  // The last turn is for the answer.
  if (progress.turn + 1 == options.max_turns && !request.tools.empty()) {
    request.tool_choice = "none";
  }
  return request;
}

AgentRun::AgentRun(AgentOptions options, StepContext context, StepDone done)
    : options_(std::move(options)), context_(std::move(context)), done_(std::move(done)),
      input_(*context_.input), env_(*context_.env), run_context_(*context_.run_context),
      start_ns_(context_.services->env.mono_ns()) {
  CHECK(options_.max_turns > 0 && options_.tokens_max > 0, "an agent that may do nothing");
  context_.input = &input_;
  context_.env = &env_;
  context_.run_context = &run_context_;
  context_.definitions = nullptr;
  if (context_.notes != nullptr) restore(*context_.notes);
  context_.notes = nullptr;  // only until start() returns
}

AgentRun::~AgentRun() { cancel(); }

void AgentRun::start(const json::Object* decision) {
  if (decision != nullptr) return decide(*decision);
  if (calls_.empty()) return go_on();
  run_calls();
}

void AgentRun::cancel() {
  done_ = nullptr;
  if (thinking_) thinking_->cancel();
  for (Call& call : calls_) {
    if (call.activity) call.activity->cancel();
  }
}

Activity::Stopped AgentRun::stop_at_limit() {
  Activity::Stopped out{.maybe_acted = acted_};
  for (size_t i = 0; i < calls_.size(); ++i) {
    if (calls_[i].ended || !calls_[i].acts) continue;
    out.notes.emplace_back(note_of_unknown(i));
  }
  cancel();
  return out;
}

// ---- behind what was noted -------------------------------------------------------------------

void AgentRun::restore(const json::Array& notes) {
  for (const json::Value& one : notes) {
    const json::Object* note = one.if_object();
    if (note == nullptr) continue;
    if (note->contains("message")) {
      restore_turn(*note);
    } else if (note->contains("approval")) {
      refuse_unless_approved(member(*note, "approval").as_object());
    } else {
      restore_call(*note);
    }
    const bool over = !calls_.empty() && std::ranges::all_of(calls_, [](const Call& call) {
      return call.ended;
    });
    if (over) end_turn();
  }
  // What the other process was about to do: with an approval outstanding, nothing.
  const bool waited = !decided_ && asks();
  for (Call& call : calls_) call.begun = call.begun || !waited;
}

void AgentRun::restore_turn(const json::Object& note) {
  progress_.tokens += integer(note, "tokens");
  progress_.reasoning += integer(note, "reasoning_tokens");
  const json::Value& message = member(note, "message");
  if (message.is_object()) begin_turn(message.get_object());
}

void AgentRun::restore_call(const json::Object& note) {
  const auto index = static_cast<size_t>(integer(note, "call"));
  if (index >= calls_.size() || integer(note, "turn") != progress_.turn) return;
  Call& call = calls_[index];
  if (note.contains("unknown")) {
    call.unknown = true;
    acted_ = true;
  } else if (note.contains("again")) {
    call.unknown = false;
  } else if (!call.ended) {
    acted_ = acted_ || (unsafe(index) && !objection(index));
    call.failed = note.contains("error");
    call.text = text(note, call.failed ? "error" : "output");
    call.ended = true;
  }
}

void AgentRun::refuse_unless_approved(const json::Object& decision) {
  decided_ = true;
  if (text(decision, "decision") == "approved") {
    // Also of a call like one that was rejected: an older weft has asked again.
    for (const Call& call : calls_) {
      if (options_.approve.contains(call.name)) rejected_.erase(identity(call));
    }
    return;
  }
  for (size_t i = 0; i < calls_.size(); ++i) {
    if (!needs_approval(i)) continue;
    Call& call = calls_[i];
    call.refused = true;
    call.rejected = text(decision, "by") != "timeout";
    call.text = fmt::format("not approved by {}", text(decision, "by"));
    if (const std::string why = text(decision, "comment"); !why.empty()) call.text += ": " + why;
  }
}

void AgentRun::decide(const json::Object& decision) {
  json::Object noted{{"decision", member(decision, "decision")},
                     {"by", member(decision, "by")},
                     {"comment", member(decision, "comment")}};
  refuse_unless_approved(noted);
  for (Call& call : calls_) call.begun = false;
  json::Object decided{{"turn", progress_.turn}, {"approval", std::move(noted)}};
  context_.note({std::move(decided), {}, [weak = weak_from_this()] {
                   if (const auto self = weak.lock()) self->run_calls();
                 }});
}

// ---- the model's turn ------------------------------------------------------------------------

void AgentRun::think() {
  CHECK(calls_.empty(), "a turn begins before the last has ended");
  if (progress_.turn >= options_.max_turns) {
    return give_up(fmt::format("no answer within {} turns", options_.max_turns),
                   "raise max_turns, or say in the goal when the work is done");
  }
  if (options_.tokens_max - progress_.tokens < 1) {
    return give_up(fmt::format("the {} tokens of all turns are used up", options_.tokens_max),
                   "raise max_tokens");
  }
  backend::ChatCallbacks callbacks;
  callbacks.on_delta = [report = context_.on_progress](const backend::ChatDelta& d) {
    const bool amid_call = !d.calls.empty() && !d.calls.back().done;
    if (amid_call && d.reasoning.empty() && d.content.empty()) return;  // nothing to show of it
    report({d.reasoning, d.content, d.tokens.prompt, d.tokens.reasoning, d.tokens.answer});
  };
  callbacks.on_done = [weak = weak_from_this(),
                       &loop = context_.services->loop](Result<ChatResult> result) {
    auto told = std::make_shared<Result<ChatResult>>(std::move(result));
    loop.post([weak, told] {
      if (const auto self = weak.lock()) self->on_turn(std::move(*told));
    });
  };
  count_lost(context_, callbacks);
  backend::ChatRequest request = turn_request(options_, progress_);
  if (request.deadline_ms) {  // counted from the call on; the step began earlier
    const int64_t gone_ms = (context_.services->env.mono_ns() - start_ns_) / 1'000'000;
    request.deadline_ms = std::max<int64_t>(1, *request.deadline_ms - gone_ms);
  }
  thinking_ = context_.services->backend->chat(std::move(request), std::move(callbacks));
}

void AgentRun::on_turn(Result<ChatResult> result) {
  if (!done_) return;
  thinking_ = nullptr;
  if (!result.ok()) {  // behind notes an attempt that fails would repeat what stands in them
    const bool again = progress_.turn == 0 && backend::may_pass(result.error());
    return tell(StepFailure{std::move(result).error(), again});
  }
  if (result->finish_reason == "cancelled") {
    return tell(StepFailure{make_error("E0609", "the model's turn was cancelled"), true});
  }
  const int64_t generated = result->tokens.reasoning + result->tokens.answer;
  progress_.tokens += generated;
  progress_.reasoning += result->tokens.reasoning;
  if (result->tool_calls.empty()) return finish(std::move(*result));
  json::Object message = assistant_message(*result, progress_.turn);
  std::vector<AiCallRow> evidence;
  evidence.push_back(evidence_of(*result, options_.asked));
  begin_turn(message);
  json::Object noted{{"turn", progress_.turn},
                     {"message", std::move(message)},
                     {"tokens", generated},
                     {"reasoning_tokens", result->tokens.reasoning}};
  context_.note({std::move(noted), std::move(evidence), [weak = weak_from_this()] {
                   if (const auto self = weak.lock()) self->run_calls();
                 }});
}

void AgentRun::begin_turn(json::Object message) {
  calls_.clear();
  decided_ = false;
  if (const json::Value& calls = member(message, "tool_calls"); calls.is_array()) {
    for (const json::Value& one : calls.get_array()) {
      const json::Object& function = member(one.as_object(), "function").as_object();
      Call call{.id = text(one.as_object(), "id"), .name = text(function, "name"),
                .arguments = arguments_of(function)};
      for (const Tool& tool : options_.tools) {
        if (tool.name == call.name) call.tool = &tool;
      }
      calls_.push_back(std::move(call));
    }
  }
  progress_.messages.push_back(std::move(message));
}

// ---- its calls -------------------------------------------------------------------------------

bool AgentRun::needs_approval(size_t index) const {
  const Call& call = calls_[index];
  if (call.ended || !options_.approve.contains(call.name) || !excess(index).empty()) return false;
  return !rejected_.contains(identity(call)) && !made_.contains(identity(call));
}

bool AgentRun::asks() const {
  for (size_t i = 0; i < calls_.size(); ++i) {
    if (needs_approval(i)) return true;
  }
  return false;
}

StepWait AgentRun::approval() const {
  json::Array show;
  for (size_t i = 0; i < calls_.size(); ++i) {
    if (!needs_approval(i)) continue;
    show.push_back(
        json::Object{{"tool", calls_[i].name}, {"arguments", calls_[i].arguments}});
  }
  json::Object ask{{"role", options_.approve_role},
                   {"title", fmt::format("step {} wants to call a tool", context_.path)},
                   {"show", std::move(show)}};
  const int64_t until =
      options_.approve_timeout_us > 0 ? now_us() + options_.approve_timeout_us : 0;
  return {workflow::WaitReason::kPerson, until, "", std::move(ask)};
}

void AgentRun::run_calls() {
  if (!done_) return;
  const bool dry = context_.services->rehearsal != nullptr;  // it notes whom it would have asked
  if (!decided_ && !dry && asks()) return tell(approval());
  if (tell_cut_off()) return;
  for (size_t i = 0; i < calls_.size() && done_; ++i) {
    if (!calls_[i].ended) run_call(i);
  }
}

void AgentRun::next_turn() {
  if (!done_) return;
  end_turn();
  go_on();
}

void AgentRun::go_on() {
  for (const auto& [name, failures] : failures_) {
    if (failures.turns <= options_.errors_max) continue;
    return give_up(fmt::format("{} failed in {} turn{}: {}", name, failures.turns,
                               failures.turns == 1 ? "" : "s", failures.last),
                   "give the step a fallback for the time when a tool does not work");
  }
  think();
}

// A tool fails once a turn, however many calls of it the model wrote without having read of the
// first failure. Notes tell no more than that a call failed: the rest follows from the turn itself.
void AgentRun::end_turn() {
  std::set<std::string> failed;
  for (size_t i = 0; i < calls_.size(); ++i) {
    const Call& call = calls_[i];
    progress_.messages.push_back(json::Object{
        {"role", "tool"}, {"tool_call_id", call.id}, {"name", call.name}, {"content", call.text}});
    if (call.rejected) rejected_.insert(identity(call));
    if (!call.failed) {
      made_.insert(identity(call));
    } else if (excess(i).empty()) {
      if (failed.insert(call.name).second) ++failures_[call.name].turns;
      failures_[call.name].last = call.text;
    }
  }
  calls_.clear();
  copies_ = {};  // the conversation goes on
  ++progress_.turn;
}

// ---- ends ------------------------------------------------------------------------------------

void AgentRun::give_up(std::string message, std::string hint) {
  tell(StepFailure{make_error("E0624", std::move(message), std::move(hint)), false});
}

void AgentRun::finish(ChatResult result) {
  StepResult success;
  success.ai_calls.push_back(evidence_of(result, options_.asked));
  if (options_.output == nullptr) {
    if (result.content.empty() && result.finish_reason == "length") {  // amid thought or a call
      return tell(StepFailure{make_error("E0624", "the tokens ended before the answer began",
                                         "raise max_tokens"),
                              false, 0, std::move(success.ai_calls)});
    }
    success.output = result.content;
    return tell(std::move(success));
  }
  const auto held = bound_to_conversation("", *options_.output);
  const auto schema = held.ok() ? schema::Schema::parse(*held) : held.error();
  auto value = json::parse(without_code_fence(result.content));
  Error error;
  if (!schema.ok()) {
    error = schema.error();
  } else if (!value.ok()) {
    error = make_error("E0609", fmt::format("expected JSON from the model, found {}: {}",
                                            quoted(result.content, 120), value.error().message));
  } else if (const auto wrong = schema::validate(*schema, *value); !wrong.empty()) {
    error = make_error("E0609", schema::violation_error("the answer", wrong).message);
  } else {
    success.output = std::move(*value);
    return tell(std::move(success));
  }
  tell(StepFailure{std::move(error), false, 0, std::move(success.ai_calls)});
}

void AgentRun::tell(StepOutcome outcome) {
  if (!done_) return;
  const StepDone done = std::exchange(done_, nullptr);
  for (Call& call : calls_) {
    if (call.activity) call.activity->cancel();
  }
  done(std::move(outcome));
}

int64_t AgentRun::now_us() const {
  return context_.now_us + (context_.services->env.mono_ns() - start_ns_) / 1000;
}

}  // namespace weft::worker
