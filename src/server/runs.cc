// SPDX-License-Identifier: Apache-2.0
#include "server/runs.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "base/strings.h"
#include "worker/run_context.h"
#include "worker/schema.h"
#include "workflow/input.h"

namespace weft::server {
namespace {

constexpr double kUnknownSeconds = 10;  // of a workflow that has never finished
constexpr int64_t kMeasuredRuns = 20;

// What is stored about a workflow and a key before a run of it begins.
struct Before {
  std::optional<worker::KeyedRun> keyed;
  double mean_seconds = kUnknownSeconds;
};

Result<Before> read_before(store::Db& db, const std::string& workflow, const std::string& key) {
  Before out;
  if (!key.empty()) out.keyed = TRY(worker::find_keyed_run(db, key));
  const auto runs = TRY(worker::list_runs(
      db, {.status = "succeeded", .workflow = workflow, .limit = kMeasuredRuns}));
  double sum = 0;
  for (const worker::RunSummary& run : runs) {
    sum += static_cast<double>(run.finished_us - run.created_us) / 1e6;
  }
  if (!runs.empty()) out.mean_seconds = sum / static_cast<double>(runs.size());
  return out;
}

Error key_conflict(const std::string& key, const std::string& run) {
  return make_error("E0754", fmt::format("the Idempotency-Key {} belongs to {} with another "
                                         "workflow or input", quoted(key), run),
                    "use a new key for a new request");
}

}  // namespace

Result<std::unique_ptr<Runs>> Runs::open(Env& env, worker::Loop& loop, worker::Pool& pool,
                                         Metrics& metrics, RunsOptions options) {
  std::unique_ptr<Runs> out(new Runs(env, loop, pool, metrics));
  out->db_ = TRY(worker::open_journal_store(options.store_path));
  out->roots_ = std::move(options.roots);
  for (auto& [workflow, definitions] : options.workflows) {
    TRY(worker::check_step_types(*workflow));
    const std::string id = workflow->id;
    out->definitions_[id] = std::move(definitions);
    if (!out->workflows_.emplace(id, std::move(workflow)).second) {
      return make_error("E0753", fmt::format("two workflows are called {}", quoted(id)),
                        "give one of them another id");
    }
  }
  return Result<std::unique_ptr<Runs>>(std::move(out));
}

void Runs::submit(Submission submission, std::function<void(Result<Accepted>)> done) {
  const auto found = workflows_.find(submission.workflow);
  if (found == workflows_.end()) {
    std::vector<std::string> names;
    for (const auto& [name, workflow] : workflows_) names.push_back(name);
    return done(make_error("E0753",
                           fmt::format("there is no workflow {}", quoted(submission.workflow)),
                           names.empty() ? "start the server with --workflow FILE"
                                         : name_hint(submission.workflow, names)));
  }
  auto input = workflow::completed_input(*found->second, std::move(submission.input));
  if (!input.ok()) return done(std::move(input).error());
  submission.input = std::move(*input);
  const std::string workflow = submission.workflow;
  const std::string key = submission.idem_key;
  read<Before>([workflow, key](store::Db& db) { return read_before(db, workflow, key); },
               [this, submission = std::move(submission), done](Result<Before> before) {
                 if (!before.ok()) return done(std::move(before).error());
                 if (!before->keyed) return submit_new(submission, before->mean_seconds, done);
                 const worker::KeyedRun& old = *before->keyed;
                 if (old.workflow != submission.workflow ||
                     old.input != json::dump(submission.input)) {
                   return done(key_conflict(submission.idem_key, "run " + old.id));
                 }
                 done(Accepted{old.id, env_.wall_us()});
               });
}

// Everything runs side by side here; a run shares the machine with those that are as urgent.
void Runs::submit_new(const Submission& submission, double mean_seconds,
                      const std::function<void(Result<Accepted>)>& done) {
  CHECK(executor_ != nullptr);
  const std::string& key = submission.idem_key;
  if (!key.empty() && being_stored_.contains(key)) {
    return done(key_conflict(key, "a request that is being accepted"));
  }
  worker::NewRun request;
  request.workflow = workflows_.at(submission.workflow);
  request.input = submission.input;
  request.definitions = definitions_.at(submission.workflow);
  request.context = worker::to_json(worker::RunContext{.roots = roots_, .model = {}});
  request.priority = submission.priority;
  request.seed = static_cast<uint64_t>(env_.wall_us());
  request.idem_key = key;
  const auto ahead = static_cast<double>(executor_->active());
  const double seconds = mean_seconds * (1 + ahead / std::max(1, submission.priority));
  if (!key.empty()) being_stored_[key] = submission;
  const int64_t estimated_us = env_.wall_us() + static_cast<int64_t>(seconds * 1e6);
  start(std::move(request), [this, key, estimated_us, done](Result<std::string> run) {
    being_stored_.erase(key);
    if (!run.ok()) return done(std::move(run).error());
    done(Accepted{*run, estimated_us});
  });
}

// Nothing leaves before it is durable: the first news of a run comes when it is on disk.
void Runs::start(worker::NewRun request, std::function<void(Result<std::string>)> done) {
  CHECK(executor_ != nullptr);
  auto run = executor_->submit(std::move(request));
  if (!run.ok()) return done(std::move(run).error());
  const auto id = std::make_shared<uint64_t>(0);
  *id = listen(*run, [this, id, run = *run, done](const worker::Notice&) {
    const auto keep = done;
    const std::string told = run;
    unlisten(*id);
    keep(told);
  });
}

void Runs::tell(const worker::Notice& notice) {
  std::vector<uint64_t> interested;
  for (const auto& [id, listener] : listeners_) {
    if (listener.first == notice.run) interested.push_back(id);
  }
  for (const uint64_t id : interested) {
    const auto found = listeners_.find(id);
    if (found == listeners_.end()) continue;
    const Listener listener = found->second.second;  // it may remove itself
    listener(notice);
  }
  if (notice.kind == worker::Notice::Kind::kRun && notice.terminal) count(notice.run);
}

void Runs::count(const std::string& run) {
  read<worker::RunSummary>(
      [run](store::Db& db) { return worker::read_summary(db, run); },
      [this](Result<worker::RunSummary> summary) {
        if (!summary.ok()) return;
        metrics_.workflow(summary->workflow,
                          static_cast<double>(summary->finished_us - summary->created_us) / 1e6,
                          summary->status == "succeeded");
      });
}

uint64_t Runs::listen(const std::string& run, Listener listener) {
  listeners_.emplace(++newest_listener_, std::pair(run, std::move(listener)));
  return newest_listener_;
}

}  // namespace weft::server
