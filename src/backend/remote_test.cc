// SPDX-License-Identifier: Apache-2.0
//
// Against servers of a few lines that break in every way there is. A real one: tests/e2e/remote.
#include "backend/remote.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>

#include "backend/router.h"
#include "base/env.h"
#include "net/test_server.h"

namespace weft::backend {
namespace {

using net::testing::Server;

const std::string kHead = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                          "Connection: close\r\n\r\n";
std::string content(std::string_view text, std::string_view finish = "null") {
  return fmt::format("data: {{\"id\":\"c1\",\"choices\":[{{\"index\":0,\"delta\":{{\"content\":"
                     "\"{}\"}},\"finish_reason\":{}}}]}}\n\n", text, finish);
}
const std::string kWhole = kHead + content("yes") + content("", "\"stop\"") + "data: [DONE]\n\n";

std::string plain(int status, std::string_view body, std::string_view headers = "") {
  return fmt::format("HTTP/1.1 {} Word\r\nContent-Length: {}\r\n{}Connection: close\r\n\r\n{}",
                     status, body.size(), headers, body);
}

// Answers the n-th request, from 0, with the n-th text; the last one for all that follow.
Server::Handler script(std::vector<std::string> answers) {
  auto count = std::make_shared<std::atomic<size_t>>(0);
  return [answers = std::move(answers), count](const std::string&, const Server::Send& send) {
    send(answers[std::min(count->fetch_add(1), answers.size() - 1)]);
    return false;
  };
}

RemoteModel model_at(const std::vector<std::string>& urls) {
  RemoteModel model;
  model.kind = RemoteKind::kVllm;
  model.model = "qwen";
  for (const std::string& url : urls) model.endpoints.push_back({url, 1});
  model.pause_ms = 1;
  model.first_timeout_ms = 60'000;
  return model;
}

struct Asked {
  std::promise<Result<ChatResult>> result;
  std::string streamed;
  std::vector<chat::CallPiece> calls;
  std::vector<ChatResult> lost;  // before the result
  std::shared_ptr<ChatCall> call;
};

std::unique_ptr<Asked> begin_remote(Backend& backend, bool stream = false,
                                    ChatRequest request = {}) {
  auto asked = std::make_unique<Asked>();
  request.model = "big";
  request.messages.push_back(json::Object{{"role", "user"}, {"content", "Hello"}});
  ChatCallbacks callbacks;
  if (stream) {
    callbacks.on_delta = [to = asked.get()](const ChatDelta& delta) {
      to->streamed += delta.content;
      if (!delta.calls.empty()) to->calls = delta.calls;
    };
  }
  callbacks.on_lost = [to = asked.get()](const ChatResult& lost) { to->lost.push_back(lost); };
  callbacks.on_done = [to = asked.get()](Result<ChatResult> result) {
    to->result.set_value(std::move(result));
  };
  asked->call = backend.chat(std::move(request), std::move(callbacks));
  return asked;
}

Result<ChatResult> ask_remote(Backend& backend, bool stream = false, ChatRequest request = {}) {
  return begin_remote(backend, stream, std::move(request))->result.get_future().get();
}

TEST(RemoteBackend, AnswersWithItsEvidence) {
  std::string seen;
  Server server([&](const std::string& request, const Server::Send& send) {
    seen = request;
    send(kWhole);
    return false;
  });
  RemoteModel model = model_at({server.url("/v1")});
  model.api_key = "secret-key";
  RemoteBackend backend({{"big", model}});
  EXPECT_TRUE(backend.is_remote("big"));
  EXPECT_FALSE(backend.is_remote("default"));
  const auto result = ask_remote(backend);
  ASSERT_TRUE(result.ok()) << result.error().text();
  EXPECT_EQ(result->content, "yes");
  EXPECT_EQ(json::dump(result->evidence.remote.at("reproducible")), "false");
  EXPECT_EQ(result->evidence.remote.at("usage"), "estimated");
  EXPECT_EQ(json::dump(json::Value(result->evidence.remote)).find("secret"), std::string::npos);
  EXPECT_TRUE(seen.starts_with("POST /v1/chat/completions ")) << seen;
  EXPECT_NE(seen.find("Authorization: Bearer secret-key"), std::string::npos);
}

TEST(RemoteBackend, RepeatsWhatWasNotHandedOn) {
  for (const std::string& bad :
       {plain(500, "oops"), plain(502, ""), plain(429, "", "Retry-After: 0\r\n"),
        kHead + content("ye"), kHead + "data: {\"error\":{\"message\":\"out of memory\"}}\n\n",
        kHead, std::string("nonsense\r\n\r\n"), std::string()}) {
    Server server(script({bad, kWhole}));
    RemoteModel model = model_at({server.url("/v1")});
    RemoteBackend backend({{"big", model}});
    const auto result = ask_remote(backend);
    ASSERT_TRUE(result.ok()) << bad << result.error().text();
    EXPECT_EQ(result->content, "yes");
    EXPECT_EQ(result->evidence.remote.at("tries"), 2) << bad;
  }
}

TEST(RemoteBackend, TextThatWasHandedOnIsNotRepeated) {
  Server server(script({kHead + content("ye"), kWhole}));
  RemoteBackend backend({{"big", model_at({server.url("/v1")})}});
  const auto result = ask_remote(backend, true);
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code, "E0772");
  EXPECT_TRUE(may_pass(result.error()));
}

// A server counts what it has read and written, whether its answer arrives whole or not.
TEST(RemoteBackend, AnAnswerThatBreaksOffIsToldForWhatItCosts) {
  const std::string call = R"(data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,)"
                           R"("id":"t","function":{"name":"look","arguments":"{\"abc"}}]},)"
                           R"("finish_reason":null}]})" "\n\n";
  const std::string usage = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":70,"
                            "\"completion_tokens\":30}}\n\n";
  const struct {
    std::string said;
    int64_t prompt, answer;  // prompt 0: estimated
  } cases[] = {{kHead + content("eight by"), 0, 2},
               {kHead + content("eight by") + "data: {\n\n", 0, 2},
               {kHead + call, 0, 3},
               {kHead + content("eight by") + usage, 70, 30}};
  for (const auto& one : cases) {
    for (const bool stream : {false, true}) {
      SCOPED_TRACE(one.said);
      Server server(script({one.said, kWhole}));
      RemoteBackend backend({{"big", model_at({server.url("/v1")})}});
      const auto asked = begin_remote(backend, stream);
      const auto result = asked->result.get_future().get();
      EXPECT_EQ(result.ok(), !stream || one.said == kHead + call);
      ASSERT_EQ(asked->lost.size(), 1U);
      const TokenCounts& lost = asked->lost[0].tokens;
      EXPECT_EQ(lost.answer, one.answer);
      EXPECT_EQ(lost.prompt == 70, one.prompt == 70);
      EXPECT_GT(lost.prompt, 10);
      EXPECT_TRUE(!result.ok() || result->tokens.answer == 1) << "counted apart";
    }
  }
  for (const std::string& nothing : {plain(500, "oops"), plain(429, ""), kHead, std::string()}) {
    Server server(script({nothing, kWhole}));
    RemoteBackend backend({{"big", model_at({server.url("/v1")})}});
    const auto asked = begin_remote(backend);
    asked->result.get_future().wait();
    EXPECT_TRUE(asked->lost.empty()) << nothing;
  }
}

