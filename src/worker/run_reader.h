// SPDX-License-Identifier: Apache-2.0
//
// Reads runs back: lists for people, and everything a worker needs to continue a run (pinned
// definition, context, events in order, effects begun). Any process may read while others write;
// it sees the last commit before it began. E0601: there is no such run.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "store/db.h"
#include "worker/records.h"

namespace weft::worker {

struct RunSummary {
  std::string id;
  std::string workflow;
  std::string status;
  std::string error;        // JSON; empty: none
  std::string worker;       // empty: nobody works on it
  int64_t created_us = 0;
  int64_t started_us = 0;
  int64_t finished_us = 0;
};

struct ListQuery {
  std::string status = {};    // one, or several with commas; empty: any
  std::string workflow = {};  // empty: any
  std::string search = {};    // text in the id or the workflow's id, without case; empty: any
  int64_t limit = 20;
  std::string before = {};    // runs older than this one (its id); empty: from the newest
  std::optional<std::string> tenant = {};  // nothing: of all
};
// An error under `code`, which begins with `place`, if a word of it is no status of a run.
Status check_statuses(std::string_view code, std::string_view place, std::string_view statuses);
// Newest first.
Result<std::vector<RunSummary>> list_runs(store::Db& db, const ListQuery& query);
Result<RunSummary> read_summary(store::Db& db, std::string_view run);

// Whose it is, and of which workflow: what permissions are about; and the run of which it does a
// step (empty: of none). E0601.
struct RunOwner {
  std::string tenant;
  std::string workflow;
  std::string parent;
};
Result<RunOwner> run_owner(store::Db& db, std::string_view run);

// The run that was asked for under this key (input included), or nothing.
struct KeyedRun {
  std::string id;
  std::string workflow;
  std::string input;  // JSON
};
Result<std::optional<KeyedRun>> find_keyed_run(store::Db& db, std::string_view idem_key);

struct StoredEvent {
  int64_t seq = 0;
  std::string body;
};
struct StoredRun {
  RunSummary summary;
  std::string definition;   // canonical JSON of the document
  std::string definition_hash;
  std::string input;        // JSON
  std::string context;      // JSON
  std::vector<StoredEvent> events;
  std::vector<EffectRow> effects;
  std::vector<TimerRow> timers;
  std::vector<PartialRow> partials;  // in order of path, draw, first
  std::vector<std::pair<std::string, std::string>> definitions;  // sub-workflow -> document
};
Result<StoredRun> load_run(store::Db& db, std::string_view run);

// Events after `seq`, in order: what a follower has not seen yet.
Result<std::vector<StoredEvent>> events_after(store::Db& db, std::string_view run, int64_t seq);

// The run itself, and behind it those that do steps of it (sub-workflows), and of these, and so on.
Result<std::vector<std::string>> with_parts(store::Db& db, std::string_view run);

// Evidence of the models' answers in a run, in order of path, attempt, n.
Result<std::vector<AiCallRow>> ai_calls(store::Db& db, std::string_view run);

// The id that `text` names: a whole id, or the unique end or beginning of one (at least 4
// characters). E0601 if none or several.
Result<std::string> find_run(store::Db& db, std::string_view text);

// The versions of these runs' rows, which every change raises; without those that are not there.
Result<std::map<std::string, int64_t>> run_versions(store::Db& db,
                                                    std::span<const std::string> runs);

}  // namespace weft::worker
