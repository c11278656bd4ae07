// SPDX-License-Identifier: Apache-2.0
//
// A run while this process works on it: the planner's state, the commands still to carry out,
// attempts in progress, timers, and the change that the current turn fills. Only the executor
// touches it, on the loop's thread. Plain data; the rules live in executor.cc.
#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/json.h"
#include "worker/loop.h"
#include "worker/new_run.h"
#include "worker/notice.h"
#include "worker/records.h"
#include "worker/sequence.h"
#include "worker/step_type.h"
#include "workflow/definition.h"
#include "workflow/planner.h"

namespace weft::worker {

// An attempt that was started and has not answered.
struct Running {
  std::string path;
  uint32_t attempt = 0;
  uint16_t alternative = 0;
  const StepType* type = nullptr;
  EffectClass effect = EffectClass::kPure;
  std::string effect_key = {};
  std::string in_hash = {};
  json::Object parameters = {};         // until it begins
  std::vector<std::string> secrets = {};  // that they use
  std::unique_ptr<Activity> activity = {};  // null: not begun, or suspended
  bool noted = false;                       // it has left notes
  uint32_t ai_calls = 0;                    // of this attempt, recorded so far
  std::unique_ptr<ActRow> act = {};         // what it does outside itself; null: nothing
};

// Key of the attempt's row in `effect`: stable over attempts where the effect is, else one for each
// attempt of each run (keys that a workflow gives may repeat from run to run).
inline std::string effect_row_key(std::string_view run, const Running& running) {
  return running.effect == EffectClass::kUnsafe
             ? fmt::format("{}/{}#{}", run, running.path, running.attempt)
             : running.effect_key;
}

using TimerKey = std::pair<std::string, workflow::TimerKind>;  // path, kind
struct Timer {
  int64_t at_us = 0;
  bool armed = false;       // it may fire; set in a turn and armed at its end
  bool stored = false;      // a row says so
};

// What a run decides between two changes. A run that only waits has none: of a hundred thousand
// runs nearly all wait.
struct RunTurn {
  Change change;
  std::set<std::string> changed_steps;
  std::vector<Notice> notices;
  std::vector<TimerKey> dropped_timers;  // that have a row
  std::vector<std::pair<std::string, uint32_t>> effects_to_start;
};

struct ActiveRun {
  ActiveRun(std::string run, std::shared_ptr<const workflow::Planner> shared)
      : id(std::move(run)),
        owner(std::move(shared)),
        planner(*owner) {}

  std::string id;
  std::shared_ptr<const workflow::Planner> owner;  // all runs of a definition share it
  const workflow::Planner& planner;
  workflow::State state;
  json::Object context;
  Sequence last;                        // of the newest change handed to the journal
  int64_t next_seq = 1;                 // of the next event
  uint64_t age = 0;                     // runs of this process in the order in which they came
  bool driving = false;                 // drive() is on the stack
  bool claimed = true;                  // false: stored for somebody else
  bool may_call_back = true;            // whoever started it may have asked to be told of its end
  bool busy = false;                    // it had work at the end of its last turn

  std::list<workflow::Command> todo;  // nearly always empty, then it costs nothing
  std::map<std::string, Running> running;  // by path; empty it holds no memory
  std::map<TimerKey, Timer> timers;
  int64_t due_us = 0;                   // of its earliest armed timer; 0: none is armed
  std::unordered_map<std::string, int64_t> output_seq;  // path -> event that holds its output
  std::shared_ptr<const Definitions> definitions;  // of its `workflow` steps; null: none

  // Rows that few runs have; made at the first use.
  struct Rows {
    std::set<std::string> actions;        // paths in required_action
    // Answers of models as far as they came: found when the run was taken over, by path and draw.
    std::map<std::pair<std::string, std::string>, PartialRow> partials;
    std::set<std::string> partial_paths;  // in ai_partial
    std::vector<TimerRow> timers;         // found when it was taken over; until its first turn ends
  };
  Rows& rows() {
    if (own_rows == nullptr) own_rows = std::make_unique<Rows>();
    return *own_rows;
  }
  std::unique_ptr<Rows> own_rows;       // null: none

  // The turn in progress; one begins at the first use.
  RunTurn& turn() {
    if (open_turn == nullptr) open_turn = std::make_unique<RunTurn>();
    return *open_turn;
  }
  std::unique_ptr<RunTurn> open_turn;
};

}  // namespace weft::worker