TEST(RemoteBackend, CeilingsCountAnswersThatBreakOff) {
  Server server(script({kHead + content("twelve bytes")}));
  auto remote = std::make_unique<RemoteBackend>(
      RemoteModels{{"big", model_at({server.url("/v1")})}});
  RoutingConfig config;
  config.models["big"].price.answer_per_million = 1e6;
  config.ceilings.month = 1e9;
  Router router(std::make_unique<LocalBackend>(), std::move(remote), config);
  const auto result = ask_remote(router);
  ASSERT_FALSE(result.ok());
  const auto keys = router.ledger()->keys({}, real_env().wall_us());
  EXPECT_DOUBLE_EQ(router.ledger()->spent(keys).month, 3 * 3) << "three tokens in each of 3 tries";
}

// Also where a server that was asked for a stream sends one document.
TEST(RemoteBackend, AStreamTellsCallsAndWhatComesLate) {
  const std::string call = "\"tool_calls\":[{\"index\":0,\"id\":\"t1\",\"function\":{"
                           "\"name\":\"look\",\"arguments\":\"{}\"}}]";
  const std::string stream = kHead + "data: {\"choices\":[{\"index\":0,\"delta\":{" + call +
                             "},\"finish_reason\":\"tool_calls\"}]}\n\ndata: [DONE]\n\n";
  const std::string document = plain(200, "{\"choices\":[{\"index\":0,\"message\":{\"content\":"
                                          "\"first\"," + call + "},\"finish_reason\":\"stop\"}]}");
  for (const std::string& answer : {stream, document}) {
    Server server(script({answer}));
    RemoteBackend backend({{"big", model_at({server.url("/v1")})}});
    const auto asked = begin_remote(backend, true);
    const auto result = asked->result.get_future().get();
    ASSERT_TRUE(result.ok()) << result.error().text();
    EXPECT_EQ(result->finish_reason, "tool_calls");
    ASSERT_EQ(result->calls.size(), 1U);
    EXPECT_EQ(result->calls[0].arguments, "{}");
    EXPECT_TRUE(result->calls[0].done);
    ASSERT_EQ(asked->calls.size(), 1U);
    EXPECT_EQ(asked->calls[0].id, "t1");
    EXPECT_EQ(asked->calls[0].name, "look");
    EXPECT_EQ(asked->calls[0].arguments, "{}");
    EXPECT_EQ(asked->streamed, result->content);
  }
}

