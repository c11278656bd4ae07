// SPDX-License-Identifier: Apache-2.0
//
// Workflows that run by themselves: schedules are rows, and so is every time at which one was due.
//
//   schedule row, next_us ≤ now ─▶ [slot row · run row · next_us moves on], one transaction
//
// A slot can be inserted once, so a time fires once, however many processes look; and since its
// run is in the same transaction, a crash leaves both or none. Only the store's clock counts. What
// passed while no process was there is `missed`: by default one run for the newest time. A schedule
// is pinned to its definition as of `add_schedule`: deploying is adding it again. One whose runs
// the store refuses is set aside with the reason, and tried again later; the others go on.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/env.h"
#include "base/error.h"
#include "store/db.h"
#include "worker/chain.h"
#include "worker/change_writer.h"
#include "worker/lease.h"
#include "worker/new_run.h"
#include "workflow/timetable.h"

namespace weft::worker {

struct NewSchedule {
  std::string name;               // [A-Za-z0-9_.-]{1,64}
  std::shared_ptr<const workflow::Workflow> workflow = {};
  workflow::ScheduleSpec spec = {};
  json::Object context = {};      // of its runs: see run_context.h
  Definitions definitions = {};
};
// Stores it, in place of one of the same name; when it is due first. E0441, E0622; E0310 if its
// runs' input would be refused.
Result<int64_t> add_schedule(store::Db& db, const NewSchedule& schedule);

struct ScheduleRow {
  std::string name;
  std::string workflow;
  std::string timetable;          // "30 8 * * 1-5", "every 15 min"
  std::string timezone;
  bool paused = false;
  int64_t next_us = 0;            // when it is fired, or tried again; 0: never again
  int64_t last_us = 0;            // the newest time that fired; 0: none yet
  std::string last_run;
  int64_t fired = 0;
  int64_t refusals = 0;           // times in a row at which the store refused what it would write
  std::string refusal = {};       // why, the last time; empty: it did not
};
Result<std::vector<ScheduleRow>> list_schedules(store::Db& db);
// A paused schedule misses its times for good. E0622: there is none of that name.
Status pause_schedule(store::Db& db, std::string_view name, bool paused);
// Its runs stay; the times that fired are forgotten.
Status remove_schedule(store::Db& db, std::string_view name);

// UTC, or a zone of this machine's database. E0441.
Result<workflow::Zone> load_zone(const std::string& name);

// What fires them: one for each journal, on its thread.
class ScheduleRunner {
 public:
  explicit ScheduleRunner(Env& env) : env_(env) {}
  // Fires what is due, inside the caller's transaction; how many runs came to be. A schedule that
  // cannot be fired (its zone is not on this machine, it cannot be opened) is left to others, with
  // a line in the log. With `only` no other than that one.
  Result<int64_t> fire_due(store::Db& db, ChangeWriter& writer, const WorkerIdentity& worker,
                           ChainHead& chain, std::string_view only = {});
  static Result<std::vector<std::string>> due_names(store::Db& db);
  // What the store refuses (E0513, E0510) is due again in 10 s, then 20, 40, … up to an hour, from
  // the time on at which it was due. In a transaction of its own.
  static Status set_aside(store::Db& db, std::string_view name, const Error& why);
  // Microseconds of the store's clock; INT64_MAX: nothing is planned.
  static Result<int64_t> next_due_us(store::Db& db);

 private:
  struct Due;
  Result<std::vector<Due>> read_due(store::Db& db, int64_t now_us, std::string_view only);
  const workflow::Zone* zone(const std::string& name);  // null: not on this machine
  Env& env_;
  std::map<std::string, workflow::Zone> zones_;
};

}  // namespace weft::worker
