// SPDX-License-Identifier: Apache-2.0
//
// Against a real server on this machine: a few lines over plain sockets, so that it can also break
// the protocol.
#include "net/client.h"

#include <gtest/gtest.h>

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <optional>

#include "net/test_server.h"

namespace weft::net {
namespace {

using testing::Server;


std::string answer(std::string_view body, std::string_view head = "200 OK") {
  return fmt::format("HTTP/1.1 {}\r\nContent-Length: {}\r\n\r\n{}", head, body.size(), body);
}

// Sends the request back as the body.
bool echo(const std::string& request, const Server::Send& send) { return send(answer(request)); }

ClientOptions private_allowed() {
  ClientOptions options;
  options.policy.allow_private = true;
  return options;
}

Result<Response> fetch(Request request, const ClientOptions& options = private_allowed()) {
  boost::asio::io_context io;
  Client client(io, options);
  std::optional<Result<Response>> result;
  client.send(std::move(request), [&](Result<Response> got) {
    EXPECT_FALSE(result.has_value());
    result.emplace(std::move(got));
  });
  EXPECT_FALSE(result.has_value()) << "called from inside send()";
  io.run_for(std::chrono::seconds(20));
  if (!result) return make_error("none", "no answer within 20 s");
  EXPECT_EQ(client.active(), 0u);
  return std::move(*result);
}

Result<Response> get(const std::string& url, const ClientOptions& options = private_allowed()) {
  Request request;
  request.url = url;
  return fetch(std::move(request), options);
}

std::string code(const Result<Response>& result) {
  return result.ok() ? fmt::format("status {}", result->status) : result.error().code;
}

TEST(Client, SendsMethodQueryHeadersAndBody) {
  Server server(echo);
  Request request;
  request.method = "PATCH";
  request.url = server.url("/a b?x=1");
  request.url.replace(request.url.find(' '), 1, "%20");
  request.query = {{"q", "a&b=c d/é"}, {"empty", ""}};
  request.headers = {{"X-Key", "k"}, {"X-Empty", ""}, {"Content-Type", "application/json"}};
  request.body = std::string("{\"a\":\0}", 7);
  const auto response = fetch(request);
  ASSERT_TRUE(response.ok()) << response.error().text();
  EXPECT_EQ(response->status, 200);
  const std::string& seen = response->body;
  EXPECT_EQ(seen.find("PATCH /a%20b?x=1&q=a%26b%3Dc%20d%2F%C3%A9&empty= HTTP/1.1\r\n"), 0u) << seen;
  EXPECT_NE(seen.find("X-Key: k\r\n"), seen.npos);
  EXPECT_NE(seen.find("X-Empty:"), seen.npos);
  EXPECT_NE(seen.find("Content-Type: application/json\r\n"), seen.npos);
  EXPECT_EQ(seen.find("Expect:"), seen.npos);
  EXPECT_EQ(seen.substr(seen.size() - 7), request.body);
  EXPECT_GT(response->elapsed_us, 0);
}

TEST(Client, StatusesAreAnswersNotErrors) {
  Server server([](const std::string&, const Server::Send& send) {
    return send(answer("gone", "404 Not Found\r\nX-Why:  because \r\nx-why: twice"));
  });
  const auto response = get(server.url());
  ASSERT_TRUE(response.ok());
  EXPECT_EQ(response->status, 404);
  EXPECT_EQ(response->body, "gone");
  ASSERT_NE(find_header(*response, "X-WHY"), nullptr);
  EXPECT_EQ(*find_header(*response, "X-WHY"), "because");
}

TEST(Client, HeadHasNoBody) {
  Server server([](const std::string&, const Server::Send& send) {
    return send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
  });
  Request request;
  request.method = "HEAD";
  request.url = server.url();
  EXPECT_EQ(code(fetch(request)), "status 200");
}

TEST(Client, MalformedRequestsAreRefused) {
  const auto refused = [](const std::function<void(Request&)>& change) {
    Request request;
    request.url = "http://127.0.0.1:1/";
    change(request);
    return code(fetch(std::move(request)));
  };
  for (const char* url : {"", "127.0.0.1", "/path", "ftp://127.0.0.1/", "file:///etc/passwd",
                          "http://", "http://user:secret@127.0.0.1/", "http://a b/",
                          "http://a/\r\nX: y", "http://a:99999/", "gopher://x/", "http://[::1/"}) {
    EXPECT_EQ(refused([&](Request& r) { r.url = url; }), "E0802") << url;
  }
  EXPECT_EQ(refused([](Request& r) { r.url += std::string(20'000, 'a'); }), "E0802");
  EXPECT_EQ(refused([](Request& r) { r.method = "GET / HTTP/1.1\r\nX:"; }), "E0802");
  EXPECT_EQ(refused([](Request& r) { r.method = ""; }), "E0802");
  EXPECT_EQ(refused([](Request& r) { r.headers = {{"A\r\nB", "c"}}; }), "E0802");
  EXPECT_EQ(refused([](Request& r) { r.headers = {{"A", "b\r\nC: d"}}; }), "E0802");
  EXPECT_EQ(refused([](Request& r) { r.headers = {{"content-length", "5"}}; }), "E0802");
  EXPECT_EQ(refused([](Request& r) { r.total_timeout_ms = 0; }), "E0802");
  EXPECT_EQ(get("http://user:secret@h/").error().text().find("secret"), std::string::npos);
}

TEST(Client, PrivateAddressesAreNotDialled) {
  Server server(echo);
  const std::string port = std::to_string(server.port());
  for (const std::string host : {"127.0.0.1", "localhost", "2130706433", "0x7f.1", "127.1",
                                 "0.0.0.0", "[::1]", "[::ffff:127.0.0.1]", "[64:ff9b::7f00:1]",
                                 "10.0.0.1", "192.168.1.1", "169.254.169.254", "[fe80::1]",
                                 "[fd00::1]", "224.0.0.1", "255.255.255.255"}) {
    const auto result = get("http://" + host + ":" + port + "/", ClientOptions{});
    EXPECT_EQ(code(result), "E0801") << host;
  }
  // private networks may be allowed as a whole; the metadata address of clouds still is not
  EXPECT_EQ(code(get("http://169.254.169.254/")), "E0801");
  EXPECT_EQ(code(get("http://0.0.0.0:" + port + "/")), "E0801");
  EXPECT_EQ(server.connections(), 0);
}

TEST(Client, AllowedHostsAreDialled) {
  Server server(echo);
  ClientOptions options;
  options.policy.allowed_hosts = {fmt::format("LOCALHOST:{}", server.port())};
  EXPECT_EQ(code(get(fmt::format("http://localhost:{}/", server.port()), options)), "status 200");
  EXPECT_EQ(code(get(server.url(), options)), "E0801");
  options.policy.allowed_hosts = {"127.0.0.1"};
  EXPECT_EQ(code(get(server.url(), options)), "status 200");
}

TEST(Client, BehindAProxyOnlyAllowedHostsAreCalled) {
  Server proxy(echo);
  ClientOptions options = private_allowed();
  options.proxy = proxy.url();
  options.policy.allowed_hosts = {"crm.example"};
  const auto response = get("http://crm.example/x", options);
  ASSERT_EQ(code(response), "status 200");
  EXPECT_EQ(response->body.find("GET http://crm.example/x HTTP/1.1\r\n"), 0u);
  EXPECT_EQ(code(get("http://other.example/", options)), "E0801");
}

TEST(Client, TheProxyOfTheEnvironmentIsIgnored) {
  Server server(echo);
  setenv("http_proxy", "http://127.0.0.1:1", 1);
  EXPECT_EQ(code(get(server.url())), "status 200");
  unsetenv("http_proxy");
}

// Redirects to `target` from /, echoes elsewhere.
Server::Handler redirecting(const std::string& target, std::string status = "302 Found") {
  return [=](const std::string& request, const Server::Send& send) {
    if (request.find(" / HTTP") == request.npos) return echo(request, send);
    return send(answer("moved", status + "\r\nLocation: " + target));
  };
}

TEST(Redirect, FollowsRelativeOnesWithAllHeaders) {
  Server server(redirecting("next?a=b#f"));
  Request request;
  request.url = server.url();
  request.headers = {{"Authorization", "Bearer t"}};
  const auto response = fetch(request);
  ASSERT_TRUE(response.ok()) << response.error().text();
  EXPECT_EQ(response->body.find("GET /next?a=b HTTP"), 0u);
  EXPECT_NE(response->body.find("Authorization: Bearer t"), std::string::npos);
  EXPECT_EQ(response->redirects, 1);
  EXPECT_EQ(response->url, server.url("/next?a=b"));
}

TEST(Redirect, KeysStayWithTheFirstOrigin) {
  Server other(echo);
  Server server(redirecting(other.url("/there"), "307 Temporary Redirect"));
  Request request;
  request.method = "POST";
  request.body = "payload";
  request.url = server.url();
  request.headers = {{"Authorization", "Bearer t"}, {"X-Api-Key", "k"}, {"Accept", "text/plain"},
                     {"Content-Type", "text/plain"}};
  const auto response = fetch(request);
  ASSERT_TRUE(response.ok()) << response.error().text();
  EXPECT_EQ(response->body.find("POST /there HTTP"), 0u);
  EXPECT_EQ(response->body.find("Bearer"), std::string::npos);
  EXPECT_EQ(response->body.find("X-Api-Key"), std::string::npos);
  EXPECT_NE(response->body.find("Accept: text/plain"), std::string::npos);
  EXPECT_NE(response->body.find("\r\n\r\npayload"), std::string::npos);
}

TEST(Redirect, APostBecomesAGet) {
  Server server(redirecting("/there", "303 See Other"));
  Request request;
  request.method = "POST";
  request.body = "payload";
  request.url = server.url();
  const auto response = fetch(request);
  ASSERT_TRUE(response.ok());
  EXPECT_EQ(response->body.find("GET /there HTTP"), 0u);
  EXPECT_EQ(response->body.find("payload"), std::string::npos);
}

// The first host is allowed; where it leads to is judged anew.
TEST(Redirect, ThePrivateNetworkStaysClosed) {
  Server secret(echo);
  for (const std::string& target : {secret.url("/x"), std::string("http://169.254.169.254/latest"),
                                    fmt::format("http://[::1]:{}/", secret.port())}) {
    Server server(redirecting(target));
    ClientOptions options;
    options.policy.allowed_hosts = {fmt::format("127.0.0.1:{}", server.port())};
    EXPECT_EQ(code(get(server.url(), options)), "E0801") << target;
  }
  EXPECT_EQ(secret.connections(), 0);
}

TEST(Redirect, BadOnesAreErrors) {
  for (const char* target : {"ftp://127.0.0.1/", "file:///etc/passwd", "http://u:p@127.0.0.1/"}) {
    Server server(redirecting(target));
    EXPECT_EQ(code(get(server.url())), "E0809") << target;
  }
  Server circle([](const std::string&, const Server::Send& send) {
    return send(answer("", "302 Found\r\nLocation: /"));
  });
  EXPECT_EQ(code(get(circle.url())), "E0809");
  Request request;
  request.url = circle.url();
  request.redirects_max = 0;
  EXPECT_EQ(code(fetch(request)), "status 302");
}

TEST(Limits, SlowAnswersTimeOut) {
  Server server([](const std::string&, const Server::Send& send) {
    send("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n");
    for (int i = 0; i < 200 && send("x"); ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return false;
  });
  Request request;
  request.url = server.url();
  request.total_timeout_ms = 300;
  EXPECT_EQ(code(fetch(request)), "E0805");
}

TEST(Limits, AServerThatNeverAnswersTimesOut) {
  Server server([](const std::string&, const Server::Send&) { return true; });
  Request request;
  request.url = server.url();
  request.total_timeout_ms = 200;
  EXPECT_EQ(code(fetch(request)), "E0805");
}

TEST(Limits, LargeAnswersAreCutOff) {
  std::atomic<size_t> sent = 0;
  Server server([&](const std::string&, const Server::Send& send) {
    send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    const std::string chunk = "10000\r\n" + std::string(0x10000, 'x') + "\r\n";
    while (sent < (size_t{1} << 30) && send(chunk)) sent += chunk.size();
    return false;
  });
  Request request;
  request.url = server.url();
  request.response_bytes_max = 1 << 20;
  EXPECT_EQ(code(fetch(request)), "E0807");
  EXPECT_LT(sent, size_t{1} << 28);
}

TEST(Limits, EndlessHeadersAreCutOff) {
  Server server([&](const std::string&, const Server::Send& send) {
    send("HTTP/1.1 200 OK\r\n");
    for (int i = 0; i < 100'000; ++i) {
      if (!send(fmt::format("X-{}: {}\r\n", i, std::string(1000, 'x')))) break;
    }
    return false;
  });
  EXPECT_EQ(code(get(server.url())), "E0807");
}

TEST(Limits, ExactlyTheLimitFits) {
  Server server([](const std::string&, const Server::Send& send) {
    return send(answer(std::string(1000, 'x')));
  });
  Request request;
  request.url = server.url();
  request.response_bytes_max = 1000;
  EXPECT_EQ(code(fetch(request)), "status 200");
  request.response_bytes_max = 999;
  EXPECT_EQ(code(fetch(request)), "E0807");
}

TEST(Broken, NobodyListens) {
  int port = 0;
  { port = Server(echo).port(); }
  const auto result = get(fmt::format("http://127.0.0.1:{}/", port));
  EXPECT_EQ(code(result), "E0803");
  EXPECT_NE(result.error().hint.find("server runs"), std::string::npos);
}

TEST(Broken, NamesThatDoNotExist) {
  EXPECT_EQ(code(get("http://does-not-exist.invalid/")), "E0803");
}

TEST(Broken, MalformedAnswersAreErrors) {
  for (const char* bytes : {"", "garbage\r\n\r\n",
                            "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
                            "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
                            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
                            "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\n"
                            "abc",
                            "\x15\x03\x01"}) {
    Server server([&](const std::string&, const Server::Send& send) {
      send(bytes);
      return false;
    });
    EXPECT_EQ(code(get(server.url())), "E0808") << bytes;
  }
}

// A server that closes a kept connection after it read the request may have acted on it.
TEST(Broken, APostIsNeverSentTwice) {
  std::atomic<int> posts = 0;
  Server server([&](const std::string& request, const Server::Send& send) {
    if (request.find("POST") == 0) return ++posts, false;
    return echo(request, send);
  });
  boost::asio::io_context io;
  Client client(io, private_allowed());
  std::vector<std::string> codes;
  const auto note = [&](Result<Response> result) { codes.push_back(code(result)); };
  Request first;
  first.url = server.url();
  client.send(first, [&](Result<Response> result) {
    note(std::move(result));
    Request post = first;
    post.method = "POST";
    client.send(post, note);
  });
  io.run_for(std::chrono::seconds(10));
  EXPECT_EQ(codes, (std::vector<std::string>{"status 200", "E0808"}));
  EXPECT_EQ(posts, 1);
}

TEST(Client, ConnectionsAreReusedByGets) {
  Server server(echo);
  boost::asio::io_context io;
  Client client(io, private_allowed());
  int left = 5;
  std::function<void()> next = [&] {
    Request request;
    request.url = server.url();
    client.send(request, [&](Result<Response> result) {
      EXPECT_EQ(code(result), "status 200");
      if (--left > 0) next();
    });
  };
  next();
  io.run_for(std::chrono::seconds(10));
  EXPECT_EQ(left, 0);
  EXPECT_EQ(server.connections(), 1);
}

TEST(Client, ManyAtOnceShareTheConnectionsAllowed) {
  Server server(echo);
  boost::asio::io_context io;
  ClientOptions options = private_allowed();
  options.connections_max = 4;
  Client client(io, options);
  int done = 0;
  for (int i = 0; i < 100; ++i) {
    Request request;
    request.url = server.url(fmt::format("/{}", i));
    client.send(request, [&, i](Result<Response> result) {
      ASSERT_TRUE(result.ok()) << result.error().text();
      EXPECT_EQ(result->body.find(fmt::format("GET /{} ", i)), 0u);
      ++done;
    });
  }
  EXPECT_EQ(client.active(), 100u);
  io.run_for(std::chrono::seconds(20));
  EXPECT_EQ(done, 100);
  EXPECT_LE(server.connections(), 4);
}

TEST(Client, BodiesCanBeStreamed) {
  Server server([](const std::string&, const Server::Send& send) {
    send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (const char* piece : {"data: 1\n\n", "data: 2\n\n"}) {
      send(fmt::format("{:x}\r\n{}\r\n", std::string_view(piece).size(), piece));
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    return send("0\r\n\r\n");
  });
  Request request;
  request.url = server.url();
  std::vector<std::string> pieces;
  request.on_body = [&](std::string_view piece) { pieces.emplace_back(piece); };
  const auto response = fetch(request);
  ASSERT_TRUE(response.ok());
  EXPECT_EQ(response->body, "");
  EXPECT_EQ(pieces, (std::vector<std::string>{"data: 1\n\n", "data: 2\n\n"}));
}

TEST(Cancel, EndsARequestInFlightAndFromItsOwnBody) {
  Server server([](const std::string&, const Server::Send& send) {
    send("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nbegin");
    std::this_thread::sleep_for(std::chrono::milliseconds(500));
    return true;
  });
  boost::asio::io_context io;
  Client client(io, private_allowed());
  std::vector<std::string> codes;
  Client::CallId id = 0;
  Request request;
  request.url = server.url();
  request.on_body = [&](std::string_view) {
    client.cancel(id);
    client.cancel(id);
    client.cancel(999);
  };
  id = client.send(request, [&](Result<Response> result) { codes.push_back(code(result)); });
  const auto never = client.send(request, [&](Result<Response> result) {
    codes.push_back(code(result));
  });
  client.cancel(never);
  const auto begin = std::chrono::steady_clock::now();
  io.run_for(std::chrono::seconds(10));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(5));
  EXPECT_EQ(codes, (std::vector<std::string>{"E0806", "E0806"}));
}

TEST(Cancel, TheEndOfTheClientEndsItsRequests) {
  Server server([](const std::string&, const Server::Send&) { return true; });
  boost::asio::io_context io;
  std::vector<std::string> codes;
  auto client = std::make_unique<Client>(io, private_allowed());
  for (int i = 0; i < 3; ++i) {
    Request request;
    request.url = server.url();
    client->send(request, [&](Result<Response> result) { codes.push_back(code(result)); });
  }
  io.run_for(std::chrono::milliseconds(100));
  client.reset();
  io.restart();
  io.run_for(std::chrono::seconds(5));
  EXPECT_EQ(codes, (std::vector<std::string>{"E0806", "E0806", "E0806"}));
}

}  // namespace
}  // namespace weft::net
