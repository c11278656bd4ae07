// SPDX-License-Identifier: Apache-2.0
#include "server/overview.h"

#include <sys/resource.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "backend/direct.h"
#include "base/threads.h"
#include "server/access.h"
#include "server/fields.h"
#include "server/openai_error.h"
#include "server/problem.h"
#include "server/runs.h"

namespace weft::server {
namespace {

constexpr int64_t kSecondNs = 1'000'000'000;
constexpr int64_t kFreshNs = 900'000'000;
constexpr int64_t kReadShare = 20;  // reading takes at most this part of the time
constexpr int64_t kNewestRuns = 12;
constexpr int64_t kBuckets = 60;
constexpr int64_t kPagePaceUs = 1'000'000;
// What may be asked for, so that what is kept here is bounded: an hour, a day, a week.
constexpr int64_t kWindows[] = {3600, 24 * 3600, 7 * 24 * 3600};

// Of this process, user and system, since it began.
int64_t processor_us() {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  const auto us = [](const timeval& time) { return time.tv_sec * 1'000'000 + time.tv_usec; };
  return us(used.ru_utime) + us(used.ru_stime);
}

json::Value mean_of(const worker::RunWindow& window) {
  if (window.ended == 0) return nullptr;
  return window.seconds / static_cast<double>(window.ended);
}
json::Value percent_of(const worker::RunWindow& window) {
  if (window.ended == 0) return nullptr;
  return 100.0 * static_cast<double>(window.succeeded) / static_cast<double>(window.ended);
}
// Null unless both windows have runs.
json::Object tile(const json::Value& now, const json::Value& before) {
  json::Object out{{"value", now}, {"delta", nullptr}};
  if (now.is_double() && before.is_double()) out["delta"] = now.as_double() - before.as_double();
  return out;
}

json::Array series_of(const worker::RunStatistics& statistics) {
  json::Array out;
  for (const worker::RunBucket& bucket : statistics.buckets) {
    json::Array point{bucket.from_us / 1'000'000, bucket.ended, bucket.succeeded};
    point.push_back(bucket.ended > 0 ? json::Value(bucket.mean_s) : json::Value());
    point.push_back(bucket.ended > 0 ? json::Value(bucket.p95_s) : json::Value());
    out.push_back(std::move(point));
  }
  return out;
}

json::Object row_of(const worker::RunSummary& run) {
  return {{"task_id", run.id},
          {"workflow_id", run.workflow},
          {"status", run.status},
          {"created_ms", run.created_us / 1000},
          {"finished_ms", run.finished_us / 1000}};
}

Result<int64_t> window_of(const net::HttpRequest& request) {
  int64_t window_s = 24 * 3600;
  const std::string* given = net::find_parameter(request.query, "window");
  if (given == nullptr) return window_s;
  const char* const last = given->data() + given->size();
  const auto [end, error] = std::from_chars(given->data(), last, window_s);
  if (error == std::errc() && end == last && std::ranges::count(kWindows, window_s) == 1) {
    return window_s;
  }
  return wrong_field("window", "3600, 86400 or 604800 seconds", *given);
}

// One page that keeps the overview open: the document once a second, as long as its client reads.
class Watcher : public std::enable_shared_from_this<Watcher> {
 public:
  Watcher(ServerContext& context, ExchangePtr exchange, int64_t window_s)
      : context_(context), exchange_(std::move(exchange)), window_s_(window_s) {}

  void start() {
    exchange_->on_closed([self = shared_from_this()] { self->finish(); });
    exchange_->begin({});
    look();
  }

 private:
  void look() {
    timer_ = 0;
    if (!exchange_) return;
    const security::Caller& caller = caller_of(exchange_->request());
    if (context_.draining || (context_.access && !context_.access->still(caller))) {
      exchange_->end();
      return exchange_.reset();
    }
    context_.overview->ask(
        window_s_, caller, [self = shared_from_this()](Result<json::Object> document) {
          if (!self->exchange_) return;
          // who reads slowly gets the newest state later, not a queue of old ones
          if (document.ok() && self->exchange_->unsent_bytes() == 0) self->show(*document);
          self->timer_ = self->context_.loop.after(kPagePaceUs, [self] { self->look(); });
        });
  }

  void show(const json::Object& document) {
    std::string text = json::dump(document);
    exchange_->write(fmt::format("id: {}\nevent: overview\ndata: {}\n\n", ++sent_, text));
  }

  void finish() {
    if (timer_ != 0) context_.loop.cancel(std::exchange(timer_, 0));
    exchange_.reset();
  }

