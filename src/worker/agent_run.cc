// SPDX-License-Identifier: Apache-2.0
#include "worker/agent_run.h"

#include <algorithm>

#include "base/code_fence.h"
#include "base/strings.h"
#include "chat/verbatim.h"
#include "schema/validator.h"
#include "worker/llm_request.h"
#include "worker/rehearsal.h"

namespace weft::worker {
namespace {

using backend::ChatResult;

constexpr size_t kResultBytesMax = size_t{16} << 10;  // of one result, as the model reads it
constexpr size_t kCallsMax = 16;                      // of one turn

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

// As the journal reads it back.
int64_t number(size_t index) { return static_cast<int64_t>(index); }

std::string identity(std::string_view name, const json::Value& arguments) {
  return fmt::format("{} {}", name, json::canonical(arguments));
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
  if (calls_.empty()) return think();
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
    out.notes.push_back(
        json::Object{{"turn", progress_.turn}, {"call", number(i)}, {"unknown", true}});
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
  const bool waited = !decided_ && std::ranges::any_of(calls_, [this](const Call& call) {
    return needs_approval(call);
  });
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
    acted_ = acted_ || (!call.refused && unsafe(index));
    call.failed = note.contains("error");
    call.text = text(note, call.failed ? "error" : "output");
    call.ended = true;
    if (call.failed) ++errors_[call.name];
  }
}

void AgentRun::refuse_unless_approved(const json::Object& decision) {
  decided_ = true;
  if (text(decision, "decision") == "approved") return;
  for (Call& call : calls_) {
    if (!needs_approval(call)) continue;
    call.refused = true;
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
  note({{"turn", progress_.turn}, {"approval", std::move(noted)}}, {},
       [weak = weak_from_this()] {
         if (const auto self = weak.lock()) self->run_calls();
       });
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
    report({d.reasoning, d.content, d.tokens.prompt, d.tokens.reasoning, d.tokens.answer});
  };
  callbacks.on_done = [weak = weak_from_this(),
                       &loop = context_.services->loop](Result<ChatResult> result) {
    auto told = std::make_shared<Result<ChatResult>>(std::move(result));
    loop.post([weak, told] {
      if (const auto self = weak.lock()) self->on_turn(std::move(*told));
    });
  };
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
  note(std::move(noted), std::move(evidence), [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->run_calls();
  });
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

bool AgentRun::needs_approval(const Call& call) const {
  return !call.ended && options_.approve.contains(call.name);
}

StepWait AgentRun::approval() const {
  json::Array show;
  for (const Call& call : calls_) {
    if (!needs_approval(call)) continue;
    show.push_back(json::Object{{"tool", call.name}, {"arguments", call.arguments}});
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
  const bool asks = std::ranges::any_of(calls_, [this](const Call& call) {
    return needs_approval(call);
  });
  const bool dry = context_.services->rehearsal != nullptr;  // it notes whom it would have asked
  if (asks && !decided_ && !dry) return tell(approval());
  for (size_t i = 0; i < calls_.size() && done_; ++i) {
    if (!calls_[i].ended) run_call(i);
  }
}

// A model of this process is held to copying by its grammar.
Result<json::Value> AgentRun::bound_to_conversation(const json::Value& schema) const {
  const bool remote = context_.services->backend->is_remote(options_.request.model);
  if (!remote || !chat::asks_verbatim(schema)) return schema;
  return chat::bound_to(schema, turn_request(options_, progress_).messages);
}

// Arguments that had to be copied from the conversation and were not: a model elsewhere is not held
// to that. In words for the model; empty: all is well.
std::string AgentRun::made_up(const Call& call) const {
  const json::Value parameters(call.tool->parameters);
  if (!chat::asks_verbatim(parameters)) return {};
  const auto loose = schema::Schema::parse(parameters);
  if (!loose.ok() || !schema::is_valid(*loose, call.arguments)) return {};  // prepare_call says it
  const auto bound = bound_to_conversation(parameters);
  if (!bound.ok()) return bound.error().message;
  const auto schema = schema::Schema::parse(*bound);
  if (!schema.ok()) return schema.error().message;
  const auto violations = schema::validate(*schema, call.arguments);
  if (violations.empty()) return {};
  return fmt::format("{} of {} should stand in the conversation word for word, found {}",
                     violations[0].instance_path, call.name, violations[0].found);
}

// Why the call is not made, in words for the model; empty: it is made.
std::string AgentRun::objection(const Call& call) {
  if (call.refused) return call.text;
  if (calls_.size() > kCallsMax) return fmt::format("at most {} calls at once", kCallsMax);
  if (call.tool == nullptr) return fmt::format("there is no tool {}", call.name);
  if (made_[identity(call.name, call.arguments)] > 0) {
    return "this very call was made before; its result stands above";
  }
  return made_up(call);
}

// An unsafe call that a process which is gone may have made: a person must look.
bool AgentRun::cut_off(size_t index) {
  Call& call = calls_[index];
  if (!std::exchange(call.begun, false)) return false;
  if (call.unknown) {  // a person has looked, and says: again
    call.unknown = false;
    note({{"turn", progress_.turn}, {"call", number(index)}, {"again", true}}, {},
         [weak = weak_from_this(), index] {
           if (const auto self = weak.lock()) self->run_call(index);
         });
    return true;
  }
  if (!unsafe(index)) return false;
  acted_ = true;
  const auto give_it_up = [weak = weak_from_this(), index] {
    const auto self = weak.lock();
    if (self == nullptr) return;
    self->tell(StepUnknown{make_error(
        "E0606", fmt::format("its process ended while {} was being called",
                             self->calls_[index].name),
        fmt::format("look whether it happened, then: weft runs resolve {} {} retry|fail|succeed",
                    self->context_.run, self->context_.path))});
  };
  note({{"turn", progress_.turn}, {"call", number(index)}, {"unknown", true}}, {}, give_it_up);
  return true;
}

bool AgentRun::unsafe(size_t index) const {
  const Call& call = calls_[index];
  if (call.tool == nullptr) return false;
  const auto prepared = prepare_call(*call.tool, call.arguments, call_context(index));
  return prepared.ok() && prepared->context.effect == EffectClass::kUnsafe;
}

void AgentRun::run_call(size_t index) {
  if (!done_ || cut_off(index)) return;
  Call& call = calls_[index];
  if (std::string why = objection(call); !why.empty()) {
    return end_call(index, std::move(why), true);
  }
  ++made_[identity(call.name, call.arguments)];
  auto prepared = prepare_call(*call.tool, call.arguments, call_context(index));
  if (!prepared.ok()) return end_call(index, prepared.error().message, true);
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

void AgentRun::on_call(size_t index, StepOutcome outcome) {
  if (!done_ || calls_[index].ended) return;
  Call& call = calls_[index];
  call.activity = nullptr;
  if (auto* unknown = std::get_if<StepUnknown>(&outcome)) {
    auto error = std::make_shared<Error>(std::move(unknown->error));
    return note({{"turn", progress_.turn}, {"call", number(index)}, {"unknown", true}}, {},
                [weak = weak_from_this(), error] {
                  if (const auto self = weak.lock()) self->tell(StepUnknown{std::move(*error)});
                });
  }
  if (auto* failure = std::get_if<StepFailure>(&outcome)) {
    made_.erase(identity(call.name, call.arguments));  // it may be tried again
    return end_call(index, fmt::format("error: {}", failure->error.message), true);
  }
  auto* result = std::get_if<StepResult>(&outcome);
  if (result == nullptr) return end_call(index, "error: a tool cannot wait", true);
  auto output = tool_output(*call.tool, call.arguments, context_, std::move(result->output));
  if (!output.ok()) {
    return end_call(index, fmt::format("error: {}", output.error().message), true);
  }
  end_call(index, tool_text(*output, kResultBytesMax), false);
}

void AgentRun::end_call(size_t index, std::string said, bool is_error) {
  Call& call = calls_[index];
  CHECK(!call.ended, "{} ends twice", call.id);
  call.ended = true;
  call.failed = is_error;
  call.text = std::move(said);
  if (is_error) ++errors_[call.name];
  json::Object noted{{"turn", progress_.turn}, {"call", number(index)}};
  noted[is_error ? "error" : "output"] = call.text;
  const bool over = std::ranges::all_of(calls_, [](const Call& one) { return one.ended; });
  if (!over) return note(std::move(noted), {}, nullptr);
  // Another server may be told only what is on disk; the model of this process need not wait.
  if (context_.services->backend->is_remote(options_.request.model)) {
    return note(std::move(noted), {}, [weak = weak_from_this(), said_last = call.text] {
      if (const auto self = weak.lock()) self->next_turn(said_last);
    });
  }
  note(std::move(noted), {}, nullptr);
  next_turn(std::string(call.text));
}

void AgentRun::next_turn(const std::string& said_last) {
  if (!done_) return;
  end_turn();
  for (const auto& [name, count] : errors_) {
    if (count <= options_.errors_max) continue;
    return give_up(fmt::format("{} failed, error {}: {}", name, count, said_last),
                   "give the step a fallback for the time when a tool does not work");
  }
  think();
}

void AgentRun::end_turn() {
  for (const Call& call : calls_) {
    progress_.messages.push_back(json::Object{
        {"role", "tool"}, {"tool_call_id", call.id}, {"name", call.name}, {"content", call.text}});
    if (!call.failed) made_[identity(call.name, call.arguments)] = 1;
  }
  calls_.clear();
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
  const auto held = bound_to_conversation(*options_.output);
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

void AgentRun::note(json::Object what, std::vector<AiCallRow> rows, std::function<void()> then) {
  context_.note({json::Value(std::move(what)), std::move(rows), std::move(then)});
}

}  // namespace weft::worker
