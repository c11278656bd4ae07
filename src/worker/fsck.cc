// SPDX-License-Identifier: Apache-2.0
#include "worker/fsck.h"

#include <map>
#include <set>
#include <tuple>

#include "base/digest.h"
#include "base/strings.h"
#include "worker/chain.h"
#include "worker/folded_run.h"
#include "worker/places.h"
#include "workflow/planner.h"

namespace weft::worker {
namespace {

using workflow::Execution;
using workflow::Phase;

constexpr size_t kProblemsMax = 100;

class RunCheck {
 public:
  RunCheck(store::Db& db, const StoredRun& stored, const FoldedRun& folded, FsckReport& report)
      : db_(db),
        stored_(stored),
        state_(folded.state),
        folded_(folded),
        planner_(folded.workflow),
        report_(report) {}

  Status check() {
    TRY(check_row());
    TRY(check_steps());
    TRY(check_timers());
    TRY(check_actions());
    TRY(check_calls());
    if (!terminal(state_.status)) TRY(check_waits());
    return ok_status();
  }

 private:
  template <class... Args>
  void problem(fmt::format_string<Args...> format, Args&&... args) {
    ++report_.problems_total;
    if (report_.problems.size() >= kProblemsMax) return;
    report_.problems.push_back(
        {stored_.summary.id, fmt::format(format, std::forward<Args>(args)...)});
  }
  template <class A, class B>
  void same(std::string_view what, const A& table, const B& events) {
    if (table != events) problem("{}: the table says {}, the events {}", what, table, events);
  }
  static std::string failure_text(const std::shared_ptr<const workflow::Failure>& failure) {
    return failure ? json::dump(workflow::to_json(*failure)) : std::string();
  }

  Status check_row() {
    auto rows = TRY(db_.query(
        "SELECT status, coalesce(error, ''), coalesce(deadline, 0), coalesce(started_us, 0), "
        "coalesce(finished_us, 0), priority, input, coalesce(parent, ''), coalesce(origin, ''), "
        "def_hash FROM run WHERE id = $1",
        {stored_.summary.id}));
    if (!TRY(rows->next())) return ok_status();
    same("status", rows->text(0), workflow::name(state_.status));
    const std::string& id = stored_.summary.id;
    same("error", TRY(store::opened(db_, place_in_run("run.error", id), rows->text(1))),
         failure_text(state_.failure));
    same("deadline", rows->int64(2), state_.deadline_us);
    same("started_us", rows->int64(3), state_.started_us);
    same("finished_us", rows->int64(4), state_.ended_us);
    same("priority", rows->int64(5), int64_t{state_.priority});
    same("parent", rows->text(7), state_.parent);
    same("origin", rows->text(8), state_.origin);
    same("definition", rows->text(9), folded_.workflow->hash);
    auto input = json::parse(
        TRY(store::opened(db_, place_in_run("run.input", id), rows->text(6))));
    if (!input.ok() || *input != state_.input) problem("input: not that of run_accepted");
    return ok_status();
  }

  // Executions that have done anything, by path.
  std::map<std::string, const Execution*> executions() const {
    std::map<std::string, const Execution*> all;
    for (uint32_t i = 0; i < state_.steps.size(); ++i) {
      const workflow::StepState& step = state_.steps[i];
      if (step.execution.phase != Phase::kIdle) all[planner_.path({i})] = &step.execution;
      for (size_t item = 0; item < step.item_executions.size(); ++item) {
        if (step.item_executions[item].phase == Phase::kIdle) continue;
        all[planner_.path({i, static_cast<int64_t>(item)})] = &step.item_executions[item];
      }
    }
    return all;
  }

  Status check_steps() {
    auto expected = executions();
    auto rows = TRY(db_.query(
        "SELECT path, status, attempt, coalesce(out_ref, ''), coalesce(error, ''), "
        "coalesce(started_us, 0), coalesce(finished_us, 0) FROM step WHERE run = $1",
        {stored_.summary.id}));
    while (TRY(rows->next())) {
      const std::string path(rows->text(0));
      const auto found = expected.find(path);
      if (found == expected.end()) {
        problem("step {}: a row that the events do not know", quoted(path));
        continue;
      }
      const Execution& e = *found->second;
      const std::string step = "step " + path;
      same(step + " status", rows->text(1), workflow::name(status(e)));
      same(step + " attempt", rows->int64(2), int64_t{e.attempt});
      const auto output = folded_.output_seq.find(path);
      same(step + " out_ref", rows->text(3),
           output == folded_.output_seq.end() ? std::string()
                                              : fmt::format("event:{}", output->second));
      const Place place = place_in_step("step.error", stored_.summary.id, path);
      same(step + " error", TRY(store::opened(db_, place, rows->text(4))),
           failure_text(e.failure));
      same(step + " started_us", rows->int64(5), e.started_us);
      same(step + " finished_us", rows->int64(6), e.ended_us);
      expected.erase(found);
    }
    for (const auto& [path, e] : expected) problem("step {}: no row", quoted(path));
    return ok_status();
  }

  // A timer whose clock stands still may keep its row.
  Status check_timers() {
    std::map<std::pair<std::string, std::string>, int64_t> stored;
    auto rows = TRY(db_.query("SELECT path, kind, fire_at FROM timer WHERE run = $1",
                              {stored_.summary.id}));
    while (TRY(rows->next())) {
      stored[{std::string(rows->text(0)), std::string(rows->text(1))}] = rows->int64(2);
    }
    if (terminal(state_.status) && !stored.empty()) problem("it has ended and keeps timers");
    for (const workflow::Command& command : planner_.outstanding(state_)) {
      if (command.kind != workflow::Command::Kind::kTimer) continue;
      const auto found = stored.find({command.path, std::string(workflow::name(command.timer))});
      const int64_t at = found == stored.end() ? 0 : found->second;
      same(fmt::format("timer {} of {}", workflow::name(command.timer), quoted(command.path)), at,
           command.at_us);
    }
    return ok_status();
  }