  ServerContext& context_;
  ExchangePtr exchange_;
  const int64_t window_s_;
  int64_t sent_ = 0;
  worker::Loop::TimerId timer_ = 0;
};

}  // namespace

Overview::Overview(ServerContext& context)
    : context_(context), measured_ns_(context.env.mono_ns()), busy_us_(processor_us()) {}

void Overview::ask(int64_t window_s, const security::Caller& caller, Then then) {
  const Key key(caller.tenant, window_s);
  View& view = views_[key];
  const int64_t now_ns = context_.env.mono_ns();
  const int64_t fresh_ns = std::max(kFreshNs, kReadShare * view.took_ns);
  if (view.read_ns != 0 && now_ns - view.read_ns < fresh_ns) {
    return then(document(window_s, view.stored, caller));
  }
  view.waiting.push_back({caller, std::move(then)});
  if (std::exchange(view.reading, true)) return;
  const int64_t now_us = context_.env.wall_us();
  context_.runs->read<Stored>(
      [key, now_us](store::Db& db) -> Result<Stored> {
        const auto& [tenant, window] = key;
        Stored stored;
        stored.statistics = TRY(worker::run_statistics(db, {.tenant = tenant,
                                                            .now_us = now_us,
                                                            .window_us = window * 1'000'000,
                                                            .buckets = kBuckets}));
        stored.newest = TRY(worker::list_runs(db, {.limit = kNewestRuns, .tenant = tenant}));
        return stored;
      },
      [this, key, now_ns](Result<Stored> stored) { on_read(key, now_ns, std::move(stored)); });
}

void Overview::on_read(const Key& key, int64_t begun_ns, Result<Stored> stored) {
  View& view = views_[key];
  view.reading = false;
  const std::vector<Asked> waiting = std::exchange(view.waiting, {});
  if (!stored.ok()) {
    for (const Asked& asked : waiting) asked.then(stored.error());
    return;
  }
  view.stored = std::move(*stored);
  view.read_ns = context_.env.mono_ns();
  view.took_ns = view.read_ns - begun_ns;
  for (const Asked& asked : waiting) {
    asked.then(document(key.second, view.stored, asked.caller));
  }
}

void Overview::measure() {
  const int64_t now_ns = context_.env.mono_ns();
  const int64_t passed_ns = now_ns - measured_ns_;
  if (passed_ns < kSecondNs) return;
  const int64_t busy_us = processor_us();
  int64_t generated = 0;
  for (const auto& model : backend::loaded_models(context_.backend)) {
    generated += model.generated_tokens;
  }
  const double seconds = static_cast<double>(passed_ns) / kSecondNs;
  const double busy_s = static_cast<double>(busy_us - busy_us_) / 1e6;
  cores_busy_ = std::clamp(busy_s / seconds / usable_cores(), 0.0, 1.0);
  // a model that was unloaded takes its count with it
  tokens_per_s_ = std::max<double>(0, static_cast<double>(generated - generated_)) / seconds;
  measured_ns_ = now_ns;
  busy_us_ = busy_us;
  generated_ = generated;
}

json::Object Overview::engine() {
  backend::ModelFacts sum;
  for (const auto& model : backend::loaded_models(context_.backend)) {
    sum.running += model.running;
    sum.waiting += model.waiting;
    sum.prompt_tokens += model.prompt_tokens;
    sum.cached_tokens += model.cached_tokens;
    sum.generated_tokens += model.generated_tokens;
    sum.blocks_used += model.blocks_used;
    sum.blocks_cached += model.blocks_cached;
    sum.blocks += model.blocks;
  }
  const Metrics::Tokens tokens = context_.metrics.tokens();
  return {{"running", sum.running},
          {"waiting", sum.waiting},
          {"tokens_per_s", tokens_per_s_},
          {"prompt_tokens", sum.prompt_tokens},
          {"cached_tokens", sum.cached_tokens},
          {"generated_tokens", sum.generated_tokens},
          {"thinking_tokens", tokens.reasoning},
          {"answer_tokens", tokens.answer},
          {"kv_used", sum.blocks_used},
          {"kv_cached", sum.blocks_cached},
          {"kv_blocks", sum.blocks}};
}

json::Object Overview::document(int64_t window_s, const Stored& stored,
                                const security::Caller& caller) {
  measure();
  const worker::RunStatistics& statistics = stored.statistics;
  json::Object tiles;
  tiles["processed"] =
      json::Object{{"value", statistics.ended_ever}, {"delta", statistics.now.ended}};
  tiles["mean_seconds"] = tile(mean_of(statistics.now), mean_of(statistics.before));
  tiles["success_percent"] = tile(percent_of(statistics.now), percent_of(statistics.before));
  tiles["utilization_percent"] =
      json::Object{{"value", 100.0 * cores_busy_}, {"device", "cpu"}, {"cores", usable_cores()}};
  json::Object alive;
  for (const auto& [status, count] : statistics.alive) alive[status] = count;
  json::Array newest;
  for (const worker::RunSummary& run : stored.newest) {
    if (security::may(caller, "runs:read", run.workflow)) newest.push_back(row_of(run));
  }
  json::Object out;
  out["now_ms"] = context_.env.wall_us() / 1000;
  out["started_ms"] = context_.started_s * 1000;
  out["window_s"] = window_s;
  out["model"] = nullptr;
  for (const auto& [name, meaning] : backend::model_names(context_.backend)) {
    if (name == "default") out["model"] = meaning;
  }
  out["ready"] = context_.ready;
  out["tiles"] = std::move(tiles);
  out["alive"] = std::move(alive);
  out["actions"] = statistics.actions;
  out["bucket_s"] = statistics.bucket_us / 1'000'000;
  out["series"] = series_of(statistics);
  out["newest"] = std::move(newest);
  out["engine"] = engine();
  return out;
}

void show_overview(ServerContext& context, const ExchangePtr& exchange) {
  const auto window_s = window_of(exchange->request());
  if (!window_s.ok()) return exchange->respond(problem(window_s.error()));
  const std::string* accept = exchange->request().header("Accept");
  if (accept != nullptr && accept->find("text/event-stream") != std::string::npos) {
    return std::make_shared<Watcher>(context, exchange, *window_s)->start();
  }
  context.overview->ask(
      *window_s, caller_of(exchange->request()), [exchange](Result<json::Object> document) {
        exchange->respond(document.ok() ? json_response(*document) : problem(document.error()));
      });
}

}  // namespace weft::server
