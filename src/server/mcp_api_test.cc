// SPDX-License-Identifier: Apache-2.0
#include "server/mcp_api.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <optional>
#include <utility>

#include "backend/local.h"
#include "server/runs.h"
#include "worker/sim_world.h"

namespace weft::server {
namespace {

// A client's request, and what became of it.
class McpClientSide final : public net::Exchange {
 public:
  explicit McpClientSide(net::HttpRequest request) : request_(std::move(request)) {}
  net::HttpRequest& request() override { return request_; }
  void respond(net::HttpResponse response) override { answer = std::move(response); }
  void begin(StreamHead) override { streams = true; }
  void write(std::string_view) override {}
  void end() override {}
  size_t unsent_bytes() const override { return 0; }
  void on_drained(std::function<void()>) override {}
  void on_closed(std::function<void()> task) override { closed_ = std::move(task); }
  void leave() { std::exchange(closed_, nullptr)(); }

  std::optional<net::HttpResponse> answer;
  bool streams = false;

 private:
  net::HttpRequest request_;
  std::function<void()> closed_;
};

class NobodysPool final : public worker::Pool {
 public:
  void submit(std::function<void()> task) override { tasks.push_back(std::move(task)); }
  std::vector<std::function<void()>> tasks;  // for ever
};

class McpEndpointTest : public ::testing::Test {
 protected:
  McpEndpointTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "weft-mcp-XXXXXX").string();
    CHECK(::mkdtemp(pattern.data()) != nullptr);
    directory_ = pattern;
    RunsOptions options;
    options.store = worker::StorePlace(pattern + "/store.db");
    runs_ = Runs::open(env_, loop_, pool_, metrics_, std::move(options)).value();
    context_.runs = runs_.get();
    endpoint_.emplace(context_, std::make_shared<const McpDocuments>());
  }
  ~McpEndpointTest() override {
    endpoint_.reset();
    pool_.tasks.clear();
    runs_.reset();
    std::filesystem::remove_all(directory_);
  }
  std::shared_ptr<McpClientSide> asked(std::string method, const std::string& session,
                                       std::string body = "") {
    net::HttpRequest request;
    request.method = std::move(method);
    request.headers = {{"Accept", "application/json, text/event-stream"},
                       {"Content-Type", "application/json"}};
    if (!session.empty()) request.headers.push_back({"Mcp-Session-Id", session});
    request.body = std::move(body);
    auto client = std::make_shared<McpClientSide>(std::move(request));
    if (client->request().method == "GET") {
      endpoint_->get(client);
    } else {
      endpoint_->post(client);
    }
    return client;
  }
  std::string begun() {
    const auto client = asked("POST", "", R"({"jsonrpc": "2.0", "id": 1, "method": "initialize",
        "params": {"protocolVersion": "2025-06-18", "capabilities": {}}})");
    return *net::find_header(client->answer.value().headers, "Mcp-Session-Id");
  }
  int ping(const std::string& session) {
    const auto client = asked("POST", session, R"({"jsonrpc": "2.0", "id": 3, "method": "ping"})");
    return client->answer.value().status;
  }
  void pass(int64_t minutes) {
    for (int64_t i = 0; i < minutes; ++i) {
      env_.advance_us(60'000'000);
      while (loop_.turn()) {
      }
    }
  }

  SimEnv env_{1};
  worker::SimLoop loop_{env_};
  NobodysPool pool_;
  backend::LocalBackend backend_;
  Metrics metrics_;
  std::filesystem::path directory_;
  std::unique_ptr<Runs> runs_;
  ServerContext context_{env_, loop_, pool_, backend_, backend_, metrics_};
  std::optional<McpEndpoint> endpoint_;
};

TEST_F(McpEndpointTest, ASessionThatWorksOrListensIsUsed) {
  const std::string listens = begun(), also_listens = begun(), calls = begun(), rests = begun();
  const auto listener = asked("GET", listens), second = asked("GET", also_listens);
  ASSERT_TRUE(listener->streams && second->streams);
  const auto caller = asked("POST", calls, R"({"jsonrpc": "2.0", "id": 2, "method": "tools/call",
                                               "params": {"name": "x", "arguments": {}}})");
  ASSERT_TRUE(caller->streams);
  caller->leave();  // its call goes on: nobody does the work
  pass(3 * 60);
  EXPECT_EQ(ping(rests), 404);
  EXPECT_EQ(ping(calls), 200) << "its client may come back for the answer";
  listener->leave();
  second->leave();
  pass(2);
  EXPECT_EQ(ping(listens), 200) << "its connection broke a moment ago";
  pass(55);
  EXPECT_EQ(ping(also_listens), 200);
  pass(62);
  EXPECT_EQ(ping(listens), 404);
  EXPECT_EQ(ping(also_listens), 404);
  EXPECT_EQ(ping(calls), 200);
}

}  // namespace
}  // namespace weft::server
