// SPDX-License-Identifier: Apache-2.0
//
// The server over real sockets, spoken to byte by byte, so that a client can also break the
// protocol, stop reading, close one half, or vanish.
#include "net/http_server.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "net/http_server_test.h"

namespace weft::net {
namespace {

using std::chrono_literals::operator""s;
using std::chrono_literals::operator""ms;

class Peer {
 public:
  explicit Peer(uint16_t port, int receive_buffer = 0) {
    fd_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (receive_buffer > 0) {
      setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof(receive_buffer));
    }
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  }
  ~Peer() { vanish(); }
  Peer(const Peer&) = delete;
  void vanish() {
    if (fd_ >= 0) close(fd_);
    fd_ = -1;
  }
  void half_close() { shutdown(fd_, SHUT_WR); }
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<size_t>(sent));
    }
    return true;
  }
  // What has come when `end` stands in it, the peer has closed, or time is up.
  std::string read_until(std::string_view end, std::chrono::milliseconds limit = 5s) {
    const auto until = std::chrono::steady_clock::now() + limit;
    while (end.empty() || seen_.find(end) == std::string::npos) {
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
          until - std::chrono::steady_clock::now());
      pollfd wait{fd_, POLLIN, 0};
      if (left.count() <= 0 || poll(&wait, 1, static_cast<int>(left.count())) <= 0) break;
      char space[65536];
      const ssize_t got = recv(fd_, space, sizeof(space), 0);
      if (got <= 0) {
        closed_ = true;
        break;
      }
      seen_.append(space, static_cast<size_t>(got));
    }
    return std::exchange(seen_, {});
  }
  std::string read_all(std::chrono::milliseconds limit = 20s) { return read_until("", limit); }
  bool closed() const { return closed_; }

 private:
  int fd_ = -1;
  bool closed_ = false;
  std::string seen_;
};

// A server on its own thread, with routes that tests need.
class HttpServerTest : public testing::ServerFixture {
 protected:
  void start(HttpServerOptions options = {}) {
    HttpRouter router;
    router.add({.method = "GET", .pattern = "/hello/{name}",
                .handler = [](const std::shared_ptr<Exchange>& exchange) {
                  exchange->respond({200, {}, "Hello, " + exchange->request().parameter("name")});
                }});
    router.add({.method = "POST", .pattern = "/echo",
                .handler = [](const std::shared_ptr<Exchange>& exchange) {
                  exchange->respond({200, {}, exchange->request().body});
                },
                .body_bytes_max = 1000});
    router.add({.method = "POST", .pattern = "/large",
                .handler = [](const std::shared_ptr<Exchange>& exchange) {
                  exchange->respond({200, {}, std::to_string(exchange->request().body.size())});
                }});
    router.add({.method = "GET", .pattern = "/later", .handler = keeper()});
    router.add({.method = "GET", .pattern = "/dropped",
                .handler = [](const std::shared_ptr<Exchange>&) {}});
    router.add({.method = "GET", .pattern = "/dropped-stream",
                .handler = [](const std::shared_ptr<Exchange>& exchange) {
                  exchange->begin({});
                  exchange->write("data: half\n\n");
                }});
    options.observer = [this](const HttpRequest&, std::string_view, int status, int64_t) {
      last_status_ = status;
    };
    serve(std::move(router), std::move(options));
  }
  HttpHandler keeper() {
    return [this](const std::shared_ptr<Exchange>& exchange) {
      exchange->on_closed([this] { ++closed_; });
      exchange->on_drained([this] { ++drained_; });
      kept_ = exchange;
      ++arrived_;
    };
  }
  std::string ask(std::string_view request) {
    Peer peer(port_);
    EXPECT_TRUE(peer.send(request));
    return peer.read_all(2s);
  }

  std::atomic<int> arrived_ = 0, closed_ = 0, drained_ = 0, last_status_ = 0;
};

constexpr std::string_view kHello = "GET /hello/Ada HTTP/1.1\r\nHost: x\r\n\r\n";
constexpr std::string_view kLater = "GET /later HTTP/1.1\r\nHost: x\r\n\r\n";

