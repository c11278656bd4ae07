// SPDX-License-Identifier: Apache-2.0
//
// The server over TLS on real sockets: what http_server_test shows of plain connections must hold
// where TLS makes it another case: ends, limits before the first request, changing certificates.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "net/http_server_test.h"
#include "net/test_certificate.h"
#include "net/tls_identity.h"

namespace weft::net {
namespace {

using std::chrono_literals::operator""ms;

// A blocking client. `secure` false: TCP alone.
class HttpsPeer {
 public:
  explicit HttpsPeer(uint16_t port, bool secure = true) {
    fd_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    const timeval limit{20, 0};
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    if (!secure) return;
    context_ = SSL_CTX_new(TLS_client_method());
    ssl_ = SSL_new(context_);
    SSL_set_fd(ssl_, fd_);
    shaken = SSL_connect(ssl_) == 1;
  }
  ~HttpsPeer() {
    SSL_free(ssl_);
    SSL_CTX_free(context_);
    if (fd_ >= 0) close(fd_);
  }
  HttpsPeer(const HttpsPeer&) = delete;
  void vanish() {
    close(fd_);
    fd_ = -1;
  }
  int fd() const { return fd_; }
  void say_goodbye() { SSL_shutdown(ssl_); }
  bool send(std::string_view text) {
    if (ssl_ == nullptr) return ::send(fd_, text.data(), text.size(), MSG_NOSIGNAL) > 0;
    return SSL_write(ssl_, text.data(), static_cast<int>(text.size())) > 0;
  }
  // Until `end` has come, or the connection's.
  std::string read_until(std::string_view end = "") {
    while (end.empty() || seen_.find(end) == std::string::npos) {
      char space[20'000];
      const int got = ssl_ != nullptr
                          ? SSL_read(ssl_, space, sizeof(space))
                          : static_cast<int>(recv(fd_, space, sizeof(space), 0));
      if (got <= 0) {
        closed = true;
        goodbye = ssl_ != nullptr && SSL_get_error(ssl_, got) == SSL_ERROR_ZERO_RETURN;
        break;
      }
      seen_.append(space, static_cast<size_t>(got));
    }
    return std::exchange(seen_, {});
  }
  std::string certificate() {
    X509* shown = SSL_get1_peer_certificate(ssl_);
    const std::string name =
        X509_NAME_oneline(X509_get_subject_name(shown), space_, sizeof(space_));
    X509_free(shown);
    return name;
  }
  bool shaken = false, closed = false, goodbye = false;

 private:
  int fd_ = -1;
  SSL_CTX* context_ = nullptr;
  SSL* ssl_ = nullptr;
  std::string seen_;
  char space_[256] = "";
};

class HttpsServerTest : public testing::ServerFixture {
 protected:
  void start(HttpServerOptions options = {}) {
    options.tls = *TlsIdentity::load(folder_.make("first"));
    options.tls_headers = {{"Strict-Transport-Security", "max-age=60"}};
    HttpRouter router;
    router.add({.method = "GET", .pattern = "/hello/{name}",
                .handler = [](const std::shared_ptr<Exchange>& exchange) {
                  exchange->respond({200, {}, "Hello, " + exchange->request().parameter("name")});
                }});
    router.add({.method = "POST", .pattern = "/large",
                .handler = [](const std::shared_ptr<Exchange>& exchange) {
                  exchange->respond({200, {}, exchange->request().body});
                }});
    router.add({.method = "GET", .pattern = "/later",
                .handler = [this](const std::shared_ptr<Exchange>& exchange) {
                  exchange->on_closed([this] { ++gone_; });
                  kept_ = exchange;
                  ++arrived_;
                }});
    serve(std::move(router), std::move(options));
  }

