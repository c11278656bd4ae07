// SPDX-License-Identifier: Apache-2.0
#include "worker/audit_check.h"

#include <fmt/format.h>

#include <map>

#include "base/env.h"
#include "base/strings.h"
#include "security/audit.h"
#include "security/checkpoint.h"
#include "worker/chain.h"
#include "worker/chain_seal.h"
#include "worker/run_prune.h"

namespace weft::worker {
namespace {

using security::Checkpoints;

bool about_history(const Error& error) {
  return error.code == "E0607" || error.code == "E0765" || error.code == "E0766";
}

// Follows chains as they are read and compares what a checkpoint says of a link.
class Beside {
 public:
  Beside(const Checkpoints& signed_chains, AuditReport& report)
      : signed_(signed_chains), report_(report) {}

  void see(const std::string& kind, const security::Link& link) {
    Checkpoints::Chain name{kind, std::string(link.writer), link.epoch};
    if (!lengths_.contains(name)) {
      ++report_.chains;
      report_.pruned_records += link.n - 1;
      if (signed_.lines > 0 && !signed_.chains.contains(name)) ++report_.uncovered_chains;
    }
    const auto chain = signed_.chains.find(name);
    if (chain == signed_.chains.end()) return;
    const auto state = chain->second.find(link.n);
    if (state != chain->second.end() && state->second != link.hash) wrong(name, link.n);
    if (link.n > chain->second.rbegin()->first) ++report_.uncovered_links;
    int64_t& length = lengths_[std::move(name)];
    length = link.n;
  }

  // Every signed chain must have come, and be as long as was signed.
  void end() {
    for (const auto& [name, states] : signed_.chains) {
      const auto seen = lengths_.find(name);
      int64_t found = seen == lengths_.end() ? 0 : seen->second;
      const auto pruned = signed_.pruned.find(name);
      if (found == 0 && pruned != signed_.pruned.end()) {  // all of it has been removed
        found = pruned->second.rbegin()->first;
        report_.pruned_records += found;
      }
      const int64_t wanted = states.rbegin()->first;
      if (found >= wanted || report_.problem) continue;
      const auto& [kind, writer, epoch] = name;
      report_.problem = make_error(
          "E0766",
          fmt::format("the {} chain of writer {} epoch {} has {} links, {} were signed", kind,
                      quoted(writer), epoch, found, wanted),
          "records were removed from its end, or the whole store is an older one");
    }
  }

 private:
  void wrong(const Checkpoints::Chain& name, int64_t n) {
    if (report_.problem) return;
    const auto& [kind, writer, epoch] = name;
    report_.problem = make_error(
        "E0766",
        fmt::format("link {} of the {} chain of writer {} epoch {} is not the one that was signed",
                    n, kind, quoted(writer), epoch),
        "the chain was written anew after its checkpoint");
  }

  const Checkpoints& signed_;
  AuditReport& report_;
  std::map<Checkpoints::Chain, int64_t> lengths_;
};

// What is wrong with the history goes into the report, anything else is an error.
Status noted(const Status& status, AuditReport& report) {
  if (status.ok()) return ok_status();
  if (!about_history(status.error())) return status.error();
  if (!report.problem) report.problem = status.error();
  return ok_status();
}

security::ChainStarts starts_of(const Checkpoints& checkpoints) {
  security::ChainStarts out;
  for (const auto& [name, states] : checkpoints.pruned) {
    const auto& [kind, writer, epoch] = name;
    if (kind == "audit") out[{writer, epoch}] = states;
  }
  return out;
}

// Every link without its event is of a run that a signed line names, and no more or other of them.
Status fits_signed(const ChainReport& events, const Checkpoints& checkpoints) {
  for (const auto& [name, run] : events.pruned) {
    const auto meant = checkpoints.pruned_runs.find(name);
    if (meant != checkpoints.pruned_runs.end() && meant->second.events == run.events &&
        meant->second.digest == run.digest) {
      continue;
    }
    return make_error("E0607",
                      fmt::format("{} events of run {} have no content, and no signed line says "
                                  "that they were removed", run.events, quoted(name)),
                      "they were removed or passed off as removed by another program");
  }
  return ok_status();
}

Status walk(store::Db& db, const Checkpoints& checkpoints, AuditReport& report) {
  Beside beside(checkpoints, report);
  const auto events = verify_chains(db, [&](const security::Link& link) {
    ++report.events;
    beside.see("event", link);
  });
  TRY(noted(events.ok() ? fits_signed(*events, checkpoints) : Status(events.error()), report));
  if (events.ok()) report.pruned_runs = std::ssize(events->pruned);
  const auto records = security::verify_audit(db, [&](const security::Link& link) {
    ++report.records;
    beside.see("audit", link);
  }, starts_of(checkpoints));
  TRY(noted(records.ok() ? ok_status() : Status(records.error()), report));
  beside.end();
  return ok_status();
}

}  // namespace

Result<AuditReport> check_audit(store::Db& db, std::string_view text, std::string_view key) {
  AuditReport report;
  Checkpoints checkpoints;
  auto read = security::read_checkpoints(text, TRY(security::from_hex(key)));
  if (read.ok()) {
    checkpoints = std::move(*read);
  } else {
    TRY(noted(read.error(), report));
  }
  report.checkpoints = checkpoints.lines;
  report.proven_until_us = checkpoints.newest_us;
  report.pruned_before_us = checkpoints.pruned_before_us;
  report.sealed_chains = std::ssize(checkpoints.sealed);
  report.key = security::to_hex(checkpoints.key);
  if (TRY(reseal_open(db))) {  // no chain fits in the middle of that
    report.problem = half_sealed();
    return report;
  }
  TRY(db.begin_reading());
  if (const Status added = add_stored_removals(db, checkpoints); !added.ok()) {
    db.rollback();
    return added.error();
  }
  const Status walked = walk(db, checkpoints, report);
  db.rollback();
  TRY(walked);
  return report;
}

json::Object to_json(const AuditReport& report) {
  json::Object out{{"good", !report.problem}, {"events", report.events},
                   {"records", report.records}, {"chains", report.chains},
                   {"checkpoints", report.checkpoints},
                   {"uncovered_chains", report.uncovered_chains},
                   {"uncovered_links", report.uncovered_links}, {"key", report.key}};
  out["pruned_records"] = report.pruned_records;
  out["pruned_runs"] = report.pruned_runs;
  out["sealed_chains"] = report.sealed_chains;
  out["pruned_before"] = nullptr;
  if (report.pruned_before_us != 0) out["pruned_before"] = iso8601(report.pruned_before_us);
  out["proven_until"] = nullptr;
  if (report.proven_until_us != 0) out["proven_until"] = iso8601(report.proven_until_us);
  if (report.problem) {
    out["problem"] = json::Object{{"code", report.problem->code},
                                  {"message", report.problem->message},
                                  {"hint", report.problem->hint}};
  }
  return out;
}

}  // namespace weft::worker
