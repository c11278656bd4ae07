// SPDX-License-Identifier: Apache-2.0
#include "cli/runs_removal.h"

#include <fmt/format.h>

#include "base/env.h"
#include "base/json.h"
#include "base/strings.h"
#include "cli/audit.h"
#include "cli/config.h"
#include "cli/config_file.h"
#include "cli/exit.h"
#include "cli/run_session.h"
#include "cli/terminal.h"
#include "worker/retention.h"
#include "worker/run_erasure.h"
#include "worker/run_prune.h"
#include "worker/run_reader.h"
#include "workflow/schedule.h"

namespace weft::cli {
namespace {

std::string remover() { return "local:" + environment("USER").value_or("unknown"); }

// A store, and where its removals are said.
struct Place {
  Config config;
  std::string path;
  std::unique_ptr<store::Db> db;
  worker::ErasureProof proof;
};

Result<Place> open_place(const RunsRemovalOptions& options) {
  Place out;
  out.config = TRY(load_config(options.config));
  const StoreFlags flags = with_config(options.store, out.config);
  out.path = TRY(prepare_store(flags)).path;
  out.db = TRY(open_store(flags, true));  // no payload is read
  out.proof = {checkpoints_of(out.config, out.path), TRY(audit_key(out.config))};
  return out;
}

Result<worker::Erased> erase(const RunsRemovalOptions& options) {
  const Place place = TRY(open_place(options));
  const std::string run = TRY(worker::find_run(*place.db, options.run));
  if (options.dry_run) return worker::plan_erasure(*place.db, run);
  const worker::RunOwner owner = TRY(worker::run_owner(*place.db, run));
  worker::Erased erased = TRY(worker::erase_run(*place.db, place.proof, run, remover()));
  TRY(record_act(*place.db, place.config, place.path,
                 {.tenant = owner.tenant, .user = remover(), .action = "runs:delete",
                  .resource = run}));
  return erased;
}

void say_erased(const worker::Erased& erased, bool dry_run) {
  say(fmt::format("{} {} and {} of its parts, with {} events", dry_run ? "would remove" : "removed",
                  erased.runs.front(), erased.runs.size() - 1, erased.events));
  if (!erased.copies.empty()) {
    say(fmt::format("made from it, and still there with what they took over: {}",
                    join(erased.copies, ", ")));
  }
  if (erased.untold > 0) say(fmt::format("{} callbacks were not delivered yet", erased.untold));
  if (!dry_run && !erased.wiped) {
    say("the log beside the store is in use: what it holds goes when it is next emptied");
  }
}

// How long ago they must have ended.
Result<int64_t> age_of(const RunsRemovalOptions& options, const Config& config) {
  if (!options.older_than.empty()) return workflow::parse_duration(options.older_than);
  if (config.retention.runs_us > 0) return config.retention.runs_us;
  return make_error("E0904", "nobody said which runs may go",
                    "--older-than 90d, or retention: { runs: 90d } in weft.yaml");
}

Result<worker::Retained> prune_old(const RunsRemovalOptions& options) {
  const Place place = TRY(open_place(options));
  worker::RetentionRules rules;
  rules.runs_us = TRY(age_of(options, place.config));
  rules.checkpoints = place.proof.checkpoints;
  rules.seed = place.proof.seed;
  if (options.dry_run) {
    worker::Retained would;
    would.before_runs_us = TRY(place.db->now_ms()) * 1000 - rules.runs_us;
    would.runs = TRY(worker::count_prunable(*place.db, would.before_runs_us));
    return would;
  }
  const worker::Retained done = TRY(worker::apply_retention(*place.db, rules));
  for (security::AuditRecord& record : worker::retention_records(done)) {
    record.user = remover();
    TRY(record_act(*place.db, place.config, place.path, std::move(record)));
  }
  return done;
}

int refuse_removal(const Error& error) {
  const std::string_view code = error.code;
  if (code == "E0904" || code == "E0440") {
    say_error(error);
    return kExitUsage;
  }
  const bool history = code == "E0607" || code == "E0765" || code == "E0766";
  const int exit = refuse_run(error);
  return history ? kExitFailed : exit;
}

}  // namespace

int delete_run(const RunsRemovalOptions& options) {
  const auto erased = erase(options);
  if (!erased.ok()) return refuse_removal(erased.error());
  if (options.json) {
    json::Object out = worker::to_json(*erased);
    out["dry_run"] = options.dry_run;
    print_data(json::dump(out));
  }
  say_erased(*erased, options.dry_run);
  return kExitOk;
}

int prune_runs(const RunsRemovalOptions& options) {
  const auto done = prune_old(options);
  if (!done.ok()) return refuse_removal(done.error());
  const std::string before = iso8601(done->before_runs_us);
  if (options.json) {
    print_data(json::dump(json::Object{
        {"runs", done->runs}, {"before", before}, {"dry_run", options.dry_run}}));
  }
  say(fmt::format("{} {} runs that ended before {}", options.dry_run ? "would remove" : "removed",
                  done->runs, before));
  return kExitOk;
}

}  // namespace weft::cli
