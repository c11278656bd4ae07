// SPDX-License-Identifier: Apache-2.0
//
// The executor drives runs: it feeds events to the pure planner, carries out the commands that
// come back, and hands every turn to the journal as one Change. It decides nothing about a
// workflow (the planner does) and writes nothing itself (the journal does).
//
//   event → planner.apply → commands → start, stop, timer, … → events → … → one Change → journal
//
// It goes on from what is decided: pure steps start on inputs that are not on disk yet. What
// leaves the process waits in two queues of Held things: starts of effects, and notices to
// observers. handle(Written) lets them out. A run that the journal reports lost is dropped with
// everything held for it.
//
// One thread, the loop's; no locks. Activities answer from anywhere through Loop::post.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "worker/active_run.h"
#include "worker/journal.h"
#include "worker/loop.h"
#include "worker/new_run.h"
#include "worker/notice.h"
#include "worker/sequence.h"
#include "worker/step_type.h"

namespace weft::worker {

struct ExecutorOptions {
  int64_t runs_max = 0;  // runs of others are claimed while fewer are active; 0: none, ever
  // A run that only waits, for longer than this, leaves the memory; its row wakes it. 0: never.
  int64_t park_us = 0;
  bool park_asking = false;  // also one that waits for people, signals or its child
  // Told of the tokens of each answer of a model, and of the key that asked for the run. On the
  // loop; may be empty.
  std::function<void(const std::string& key, int64_t tokens)> on_tokens = {};
};

class Executor : public std::enable_shared_from_this<Executor> {
 public:
  using Observer = std::function<void(const Notice&)>;
  Executor(Services services, Journal& journal, Observer observer, ExecutorOptions options = {});
  ~Executor();

  // Decides that the run exists and starts it. E0602: a step type that this edition has not.
  Result<std::string> submit(NewRun run);
  // E0601 if the run is not active here.
  Status cancel(const std::string& run, std::string by, std::string reason);
  Status resolve_unknown(const std::string& run, workflow::UnknownResolved resolution);

  // What the journal brought about. In the order of the journal's reports.
  void handle(Written written);

  // Ends all activities without writing anything about them: whoever claims the runs next sees
  // attempts that were cut off. Nothing happens after this.
  void shutdown();

  size_t active() const { return runs_.size(); }
  const std::optional<Error>& journal_error() const { return journal_error_; }

 private:
  // An attempt with effects that may begin once `until` is durable.
  struct EffectStart {
    std::string run;
    std::string path;
    uint32_t attempt = 0;
  };

  // What an attempt goes on with once its note is durable.
  struct Continuation {
    std::string run;
    std::string path;
    uint32_t attempt = 0;
    std::function<void()> then;
  };

  ActiveRun* find(const std::string& run);
  std::shared_ptr<const workflow::Planner> planner_of(
      const std::shared_ptr<const workflow::Workflow>& definition);
  void forget_planner();
  ActiveRun& accept(NewRun request);
  bool apply(ActiveRun& run, workflow::EventBody body);  // false: it came too late
  void note_changes(ActiveRun& run, const workflow::Decision& decision);
  void drive(ActiveRun& run);
  void carry_out(ActiveRun& run, const workflow::Command& command);
  void commit(ActiveRun& run);
  void fill_rows(ActiveRun& run, Change& change);
  void finish_run(ActiveRun& run, const workflow::Command& command);
  void forget(const std::string& run);

