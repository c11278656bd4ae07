// SPDX-License-Identifier: Apache-2.0
//
// The load generator of bench/load/run: status reads and executes at a fixed rate over connections
// that stay open, by one thread, so that little of the machine is its own. The rate does not wait
// for answers: a request's time counts from the moment when it was due, not from when a connection
// was free, so a server that stalls is charged with all that were due meanwhile.
//
//   usage: load_bench PORT SECONDS READS_PER_SECOND EXECUTES_PER_SECOND WORKFLOW RUN
//
// Reads ask after runs that its own executes began, RUN at first. Prints one JSON object.
#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "base/env.h"
#include "base/error.h"

namespace {

using weft::real_env;

constexpr int kConnections = 32;
constexpr size_t kIdsMax = 1000;
constexpr int64_t kPatienceNs = 5'000'000'000;  // for answers, when the last request has gone

enum class Ask { kRead, kExecute };
struct Due {
  int64_t at_ns = 0;
  Ask ask = Ask::kRead;
};

struct Connection {
  int fd = -1;
  bool busy = false;
  Due due = {};
  std::string in;
};

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

int64_t number_at(std::string_view text, int64_t otherwise) {
  int64_t value = otherwise;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

class Load {
 public:
  Load(uint16_t port, std::string workflow, std::string run)
      : workflow_(std::move(workflow)), ids_{std::move(run)}, epoll_(epoll_create1(EPOLL_CLOEXEC)) {
    connections_.resize(kConnections);
    for (size_t i = 0; i < connections_.size(); ++i) open(i, port);
  }

  void run(double seconds, double reads, double executes) {
    const int64_t begin = real_env().mono_ns();
    const auto end = begin + static_cast<int64_t>(seconds * 1e9);
    double next_read = 0, next_execute = 0;
    for (;;) {
      const int64_t now = real_env().mono_ns();
      const double at = static_cast<double>(std::min(now, end) - begin) * 1e-9;
      for (; next_read <= at && at < seconds; next_read += 1 / reads) {
        add(begin, next_read, Ask::kRead);
      }
      for (; next_execute <= at && at < seconds; next_execute += 1 / executes) {
        add(begin, next_execute, Ask::kExecute);
      }
      while (!waiting_.empty() && send_next()) {
      }
      if (now >= end && ((busy_ == 0 && waiting_.empty()) || now >= end + kPatienceNs)) break;
      wait();
    }
    unanswered_ = busy_ + static_cast<int64_t>(waiting_.size());
  }

  std::string report(double seconds, double cpu) {
    const auto at = [](std::vector<double>& times, double share) {
      if (times.empty()) return 0.0;
      std::sort(times.begin(), times.end());
      return times[std::min(times.size() - 1,
                            static_cast<size_t>(share * static_cast<double>(times.size())))];
    };
    return fmt::format(
        R"({{"reads": {}, "executes": {}, "errors": {}, "unanswered": {}, "read_p50_ms": {:.2f}, )"
        R"("read_p99_ms": {:.2f}, "execute_p99_ms": {:.2f}, "generator_cores": {:.3f}}})",
        reads_ms_.size(), executes_ms_.size(), errors_, unanswered_, at(reads_ms_, 0.5),
        at(reads_ms_, 0.99), at(executes_ms_, 0.99), cpu / seconds);
  }

 private:
  void open(size_t index, uint16_t port) {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0,
          "no server at port {}", port);
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    fcntl(fd, F_SETFL, O_NONBLOCK);
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = index;
    epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event);
    connections_[index].fd = fd;
    free_.push_back(index);
  }

  void add(int64_t begin, double at, Ask ask) {
    waiting_.push_back({begin + static_cast<int64_t>(at * 1e9), ask});
  }

  bool send_next() {
    if (free_.empty()) return false;
    Connection& connection = connections_[free_.back()];
    free_.pop_back();
    connection.due = waiting_.front();
    waiting_.pop_front();
    connection.busy = true;
    ++busy_;
    std::string text;
    if (connection.due.ask == Ask::kRead) {
      text = fmt::format("GET /workflows/{} HTTP/1.1\r\nHost: localhost\r\n\r\n",
                         ids_[turn_++ % ids_.size()]);
    } else {
      const std::string body = fmt::format(R"({{"workflow_id": "{}"}})", workflow_);
      text = fmt::format("POST /workflows/execute HTTP/1.1\r\nHost: localhost\r\n"
                         "Content-Length: {}\r\n\r\n{}", body.size(), body);
    }
    CHECK(send(connection.fd, text.data(), text.size(), MSG_NOSIGNAL) == std::ssize(text),
          "the server took only a part of a request");
    return true;
  }

  // The next request is due within a millisecond.
  void wait() {
    epoll_event events[kConnections];
    const int count = epoll_wait(epoll_, events, kConnections, 1);
    for (int i = 0; i < count; ++i) receive(events[i].data.u64);
  }

  void receive(size_t index) {
    Connection& connection = connections_[index];
    char space[65536];
    const ssize_t got = recv(connection.fd, space, sizeof(space), 0);
    CHECK(got > 0, "the server closed a connection");
    connection.in.append(space, static_cast<size_t>(got));
    const size_t head = connection.in.find("\r\n\r\n");
    if (head == std::string::npos) return;
    const size_t length = connection.in.find("Content-Length: ");
    CHECK(length < head, "an answer without a length");
    const auto body =
        static_cast<size_t>(number_at(std::string_view(connection.in).substr(length + 16), 0));
    if (connection.in.size() < head + 4 + body) return;
    take(connection, std::string_view(connection.in).substr(head + 4));
    connection.in.clear();
    connection.busy = false;
    --busy_;
    free_.push_back(index);
  }

  void take(const Connection& connection, std::string_view body) {
    const bool read = connection.due.ask == Ask::kRead;
    const double ms = static_cast<double>(real_env().mono_ns() - connection.due.at_ns) * 1e-6;
    if (number_at(std::string_view(connection.in).substr(9), 0) != (read ? 200 : 202)) {
      ++errors_;
      return;
    }
    (read ? reads_ms_ : executes_ms_).push_back(ms);
    const size_t at = body.find(R"("task_id":")");
    if (read || at == body.npos) return;
    const std::string_view id = body.substr(at + 11);
    if (ids_.size() < kIdsMax) ids_.emplace_back(id.substr(0, id.find('"')));
  }

  const std::string workflow_;
  std::vector<std::string> ids_;
  const int epoll_;
  std::vector<Connection> connections_;
  std::vector<size_t> free_;
  std::deque<Due> waiting_;
  std::vector<double> reads_ms_, executes_ms_;
  size_t turn_ = 0;
  int64_t busy_ = 0;
  int64_t errors_ = 0;
  int64_t unanswered_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 7) {
    fmt::print(stderr, "usage: load_bench PORT SECONDS READS EXECUTES WORKFLOW RUN\n");
    return 2;
  }
  const double seconds = std::atof(argv[2]);
  Load load(static_cast<uint16_t>(std::atoi(argv[1])), argv[5], argv[6]);
  const double cpu = cpu_seconds();
  load.run(seconds, std::atof(argv[3]), std::atof(argv[4]));
  fmt::print("{}\n", load.report(seconds, cpu_seconds() - cpu));
  return 0;
}
