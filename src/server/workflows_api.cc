// SPDX-License-Identifier: Apache-2.0
#include "server/workflows_api.h"

#include <fmt/format.h>

#include <charconv>

#include "base/strings.h"
#include "net/url.h"
#include "server/access.h"
#include "server/fields.h"
#include "server/openai_error.h"
#include "server/problem.h"
#include "server/runs.h"
#include "worker/run_report.h"

namespace weft::server {
namespace {

constexpr size_t kRunKeyBytesMax = 255;
constexpr size_t kUrlBytesMax = 2048;
constexpr int64_t kRunsMax = 200;
constexpr size_t kUnsentBytesMax = size_t{1} << 20;  // events wait for a client beyond
constexpr int64_t kStillUs = 1'000'000;  // whether its key still holds

Status start_run(ServerContext& context, const ExchangePtr& exchange, Result<json::Object> given) {
  const json::Object body = TRY(std::move(given));
  Fields fields(body);
  Submission submission;
  submission.workflow = TRY(fields.required_text("workflow_id"));
  const security::Caller& caller = caller_of(exchange->request());
  TRY(security::require(caller, "runs:execute", submission.workflow));
  submission.tenant = caller.tenant;
  if (!caller.everything) submission.by = caller.name;
  submission.key = caller.key;
  const json::Object* input = TRY(fields.object("input_data"));
  submission.input = input != nullptr ? json::Value(*input) : json::Value(json::Object());
  submission.priority = static_cast<int32_t>(TRY(fields.integer("priority", 1, 100)).value_or(1));
  if (const auto url = TRY(fields.text("callback_url"))) {
    if (url->size() > kUrlBytesMax || !net::parse_url(*url).ok()) {
      return wrong_field("callback_url", "an http or https URL", quoted(*url));
    }
    submission.callback_url = *url;
  }
  TRY(fields.finish());
  if (const std::string* key = exchange->request().header("Idempotency-Key")) {
    if (key->empty() || key->size() > kRunKeyBytesMax) {
      return wrong_field("Idempotency-Key", fmt::format("1 to {} characters", kRunKeyBytesMax),
                         std::to_string(key->size()));
    }
    submission.idem_key = *key;
  }
  context.runs->submit(std::move(submission), [exchange](Result<Accepted> accepted) {
    if (!accepted.ok()) return exchange->respond(problem(accepted.error()));
    net::HttpResponse out = json_response(
        json::Object{{"task_id", accepted->run},
                     {"status", "queued"},
                     {"estimated_completion", iso8601(accepted->estimated_us)}},
        202);
    out.headers.push_back({"Location", "/workflows/" + accepted->run});
    exchange->respond(std::move(out));
  });
  return ok_status();
}

json::Object summary_object(const worker::RunSummary& run) {
  json::Object out{{"task_id", run.id}, {"workflow_id", run.workflow}, {"status", run.status},
                   {"created_at", iso8601(run.created_us)}};
  if (run.started_us != 0) out["started_at"] = iso8601(run.started_us);
  if (run.finished_us != 0) out["finished_at"] = iso8601(run.finished_us);
  if (auto error = json::parse(run.error); !run.error.empty() && error.ok()) {
    out["error"] = std::move(*error);
  }
  return out;
}

std::string query_or_empty(const net::HttpRequest& request, std::string_view name) {
  const std::string* value = net::find_parameter(request.query, name);
  return value == nullptr ? std::string() : *value;
}

Result<worker::ListQuery> list_query(const net::HttpRequest& request) {
  worker::ListQuery out{.status = query_or_empty(request, "status"),
                        .workflow = query_or_empty(request, "workflow_id")};
  TRY(worker::check_statuses("E0750", "status", out.status));
  out.search = query_or_empty(request, "search");
  out.before = query_or_empty(request, "cursor");
  const std::string limit = query_or_empty(request, "limit");
  if (!limit.empty()) out.limit = TRY(whole_number("limit", limit, 1, kRunsMax));
  return out;
}

// One follower of one run: everything stored behind the last event it has, then what comes. The id
// of an event is its number in the run, so a client that comes back misses nothing.
class RunFeed : public std::enable_shared_from_this<RunFeed> {
 public:
  RunFeed(ServerContext& context, ExchangePtr exchange, std::string run, int64_t seen)
      : context_(context), exchange_(std::move(exchange)),
        caller_(caller_of(exchange_->request())), run_(std::move(run)), seen_(seen) {}

  void start() {
    const auto self = shared_from_this();
    listener_ = context_.runs->listen(run_, [self](const worker::Notice& notice) {
      if (notice.kind == worker::Notice::Kind::kProgress) return self->show_progress(notice);
      self->read_more();
    });
    context_.runs->follow(run_);
    exchange_->on_closed([self] { self->finish(); });  // at once, if it has gone already
    read_more();
  }

 private:
  struct News {
    std::vector<worker::StoredEvent> events;
    bool over = false;
  };

  void read_more() {
    if (!exchange_) return;
    if (std::exchange(reading_, true)) {
      again_ = true;
      return;
    }
    const auto self = shared_from_this();
    context_.runs->read<News>(
        [run = run_, seen = seen_, caller = caller_](store::Db& db) -> Result<News> {
          News news;
          TRY(visible_run(db, caller, run, "runs:read"));
          news.over = TRY(worker::read_summary(db, run)).finished_us != 0;
          news.events = TRY(worker::events_after(db, run, seen));
          return news;
        },
        [self](Result<News> news) { self->show(std::move(news)); });
  }