// Another weft says why an answer ended early; what other servers mean by that word is not known.
TEST(RemoteBackend, WhyAnAnswerEndedEarlyIsPassedOn) {
  const auto ended = [](std::string_view finish, std::string_view reason) {
    return kHead + fmt::format("data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"x\"}},"
                               "\"stop_reason\":{},\"finish_reason\":\"{}\"}}]}}\n\n"
                               "data: [DONE]\n\n", reason, finish);
  };
  const struct {
    RemoteKind kind;
    std::string answer, reason;
  } cases[] = {{RemoteKind::kWeft, ended("length", "\"repetition\""), "repetition"},
               {RemoteKind::kWeft, ended("length", "\"deadline\""), "deadline"},
               {RemoteKind::kWeft, ended("length", "null"), ""},
               {RemoteKind::kWeft, ended("length", "7"), ""},
               {RemoteKind::kWeft, ended("length", '"' + std::string(1000, 'x') + '"'), ""},
               {RemoteKind::kWeft, ended("stop", "\"repetition\""), ""},
               {RemoteKind::kVllm, ended("length", "\"repetition\""), ""}};
  for (const auto& one : cases) {
    SCOPED_TRACE(one.answer);
    Server server(script({one.answer}));
    RemoteModel model = model_at({server.url("/v1")});
    model.kind = one.kind;
    RemoteBackend backend({{"big", model}});
    const auto result = ask_remote(backend);
    ASSERT_TRUE(result.ok()) << result.error().text();
    EXPECT_EQ(result->stop_reason, one.reason);
  }
}

TEST(RemoteBackend, RefusalsAreNotRepeated) {
  for (const int status : {400, 401, 404, 422}) {
    Server server(script({plain(status, R"({"error":{"message":"no such model"}})"), kWhole}));
    RemoteBackend backend({{"big", model_at({server.url("/v1")})}});
    const auto result = ask_remote(backend);
    ASSERT_FALSE(result.ok()) << status;
    EXPECT_EQ(result.error().code, "E0771");
    EXPECT_NE(result.error().message.find("no such model"), std::string::npos);
    EXPECT_EQ(server.connections(), 1);
    EXPECT_EQ(backend.endpoints().at(0).breaker, "closed") << "the request was wrong, not it";
  }
  Server leads(script({plain(302, "", "Location: http://169.254.169.254/\r\n")}));
  RemoteBackend backend({{"big", model_at({leads.url("/v1")})}});
  EXPECT_FALSE(ask_remote(backend).ok());
  EXPECT_EQ(leads.connections(), 1) << "a key follows no redirect";
}