  Status check_actions() {
    std::set<std::pair<std::string, std::string>> expected;
    for (const auto& [path, e] : executions()) {
      if (e->phase == Phase::kUnknown) expected.emplace(path, "resolve");
      if (e->phase != Phase::kSuspended) continue;
      if (e->reason == workflow::WaitReason::kPerson) expected.emplace(path, "approval");
      if (e->reason == workflow::WaitReason::kSignal) expected.emplace(path, "signal");
    }
    auto rows = TRY(db_.query("SELECT path, kind FROM required_action WHERE run = $1",
                              {stored_.summary.id}));
    while (TRY(rows->next())) {
      const std::pair<std::string, std::string> row{rows->text(0), rows->text(1)};
      if (expected.erase(row) == 0) {
        problem("required action {} of {}: the events ask nothing", row.second, quoted(row.first));
      }
    }
    for (const auto& [path, kind] : expected) {
      problem("required action {} of {}: no row", kind, quoted(path));
    }
    return ok_status();
  }

  Status check_calls() {
    for (const AiCallRow& call : TRY(ai_calls(db_, stored_.summary.id))) {
      const auto id = planner_.find(call.path);
      const Execution* e = id ? workflow::find_execution(state_, *id) : nullptr;
      if (e == nullptr || call.attempt == 0 || call.attempt > e->attempt) {
        problem("a model's answer of {} attempt {}, which never ran", quoted(call.path),
                call.attempt);
      }
      if (sha256_hex(call.prompt_ids) != call.prompt_hash) {
        problem("a model's answer of {}: the prompt's hash is another", quoted(call.path));
      }
    }
    return ok_status();
  }

  // I7: ready or running work with an owner (or claimable), a timer, a person, a signal, a child
  // run, a decision: something that can come.
  Status check_waits() {
    bool waits = state_.status == workflow::RunStatus::kQueued;
    for (const auto& [path, e] : executions()) {
      if (e->phase == Phase::kEnded || e->phase == Phase::kLooping) continue;
      waits = true;
      if (e->phase != Phase::kSuspended || e->reason != workflow::WaitReason::kChildRun ||
          e->waiting == nullptr) {
        continue;
      }
      auto rows = TRY(db_.query(
          "SELECT coalesce(parent, ''), coalesce(finished_us, 0), (SELECT count(*) FROM inbox "
          "WHERE inbox.id = 'end of ' || run.id) FROM run WHERE id = $1",
          {e->waiting->name}));
      if (!TRY(rows->next())) {
        problem("step {} waits for run {}, which is not there", quoted(path), e->waiting->name);
      } else if (rows->text(0) != state_.run) {
        problem("step {} waits for run {}, whose parent is another", quoted(path),
                e->waiting->name);
      } else if (rows->int64(1) != 0 && rows->int64(2) == 0) {
        problem("step {} waits for run {}, which has ended and told nobody", quoted(path),
                e->waiting->name);
      }
    }
    if (!waits && state_.unfinished > 0) problem("it has not ended and waits for nothing");
    auto rows = TRY(db_.query(
        "SELECT 1 FROM run r WHERE id = $1 AND worker IS NOT NULL AND NOT EXISTS (SELECT 1 FROM "
        "worker w WHERE w.id = r.worker AND w.epoch = r.worker_epoch)",
        {stored_.summary.id}));
    if (TRY(rows->next())) problem("it belongs to a worker that is no more");
    return ok_status();
  }

  store::Db& db_;
  const StoredRun& stored_;
  const workflow::State& state_;
  const FoldedRun& folded_;
  const workflow::Planner planner_;
  FsckReport& report_;
};

Status check_rows(store::Db& db, const StoredRun& stored, FsckReport& report) {
  const std::string& id = stored.summary.id;
  auto folded = fold_run(stored);
  if (folded.ok() && !folded->state.run.empty()) {
    return RunCheck(db, stored, *folded, report).check();
  }
  ++report.problems_total;
  if (report.problems.size() < kProblemsMax) {
    report.problems.push_back({id, folded.ok() ? "it has no events" : folded.error().text()});
  }
  return ok_status();
}

// A sealed value that does not open is what this run has; the others are looked at.
Status check_run(store::Db& db, const std::string& id, FsckReport& report) {
  ++report.runs;
  const auto stored = load_run(db, id);
  const Status checked = stored.ok() ? check_rows(db, *stored, report) : stored.error();
  if (checked.ok() || checked.error().code != "E0510") return checked;
  ++report.problems_total;
  if (report.problems.size() < kProblemsMax) {
    report.problems.push_back({id, checked.error().text()});
  }
  return ok_status();
}

Status check_all(store::Db& db, FsckReport& report) {
  auto chains = verify_chains(db);
  if (chains.ok()) {
    report.chains = chains->chains;
    report.events = chains->events;
  } else if (chains.error().code != "E0607") {
    return std::move(chains).error();
  } else {
    ++report.problems_total;
    report.problems.push_back({"", chains.error().text()});
  }
  std::vector<std::string> ids;
  {
    auto rows = TRY(db.query("SELECT id FROM run ORDER BY id", {}));
    while (TRY(rows->next())) ids.emplace_back(rows->text(0));
  }
  for (const std::string& id : ids) TRY(check_run(db, id, report));
  return ok_status();
}

}  // namespace

Result<FsckReport> check_store(store::Db& db) {
  FsckReport report;
  TRY(db.begin_reading());
  Status status = check_all(db, report);
  db.rollback();
  TRY(std::move(status));
  return report;
}

}  // namespace weft::worker