TEST_F(HttpServerTest, AnswersAndKeepsTheConnection) {
  start();
  Peer peer(port_);
  for (int i = 0; i < 3; ++i) {
    peer.send(kHello);
    EXPECT_EQ(peer.read_until("Ada"), "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n"
                                      "Connection: keep-alive\r\n\r\nHello, Ada");
  }
  peer.send("GET /hello/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_NE(peer.read_all().find("Connection: close"), std::string::npos);
  EXPECT_TRUE(peer.closed());
  EXPECT_EQ(stats().requests, 4);
}

TEST_F(HttpServerTest, PipelinedRequestsAreAnsweredInOrder) {
  start();
  Peer peer(port_);
  peer.send("GET /hello/1 HTTP/1.1\r\nHost: x\r\n\r\nGET /hello/2 HTTP/1.1\r\nHost: x\r\n\r\n");
  const std::string both = peer.read_until("Hello, 2");
  EXPECT_LT(both.find("Hello, 1"), both.find("Hello, 2"));
}

TEST_F(HttpServerTest, HeadHasNoBody) {
  start();
  Peer peer(port_);
  peer.send("HEAD /hello/Ada HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  const std::string head = peer.read_all();
  EXPECT_NE(head.find("Content-Length: 10"), std::string::npos);
  EXPECT_TRUE(head.ends_with("\r\n\r\n"));
}

TEST_F(HttpServerTest, Refusals) {
  start();
  const auto status = [this](std::string_view request) {
    const std::string answer = ask(request);
    return answer.size() > 12 ? answer.substr(9, 3) : "none";
  };
  EXPECT_EQ(status("GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n"), "404");
  EXPECT_EQ(status("POST /hello/x HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"), "405");
  EXPECT_EQ(status("GET /../etc HTTP/1.1\r\nHost: x\r\n\r\n"), "400");
  EXPECT_EQ(status("GET /hello/x HTTP/1.1\r\n\r\n"), "400");
  EXPECT_EQ(status("rubbish\r\n\r\n"), "400");
  EXPECT_EQ(status("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"), "400");
  EXPECT_EQ(status("GET /hello/x HTTP/1.1\r\nHost: x\r\nX: " + std::string(20000, 'a') +
                   "\r\n\r\n"), "431");
  EXPECT_EQ(status("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n\r\n"), "413");
  EXPECT_EQ(status("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                   "7d0\r\n" + std::string(2000, 'a') + "\r\n0\r\n\r\n"), "413");
  EXPECT_EQ(status("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\n"
                   "Content-Length: 1\r\n\r\nx"), "415");
  EXPECT_EQ(status("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                   "1;" + std::string(200'000, 'a')), "431");
  std::string trailers = "0\r\n";
  for (int i = 0; i < 20'000; ++i) trailers += "a: b\r\n";
  EXPECT_EQ(status("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" +
                   trailers), "431");
  // what could be read in two ways is read in none
  EXPECT_EQ(status("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n"
                   "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), "400");
  EXPECT_EQ(status("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n"
                   "\r\nab"), "400");
  EXPECT_EQ(status("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n"), "501");
  EXPECT_EQ(status("GET /hello/x HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n"), "400");
  EXPECT_EQ(stats().body_bytes, 0);
}

TEST_F(HttpServerTest, BodiesArriveWholeHoweverTheyAreSent) {
  start();
  EXPECT_TRUE(ask("POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                  "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
                  .ends_with("\r\n\r\nabcde"));
  Peer slow(port_);
  const std::string request = "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc";
  for (const char c : request) {
    slow.send(std::string(1, c));
  }
  EXPECT_TRUE(slow.read_until("abc").ends_with("abc"));
  const std::string large(9 << 20, 'x');
  Peer expecting(port_);
  expecting.send(fmt::format("POST /large HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
                             "Content-Length: {}\r\n\r\n", large.size()));
  EXPECT_EQ(expecting.read_until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  expecting.send(large);
  EXPECT_TRUE(expecting.read_until("9437184").ends_with("9437184"));
  EXPECT_TRUE(comes_true([this] { return stats().body_bytes == 0; }));
}

TEST_F(HttpServerTest, ARefusalIsSeenByAClientThatStillSends) {
  start();
  Peer peer(port_);
  peer.send("POST /large HTTP/1.1\r\nHost: x\r\nContent-Length: 30000000\r\n\r\n");
  const std::string part(1 << 20, 'x');
  for (int i = 0; i < 30 && peer.send(part); ++i) {
  }
  EXPECT_TRUE(peer.read_all().starts_with("HTTP/1.1 413"));
}

TEST_F(HttpServerTest, MemoryOfBodiesIsBounded) {
  start({.body_bytes_total = size_t{15} << 20});
  const std::string head = "POST /large HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000\r\n\r\n";
  Peer first(port_), second(port_);
  first.send(head);
  ASSERT_TRUE(comes_true([this] { return stats().body_bytes == 10'000'000; }));
  second.send(head);
  const std::string answer = second.read_until("\r\n\r\n");
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 503")) << answer;
  EXPECT_NE(answer.find("Retry-After: 1"), std::string::npos);
  EXPECT_TRUE(ask("GET /hello/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                  .starts_with("HTTP/1.1 200"));
  first.vanish();
  EXPECT_TRUE(comes_true([this] { return stats().body_bytes == 0; }));
}

TEST_F(HttpServerTest, AnswersLater) {
  start();
  Peer peer(port_);
  peer.send(kLater);
  ASSERT_TRUE(comes_true([this] { return arrived_ == 1; }));
  EXPECT_EQ(stats().in_flight, 1);
  on_loop([this] {
    kept_->respond({202, {{"X-Why", "because"}}, "late"});
    kept_.reset();  // what is not sent yet is sent all the same
    return 0;
  });
  EXPECT_TRUE(peer.read_until("late").starts_with("HTTP/1.1 202 Accepted\r\nX-Why: because"));
  EXPECT_TRUE(comes_true([this] { return stats().in_flight == 0; }));
  peer.send(kHello);
  EXPECT_NE(peer.read_until("Ada"), "");
}

TEST_F(HttpServerTest, AnswersNobodyGivesAre500) {
  start();
  EXPECT_TRUE(ask("GET /dropped HTTP/1.1\r\nHost: x\r\n\r\n").starts_with("HTTP/1.1 500"));
  const std::string cut = ask("GET /dropped-stream HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_NE(cut.find("data: half"), std::string::npos);
  EXPECT_EQ(cut.find("0\r\n\r\n"), std::string::npos) << "the client must see that it is cut";
}

TEST_F(HttpServerTest, StreamsPiecesAsTheyCome) {
  start();
  Peer peer(port_);
  peer.send(kLater);
  ASSERT_TRUE(comes_true([this] { return arrived_ == 1; }));
  on_loop([this] { return kept_->begin({}), 0; });
  EXPECT_NE(peer.read_until("\r\n\r\n").find("Content-Type: text/event-stream"), std::string::npos);
  for (int i = 0; i < 3; ++i) {
    on_loop([this, i] { return kept_->write(fmt::format("data: {}\n\n", i)), 0; });
    EXPECT_EQ(peer.read_until("\n\n\r\n"), fmt::format("9\r\ndata: {}\n\n\r\n", i));
    // the client may have read the piece before the server hears that it is sent
    EXPECT_TRUE(comes_true([this, i] { return drained_ > i; }));
  }
  on_loop([this] { return kept_->end(), 0; });
  EXPECT_EQ(peer.read_until("0\r\n\r\n"), "0\r\n\r\n");
  peer.send(kHello);  // and the connection is kept
  EXPECT_NE(peer.read_until("Ada"), "");
}

TEST_F(HttpServerTest, AClientOfHttp10GetsAStreamThatEndsWithTheConnection) {
  start();
  Peer peer(port_);
  peer.send("GET /later HTTP/1.0\r\n\r\n");
  ASSERT_TRUE(comes_true([this] { return arrived_ == 1; }));
  on_loop([this] {
    kept_->begin({.headers = {}, .events = false});
    kept_->write("one ");
    kept_->write("two");
    kept_->end();
    return 0;
  });
  EXPECT_TRUE(peer.read_all().ends_with("\r\n\r\none two"));
  EXPECT_TRUE(peer.closed());
}

TEST_F(HttpServerTest, AnEndThatComesWhileTheRestIsWrittenEndsTheConnection) {
  start({.unsent_bytes_max = 64 << 20, .event_ping_ms = 60'000});
  Peer peer(port_, 4096);
  peer.send("GET /later HTTP/1.0\r\n\r\n");
  ASSERT_TRUE(comes_true([this] { return arrived_ == 1; }));
  const std::string much(16 << 20, 'x');
  on_loop([&] {
    kept_->begin({.headers = {}, .events = false});
    kept_->write(much);
    return 0;
  });
  std::this_thread::sleep_for(100ms);  // the client does not read: it is being written
  on_loop([this] { return kept_->end(), 0; });
  EXPECT_TRUE(peer.read_all().ends_with("xxx"));
  EXPECT_TRUE(peer.closed());
}

TEST_F(HttpServerTest, SilenceIsFilledWithComments) {
  start({.event_ping_ms = 30});
  Peer peer(port_);
  peer.send(kLater);
  ASSERT_TRUE(comes_true([this] { return arrived_ == 1; }));
  on_loop([this] { return kept_->begin({}), 0; });
  EXPECT_NE(peer.read_until(": still here\n\n"), "");
  EXPECT_NE(peer.read_until(": still here\n\n").find(": still here"), std::string::npos);
}

TEST_F(HttpServerTest, AClientThatVanishesIsNoticedBeforeTheAnswer) {
  start();
  for (int i = 1; i <= 3; ++i) {
    Peer peer(port_);
    peer.send(kLater);
    ASSERT_TRUE(comes_true([&] { return arrived_ == i; }));
    if (i == 2) on_loop([this] { return kept_->begin({}), 0; });
    std::this_thread::sleep_for(20ms);
    peer.vanish();
    EXPECT_TRUE(comes_true([&] { return closed_ == i; })) << i;
  }
  EXPECT_TRUE(comes_true([this] { return stats().in_flight == 0; }));
  EXPECT_EQ(stats().abandoned, 3);
  on_loop([this] {
    kept_->respond({});  // nobody hears it
    return 0;
  });
}

TEST_F(HttpServerTest, AHalfClosedClientStillGetsItsAnswer) {
  start();
  Peer peer(port_);
  peer.send("GET /later HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  peer.half_close();
  ASSERT_TRUE(comes_true([this] { return arrived_ == 1; }));
  std::this_thread::sleep_for(100ms);
  EXPECT_EQ(closed_, 0);
  on_loop([this] { return kept_->respond({200, {}, "here you are"}), 0; });
  EXPECT_TRUE(peer.read_all().ends_with("here you are"));
  Peer old(port_);
  old.send("GET /hello/Ada HTTP/1.0\r\n\r\n");
  old.half_close();
  EXPECT_TRUE(old.read_all().ends_with("Hello, Ada"));
}

TEST_F(HttpServerTest, AHalfClosedClientIsToldThatNobodyAnswers) {
  start();
  Peer peer(port_);
  peer.send(kLater);
  peer.half_close();
  ASSERT_TRUE(comes_true([this] { return arrived_ == 1; }));
  EXPECT_TRUE(peer.read_until("102 Processing").starts_with("HTTP/1.1 102"));  // it was noticed
  on_loop([this] { return kept_.reset(), 0; });
  EXPECT_TRUE(peer.read_until("nobody answered").find("HTTP/1.1 500") != std::string::npos);
}

TEST_F(HttpServerTest, ASlowReaderHoldsNeitherMemoryNorTheServer) {
  start({.unsent_bytes_max = size_t{1} << 20, .write_timeout_ms = 60'000});
  Peer peer(port_, 4096);
  peer.send(kLater);
  ASSERT_TRUE(comes_true([this] { return arrived_ == 1; }));
  on_loop([this] { return kept_->begin({}), 0; });
  const std::string piece(64 << 10, 'x');
  for (int i = 0; i < 200 && closed_ == 0; ++i) {
    const size_t unsent = on_loop([&] {
      if (closed_ == 0) kept_->write(piece);
      return kept_->unsent_bytes();
    });
    EXPECT_LE(unsent, (size_t{1} << 20) + (128 << 10));
  }
  EXPECT_EQ(closed_, 1);
  EXPECT_TRUE(ask("GET /hello/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                  .starts_with("HTTP/1.1 200"));
}

TEST_F(HttpServerTest, EveryWaitHasAnEnd) {
  start({.head_timeout_ms = 1000, .body_timeout_ms = 1000, .write_timeout_ms = 1500,
         .idle_timeout_ms = 3000});
  Peer idle(port_), head(port_), body(port_), reader(port_, 4096);
  head.send("GET /hel");
  body.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc");
  reader.send(kLater);
  ASSERT_TRUE(comes_true([this] { return arrived_ == 1; }));
  on_loop([this] {
    kept_->begin({});
    kept_->write(std::string(6 << 20, 'x'));
    return 0;
  });
  body.read_all();
  EXPECT_TRUE(body.closed());
  head.read_all();
  EXPECT_TRUE(head.closed());
  idle.read_all();
  EXPECT_TRUE(idle.closed());
  EXPECT_TRUE(comes_true([this] { return closed_ == 1; }));
  EXPECT_TRUE(comes_true([this] { return stats().timeouts == 4; }));
}

TEST_F(HttpServerTest, AThousandConnections) {
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  start({.connections_max = 1000});
  std::vector<std::unique_ptr<Peer>> peers;
  for (int i = 0; i < 1000; ++i) peers.push_back(std::make_unique<Peer>(port_));
  ASSERT_TRUE(comes_true([this] { return stats().connections == 1000; }));
  Peer further(port_);
  EXPECT_TRUE(further.read_all(2s).starts_with("HTTP/1.1 503"));
  for (const auto& peer : peers) peer->send(kHello);
  for (const auto& peer : peers) EXPECT_NE(peer->read_until("Ada"), "");
  peers.clear();
  further.vanish();
  EXPECT_TRUE(comes_true([this] { return stats().connections == 0; }));
  EXPECT_EQ(stats().requests, 1001);
}

TEST_F(HttpServerTest, StopLetsAnswersFinish) {
  start();
  Peer idle(port_), working(port_);
  working.send(kLater);
  ASSERT_TRUE(comes_true([this] { return arrived_ == 1; }));
  std::promise<void> stopped;
  on_loop([&] { return server_->stop(10'000, [&] { stopped.set_value(); }), 0; });
  idle.read_all();
  EXPECT_TRUE(idle.closed());
  on_loop([this] {
    kept_->respond({200, {}, "finished"});
    kept_.reset();
    return 0;
  });
  EXPECT_TRUE(working.read_all().ends_with("finished"));
  EXPECT_EQ(stopped.get_future().wait_for(5s), std::future_status::ready);
}

TEST_F(HttpServerTest, StopEndsWhatTakesTooLong) {
  start();
  Peer working(port_);
  working.send(kLater);
  ASSERT_TRUE(comes_true([this] { return arrived_ == 1; }));
  std::promise<void> stopped;
  on_loop([&] { return server_->stop(100, [&] { stopped.set_value(); }), 0; });
  EXPECT_EQ(working.read_all(), "");
  EXPECT_EQ(closed_, 1);
  EXPECT_EQ(stopped.get_future().wait_for(5s), std::future_status::ready);
}

TEST_F(HttpServerTest, TheGuardComesFirst) {
  HttpServerOptions options;
  options.guard = [](HttpRequest& request, std::string_view,
                     HttpResponse& space) -> const HttpResponse* {
    if (request.header("Authorization") != nullptr) return nullptr;
    space = {401, {{"WWW-Authenticate", "Bearer"}}, "a key is needed"};
    return &space;
  };
  options.refusal = [](const HttpRequest&, int status, std::string_view message) {
    return HttpResponse{status, {}, "{" + std::string(message) + "}"};
  };
  start(std::move(options));
  const std::string refused = ask(kHello);
  EXPECT_TRUE(refused.starts_with("HTTP/1.1 401"));
  EXPECT_NE(refused.find("WWW-Authenticate: Bearer"), std::string::npos);
  EXPECT_TRUE(refused.ends_with("{a key is needed}"));
  EXPECT_TRUE(ask("GET /hello/Ada HTTP/1.1\r\nHost: x\r\nAuthorization: y\r\n"
                  "Connection: close\r\n\r\n").ends_with("Ada"));
}

// Nobody without a key holds room that others need for their requests.
TEST_F(HttpServerTest, ARefusalByTheGuardWaitsForNoBody) {
  HttpServerOptions options;
  options.guard = [](HttpRequest& request, std::string_view,
                     HttpResponse& space) -> const HttpResponse* {
    if (request.header("Authorization") != nullptr) return nullptr;
    space = {401, {}, "a key is needed"};
    return &space;
  };
  start(std::move(options));
  for (const std::string_view expect : {"", "Expect: 100-continue\r\n"}) {
    Peer silent(port_);
    silent.send(fmt::format("POST /large HTTP/1.1\r\nHost: x\r\n{}Content-Length: 10000000\r\n"
                            "\r\n", expect));
    const std::string answer = silent.read_until("a key is needed");
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 401")) << answer;
    EXPECT_NE(answer.find("Connection: close"), std::string::npos);
    EXPECT_EQ(stats().body_bytes, 0);
  }
  Peer sending(port_);
  sending.send("POST /large HTTP/1.1\r\nHost: x\r\nContent-Length: 5000000\r\n\r\n");
  EXPECT_TRUE(sending.send(std::string(5'000'000, 'x')));
  EXPECT_TRUE(sending.read_all().starts_with("HTTP/1.1 401"));
}

TEST_F(HttpServerTest, TheGuardWaitsForWhatItNeeds) {
  HttpServerOptions options;
  bool known = false;  // on the loop
  options.prepare = [this, &known](const HttpRequest& request, std::function<void()> done) {
    if (request.header("Cookie") == nullptr) return false;
    boost::asio::post(io_, [this, &known, done = std::move(done)] {
      boost::asio::post(io_, [&known, done] {
        known = true;
        done();
      });
    });
    return true;
  };
  options.guard = [&known](HttpRequest&, std::string_view,
                           HttpResponse& space) -> const HttpResponse* {
    if (known) return nullptr;
    space = {401, {}, "unknown"};
    return &space;
  };
  start(std::move(options));
  EXPECT_TRUE(ask(kHello).starts_with("HTTP/1.1 401"));
  Peer gone(port_);  // while it is looked for
  gone.send("GET /hello/Ada HTTP/1.1\r\nHost: x\r\nCookie: y\r\n\r\n");
  gone.vanish();
  EXPECT_TRUE(ask("POST /echo HTTP/1.1\r\nHost: x\r\nCookie: y\r\nContent-Length: 2\r\n"
                  "Connection: close\r\n\r\nhi").ends_with("hi"));
}

TEST(HttpServerStart, AnAddressThatIsTaken) {
  boost::asio::io_context io;
  auto first = HttpServer::start(io, {}, {});
  ASSERT_TRUE(first.ok());
  auto second = HttpServer::start(io, {}, {.port = (*first)->port()});
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code, "E0821");
  EXPECT_EQ(HttpServer::start(io, {}, {.host = "localhost"}).error().code, "E0821");
  EXPECT_EQ(HttpServer::start(io, {}, {.host = "203.0.113.7"}).error().code, "E0821");
}

}  // namespace
}  // namespace weft::net
