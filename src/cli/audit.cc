// SPDX-License-Identifier: Apache-2.0
#include "cli/audit.h"

#include <fmt/format.h>

#include "base/env.h"
#include "base/file.h"
#include "base/json.h"
#include "cli/config_file.h"
#include "cli/exit.h"
#include "cli/run_session.h"
#include "cli/terminal.h"
#include "security/audit_text.h"
#include "worker/audit_check.h"

namespace weft::cli {
namespace {

constexpr int64_t kPage = 1000;

void say_report(const worker::AuditReport& report) {
  say(fmt::format("{} events and {} audit records in {} chains", report.events, report.records,
                  report.chains));
  if (report.problem) return say_error(*report.problem);
  if (report.checkpoints == 0) {
    return say("every link fits; without checkpoints nobody can see whether the ends are missing");
  }
  say(fmt::format("every link fits, and {} checkpoints prove it up to {}", report.checkpoints,
                  iso8601(report.proven_until_us)));
  say("signed by " + report.key);
  if (report.pruned_records > 0) {
    say(fmt::format("{} records of before {} were removed on purpose, as it says",
                    report.pruned_records, iso8601(report.pruned_before_us)));
  }
  if (report.pruned_runs > 0) {
    say(fmt::format("{} runs were removed on purpose, as it says; links are left of their events",
                    report.pruned_runs));
  }
  if (report.sealed_chains > 0) {
    say(fmt::format("{} chains were sealed after they had been written plain, as it says: of these "
                    "the proof begins there", report.sealed_chains));
  }
  if (report.uncovered_chains > 0 || report.uncovered_links > 0) {
    say(fmt::format("beyond the proof: {} chains without a checkpoint, {} links since the last one",
                    report.uncovered_chains, report.uncovered_links));
  }
}

Result<worker::AuditReport> verify(const AuditVerifyOptions& options) {
  const Config config = TRY(load_config(options.config));
  const worker::StorePlace store = TRY(prepare_store(with_config(options.store, config)));
  // who verifies a sealed store needs no key: the chains are over sealed bytes
  const auto db = TRY(worker::open_journal_store(store, true));
  const bool named = !options.checkpoints.empty();
  const std::string file = named ? options.checkpoints : checkpoints_of(config, store.path);
  std::string text;
  if (named || file_exists(file)) text = TRY(read_file(file));
  return worker::check_audit(*db, text, options.key);
}

Result<security::AuditQuery> query_of(const AuditExportOptions& options) {
  security::AuditQuery query;
  query.user = options.user;
  query.action = options.action;
  query.limit = kPage;
  if (!options.tenant.empty()) query.tenant = options.tenant;
  for (const auto& [text, value] : {std::pair(&options.from, &query.from_us),
                                    std::pair(&options.to, &query.to_us)}) {
    if (text->empty()) continue;
    const auto at_us = security::instant_of(*text);
    if (!at_us) {
      return make_error("E0904", fmt::format("expected a time, found {}", *text),
                        "2026-11-22, or 2026-11-22T09:00:00Z");
    }
    *value = *at_us;
  }
  return query;
}

Status export_records(const AuditExportOptions& options) {
  const Config config = TRY(load_config(options.config));
  security::AuditQuery query = TRY(query_of(options));
  const auto db = TRY(open_store(with_config(options.store, config)));
  const bool csv = options.format == "csv";
  const auto format = csv ? security::AuditFormat::kCsv : security::AuditFormat::kJsonLines;
  print_raw(std::string(security::audit_heading(format)));
  for (;;) {
    const auto rows = TRY(security::read_audit(*db, query));
    std::string text;
    for (const security::AuditRow& row : rows) security::append_audit_line(text, row, format);
    print_raw(text);
    if (std::ssize(rows) < kPage) return ok_status();
    query.before = security::cursor_of(rows.back());
  }
}

}  // namespace

int run_audit_verify(const AuditVerifyOptions& options) {
  const auto report = verify(options);
  if (!report.ok()) {
    say_error(report.error());
    return report.error().code == "E0020" ? kExitNotFound : kExitConfiguration;
  }
  if (options.json) {
    print_data(json::dump(json::Value(worker::to_json(*report)), {.spaces = true, .indent = 2}));
  } else {
    say_report(*report);
  }
  return report->problem ? kExitFailed : kExitOk;
}

int run_audit_export(const AuditExportOptions& options) {
  const Status done = export_records(options);
  if (done.ok()) return kExitOk;
  say_error(done.error());
  return done.error().code == "E0904" ? kExitUsage : kExitConfiguration;
}

Status record_act(store::Db& db, const Config& config, const std::string& store,
                  security::AuditRecord record) {
  const security::AuditWriter writer{new_id(real_env(), "cmd_"), 0};
  security::AuditHead head(writer.id, writer.epoch);
  store::Tx tx = TRY(store::Tx::begin(db));
  record.at_us = TRY(db.now_ms()) * 1000;
  TRY(security::write_audit(db, writer, head, record));
  TRY(tx.commit());
  const Checkpoint checkpoint = TRY(checkpoint_of(config, store));
  const security::ChainState state{"audit", writer.id, 0, head.length(), std::string(head.hash())};
  return checkpoint(record.at_us, {&state, 1});
}

}  // namespace weft::cli
