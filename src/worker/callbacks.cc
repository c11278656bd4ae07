// SPDX-License-Identifier: Apache-2.0
#include "worker/callbacks.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "base/env.h"
#include "base/strings.h"
#include "obs/log.h"
#include "security/crypto.h"
#include "worker/places.h"
#include "worker/run_report.h"

namespace weft::worker {
namespace {

constexpr int64_t kSecondUs = 1'000'000;
constexpr int64_t kClaimUs = 60 * kSecondUs;
constexpr int64_t kPauseMaxUs = 3600 * kSecondUs;
constexpr int64_t kGiveUpUs = 24 * kPauseMaxUs;
constexpr int64_t kLookUs = 1 * kSecondUs;
constexpr int64_t kAtOnce = 32;
constexpr int64_t kTimeoutMs = 30'000;  // within the claim
constexpr size_t kErrorBytesMax = 500;
constexpr int64_t kGone = 410;

constexpr std::string_view kCallbackColumns =
    "SELECT run, tenant, url, state, attempts, next_us, created_us, last_status, last_error "
    "FROM callback ";

Result<Callback> callback_of(store::Db& db, const store::Rows& rows) {
  const std::string_view run = rows.text(0);
  return Callback{
      .run = std::string(run),
      .tenant = std::string(rows.text(1)),
      .url = TRY(store::opened(db, place_in_run("run.callback_url", run), rows.text(2))),
      .state = std::string(rows.text(3)),
      .attempts = rows.int64(4),
      .next_us = rows.int64(5),
      .created_us = rows.int64(6),
      .last_status = rows.int64(7),
      .last_error = TRY(store::opened(db, place_of_callback_error(run), rows.text(8)))};
}

// 1 s, 2 s, 4 s … an hour, the last quarter of it by the run's id, so that a receiver that comes
// back is not met by all at once.
int64_t pause_us(const Callback& callback) {
  const auto exponent = std::min<int64_t>(callback.attempts - 1, 12);
  const int64_t whole = std::min(kSecondUs << std::max<int64_t>(exponent, 0), kPauseMaxUs);
  const auto spread = static_cast<int64_t>(std::hash<std::string>{}(callback.run) % 256);
  return whole - whole / 4 * spread / 256;
}

}  // namespace

Result<std::vector<Callback>> list_callbacks(store::Db& db, std::string_view tenant,
                                             std::string_view state, int64_t limit) {
  auto rows = TRY(db.query(
      std::string(kCallbackColumns)
          .append("WHERE tenant = $1 AND ($2 = '' OR state = $2) "
                  "ORDER BY created_us DESC, run DESC LIMIT $3"),
      {tenant, state, limit}));
  std::vector<Callback> out;
  while (TRY(rows->next())) out.push_back(TRY(callback_of(db, *rows)));
  return out;
}

Status redrive_callback(store::Db& db, std::string_view tenant, std::string_view run) {
  const int64_t now_us = TRY(db.now_ms()) * 1000;
  const int64_t changed = TRY(db.run(
      "UPDATE callback SET state = 'waiting', attempts = 0, next_us = $1, created_us = $1 "
      "WHERE run = $2 AND tenant = $3",
      {now_us, run, tenant}));
  if (changed == 1) return ok_status();
  return make_error("E0601", fmt::format("run {} has no callback", quoted(run)),
                    "it was started without a callback_url, or has not ended");
}

Result<std::vector<Callback>> claim_callbacks(store::Db& db, int64_t limit) {
  std::vector<Callback> out;
  const int64_t now_us = TRY(db.now_ms()) * 1000;
  const std::string due =
      std::string(kCallbackColumns)
          .append("WHERE state = 'waiting' AND next_us <= $1 ORDER BY next_us LIMIT $2 ");
  {  // mostly there is nothing, and no lock is needed to see that
    auto rows = TRY(db.query(due, {now_us, int64_t{1}}));
    if (!TRY(rows->next())) return out;
  }
  store::Tx tx = TRY(store::Tx::begin(db));
  {
    auto rows = TRY(db.query(due + std::string(db.skip_locked()), {now_us, limit}));
    while (TRY(rows->next())) out.push_back(TRY(callback_of(db, *rows)));
  }
  for (Callback& callback : out) {
    ++callback.attempts;
    TRY(db.run("UPDATE callback SET attempts = $1, next_us = $2 WHERE run = $3",
               {callback.attempts, now_us + kClaimUs, callback.run}));
  }
  TRY(tx.commit());
  return out;
}

Status settle_callback(store::Db& db, const Callback& callback, int64_t status,
                       std::string_view error) {
  const int64_t now_us = TRY(db.now_ms()) * 1000;
  const bool good = status >= 200 && status < 300;
  const bool over = status == kGone || now_us - callback.created_us >= kGiveUpUs;
  const auto told = TRY(store::kept(db, place_of_callback_error(callback.run, callback.tenant),
                                    beginning(error, kErrorBytesMax)));
  const char* state = good ? "delivered" : over ? "dead" : "waiting";
  TRY(db.run("UPDATE callback SET state = $1, next_us = $2, last_status = $3, last_error = $4 "
             "WHERE run = $5 AND attempts = $6 AND state = 'waiting'",
             {state, now_us + pause_us(callback), status, told.value(),
              callback.run, callback.attempts}));
  return ok_status();
}

std::string callback_signature(std::string_view secret, int64_t at_s, std::string_view body) {
  const std::string signed_text = fmt::format("{}.{}", at_s, body);
  return fmt::format("t={},v1={}", at_s,
                     security::to_hex(security::hmac_sha256(secret, signed_text)));
}

CallbackSender::CallbackSender(Loop& loop, Pool& pool, net::Client& client, std::string secret,
                               OpenStore open)
    : loop_(loop), pool_(pool), client_(client), secret_(std::move(secret)),
      open_(std::move(open)) {}

void CallbackSender::start() { look(); }

void CallbackSender::stop() {
  stopped_ = true;
  if (timer_ != 0) loop_.cancel(std::exchange(timer_, 0));
}

void CallbackSender::poke() {
  again_ = true;
  if (!looking_) look();
}

void CallbackSender::look() {
  if (stopped_ || looking_) return;
  if (timer_ != 0) loop_.cancel(std::exchange(timer_, 0));
  looking_ = true;
  again_ = false;
  pool_.submit([self = shared_from_this(), room = kAtOnce - sending_] {
    const auto read = [&]() -> Result<std::vector<Due>> {
      if (self->db_ == nullptr) self->db_ = TRY(self->open_());
      std::vector<Due> out;
      for (Callback& callback : TRY(claim_callbacks(*self->db_, std::max<int64_t>(room, 0)))) {
        auto document = read_run_document(*self->db_, callback.run);
        if (!document.ok()) {  // one that cannot be read does not keep the others
          TRY(settle_callback(*self->db_, callback, 0, document.error().message));
          continue;
        }
        json::Object body{{"task_id", callback.run}};
        for (auto& member : *document) body[member.key()] = member.value();
        std::string text = json::dump(body);
        if (self->filter_) text = self->filter_(text);
        out.push_back({std::move(callback), std::move(text)});
      }
      return out;
    };
    auto due = std::make_shared<Result<std::vector<Due>>>(read());
    if (!due->ok()) self->db_.reset();  // a lost connection is opened anew
    self->loop_.post([self, due] { self->take(std::move(*due)); });
  });
}

void CallbackSender::take(Result<std::vector<Due>> due) {
  looking_ = false;
  if (stopped_) return;
  if (due.ok()) {
    for (Due& one : *due) send(std::move(one));
  } else {
    obs::log(obs::Level::kWarning, "callbacks", "{}", due.error().text());
  }
  if (again_ && sending_ < kAtOnce) return look();
  timer_ = loop_.after(kLookUs, [self = shared_from_this()] {
    self->timer_ = 0;
    self->look();
  });
}

void CallbackSender::send(Due due) {
  ++sending_;
  const int64_t at_s = real_env().wall_us() / kSecondUs;
  net::Request request;
  request.method = "POST";
  request.url = due.callback.url;
  request.headers = {{"Content-Type", "application/json"},
                     {"X-Weft-Event", "workflow.finished"},
                     {"X-Weft-Delivery", due.callback.run},
                     {"X-Weft-Signature", callback_signature(secret_, at_s, due.body)}};
  request.body = std::move(due.body);
  request.total_timeout_ms = kTimeoutMs;
  request.response_bytes_max = size_t{64} << 10;
  request.redirects_max = 0;
  client_.send(std::move(request),
               [self = shared_from_this(), callback = due.callback](Result<net::Response> answer) {
                 self->settled(callback, std::move(answer));
               });
}

void CallbackSender::settled(const Callback& callback, Result<net::Response> answer) {
  --sending_;
  if (stopped_) return;
  const int64_t status = answer.ok() ? answer->status : 0;
  const std::string error = answer.ok() ? "" : answer.error().message;
  pool_.submit([self = shared_from_this(), callback, status, error] {
    const auto settle = [&]() -> Status {
      const auto db = TRY(self->open_());
      return settle_callback(*db, callback, status, error);
    };
    // Unsettled it is sent once more when its claim ends.
    if (const Status done = settle(); !done.ok()) {
      obs::log(obs::Level::kWarning, "callbacks", "{}", done.error().text());
    }
  });
}

}  // namespace weft::worker