  // attempts.cc
  void start_attempt(ActiveRun& run, const workflow::Command& command);
  void begin(ActiveRun& run, Running& running);
  void resume_attempt(ActiveRun& run, const workflow::Command& command);
  void stop_attempt(ActiveRun& run, const workflow::Command& command);
  void take(ActiveRun& run, const std::string& path, Started started);
  void finish_attempt(ActiveRun& run, Running running, StepOutcome outcome);
  bool leaves_process(const ActiveRun& run, const Running& running) const;
  std::shared_ptr<const SecretUse> secret_use_of(const ActiveRun& run,
                                                 const Running& running) const;
  void note_effect(ActiveRun& run, const Running& running, std::string state, std::string response);
  void add_ai_calls(ActiveRun& run, Running& running, std::vector<AiCallRow> calls);
  void add_acts(ActiveRun& run, const Running& running, std::vector<ActRow> acts);
  void on_done(const std::string& run, const std::string& path, uint32_t attempt,
               StepOutcome outcome);
  void on_progress(const std::string& run, const std::string& path, StepProgress progress);
  void on_note(const std::string& run, const std::string& path, uint32_t attempt, StepNote note);
  StepContext context_of(ActiveRun& run, Running& running);
  StepDone done_of(const ActiveRun& run, const Running& running);
  std::function<void(int64_t)> lost_of(const ActiveRun& run);  // StepContext::on_lost

  // partials.cc
  static void note_partials(ActiveRun& run, const StoredRun& stored);
  void add_partials(StepContext& context, ActiveRun& run, const Running& running);
  void on_partial(const std::string& run, uint32_t attempt, PartialRow piece);
  static void drop_partials(ActiveRun& run, const std::string& path);

  // messages.cc
  void take_message(const MessageRow& message);
  std::string hear(ActiveRun& run, const MessageRow& message);
  void fill_action(ActiveRun& run, const std::string& path, const workflow::Execution& execution,
                   Change& change);
  static void note_actions(ActiveRun& run);
  void start_child(ActiveRun& run, const Running& running, StepChild child);
  void tell_parent(const ActiveRun& run, Change& change);
  void stop_child(ActiveRun& run, const std::string& child);

  // timers.cc
  std::optional<int64_t> parkable(const ActiveRun& run);  // until when
  void park(const std::string& id);
  void watch();
  bool stuck(const ActiveRun& run) const;
  void set_timer(ActiveRun& run, const workflow::Command& command);
  void drop_timers(ActiveRun& run, const workflow::Change& change);
  void arm_timers(ActiveRun& run, Change& change);
  static bool found_stored(ActiveRun& run, const TimerRow& row);
  void queue_timers(ActiveRun& run);
  void set_alarm();
  void on_alarm();
  void fire(ActiveRun& run);
  bool end_at_limit(ActiveRun& run, const std::string& path);

  // recovery.cc
  Status adopt(const StoredRun& stored);
  void leave_to_others(const std::string& run, const Error& why);
  void interrupt_running(ActiveRun& run, const StoredRun& stored);

  void on_refused(const Refused& refused);  // refusals.cc
  void tell_refused(const Refused& refused);
  void count_busy(ActiveRun& run);
  void make_room();
  void release_held(const Durable& durable);
  void drop_run(const std::string& run);

  Services services_;
  Journal& journal_;
  Observer observer_;
  ExecutorOptions options_;
  std::unordered_map<std::string_view, std::unique_ptr<ActiveRun>> runs_;  // by the id inside
  // Runs with an armed timer, by its time and the run's age: those due at one instant fire in the
  // order in which their rows lie in the store.
  std::map<std::pair<int64_t, uint64_t>, ActiveRun*> due_;
  static constexpr int64_t kIdleMax = 16'384;  // runs in memory; a few kilobytes each
  Durable heard_;  // of the last that the journal reported: what was lost by then is gone here too
  Loop::TimerId alarm_ = 0;  // one for all of them
  int64_t alarm_us_ = 0;
  uint64_t newest_ = 0;      // age of the newest run
  int64_t busy_ = 0;         // runs that do more than wait
  std::unordered_map<std::string, std::weak_ptr<const workflow::Planner>> planners_;  // by hash
  std::deque<std::shared_ptr<const workflow::Planner>> recent_planners_;  // outlive their runs
  std::unordered_map<std::string, std::string> refused_;  // runs that must end, and why
  std::deque<Held<Notice>> notices_;
  std::deque<Held<EffectStart>> effects_;
  std::deque<Held<Continuation>> continuations_;
  std::optional<Error> journal_error_;
  int64_t next_watch_us_ = 0;
  bool stopping_ = false;
};

}  // namespace weft::worker
