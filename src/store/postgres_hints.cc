// SPDX-License-Identifier: Apache-2.0
#include "store/postgres_hints.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "store/postgres_connection.h"

namespace weft::store {
namespace {

constexpr int kPauseMs = 1'000;  // before a broken connection is made anew

struct NotifyDeleter {
  void operator()(PGnotify* notify) const { PQfreemem(notify); }
};

Error broken(const PGconn* connection) {
  return make_error("E0507", fmt::format("lost the connection that listens: {}",
                                         PQerrorMessage(connection)));
}

}  // namespace

PostgresHints::PostgresHints(std::string url, std::function<void()> heard, Descriptor stop)
    : url_(std::move(url)), heard_(std::move(heard)), stop_(std::move(stop)) {}

Result<std::unique_ptr<PostgresHints>> PostgresHints::start(std::string url,
                                                            std::function<void()> heard) {
  CHECK(heard != nullptr, "hints for nobody");
  Descriptor stop(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (stop.get() < 0) {
    return make_error("E0501", fmt::format("cannot listen for hints: {}", std::strerror(errno)));
  }
  std::unique_ptr<PostgresHints> hints(
      new PostgresHints(std::move(url), std::move(heard), std::move(stop)));
  hints->thread_ = std::thread([self = hints.get()] { self->listen(); });
  return Result<std::unique_ptr<PostgresHints>>(std::move(hints));
}

PostgresHints::~PostgresHints() {
  const uint64_t one = 1;
  const ssize_t told = ::write(stop_.get(), &one, sizeof(one));
  CHECK(told == sizeof(one), "an event takes a number");
  if (thread_.joinable()) thread_.join();
}

bool PostgresHints::stopped_within(int ms) const {
  pollfd stop{stop_.get(), POLLIN, 0};
  return ::poll(&stop, 1, ms) > 0;
}

void PostgresHints::listen() {
  do {
    (void)hear_until_broken();  // the worker's own connection tells what is wrong with the server
  } while (!stopped_within(kPauseMs));
}

// Ok: it shall stop.
Status PostgresHints::hear_until_broken() {
  const PostgresConnection connection = TRY(connect_postgres({.url = url_}));
  PGconn* const c = connection.get();
  const std::string command = fmt::format("LISTEN {}", kHintChannel);
  if (PQsendQuery(c, command.c_str()) == 0) return broken(c);
  bool listens = false;
  for (;;) {
    const int unsent = PQflush(c);
    if (unsent < 0) return broken(c);
    pollfd both[2] = {{stop_.get(), POLLIN, 0},
                      {PQsocket(c), static_cast<short>(unsent > 0 ? POLLIN | POLLOUT : POLLIN), 0}};
    if (::poll(both, 2, -1) < 0 && errno != EINTR) return broken(c);
    if ((both[0].revents & POLLIN) != 0) return ok_status();
    if (PQconsumeInput(c) == 0) return broken(c);
    bool heard = false;
    while (!listens && PQisBusy(c) == 0) {
      const PostgresResult result(PQgetResult(c));
      if (result == nullptr) {
        listens = heard = true;  // what came before is looked for now
      } else if (PQresultStatus(result.get()) != PGRES_COMMAND_OK) {
        return broken(c);
      }
    }
    while (const std::unique_ptr<PGnotify, NotifyDeleter> notify{PQnotifies(c)}) heard = true;
    if (heard) heard_();
  }
}

}  // namespace weft::store