TEST(RemoteBackend, AnotherEndpointTakesOver) {
  Server dead(script({plain(503, "")}));
  Server good(script({kWhole}));
  RemoteModel model = model_at({dead.url("/v1"), good.url("/v1")});
  model.breaker = {.failures_max = 2, .pause_us = 60'000'000, .pause_us_max = 60'000'000};
  RemoteBackend backend({{"big", model}});
  for (int i = 0; i < 12; ++i) {
    ChatRequest request;  // another beginning each time: each endpoint is the nearest of some
    request.messages.push_back(
        json::Object{{"role", "system"}, {"content", std::to_string(i)}});
    const auto result = ask_remote(backend, false, std::move(request));
    ASSERT_TRUE(result.ok()) << result.error().text();
  }
  EXPECT_LE(dead.connections(), 2) << "then its breaker is open";
  EXPECT_GE(dead.connections(), 1);
  EXPECT_EQ(backend.endpoints().at(0).breaker, "open");
  EXPECT_EQ(backend.endpoints().at(1).outstanding, 0);
}

// Whichever of the two is asked first.
TEST(RemoteBackend, ARetryPrefersWhoAnswersToWhoIsDead) {
  const std::string dead = "http://127.0.0.1:1/v1";
  for (const bool dead_first : {true, false}) {
    Server living(script({plain(500, "oops"), kWhole}));
    std::vector<std::string> urls{dead, living.url("/v1")};
    if (!dead_first) std::swap(urls[0], urls[1]);
    RemoteBackend backend({{"big", model_at(urls)}});
    const auto result = ask_remote(backend);
    ASSERT_TRUE(result.ok()) << result.error().text();
    EXPECT_EQ(result->content, "yes");

    Server broken(script({plain(500, "oops")}));
    urls[dead_first ? 1 : 0] = broken.url("/v1");
    RemoteBackend none({{"big", model_at(urls)}});
    const auto refused = ask_remote(none);
    ASSERT_FALSE(refused.ok());
    for (const std::string& url : urls) {
      EXPECT_NE(refused.error().message.find(url), std::string::npos) << refused.error().message;
    }
  }
}

TEST(RemoteBackend, NobodyThere) {
  int port = 0;
  { port = Server(script({""})).port(); }
  RemoteModel model = model_at({fmt::format("http://127.0.0.1:{}/v1", port)});
  model.breaker.pause_us = 60'000'000;
  RemoteBackend backend({{"big", model}});
  const auto first = ask_remote(backend);
  ASSERT_FALSE(first.ok());
  EXPECT_EQ(first.error().code, "E0772");
  const auto second = ask_remote(backend);
  ASSERT_FALSE(second.ok());
  EXPECT_NE(second.error().message.find("no endpoint"), std::string::npos)
      << second.error().text();
  ChatRequest request;
  request.model = "other";
  EXPECT_EQ(ask_remote(backend).error().code, "E0772");
}

// Hanging before the first byte, and in the middle.
TEST(RemoteBackend, SilenceIsAFailure) {
  for (const std::string& said : {std::string(), kHead, kHead + content("ye")}) {
    std::atomic<bool> over = false;
    Server server([&](const std::string&, const Server::Send& send) {
      send(said);
      while (!over) real_env().sleep_us(2000);
      return false;
    });
    RemoteModel model = model_at({server.url("/v1")});
    model.first_timeout_ms = 150;
    model.pause_timeout_ms = 150;
    model.retries_max = 1;
    RemoteBackend backend({{"big", model}});
    const auto result = ask_remote(backend);
    over = true;
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.error().code, "E0772") << result.error().text();
    for (int i = 0; i < 5000 && server.connections() < 2; ++i) real_env().sleep_us(1000);
    EXPECT_EQ(server.connections(), 2) << "tried once more";
  }
}

