// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "base/env.h"
#include "base/json.h"
#include "cli/audit.h"
#include "cli/config_file.h"
#include "cli/exit.h"
#include "cli/run_session.h"
#include "cli/terminal.h"
#include "worker/audit_prune.h"
#include "worker/retention.h"
#include "workflow/schedule.h"

namespace weft::cli {
namespace {

Result<int64_t> pruned_before(const AuditPruneOptions& options, const Config& config) {
  if (!options.before.empty()) {
    if (const auto at_us = security::instant_of(options.before)) return *at_us;
    return make_error("E0904", fmt::format("expected a time, found {}", options.before),
                      "2026-11-22, or 2026-11-22T09:00:00Z");
  }
  int64_t keep_us = config.audit.keep_us;
  if (keep_us == 0) keep_us = config.retention.audit_us;
  if (!options.keep.empty()) keep_us = TRY(workflow::parse_duration(options.keep));
  if (keep_us > 0) return real_env().wall_us() - keep_us;
  return make_error("E0904", "nobody said which records may go",
                    "--before 2026-01-01, --keep 400d, or audit: { keep: 400d } in weft.yaml");
}

Result<security::Pruning> prune(const AuditPruneOptions& options) {
  const Config config = TRY(load_config(options.config));
  const StoreFlags flags = with_config(options.store, config);
  const int64_t before_us = TRY(pruned_before(options, config));
  const std::string store = TRY(prepare_store(flags)).path;
  const auto db = TRY(open_store(flags));
  const security::Secret seed = TRY(audit_key(config));
  const std::string file = checkpoints_of(config, store);
  const auto checkpoints = TRY(worker::proven_checkpoints(*db, file, seed));
  security::Pruning pruning = TRY(worker::plan_pruning(*db, checkpoints, before_us));
  if (options.dry_run || pruning.records == 0) return pruning;
  TRY(security::append_pruning(file, seed, TRY(db->now_ms()) * 1000, pruning));
  const int64_t removed = TRY(worker::remove_pruned(*db, pruning));
  const json::Object details{{"before", iso8601(before_us)},
                             {"records", removed},
                             {"chains", std::ssize(pruning.chains)}};
  TRY(record_act(*db, config, store,
                 {.user = "local", .action = "audit:prune", .details = json::dump(details)}));
  return pruning;
}

}  // namespace

int run_audit_prune(const AuditPruneOptions& options) {
  const auto pruned = prune(options);
  if (!pruned.ok()) {
    say_error(pruned.error());
    const std::string_view code = pruned.error().code;
    if (code == "E0607" || code == "E0765" || code == "E0766") return kExitFailed;
    return code == "E0904" || code == "E0440" ? kExitUsage : kExitConfiguration;
  }
  const std::string before = iso8601(pruned->before_us);
  if (options.json) {
    print_data(json::dump(json::Object{{"records", pruned->records},
                                       {"chains", std::ssize(pruned->chains)},
                                       {"before", before},
                                       {"dry_run", options.dry_run}}));
  }
  say(fmt::format("{} {} audit records of before {}, of {} chains",
                  options.dry_run ? "would remove" : "removed", pruned->records, before,
                  pruned->chains.size()));
  return kExitOk;
}

}  // namespace weft::cli