  void show(Result<News> news) {
    reading_ = false;
    if (!exchange_) return;
    if (!news.ok()) {
      if (!begun_) exchange_->respond(problem(news.error()));
      return finish();
    }
    if (!std::exchange(begun_, true)) exchange_->begin({});
    for (const worker::StoredEvent& event : news->events) {
      if (exchange_->unsent_bytes() > kUnsentBytesMax) return wait_for_client();
      seen_ = event.seq;
      exchange_->write(fmt::format("id: {}\nevent: state\ndata: {}\n\n", event.seq, event.body));
      if (!exchange_) return;  // it was closed for want of reading
    }
    if (!still_welcome()) return;
    if (news->over) {
      exchange_->write("event: end\ndata: {}\n\n");
      if (!exchange_) return;
      exchange_->end();
      return finish();
    }
    if (std::exchange(again_, false)) return read_more();
    if (timer_ == 0) look_again();
  }

  // An idle feed costs no reading: news are told (Runs::follow).
  void look_again() {
    timer_ = context_.loop.after(kStillUs, [self = shared_from_this()] {
      self->timer_ = 0;
      if (self->exchange_ && self->still_welcome()) self->look_again();
    });
  }

  // Else its client comes back to whoever runs next, or with a key that holds.
  bool still_welcome() {
    if (!context_.draining && (!context_.access || context_.access->still(caller_))) return true;
    exchange_->end();
    finish();
    return false;
  }

  // The rest is read again from the journal when what was written is on its way.
  void wait_for_client() {
    waiting_ = true;
    exchange_->on_drained([weak = weak_from_this()] {
      const auto self = weak.lock();
      if (self && std::exchange(self->waiting_, false)) self->read_more();
    });
  }

  void show_progress(const worker::Notice& notice) {
    if (!begun_ || !exchange_ || exchange_->unsent_bytes() > kUnsentBytesMax) return;
    const json::Object data{{"step", notice.path},
                            {"reasoning", notice.progress.reasoning},
                            {"answer", notice.progress.answer}};
    exchange_->write("event: progress\ndata: " + json::dump(data) + "\n\n");
  }

  void finish() {
    if (std::exchange(over_, true)) return;
    context_.runs->unlisten(listener_);
    context_.runs->unfollow(run_);
    if (timer_ != 0) context_.loop.cancel(std::exchange(timer_, 0));
    exchange_.reset();
  }

  ServerContext& context_;
  ExchangePtr exchange_;
  const security::Caller caller_;
  const std::string run_;
  int64_t seen_;
  uint64_t listener_ = 0;
  worker::Loop::TimerId timer_ = 0;
  bool begun_ = false;
  bool reading_ = false;
  bool again_ = false;
  bool waiting_ = false;  // for the client
  bool over_ = false;
};

}  // namespace

void execute_workflow(ServerContext& context, const ExchangePtr& exchange) {
  with_body(context, exchange, [&context, exchange](Result<json::Object> body) {
    const Status started = start_run(context, exchange, std::move(body));
    if (!started.ok()) exchange->respond(problem(started.error()));
  });
}

void show_run(ServerContext& context, const ExchangePtr& exchange) {
  const std::string run = exchange->request().parameter("task_id");
  context.runs->read<json::Object>(
      [run, caller = caller_of(exchange->request())](store::Db& db) -> Result<json::Object> {
        TRY(visible_run(db, caller, run, "runs:read"));
        return worker::read_run_document(db, run);
      },
      [exchange, run](Result<json::Object> document) {
        if (!document.ok()) return exchange->respond(problem(document.error()));
        json::Object out{{"task_id", run}};
        for (auto& [name, value] : *document) out[name] = std::move(value);
        exchange->respond(json_response(out));
      });
}

void list_runs(ServerContext& context, const ExchangePtr& exchange) {
  auto query = list_query(exchange->request());
  if (!query.ok()) return exchange->respond(problem(query.error()));
  query->tenant = caller_of(exchange->request()).tenant;
  context.runs->read<std::vector<worker::RunSummary>>(
      [query = *query](store::Db& db) { return worker::list_runs(db, query); },
      [exchange, limit = query->limit](Result<std::vector<worker::RunSummary>> runs) {
        if (!runs.ok()) return exchange->respond(problem(runs.error()));
        json::Array items;
        const security::Caller& caller = caller_of(exchange->request());
        for (const worker::RunSummary& run : *runs) {
          if (!security::may(caller, "runs:read", run.workflow)) continue;
          items.push_back(summary_object(run));
        }
        json::Object out{{"items", std::move(items)}};
        out["next_cursor"] = nullptr;
        if (std::ssize(*runs) == limit) out["next_cursor"] = runs->back().id;
        exchange->respond(json_response(out));
      });
}

void follow_run(ServerContext& context, const ExchangePtr& exchange) {
  int64_t seen = 0;
  if (const std::string* last = exchange->request().header("Last-Event-ID")) {
    const auto [end, error] = std::from_chars(last->data(), last->data() + last->size(), seen);
    if (error != std::errc() || end != last->data() + last->size() || seen < 0) {
      return exchange->respond(problem(wrong_field("Last-Event-ID", "a number", *last)));
    }
  }
  std::make_shared<RunFeed>(context, exchange, exchange->request().parameter("task_id"), seen)
      ->start();
}

}  // namespace weft::server