  testing::CertificateFolder folder_;
  std::atomic<int> arrived_ = 0, gone_ = 0;
};

constexpr std::string_view kAskHello = "GET /hello/Ada HTTP/1.1\r\nHost: x\r\n\r\n";
constexpr std::string_view kAskLater = "GET /later HTTP/1.1\r\nHost: x\r\n\r\n";

TEST_F(HttpsServerTest, AnswersKeepsTheConnectionAndSaysGoodbye) {
  start();
  HttpsPeer peer(port_);
  ASSERT_TRUE(peer.shaken);
  for (int i = 0; i < 3; ++i) {
    peer.send(kAskHello);
    EXPECT_EQ(peer.read_until("Ada"),
              "HTTP/1.1 200 OK\r\nContent-Length: 10\r\nStrict-Transport-Security: max-age=60\r\n"
              "Connection: keep-alive\r\n\r\nHello, Ada");
  }
  peer.send("GET /hello/1 HTTP/1.1\r\nHost: x\r\n\r\nGET /nothing HTTP/1.1\r\nHost: x\r\n\r\n");
  const std::string rest = peer.read_until();
  EXPECT_LT(rest.find("Hello, 1"), rest.find("404 Not Found"));
  EXPECT_NE(rest.rfind("Strict-Transport-Security"), rest.find("Strict-Transport-Security"));
  EXPECT_TRUE(peer.goodbye);  // no attacker could have cut the answer short
  EXPECT_EQ(stats().handshakes_failed, 0);
  EXPECT_GT(stats().tls_ends_s, 0);
}

TEST_F(HttpsServerTest, LargeBodiesComeBackWhole) {
  start();
  HttpsPeer peer(port_);
  std::string body(3'000'000, '\0');
  for (size_t i = 0; i < body.size(); ++i) body[i] = static_cast<char>('a' + i * i % 23);
  peer.send(fmt::format("POST /large HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n"
                        "Connection: close\r\n\r\n", body.size()));
  ASSERT_TRUE(peer.send(body));
  const std::string answer = peer.read_until();
  ASSERT_GT(answer.size(), body.size());
  EXPECT_EQ(answer.substr(answer.size() - body.size()), body);
}

TEST_F(HttpsServerTest, PlainHttpIsToldToUseTls) {
  start();
  HttpsPeer plain(port_, false);
  plain.send(kAskHello);
  const std::string answer = plain.read_until();
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 400 Bad Request\r\n")) << answer;
  EXPECT_NE(answer.find("https://"), std::string::npos);
  EXPECT_EQ(answer.find("Strict-Transport-Security"), std::string::npos);
  EXPECT_TRUE(plain.closed);
  plain.vanish();
  HttpsPeer other(port_, false);
  other.send("SSH-2.0-OpenSSH_9.2\r\n");
  other.read_until();
  EXPECT_TRUE(other.closed);
  EXPECT_TRUE(comes_true([this] { return stats().connections == 0; }));
  EXPECT_EQ(stats().handshakes_failed, 2);
}

// Silence, and bytes that come one by one: the deadline is of the whole handshake.
TEST_F(HttpsServerTest, ASlowHandshakeEnds) {
  start({.handshake_timeout_ms = 300});
  HttpsPeer silent(port_, false);
  HttpsPeer dripping(port_, false);
  const std::string_view hello("\x16\x03\x01\x01\x00\x01\x00\x00\xfc\x03\x03", 11);
  size_t sent = 0;
  EXPECT_TRUE(comes_true([&] {
    dripping.send(hello.substr(sent++ % hello.size(), 1));
    pollfd wait{dripping.fd(), POLLIN, 0};
    return poll(&wait, 1, 0) > 0;
  }));
  silent.read_until();
  EXPECT_TRUE(silent.closed);
  EXPECT_TRUE(comes_true([this] { return stats().connections == 0; }));
  EXPECT_EQ(stats().handshakes_failed, 2);
  EXPECT_GE(stats().timeouts, 1);
}

TEST_F(HttpsServerTest, BeyondTheLimitOneIsToldSo) {
  start({.connections_max = 1});
  HttpsPeer first(port_);
  HttpsPeer second(port_);
  EXPECT_NE(second.read_until().find("503 Service Unavailable"), std::string::npos);
  first.send(kAskHello);
  EXPECT_NE(first.read_until("Ada").find("200 OK"), std::string::npos);
}

// The end of the client is found while its answer is being made: with a goodbye and without.
TEST_F(HttpsServerTest, AClientThatLeavesIsNoticed) {
  start();
  for (const bool politely : {true, false}) {
    const int before = arrived_, gone = gone_;
    HttpsPeer peer(port_);
    peer.send(kAskLater);
    ASSERT_TRUE(comes_true([&] { return arrived_ > before; }));
    if (politely) peer.say_goodbye();
    peer.vanish();
    EXPECT_TRUE(comes_true([&] { return gone_ > gone; })) << politely;
  }
}

TEST_F(HttpsServerTest, ANewCertificateIsForNewConnections) {
  start({.event_ping_ms = 20});
  HttpsPeer old(port_);
  EXPECT_EQ(old.certificate(), "/CN=first");
  old.send(kAskLater);
  ASSERT_TRUE(comes_true([this] { return arrived_ == 1; }));
  on_loop([this] {
    kept_->begin({});
    kept_->write("data: 1\n\n");
    server_->set_tls(*TlsIdentity::load(folder_.make("second")));
    return 0;
  });
  EXPECT_NE(old.read_until("data: 1").find("text/event-stream"), std::string::npos);
  HttpsPeer fresh(port_);
  EXPECT_EQ(fresh.certificate(), "/CN=second");
  old.read_until(": still here");
  on_loop([this] {
    kept_->write("data: 2\n\n");
    kept_->end();
    return 0;
  });
  EXPECT_NE(old.read_until("\r\n0\r\n").find("data: 2"), std::string::npos);
}

TEST_F(HttpsServerTest, DrainsInOrder) {
  start();
  HttpsPeer idle(port_), busy(port_), shaking(port_, false);
  busy.send(kAskLater);
  idle.send(kAskHello);
  idle.read_until("Ada");
  ASSERT_TRUE(comes_true([this] { return arrived_ == 1 && stats().connections == 3; }));
  std::promise<void> stopped;
  on_loop([&] {
    server_->stop(20'000, [&] { stopped.set_value(); });
    return 0;
  });
  idle.read_until();
  EXPECT_TRUE(idle.goodbye);
  shaking.read_until();
  EXPECT_TRUE(shaking.closed);
  on_loop([this] {
    kept_->respond({200, {}, "the last answer"});
    kept_.reset();
    return 0;
  });
  EXPECT_NE(busy.read_until().find("the last answer"), std::string::npos);
  EXPECT_TRUE(busy.goodbye);
  stopped.get_future().get();
}

}  // namespace
}  // namespace weft::net