TEST(RemoteBackend, DeadlinesHold) {
  std::atomic<bool> over = false;
  Server server([&](const std::string&, const Server::Send& send) {
    send(kHead);
    while (!over) {
      send(": ping\n\n");
      real_env().sleep_us(5000);
    }
    return false;
  });
  RemoteModel model = model_at({server.url("/v1")});
  model.breaker.failures_max = 1;
  RemoteBackend backend({{"big", model}});
  ChatRequest request;
  request.deadline_ms = 200;
  const int64_t begin_ns = real_env().mono_ns();
  const auto result = ask_remote(backend, false, std::move(request));
  over = true;
  ASSERT_FALSE(result.ok());
  EXPECT_GE(real_env().mono_ns() - begin_ns, 190'000'000);
  EXPECT_EQ(server.connections(), 1) << "no time for another try";
  EXPECT_EQ(backend.endpoints().at(0).breaker, "closed") << "others may have more time";
}

TEST(RemoteBackend, AnAbsurdRetryAfterIsALongOne) {
  Server server(script({plain(429, "", "Retry-After: 99999999999999\r\n"), kWhole}));
  RemoteBackend backend({{"big", model_at({server.url("/v1")})}});
  EXPECT_EQ(ask_remote(backend).error().code, "E0772");
  EXPECT_EQ(ask_remote(backend).error().code, "E0772");
  EXPECT_EQ(server.connections(), 1);
}

TEST(RemoteBackend, ACallIsCancelledAndItsConnectionClosed) {
  std::promise<void> closed;
  std::atomic<bool> told = false;
  Server server([&](const std::string&, const Server::Send& send) {
    send(kHead + content("ye"));
    while (send(": ping\n\n")) real_env().sleep_us(2000);
    closed.set_value();
    return false;
  });
  RemoteBackend backend({{"big", model_at({server.url("/v1")})}});
  auto asked = begin_remote(backend);
  auto result = asked->result.get_future();
  while (server.connections() == 0) real_env().sleep_us(1000);
  asked->call->cancel();
  asked->call->cancel();
  const auto ended = result.get();
  ASSERT_TRUE(ended.ok()) << ended.error().text();
  EXPECT_EQ(ended->finish_reason, "cancelled");
  EXPECT_GT(ended->tokens.prompt, 0) << "what was read is paid for";
  closed.get_future().get();
  EXPECT_EQ(backend.endpoints().at(0).outstanding, 0);
}

TEST(RemoteBackend, EndsWithCallsUnderWay) {
  std::atomic<bool> over = false;
  Server server([&](const std::string&, const Server::Send&) {
    while (!over) real_env().sleep_us(1000);
    return false;
  });
  std::unique_ptr<Asked> asked;
  {
    RemoteBackend backend({{"big", model_at({server.url("/v1")})}});
    asked = begin_remote(backend);
    while (server.connections() == 0) real_env().sleep_us(1000);
  }
  over = true;
  const auto result = asked->result.get_future().get();
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->finish_reason, "cancelled");
  asked->call->cancel();  // of a backend that is gone
}

TEST(RemoteModelOf, Words) {
  const auto model = remote_model_of("big", "vllm:http://a:1/v1/*3,https://b/v1#Qwen/Qwen3");
  ASSERT_TRUE(model.ok()) << model.error().text();
  EXPECT_EQ(model->kind, RemoteKind::kVllm);
  EXPECT_EQ(model->model, "Qwen/Qwen3");
  ASSERT_EQ(model->endpoints.size(), 2U);
  EXPECT_EQ(model->endpoints[0].url, "http://a:1/v1");
  EXPECT_EQ(model->endpoints[0].weight, 3);
  EXPECT_EQ(remote_model_of("big", "http://a/v1")->model, "big");
  EXPECT_EQ(remote_model_of("big", "http://a/v1")->kind, RemoteKind::kOpenAi);
  for (const char* wrong : {"", "vlm:http://a", "http://a*0", "http://a*x", "ftp://a", "http://",
                            "http://user:pass@a/v1", "http://a,,http://b"}) {
    const auto refused = remote_model_of("big", wrong);
    ASSERT_FALSE(refused.ok()) << wrong;
    EXPECT_EQ(refused.error().code, "E0773") << refused.error().text();
  }
}

}  // namespace
}  // namespace weft::backend
