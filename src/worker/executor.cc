// SPDX-License-Identifier: Apache-2.0
#include "worker/executor.h"

#include <algorithm>
#include <set>

#include "base/strings.h"
#include "obs/log.h"
#include "worker/secrets.h"
#include "workflow/render.h"

namespace weft::worker {

using workflow::Command;
using workflow::EventBody;

namespace {

// One run may not keep the loop from the others: after so many commands it queues up again.
constexpr size_t kTurnCommandsMax = 256;
// Definitions that are kept read although no run of theirs is in memory.
constexpr size_t kRecentPlanners = 32;

}  // namespace

Executor::Executor(Services services, Journal& journal, Observer observer, ExecutorOptions options)
    : services_(services),
      journal_(journal),
      observer_(std::move(observer)),
      options_(options) {
  CHECK(options_.runs_max >= 0 && options_.park_us >= 0, "negative limits");
  make_room();
}

// How many runs of others the journal may claim from now on. A run that only waits takes no room,
// or parents could keep out the children that they wait for; but memory has its limit, too.
void Executor::make_room() {
  if (options_.runs_max == 0) return;
  constexpr int64_t kWakesMax = 1'024;  // in one transaction
  const auto all = std::ssize(runs_);
  CHECK(busy_ >= 0 && busy_ <= all, "{} of {} runs are busy", busy_, all);
  const int64_t memory = std::max<int64_t>(0, kIdleMax - all);
  const int64_t room = std::clamp<int64_t>(options_.runs_max - busy_, 0, memory);
  journal_.set_room({room, std::min(memory, kWakesMax)});
}

void Executor::count_busy(ActiveRun& run) {
  const bool busy = !run.running.empty() || !run.todo.empty();
  if (busy != run.busy) busy_ += busy ? 1 : -1;
  run.busy = busy;
  CHECK(busy_ >= 0, "{} runs are busy", busy_);
  CHECK(!run.driving, "run {} is counted in its turn", run.id);
}

Executor::~Executor() = default;

ActiveRun* Executor::find(const std::string& run) {
  const auto found = runs_.find(run);
  return found == runs_.end() ? nullptr : found->second.get();
}

// Runs of one definition share its planner, which nobody changes.
std::shared_ptr<const workflow::Planner> Executor::planner_of(
    const std::shared_ptr<const workflow::Workflow>& definition) {
  CHECK(definition != nullptr && !definition->hash.empty(), "a definition without its hash");
  std::weak_ptr<const workflow::Planner>& shared = planners_[definition->hash];
  auto planner = shared.lock();
  if (planner == nullptr) {
    planner = std::make_shared<const workflow::Planner>(definition);
    shared = planner;
    recent_planners_.push_back(planner);
    if (recent_planners_.size() > kRecentPlanners) forget_planner();
  }
  CHECK(planner->workflow().hash == definition->hash, "another definition's planner");
  return planner;
}

Result<std::string> Executor::submit(NewRun request) {
  CHECK(request.workflow != nullptr && !stopping_, "a run needs a workflow and a live executor");
  TRY(check_step_types(*request.workflow));
  for (const auto& [name, definition] : request.definitions) TRY(check_step_types(*definition));
  // Another process that runs it may have other secrets than this one.
  if (!request.detached) {
    TRY(check_secrets(*request.workflow, services_.tools, request.context));
  }
  ActiveRun& run = accept(std::move(request));
  CHECK(run.state.status == workflow::RunStatus::kQueued, "run {} began by itself", run.id);
  CHECK(run.turn().change.insert.has_value(), "run {} would not be stored", run.id);
  const std::string id = run.id;
  if (run.claimed) {
    apply(run, workflow::RunStarted{});
    drive(run);
  } else {
    commit(run);
    forget(id);
  }
  return id;
}

// The run is in memory and in its first change, which nobody has written yet.
ActiveRun& Executor::accept(NewRun request) {
  auto owned = std::make_unique<ActiveRun>(new_id(services_.env, "run_"),
                                           planner_of(request.workflow));
  ActiveRun& run = *owned;
  run.claimed = !request.detached;
  run.age = ++newest_;
  if (!request.definitions.empty()) {
    run.definitions = std::make_shared<const Definitions>(request.definitions);
  }
  run.may_call_back = !request.callback_url.empty();
  run.context = full_context(request);
  run.turn().change.insert = run_row(request, run.id, journal_.now_us());
  const bool fresh = runs_.emplace(std::string_view(run.id), std::move(owned)).second;
  CHECK(fresh, "two runs are called {}", run.id);
  CHECK(run.next_seq == 1 && run.state.sequence == 0, "a new run has a past");
  apply(run, run_accepted(request, run.id));
  for (workflow::ResultKept& kept : request.kept) {
    if (kept.end == workflow::StepEnd::kSucceeded) run.output_seq[kept.path] = run.next_seq;
    apply(run, std::move(kept));
  }
  return run;
}

Status Executor::cancel(const std::string& id, std::string by, std::string reason) {
  ActiveRun* run = find(id);
  if (run == nullptr) {
    return make_error("E0601", fmt::format("run {} is not active in this process", quoted(id)));
  }
  CHECK(!run->driving, "cancel comes between turns");
  apply(*run, workflow::CancelRequested{std::move(by), std::move(reason)});
  drive(*run);
  return ok_status();
}

Status Executor::resolve_unknown(const std::string& id, workflow::UnknownResolved resolution) {
  ActiveRun* run = find(id);
  if (run == nullptr) {
    return make_error("E0601", fmt::format("run {} is not active in this process", quoted(id)));
  }
  const auto step = run->planner.find(resolution.path);
  const workflow::Execution* execution =
      step ? workflow::find_execution(run->state, *step) : nullptr;
  if (execution == nullptr || execution->phase != workflow::Phase::kUnknown) {
    return make_error("E0601", fmt::format("run {} has no unknown step {}", quoted(id),
                                           quoted(resolution.path)),
                      fmt::format("weft runs show {} lists its steps", id));
  }
  CHECK(!run->driving, "a resolution comes between turns");
  apply(*run, std::move(resolution));
  drive(*run);
  return ok_status();
}

// One event: to the planner, and into the change of this turn.
bool Executor::apply(ActiveRun& run, EventBody body) {
  CHECK(!terminal(run.state.status), "run {} has ended", run.id);
  workflow::Event event{std::max(journal_.now_us(), run.state.now_us), std::move(body)};
  auto decision = run.planner.apply(run.state, event);
  CHECK(decision.ok(), "{}", decision.error().text());
  Change& change = run.turn().change;
  if (change.events.empty()) change.first_seq = run.next_seq;
  CHECK(change.first_seq + std::ssize(change.events) == run.next_seq, "events of {} leave a gap",
        run.id);
  std::string path(workflow::path(event));
  if (std::holds_alternative<workflow::AttemptSucceeded>(event.body) && !decision->stale) {
    run.output_seq[path] = run.next_seq;
  }
  change.events.push_back({std::string(workflow::kind(event)), std::move(path),
                           workflow::to_text(event), event.at_us});
  ++run.next_seq;
  CHECK(run.state.sequence + 1 == static_cast<uint64_t>(run.next_seq),
        "run {} has applied {} events and numbered {}", run.id, run.state.sequence,
        run.next_seq - 1);
  note_changes(run, *decision);
  for (Command& command : decision->commands) {
    if (command.kind == Command::Kind::kTimer) {
      set_timer(run, command);
    } else {
      run.todo.push_back(std::move(command));
    }
  }
  return !decision->stale;
}

void Executor::note_changes(ActiveRun& run, const workflow::Decision& decision) {
  for (const workflow::Change& change : decision.changes) {
    drop_timers(run, change);
    if (!change.path.empty()) run.turn().changed_steps.insert(change.path);
    if (!observer_) continue;
    Notice notice{.run = run.id, .path = change.path, .why = change.why, .attempt = change.attempt};
    notice.kind = change.path.empty() ? Notice::Kind::kRun : Notice::Kind::kStep;
    notice.status = change.path.empty() ? workflow::name(change.run) : workflow::name(change.step);
    notice.terminal = change.path.empty() ? terminal(change.run) : terminal(change.step);
    CHECK(!notice.status.empty(), "a change of {} to nothing", run.id);
    run.turn().notices.push_back(std::move(notice));
  }
}

namespace {

// What an earlier command of the same turn brought about may have ended what this one is for: an
// item that fails ends its loop, and its sisters must not begin.
bool is_void(const ActiveRun& run, const Command& command) {
  const bool begins = command.kind == Command::Kind::kDecide ||
                      command.kind == Command::Kind::kStart ||
                      command.kind == Command::Kind::kResume;
  if (!begins) return false;
  if (terminal(run.state.status)) return true;
  const auto id = run.planner.find(command.path);
  CHECK(id.has_value(), "a command for {}, which run {} has not", command.path, run.id);
  const workflow::Execution* execution = workflow::find_execution(run.state, *id);
  CHECK(execution != nullptr, "a command for {}, which run {} has not", command.path, run.id);
  CHECK(execution->attempt >= command.attempt, "attempt {} of {} was never ordered",
        command.attempt, command.path);
  if (execution->attempt != command.attempt || execution->alternative != command.alternative) {
    return true;
  }
  switch (command.kind) {
    case Command::Kind::kDecide:
      return execution->phase != workflow::Phase::kDeciding;
    case Command::Kind::kStart:
      return execution->phase != workflow::Phase::kStarting;
    default:
      return execution->phase != workflow::Phase::kSuspended;
  }
}

}  // namespace

// Carries out commands until none is left or the run has had its turn, then hands the turn over.
void Executor::drive(ActiveRun& run) {
  CHECK(!run.driving, "run {} is driven twice", run.id);
  CHECK(run.claimed, "run {} belongs to somebody else", run.id);
  if (stopping_) return;
  run.driving = true;
  // What is left of a run that has ended are stops: they belong to the turn that ended it.
  for (size_t i = 0; !run.todo.empty(); ++i) {
    if (i >= kTurnCommandsMax && !terminal(run.state.status)) break;
    const Command command = std::move(run.todo.front());
    run.todo.pop_front();
    carry_out(run, command);
  }
  run.driving = false;
  CHECK(!terminal(run.state.status) || run.todo.empty(), "run {} has ended with work left", run.id);
  commit(run);
  count_busy(run);
  if (!run.todo.empty()) {
    services_.loop.post([weak = weak_from_this(), id = run.id] {
      const auto self = weak.lock();
      if (self == nullptr) return;
      if (ActiveRun* again = self->find(id)) self->drive(*again);
    });
  } else if (terminal(run.state.status)) {
    forget(run.id);
  } else if (parkable(run)) {
    // Later: the rest of what has come for it comes first.
    services_.loop.post([weak = weak_from_this(), id = run.id] {
      if (const auto self = weak.lock()) self->park(id);
    });
  }
}

void Executor::carry_out(ActiveRun& run, const Command& command) {
  CHECK(run.driving, "commands of {} outside its turn", run.id);
  if (is_void(run, command)) return;
  switch (command.kind) {
    case Command::Kind::kDecide: {
      const json::Object marks = secret_marks(services_.tools, run.context);
      const workflow::RenderContext context{run.planner, run.state, marks};
      apply(run, workflow::decide(context, command.path, command.alternative));
      return;
    }
    case Command::Kind::kStart:
      return start_attempt(run, command);
    case Command::Kind::kStop:
      return stop_attempt(run, command);
    case Command::Kind::kResume:
      return resume_attempt(run, command);
    case Command::Kind::kTimer:
      return set_timer(run, command);
    case Command::Kind::kFinish:
      return finish_run(run, command);
  }
}

void Executor::finish_run(ActiveRun& run, const Command& command) {
  if (command.run_status != workflow::RunStatus::kSucceeded) {
    CHECK(terminal(run.state.status), "run {} ends {}", run.id, workflow::name(run.state.status));
    return;
  }
  CHECK(run.state.unfinished == 0, "run {} has steps left", run.id);
  CHECK(run.running.empty(), "run {} succeeds with attempts under way", run.id);
  const json::Object no_secrets;
  auto output = workflow::render_run_output({run.planner, run.state, no_secrets});
  workflow::RunFinished finished;
  finished.ok = output.ok();
  if (output.ok()) {
    finished.output = std::move(output).value();
  } else {
    finished.failure = workflow::failure_of(output.error());
  }
  apply(run, std::move(finished));
}

// Hands the turn to the journal. From here on it is decided; what it holds back waits for the disk.
void Executor::commit(ActiveRun& run) {
  CHECK(!run.driving, "a turn of {} is handed over before its end", run.id);
  RunTurn& turn = run.turn();
  Change& change = turn.change;
  fill_rows(run, change);
  arm_timers(run, change);
  CHECK(turn.notices.empty() || !change.events.empty(), "news of {} without an event", run.id);
  CHECK(turn.effects_to_start.empty() || !change.events.empty(), "effects of {} without an event",
        run.id);
  if (change.events.empty() && change.effects.empty() && change.timers.empty() &&
      change.taken.empty() && change.partials.empty() && change.partials_done.empty()) {
    run.open_turn.reset();
    return;
  }
  const Sequence before = std::exchange(run.last, journal_.append(std::move(change)));
  CHECK(before < run.last, "changes of {} change places", run.id);
  for (Notice& notice : turn.notices) notices_.emplace_back(std::move(notice), run.last);
  for (auto& [path, attempt] : turn.effects_to_start) {
    effects_.emplace_back(EffectStart{run.id, std::move(path), attempt}, run.last);
  }
  run.open_turn.reset();
}

void Executor::fill_rows(ActiveRun& run, Change& change) {
  const workflow::State& state = run.state;
  CHECK(change.run.empty() && change.steps.empty(), "rows of {} are filled in twice", run.id);
  CHECK(change.events.empty() == (change.first_seq == 0), "events of {} without a place", run.id);
  change.run = run.id;
  change.state.status = workflow::name(state.status);
  change.may_call_back = run.may_call_back;
  change.state.deadline_us = state.deadline_us;
  change.state.started_us = state.started_us;
  change.state.finished_us = state.ended_us;
  CHECK((state.ended_us != 0) == terminal(state.status), "run {} is {} since {}", run.id,
        change.state.status, state.ended_us);
  if (state.failure) change.state.error = json::dump(workflow::to_json(*state.failure));
  for (const std::string& path : run.turn().changed_steps) {
    const auto id = run.planner.find(path);
    CHECK(id.has_value(), "step {} of run {}", path, run.id);
    const workflow::Execution* execution = workflow::find_execution(state, *id);
    CHECK(execution != nullptr, "step {} of run {}", path, run.id);
    CHECK((execution->ended_us != 0) == terminal(execution->end), "step {} of {}", path, run.id);
    StepRow row{.path = path, .attempt = execution->attempt};
    row.status = workflow::name(status(*execution));
    if (const auto at = run.running.find(path); at != run.running.end()) {
      row.in_hash = at->second.in_hash;
    }
    if (const auto at = run.output_seq.find(path); at != run.output_seq.end()) {
      row.out_ref = fmt::format("event:{}", at->second);
    }
    if (execution->failure) row.error = json::dump(workflow::to_json(*execution->failure));
    row.started_us = execution->started_us;
    row.finished_us = execution->ended_us;
    change.steps.push_back(std::move(row));
    fill_action(run, path, *execution, change);
  }
  run.turn().changed_steps.clear();
  if (terminal(state.status) && !state.parent.empty()) tell_parent(run, change);
  if (terminal(state.status) && run.own_rows != nullptr) {
    std::set<std::string>& paths = run.rows().partial_paths;
    change.partials_done.insert(change.partials_done.end(), paths.begin(), paths.end());
    paths.clear();
  }
}

void Executor::forget(const std::string& id) {
  const auto found = runs_.find(id);
  CHECK(found != runs_.end() && !found->second->driving, "run {} cannot go now", id);
  CHECK(found->second->open_turn == nullptr, "run {} goes in the middle of a turn", id);
  found->second->timers.clear();
  queue_timers(*found->second);
  if (found->second->busy) --busy_;
  runs_.erase(found);
}

// The planner that was made longest ago; runs that still have it keep it.
void Executor::forget_planner() {
  CHECK(!recent_planners_.empty(), "no planner is kept");
  CHECK(recent_planners_.back() != nullptr, "a planner of nothing is kept");
  recent_planners_.pop_front();
  std::erase_if(planners_, [](const auto& entry) { return entry.second.expired(); });
}

void Executor::drop_run(const std::string& id) {
  ActiveRun* run = find(id);
  if (run == nullptr) return;
  CHECK(!run->driving, "run {} is lost in the middle of its turn", id);
  for (auto& [path, running] : run->running) {
    if (running.activity) running.activity->cancel();
  }
  CHECK(run->id == id && !id.empty(), "run {} is called {}", id, run->id);
  run->open_turn.reset();  // nobody will hear what did not happen
  forget(id);
}

void Executor::handle(Written written) {
  CHECK(written.durable.until() <= journal_.decided(), "durable before it is decided");
  if (stopping_) return;
  if (written.fenced) {
    journal_.forget_fence();
    // Runs still active, and runs that ended here but whose end was never written.
    std::set<std::string> lost;
    for (const auto& [id, run] : runs_) {
      if (run->last <= written.fenced_until) lost.emplace(id);
    }
    for (const auto& held : notices_) {
      if (held.until() <= written.fenced_until) lost.insert(held.inside().run);
    }
    written.lost.assign(lost.begin(), lost.end());
  }
  for (const std::string& id : written.lost) {
    drop_run(id);
    std::erase_if(notices_, [&](const auto& held) { return held.inside().run == id; });
    std::erase_if(effects_, [&](const auto& held) { return held.inside().run == id; });
    std::erase_if(continuations_, [&](const auto& held) { return held.inside().run == id; });
    if (observer_) observer_({.kind = Notice::Kind::kLost, .run = id});
  }
  for (const Refused& refused : written.refused) on_refused(refused);
  CHECK(heard_.until() <= written.durable.until(), "what was durable is so no more");
  heard_ = written.durable;
  release_held(heard_);
  for (const StoredRun& stored : written.claimed) {
    if (const Status adopted = adopt(stored); !adopted.ok()) {
      leave_to_others(stored.summary.id, adopted.error());
    }
  }
  for (const MessageRow& message : written.messages) take_message(message);
  CHECK(alarm_ == 0 || alarm_us_ > 0, "an alarm for no time");
  // The store's clock may have jumped ahead of the one that alarms go by.
  if (alarm_ != 0 && alarm_us_ <= journal_.now_us()) {
    services_.loop.cancel(std::exchange(alarm_, 0));
  }
  if (alarm_ == 0) on_alarm();
  if (journal_.now_us() >= next_watch_us_) watch();
  make_room();
  if (written.failed) {
    journal_error_ = std::move(written.failed);
    shutdown();
  }
}

void Executor::release_held(const Durable& durable) {
  while (!effects_.empty() && durable.covers(effects_.front().until())) {
    const EffectStart start = std::move(effects_.front()).release(durable);
    effects_.pop_front();
    CHECK(start.attempt > 0, "an effect of {} without its attempt", start.path);
    ActiveRun* run = find(start.run);
    if (run == nullptr) continue;
    const auto found = run->running.find(start.path);
    if (found == run->running.end() || found->second.attempt != start.attempt) continue;  // stopped
    begin(*run, found->second);
    drive(*run);
  }
  while (!continuations_.empty() && durable.covers(continuations_.front().until())) {
    const Continuation next = std::move(continuations_.front()).release(durable);
    continuations_.pop_front();
    const ActiveRun* run = find(next.run);
    if (run == nullptr) continue;
    const auto found = run->running.find(next.path);
    if (found != run->running.end() && found->second.attempt == next.attempt) next.then();
  }
  while (!notices_.empty() && durable.covers(notices_.front().until())) {
    const Notice notice = std::move(notices_.front()).release(durable);
    notices_.pop_front();
    CHECK(observer_ != nullptr && !notice.run.empty(), "news of nobody, or for nobody");
    observer_(notice);
  }
}

void Executor::shutdown() {
  stopping_ = true;
  for (auto& [id, run] : runs_) {
    CHECK(!run->driving, "the end comes in the middle of a turn of {}", id);
    for (auto& [path, running] : run->running) {
      if (running.activity) running.activity->cancel();
    }
  }
  services_.loop.cancel(std::exchange(alarm_, 0));
  due_.clear();
  busy_ = 0;
  runs_.clear();
  effects_.clear();
  continuations_.clear();
}

}  // namespace weft::worker
