// SPDX-License-Identifier: Apache-2.0
#include "server/runs.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "base/file.h"
#include "base/strings.h"
#include "obs/log.h"
#include "worker/run_context.h"
#include "worker/run_trace.h"
#include "worker/run_statistics.h"
#include "worker/schema.h"
#include "workflow/input.h"

namespace weft::server {
namespace {

constexpr double kUnknownSeconds = 10;  // of a workflow that has never finished
constexpr int64_t kMeasuredRuns = 20;
constexpr int64_t kWatchRunsUs = 1'000'000;

Error key_conflict(const std::string& key, const std::string& run) {
  return make_error("E0754", fmt::format("the Idempotency-Key {} belongs to {} with another "
                                         "workflow or input", quoted(key), run),
                    "use a new key for a new request");
}

// Files of tenants are apart as well: each has a directory of its own below the server's.
Result<std::vector<std::string>> roots_of(const std::vector<std::string>& roots,
                                          const std::string& tenant) {
  if (tenant.empty()) return roots;
  std::vector<std::string> out;
  for (const std::string& root : roots) {
    out.push_back(fmt::format("{}/tenants/{}", root, tenant));
    TRY(make_directories(out.back()));
  }
  return out;
}

// Keys of different tenants never meet: no header holds a line feed.
std::string stored_key(const Submission& submission) {
  if (submission.idem_key.empty() || submission.tenant.empty()) return submission.idem_key;
  return submission.tenant + "\n" + submission.idem_key;
}

}  // namespace

Result<worker::RunOwner> visible_run(store::Db& db, const security::Caller& caller,
                                     std::string_view run, std::string_view action) {
  worker::RunOwner owner = TRY(worker::run_owner(db, run));
  if (owner.tenant != caller.tenant) {
    return make_error("E0601", fmt::format("there is no run {} in this store", quoted(run)));
  }
  TRY(security::require(caller, action, owner.workflow));
  return owner;
}

// What is stored about a workflow and a key before a run of it begins.
struct Runs::Before {
  Offered found;
  json::Value input;
  std::vector<std::string> roots;
  std::optional<worker::KeyedRun> keyed;
  double mean_seconds = kUnknownSeconds;
};

Result<std::unique_ptr<Runs>> Runs::open(Env& env, worker::Loop& loop, worker::Pool& pool,
                                         Metrics& metrics, RunsOptions options) {
  std::unique_ptr<Runs> out(new Runs(env, loop, pool, metrics));
  out->db_ = TRY(worker::open_journal_store(options.store));
  out->roots_ = std::move(options.roots);
  for (Offered& offered : options.workflows) TRY(out->catalog_.add(std::move(offered)));
  return Result<std::unique_ptr<Runs>>(std::move(out));
}

Result<Runs::Before> Runs::read_before(store::Db& db, const Submission& submission) {
  Before out;
  out.found = TRY(catalog_.find(db, submission.tenant, submission.workflow));
  out.input = TRY(workflow::completed_input(*out.found.workflow, submission.input));
  out.roots = TRY(roots_of(roots_, submission.tenant));
  const std::string key = stored_key(submission);
  if (!key.empty()) out.keyed = TRY(worker::find_keyed_run(db, key));
  const auto runs = TRY(worker::list_runs(db, {.status = "succeeded",
                                               .workflow = submission.workflow,
                                               .limit = kMeasuredRuns,
                                               .tenant = submission.tenant}));
  double sum = 0;
  for (const worker::RunSummary& run : runs) {
    sum += static_cast<double>(run.finished_us - run.created_us) / 1e6;
  }
  if (!runs.empty()) out.mean_seconds = sum / static_cast<double>(runs.size());
  return out;
}

void Runs::submit(Submission submission, std::function<void(Result<Accepted>)> done) {
  read<Before>([this, submission](store::Db& db) { return read_before(db, submission); },
               [this, submission, done](Result<Before> before) {
                 if (!before.ok()) return done(std::move(before).error());
                 if (!before->keyed) return submit_new(submission, std::move(*before), done);
                 const worker::KeyedRun& old = *before->keyed;
                 if (old.workflow != submission.workflow ||
                     old.input != json::dump(before->input)) {
                   return done(key_conflict(submission.idem_key, "run " + old.id));
                 }
                 done(Accepted{old.id, env_.wall_us(),
                               std::ssize(before->found.workflow->steps)});
               });
}

void Runs::submit_new(const Submission& submission, Before before,
                      const std::function<void(Result<Accepted>)>& done) {
  CHECK(executor_ != nullptr);
  const std::string key = stored_key(submission);
  if (!key.empty() && being_stored_.contains(key)) {
    return done(key_conflict(submission.idem_key, "a request that is being accepted"));
  }
  const int64_t steps = std::ssize(before.found.workflow->steps);
  worker::NewRun request;
  request.workflow = std::move(before.found.workflow);
  request.input = std::move(before.input);
  request.definitions = std::move(before.found.definitions);
  request.context = worker::to_json(worker::RunContext{
      .roots = std::move(before.roots),
      .model = {},
      .tenant = submission.tenant,
      .by = submission.by,
      .key = submission.key});
  request.priority = submission.priority;
  request.seed = static_cast<uint64_t>(env_.wall_us());
  request.idem_key = key;
  request.callback_url = submission.callback_url;
  const double seconds = pace_.seconds(
      before.mean_seconds, static_cast<double>(executor_->active()), submission.priority);
  if (!key.empty()) being_stored_[key] = submission;
  const int64_t estimated_us = env_.wall_us() + static_cast<int64_t>(seconds * 1e6);
  const auto accepted = [this, key, estimated_us, steps, done](Result<std::string> run) {
    being_stored_.erase(key);
    if (!run.ok()) return done(std::move(run).error());
    done(Accepted{*run, estimated_us, steps});
  };
  if (key.empty()) return start(std::move(request), accepted);
  start(std::move(request), accepted, [this, key, submission, done](const std::string&) {
    being_stored_.erase(key);  // another process has taken the key meanwhile: its run is the one
    submit(submission, done);
  });
}

void Runs::start(worker::NewRun request, std::function<void(Result<std::string>)> done) {
  const auto again = std::make_shared<const worker::NewRun>(request);
  start(std::move(request), done, [this, again, done](const std::string& lost) {
    read<bool>([lost](store::Db& db) -> Result<bool> {
      const auto summary = worker::read_summary(db, lost);
      if (!summary.ok() && summary.error().code != "E0601") return summary.error();
      return summary.ok();
    }, [this, again, lost, done](Result<bool> stored) {
      if (!stored.ok()) return done(std::move(stored).error());
      if (*stored) return done(lost);
      start(*again, done);
    });
  });
}

// Nothing leaves before it is durable: the first news of a run comes when it is on disk, or when it
// never will be by us: this process was stopped past its lease, or somebody has taken its key.
void Runs::start(worker::NewRun request, std::function<void(Result<std::string>)> done,
                 std::function<void(const std::string&)> lost) {
  CHECK(executor_ != nullptr);
  auto run = executor_->submit(std::move(request));
  if (!run.ok()) return done(std::move(run).error());
  const auto id = std::make_shared<uint64_t>(0);
  *id = listen(*run, [this, id, run = *run, done, lost](const worker::Notice& notice) {
    const auto keep = done;
    const auto keep_lost = lost;
    const std::string told = run;
    const bool is_lost = notice.kind == worker::Notice::Kind::kLost;
    const Error why = make_error(notice.code, notice.why);
    unlisten(*id);
    if (is_lost && !why.message.empty()) return keep(why);
    if (is_lost) return keep_lost(told);
    keep(told);
  });
}

void Runs::wake(const worker::Notice& notice) {
  std::vector<uint64_t> interested;
  for (auto at = listeners_.lower_bound({notice.run, 0});
       at != listeners_.end() && at->first.first == notice.run; ++at) {
    interested.push_back(at->first.second);
  }
  for (const uint64_t id : interested) {
    const auto found = listeners_.find({notice.run, id});
    if (found == listeners_.end()) continue;
    const Listener listener = found->second;  // it may remove itself
    listener(notice);
  }
}

void Runs::tell(const worker::Notice& notice) {
  wake(notice);
  if (notice.kind != worker::Notice::Kind::kRun || !notice.terminal) return;
  obs::log_fields(obs::Level::kInfo, "runs", notice.status,
                  {{"run", notice.run}, {"trace", worker::trace_id(notice.run)}});
  count(notice.run);
}

void Runs::count(const std::string& run) {
  struct Ended {
    worker::RunSummary summary;
    worker::RunTokens tokens;
  };
  read<Ended>(
      [run](store::Db& db) -> Result<Ended> {
        return Ended{TRY(worker::read_summary(db, run)), TRY(worker::run_tokens(db, run))};
      },
      [this](Result<Ended> ended) {
        if (!ended.ok()) return;
        const worker::RunSummary& done = ended->summary;
        const int64_t took_us = done.finished_us - done.created_us;
        pace_.ended(done.finished_us, took_us);
        metrics_.workflow(done.workflow, static_cast<double>(took_us) / 1e6,
                          done.status == "succeeded");
        metrics_.tokens({ended->tokens.reasoning, ended->tokens.answer});
      });
}

uint64_t Runs::listen(const std::string& run, Listener listener) {
  const uint64_t id = ++newest_listener_;
  listeners_.emplace(std::pair(run, id), std::move(listener));
  listened_.emplace(id, run);
  return id;
}

void Runs::unlisten(uint64_t id) {
  const auto run = listened_.find(id);
  if (run == listened_.end()) return;
  listeners_.erase({run->second, id});
  listened_.erase(run);
}

void Runs::follow(const std::string& run) {
  ++followed_[run].followers;
  if (std::exchange(watching_, true)) return;
  loop_.after(kWatchRunsUs, [this] { watch(); });
}

void Runs::unfollow(const std::string& run) {
  const auto found = followed_.find(run);
  CHECK(found != followed_.end(), "nobody follows {}", run);
  if (--found->second.followers == 0) followed_.erase(found);
}

// Every change of a run raises the version of its row.
void Runs::watch() {
  if (followed_.empty()) {
    watching_ = false;
    return;
  }
  std::vector<std::string> runs;
  for (const auto& [run, followed] : followed_) runs.push_back(run);
  read<std::map<std::string, int64_t>>(
      [runs = std::move(runs)](store::Db& db) { return worker::run_versions(db, runs); },
      [this](Result<std::map<std::string, int64_t>> versions) {
        if (versions.ok()) watched(*versions);
        loop_.after(kWatchRunsUs, [this] { watch(); });
      });
}

void Runs::watched(const std::map<std::string, int64_t>& versions) {
  std::vector<std::string> changed;
  for (auto& [run, followed] : followed_) {
    const auto now = versions.find(run);
    const int64_t version = now == versions.end() ? -1 : now->second;  // it may have been removed
    if (std::exchange(followed.version, version) != version) changed.push_back(run);
  }
  for (const std::string& run : changed) {
    worker::Notice notice;
    notice.run = run;
    wake(notice);
  }
}

}  // namespace weft::server
