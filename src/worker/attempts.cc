// SPDX-License-Identifier: Apache-2.0
//
// Attempts: from the planner's kStart to the event with their result. What an effect class
// promises is kept here: pure attempts begin in the turn that decides them; others first put their
// intent into the turn's change and begin when that change is durable.
#include <algorithm>

#include "backend/backend.h"
#include "base/digest.h"
#include "worker/acts.h"
#include "worker/executor.h"
#include "worker/llm_request.h"
#include "worker/rehearsal.h"
#include "worker/run_context.h"
#include "worker/secrets.h"
#include "workflow/render.h"

namespace weft::worker {

using workflow::Command;

namespace {

// Stores keep it in an index, servers get it in a header.
Result<workflow::Rendered> with_usable_key(Result<workflow::Rendered> rendered) {
  constexpr size_t kBytesMax = 1'024;
  if (!rendered.ok()) return rendered;
  const std::string& key = rendered->idempotency_key;
  if (key.size() <= kBytesMax && key.find('\0') == std::string::npos) return rendered;
  return make_error("E0603", fmt::format("idempotency_key: expected at most {} bytes and no zero "
                                         "byte, found {} bytes", kBytesMax, key.size()),
                    "name what happens once by an id, not by its whole content");
}

// What an attempt that is over did outside, as far as no note has told it.
std::vector<ActRow> acts_of(const Running& running, const StepOutcome& outcome) {
  CHECK(!running.path.empty() && running.attempt > 0, "acts of no attempt");
  std::vector<ActRow> acts;
  if (running.activity) acts = running.activity->under_way();
  if (running.act == nullptr) return acts;
  end_act(*running.act, outcome, running.activity != nullptr);
  acts.push_back(*running.act);
  return acts;
}

}  // namespace

void Executor::start_attempt(ActiveRun& run, const Command& command) {
  CHECK(!run.running.contains(command.path), "{} of run {} runs already", command.path, run.id);
  CHECK(command.attempt > 0, "an attempt of {} without its number", command.path);
  CHECK(run.claimed && run.driving, "attempts of {} begin in its turn", run.id);
  const workflow::Step& step = run.planner.step(command.path, command.alternative);
  const json::Object marks = secret_marks(services_.tools, run.context);
  auto rendered = with_usable_key(
      workflow::render_parameters({run.planner, run.state, marks}, command));
  const StepType* type = find_step_type(step.type);
  if (!rendered.ok() || type == nullptr) {
    const Error error = rendered.ok() ? unknown_step_type(step.type) : rendered.error();
    apply(run, workflow::AttemptFailed{.path = command.path,
                                       .attempt = command.attempt,
                                       .failure = workflow::failure_of(error),
                                       .retryable = false});
    return;
  }
  CHECK(rendered->parameters.is_object(), "parameters of {} are an object", command.path);
  Running running{.path = command.path, .attempt = command.attempt};
  running.alternative = command.alternative;
  running.type = type;
  running.parameters = std::move(rendered->parameters.as_object());
  running.effect_key = std::move(rendered->idempotency_key);
  running.secrets = std::move(rendered->secrets_used);
  running.effect = type->effect(running.parameters, step);
  if (running.effect == EffectClass::kPure && leaves_process(run, running)) {
    running.effect = EffectClass::kKeyed;  // nothing is asked outside that is not durable
  }
  Running& placed = run.running.emplace(command.path, std::move(running)).first->second;
  CHECK(!placed.effect_key.empty(), "{} of {} has no name for its effect", placed.path, run.id);
  if (placed.effect == EffectClass::kPure) return begin(run, placed);
  placed.in_hash = sha256_hex(json::canonical(json::Value(placed.parameters)));
  apply(run, workflow::AttemptStarted{command.path, command.attempt});
  note_effect(run, placed, placed.effect == EffectClass::kUnsafe ? "intent" : "keyed", "");
  run.turn().effects_to_start.emplace_back(command.path, command.attempt);
}

// Its prompt would be told to a server that is not this process.
bool Executor::leaves_process(const ActiveRun& run, const Running& running) const {
  CHECK(running.type != nullptr && !running.path.empty(), "nobody's prompt in {}", run.id);
  if (services_.backend == nullptr || !running.type->tells_models()) return false;
  const std::string model = model_name_of(running.parameters, run.context);
  CHECK(!model.empty(), "{} of {} asks a model without a name", running.path, run.id);
  return services_.backend->is_remote(model);
}

// A step that answers at once gets no attempt_started: its result says it all.
void Executor::begin(ActiveRun& run, Running& running) {
  const std::string path = running.path;
  const uint32_t attempt = running.attempt;
  const bool announced = running.effect != EffectClass::kPure;
  CHECK(running.type != nullptr && running.activity == nullptr, "{} begins twice", path);
  const StepType& type = *running.type;
  if (services_.rehearsal == nullptr) {
    if (auto act = act_of_step(type, running.parameters)) {
      running.act = std::make_unique<ActRow>(std::move(*act));
    }
  }
  StepContext context = context_of(run, running);
  if (!running.secrets.empty()) context.secret_use = secret_use_of(run, running);
  Started started = begin_step(type, std::move(context), done_of(run, running));
  if (started.activity && !announced) {
    apply(run, workflow::AttemptStarted{path, attempt});
  }
  take(run, path, std::move(started));
}

// The same parameters once more, now to be sent.
std::shared_ptr<const SecretUse> Executor::secret_use_of(const ActiveRun& run,
                                                         const Running& running) const {
  CHECK(!running.secrets.empty(), "no secret in {}", running.path);
  CHECK(running.activity == nullptr && running.attempt > 0, "{} has begun", running.path);
  Command command;
  command.path = running.path;
  command.attempt = running.attempt;
  command.alternative = running.alternative;
  return std::make_shared<const SecretUse>(SecretUse{
      running.secrets, [&run, command](const json::Object& secrets) -> Result<json::Value> {
        auto rendered = workflow::render_parameters({run.planner, run.state, secrets}, command);
        if (!rendered.ok()) return std::move(rendered).error();
        return std::move(rendered->parameters);
      }});
}

void Executor::take(ActiveRun& run, const std::string& path, Started started) {
  CHECK(started.outcome.has_value() != (started.activity != nullptr),
        "a step type answers or begins");
  const auto at = run.running.find(path);
  CHECK(at != run.running.end(), "{} of run {} is not running", path, run.id);
  if (started.activity) {
    at->second.activity = std::move(started.activity);
    return;
  }
  Running running = std::move(at->second);
  run.running.erase(at);
  finish_attempt(run, std::move(running), std::move(*started.outcome));
}

void Executor::finish_attempt(ActiveRun& run, Running running, StepOutcome outcome) {
  const std::string& path = running.path;
  const uint32_t attempt = running.attempt;
  CHECK(!path.empty() && attempt > 0, "an attempt of nothing");
  CHECK(!run.running.contains(path), "{} of {} is still under way", path, run.id);
  drop_partials(run, path);
  add_acts(run, running, acts_of(running, outcome));
  if (auto* wait = std::get_if<StepWait>(&outcome)) {
    apply(run, workflow::AttemptWaiting{path, attempt, wait->reason, wait->until_us,
                                        std::move(wait->name), std::move(wait->ask)});
    return;
  }
  if (auto* child = std::get_if<StepChild>(&outcome)) {
    add_ai_calls(run, running, std::move(child->ai_calls));
    return start_child(run, running, std::move(*child));
  }
  if (auto* failure = std::get_if<StepFailure>(&outcome)) {
    note_effect(run, running, "failed", "");
    add_ai_calls(run, running, std::move(failure->ai_calls));
    apply(run, workflow::AttemptFailed{path, attempt, workflow::failure_of(failure->error),
                                       failure->retryable, failure->retry_after_us});
    return;
  }
  if (auto* unknown = std::get_if<StepUnknown>(&outcome)) {
    CHECK(running.effect == EffectClass::kUnsafe || running.noted, "{} cannot be unknown", path);
    note_effect(run, running, "unknown", "");
    add_acts(run, running, std::move(unknown->acts));
    for (json::Value& note : unknown->notes) {
      apply(run, workflow::AttemptNoted{path, attempt, std::move(note)});
    }
    apply(run, workflow::AttemptUnknown{path, attempt, workflow::failure_of(unknown->error)});
    return;
  }
  auto& result = std::get<StepResult>(outcome);
  add_ai_calls(run, running, std::move(result.ai_calls));
  const json::Object no_secrets;
  auto output = workflow::render_step_output({run.planner, run.state, no_secrets}, path,
                                             running.alternative, std::move(result.output));
  note_effect(run, running, "done", "");
  if (!output.ok()) {
    apply(run, workflow::AttemptFailed{.path = path,
                                       .attempt = attempt,
                                       .failure = workflow::failure_of(output.error()),
                                       .retryable = false});
    return;
  }
  apply(run, workflow::AttemptSucceeded{path, attempt, std::move(output).value()});
}

void Executor::add_ai_calls(ActiveRun& run, Running& running, std::vector<AiCallRow> calls) {
  CHECK(calls.empty() || running.attempt > 0, "evidence for no attempt of {}", running.path);
  const RunContext terms = calls.empty() ? RunContext() : run_context_from_json(run.context);
  for (AiCallRow& call : calls) {
    call.tenant = terms.tenant;
    call.by = terms.by.empty() ? "local" : terms.by;
    call.path = running.path;
    call.attempt = running.attempt;
    call.n = running.ai_calls++;
    if (options_.on_tokens && !terms.key.empty()) {
      options_.on_tokens(terms.key,
                         call.tokens_prompt + call.tokens_reasoning + call.tokens_answer);
    }
    run.turn().change.ai_calls.push_back(std::move(call));
  }
}

void Executor::add_acts(ActiveRun& run, const Running& running, std::vector<ActRow> acts) {
  if (acts.empty() || services_.rehearsal != nullptr) return;
  CHECK(running.attempt > 0 && !running.path.empty(), "acts of no attempt of {}", run.id);
  const RunContext terms = run_context_from_json(run.context);
  for (ActRow& act : acts) {
    CHECK(!act.outcome.empty(), "half an act of {}", run.id);
    CHECK(!act.tool.empty() || !act.type.empty(), "{} acts through nothing", running.path);
    act.tenant = terms.tenant;
    act.by = terms.by.empty() ? "local" : terms.by;
    act.path = running.path;
    act.attempt = running.attempt;
    run.turn().change.acts.push_back(std::move(act));
  }
}

// The row of an effect: its intent before, its fate after. Pure steps have none.
void Executor::note_effect(ActiveRun& run, const Running& running, std::string state,
                           std::string response) {
  if (running.effect == EffectClass::kPure) return;
  CHECK(!running.effect_key.empty(), "an effect of {} without a key", running.path);
  CHECK(!state.empty() && running.attempt > 0, "an effect of {} in no state", running.path);
  run.turn().change.effects.push_back({.key = effect_row_key(run.id, running),
                                .path = running.path,
                                .attempt = running.attempt,
                                .state = std::move(state),
                                .req_hash = running.in_hash,
                                .response = std::move(response)});
}

void Executor::resume_attempt(ActiveRun& run, const Command& command) {
  CHECK(!run.running.contains(command.path), "{} of {} runs already", command.path, run.id);
  CHECK(command.attempt > 0, "an attempt of {} without its number", command.path);
  const auto id = run.planner.find(command.path);
  const workflow::Execution* execution = id ? workflow::find_execution(run.state, *id) : nullptr;
  CHECK(execution != nullptr, "{} of run {}", command.path, run.id);
  CHECK(execution->phase == workflow::Phase::kSuspended, "{} does not wait", command.path);
  json::Value answer;
  if (execution->waiting != nullptr) answer = execution->waiting->answer;
  apply(run, workflow::AttemptResumed{command.path, command.attempt});
  const workflow::Step& step = run.planner.step(command.path, command.alternative);
  const json::Object no_secrets;
  auto rendered = workflow::render_parameters({run.planner, run.state, no_secrets}, command);
  const StepType* type = find_step_type(step.type);
  CHECK(type != nullptr, "{} began before it waited", command.path);
  if (!rendered.ok()) {  // it began; but deadlines move while it waits, and templates may read them
    apply(run, workflow::AttemptFailed{.path = command.path,
                                       .attempt = command.attempt,
                                       .failure = workflow::failure_of(rendered.error()),
                                       .retryable = false});
    return;
  }
  Running running{.path = command.path, .attempt = command.attempt};
  running.alternative = command.alternative;
  running.type = type;
  running.effect_key = rendered->idempotency_key;
  running.parameters = std::move(rendered->parameters.as_object());
  Running& placed = run.running.emplace(command.path, std::move(running)).first->second;
  StepContext context = context_of(run, placed);
  context.wake = command.wake;
  context.answer = std::move(answer);
  take(run, command.path, type->resume(std::move(context), done_of(run, placed)));
}

void Executor::stop_attempt(ActiveRun& run, const Command& command) {
  CHECK(command.attempt > 0, "which attempt of {} stops?", command.path);
  if (!command.child.empty()) stop_child(run, command.child);
  const auto at = run.running.find(command.path);
  if (at == run.running.end() || at->second.attempt != command.attempt) return;
  if (at->second.activity) at->second.activity->cancel();
  const StepOutcome unheard = StepUnknown{make_error("E0606", "it was stopped")};
  add_acts(run, at->second, acts_of(at->second, unheard));
  note_effect(run, at->second, "stopped", "");
  drop_partials(run, command.path);
  run.running.erase(at);
}

StepContext Executor::context_of(ActiveRun& run, Running& running) {
  const auto id = run.planner.find(running.path);
  CHECK(id.has_value(), "{} of run {}", running.path, run.id);
  const workflow::Execution* execution = workflow::find_execution(run.state, *id);
  CHECK(execution != nullptr, "{} of run {}", running.path, run.id);
  CHECK(execution->attempt == running.attempt, "{} of run {} is another attempt", running.path,
        run.id);
  CHECK(execution->alternative == running.alternative, "{} of run {} is another alternative",
        running.path, run.id);
  StepContext context;
  context.run = run.id;
  context.path = running.path;
  context.attempt = running.attempt;
  context.seed = run.state.seed;
  context.alternative = execution->alternative;
  context.failures = execution->failures;
  context.effect = running.effect;
  context.effect_key = running.effect_key;
  context.now_us = journal_.now_us();
  context.deadline_us = execution->deadline_us != 0 ? execution->deadline_us
                                                    : run.state.deadline_us;
  context.parameters = std::move(running.parameters);  // only until it begins
  context.notes = execution->notes.get();
  if (execution->notes != nullptr) {
    running.noted = true;
    running.ai_calls = static_cast<uint32_t>(execution->notes->size());  // at most one a note
  }
  context.input = &run.state.input;
  context.env = &run.state.env;
  context.timeout_us = run.planner.step(running.path, running.alternative).timeout_us;
  context.workflow = run.planner.definition();
  static const Definitions kNone;
  context.definitions = run.definitions != nullptr ? run.definitions.get() : &kNone;
  context.run_context = &run.context;
  context.services = &services_;
  context.on_progress = [weak = weak_from_this(), &loop = services_.loop, run = run.id,
                         path = running.path](StepProgress progress) {
    loop.post([weak, run, path, progress = std::move(progress)]() mutable {
      if (const auto self = weak.lock()) self->on_progress(run, path, std::move(progress));
    });
  };
  context.note = [weak = weak_from_this(), &loop = services_.loop, run = run.id,
                  path = running.path, attempt = running.attempt](StepNote note) {
    loop.post([weak, run, path, attempt, note = std::move(note)]() mutable {
      if (const auto self = weak.lock()) self->on_note(run, path, attempt, std::move(note));
    });
  };
  add_partials(context, run, running);
  context.on_lost = lost_of(run);
  return context;
}

std::function<void(int64_t)> Executor::lost_of(const ActiveRun& run) {
  if (!options_.on_tokens) return nullptr;
  const std::string key = run_context_from_json(run.context).key;
  if (key.empty()) return nullptr;
  CHECK(!run.id.empty(), "a key's run without an id");
  return [weak = weak_from_this(), &loop = services_.loop, key](int64_t tokens) {
    CHECK(tokens >= 0, "{} tokens were lost", tokens);
    loop.post([weak, key, tokens] {
      if (const auto self = weak.lock()) self->options_.on_tokens(key, tokens);
    });
  };
}

void Executor::on_note(const std::string& id, const std::string& path, uint32_t attempt,
                       StepNote note) {
  ActiveRun* run = find(id);
  if (run == nullptr || stopping_) return;
  const auto at = run->running.find(path);
  if (at == run->running.end() || at->second.attempt != attempt) return;  // stopped meanwhile
  CHECK(!run->driving, "notes come between turns");
  CHECK(!note.note.is_null(), "{} of {} notes nothing", path, id);
  at->second.noted = true;
  add_ai_calls(*run, at->second, std::move(note.ai_calls));
  add_acts(*run, at->second, std::move(note.acts));
  apply(*run, workflow::AttemptNoted{path, attempt, std::move(note.note)});
  drive(*run);
  run = find(id);
  if (run == nullptr || !note.then) return;
  continuations_.emplace_back(Continuation{id, path, attempt, std::move(note.then)}, run->last);
}

// May be called on any thread; the result counts on the loop's.
StepDone Executor::done_of(const ActiveRun& run, const Running& running) {
  return [weak = weak_from_this(), &loop = services_.loop, run = run.id, path = running.path,
          attempt = running.attempt](StepOutcome outcome) {
    loop.post([weak, run, path, attempt, outcome = std::move(outcome)]() mutable {
      if (const auto self = weak.lock()) {
        self->on_done(run, path, attempt, std::move(outcome));
      }
    });
  };
}

void Executor::on_done(const std::string& id, const std::string& path, uint32_t attempt,
                       StepOutcome outcome) {
  ActiveRun* run = find(id);
  if (run == nullptr || stopping_) return;
  const auto at = run->running.find(path);
  if (at == run->running.end() || at->second.attempt != attempt) return;  // stopped meanwhile
  CHECK(at->second.activity != nullptr, "{} of {} answers without having begun", path, id);
  CHECK(!run->driving, "answers come between turns");
  Running running = std::move(at->second);
  run->running.erase(at);
  finish_attempt(*run, std::move(running), std::move(outcome));
  drive(*run);
}

void Executor::on_progress(const std::string& id, const std::string& path, StepProgress progress) {
  const ActiveRun* run = find(id);
  if (run == nullptr || !observer_ || stopping_) return;
  CHECK(!path.empty(), "a run makes progress by its steps");
  Notice notice{.kind = Notice::Kind::kProgress, .run = id, .path = path};
  notice.progress = std::move(progress);
  notices_.emplace_back(std::move(notice), run->last);
  release_held(heard_);
}

}  // namespace weft::worker
