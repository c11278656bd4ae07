// SPDX-License-Identifier: Apache-2.0
#include "server/session_store.h"

#include <optional>

#include "obs/log.h"
#include "server/access.h"
#include "server/runs.h"

namespace weft::server {
namespace {

using Found = std::optional<security::StoredSession>;
using Ended = std::vector<std::string>;

constexpr int64_t kWatchSessionsUs = 1'000'000;
// Who could not look for so long looks every session up anew.
constexpr int64_t kEndedUs = 60'000'000;

void watch_since(ServerContext& context, int64_t looked_ns) {
  context.loop.after(kWatchSessionsUs, [&context, looked_ns] {
    const int64_t now_ns = context.env.mono_ns();
    context.runs->read<Ended>(
        [](store::Db& db) { return security::ended_sessions(db, kEndedUs); },
        [&context, looked_ns, now_ns](Result<Ended> ended) {
          if (!ended.ok()) return watch_since(context, looked_ns);
          if (now_ns - looked_ns > kEndedUs / 2 * 1000) context.access->forget_sessions();
          for (const std::string& hash : *ended) context.access->forget_session(hash);
          watch_since(context, now_ns);
        });
  });
}

}  // namespace

bool look_up_session(ServerContext& context, const net::HttpRequest& request,
                     std::function<void()> done) {
  const std::string secret = context.access->unknown_session(request);
  if (secret.empty()) return false;
  context.runs->read<Found>(
      [hash = context.access->session_hash(secret)](store::Db& db) {
        return security::find_session(db, hash);
      },
      [&context, secret, done = std::move(done)](Result<Found> found) {
        if (found.ok()) context.access->know_session(secret, *found);
        done();
      });
  return true;
}

void keep_session(ServerContext& context, const security::StoredSession& session,
                  std::function<void(Status)> then) {
  context.runs->read<bool>(
      [session](store::Db& db) -> Result<bool> {
        TRY(security::store_session(db, session));
        return true;
      },
      [&context, hash = session.hash, then = std::move(then)](Result<bool> stored) {
        if (!stored.ok()) context.access->forget_session(hash);
        then(stored.ok() ? ok_status() : Status(stored.error()));
      });
}

void drop_session(ServerContext& context, const std::string& hash, std::function<void()> then) {
  if (hash.empty()) return then();
  context.runs->read<bool>(
      [hash](store::Db& db) -> Result<bool> {
        TRY(security::end_session(db, hash));
        return true;
      },
      [then = std::move(then)](Result<bool> dropped) {
        if (!dropped.ok()) {
          obs::log(obs::Level::kError, "sessions", "signed out here only: {}",
                   dropped.error().text());
        }
        then();
      });
}

void watch_sessions(ServerContext& context) { watch_since(context, context.env.mono_ns()); }

}  // namespace weft::server
