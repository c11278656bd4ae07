// SPDX-License-Identifier: Apache-2.0
#include "backend/local.h"

#include <gtest/gtest.h>

#include <future>

namespace weft::backend {
namespace {

ChatRequest request_for(const std::string& text) {
  ChatRequest request;
  request.messages.push_back(json::Object{{"role", "user"}, {"content", text}});
  request.thinking = Thinking::kOff;
  request.max_tokens = 48;
  return request;
}

Result<ChatResult> ask(Backend& backend, ChatRequest request, std::string* streamed = nullptr) {
  std::promise<Result<ChatResult>> promise;
  ChatCallbacks callbacks;
  if (streamed != nullptr) {
    callbacks.on_delta = [streamed](const ChatDelta& delta) { *streamed += delta.content; };
  }
  callbacks.on_done = [&promise](Result<ChatResult> result) {
    promise.set_value(std::move(result));
  };
  const auto call = backend.chat(std::move(request), std::move(callbacks));
  return promise.get_future().get();
}

TEST(LocalBackend, AnswersAndStreamsTheSameText) {
  LocalBackend backend;
  std::string streamed;
  const auto result = ask(backend, request_for("I was charged twice"), &streamed);
  ASSERT_TRUE(result.ok()) << result.error().text();
  EXPECT_FALSE(result->content.empty());
  EXPECT_EQ(streamed, result->content);
  EXPECT_GT(result->tokens.prompt, 5);
  EXPECT_EQ(result->tokens.prompt, static_cast<int64_t>(result->evidence.prompt_ids.size()));
  EXPECT_EQ(result->evidence.model_hash.size(), 64U);
}

TEST(LocalBackend, TellsTheProbabilityOfEveryTokenIfAsked) {
  LocalBackend backend;
  ChatRequest request = request_for("I was charged twice");
  request.temperature = 0;
  const auto silent = ask(backend, request);
  ASSERT_TRUE(silent.ok()) << silent.error().text();
  EXPECT_TRUE(silent->generated.empty());
  request.logprobs = true;
  const auto told = ask(backend, request);
  ASSERT_TRUE(told.ok()) << told.error().text();
  EXPECT_EQ(told->evidence.output_ids, silent->evidence.output_ids);
  ASSERT_EQ(told->generated.size(), told->evidence.output_ids.size());
  std::string spelled;
  double sum = 0;
  for (const GeneratedToken& token : told->generated) {
    EXPECT_LE(token.logprob, 0.001F);
    EXPECT_GT(token.logprob, -20);
    spelled += token.bytes;
    sum += token.logprob;
  }
  EXPECT_LT(sum, 0);  // not one token for certain
  EXPECT_NE(spelled.find(told->content), std::string::npos) << spelled;
}

// The schema of the answer reaches every model, except that the embedded one is left with the
// words of a system text. From a directory the same weights are a model like any other.
TEST(LocalBackend, TellsTheSchemaToModelsThatDoNotKnowTheirForm) {
  LocalBackend backend;
  const auto prompt_tokens = [&](std::string model, bool system, bool schema) {
    ChatRequest request = request_for("I was charged twice");
    request.model = std::move(model);
    request.max_tokens = 1;
    if (system) {
      request.messages.insert(request.messages.begin(),
                              json::Object{{"role", "system"}, {"content", "Triage."}});
    }
    if (schema) request.output_schema = json::Object{{"type", "object"}};
    const auto result = ask(backend, std::move(request));
    EXPECT_TRUE(result.ok()) << result.error().text();
    return result.ok() ? result->tokens.prompt : 0;
  };
  const std::string directory = WEFT_SOURCE_DIR "/models/weft-mini";
  EXPECT_EQ(prompt_tokens("default", true, true), prompt_tokens("default", true, false));
  EXPECT_GT(prompt_tokens("default", false, true), prompt_tokens("default", false, false));
  EXPECT_GT(prompt_tokens(directory, true, true), prompt_tokens(directory, true, false));
  EXPECT_GT(prompt_tokens(directory, false, true), prompt_tokens(directory, false, false));
}

TEST(LocalBackend, TheSameRequestGivesTheSameTokensAloneAndInCompany) {
  LocalBackend backend;
  ChatRequest request = request_for("My order never arrived");
  request.temperature = 0.8;
  request.seed = 42;
  const auto alone = ask(backend, request);
  ASSERT_TRUE(alone.ok()) << alone.error().text();
  std::vector<std::promise<std::vector<int32_t>>> promises(6);
  for (size_t i = 0; i < promises.size(); ++i) {
    ChatRequest next = i % 2 == 0 ? request : request_for(std::string(20 * i, 'x'));
    backend.chat(std::move(next), {{}, [&, i](Result<ChatResult> result) {
                                     promises[i].set_value(result->evidence.output_ids);
                                   }});
  }
  for (size_t i = 0; i < promises.size(); ++i) {
    const auto ids = promises[i].get_future().get();
    if (i % 2 == 0) {
      EXPECT_EQ(ids, alone->evidence.output_ids);
    }
  }
}

TEST(LocalBackend, ThinkingIsSplitAndBounded) {
  LocalBackend backend;
  ChatRequest request = request_for("Refund please, this is urgent!");
  request.thinking = Thinking::kOn;
  request.thinking_budget_tokens = 5;
  request.max_tokens = 256;
  const auto result = ask(backend, request);
  ASSERT_TRUE(result.ok()) << result.error().text();
  const auto model = backend.models().get("default");
  ASSERT_TRUE(model.ok());
  const auto close = static_cast<int64_t>((*model)->dialect->close_text.size());
  EXPECT_LE(result->tokens.reasoning, 5 + 16 + close);
  EXPECT_EQ(result->content.find("</think>"), std::string::npos);
}

TEST(LocalBackend, CancelEndsTheCall) {
  LocalBackend backend;
  ChatRequest request = request_for("x");
  request.max_tokens = 1500;
  request.stop = {};
  std::promise<Result<ChatResult>> promise;
  const auto call = backend.chat(
      request, {{}, [&](Result<ChatResult> result) { promise.set_value(std::move(result)); }});
  call->cancel();
  const auto result = promise.get_future().get();
  ASSERT_TRUE(result.ok());
  EXPECT_TRUE(result->finish_reason == "cancelled" || result->finish_reason == "stop");
}

TEST(LocalBackend, RefusalsTeach) {
  LocalBackend backend;
  ChatRequest request = request_for("x");
  request.model = "defualt";
  EXPECT_EQ(ask(backend, request).error().code, "E0710");
  EXPECT_NE(ask(backend, request).error().hint.find("default"), std::string::npos);
  request = request_for("x");
  request.max_tokens = 0;
  EXPECT_EQ(ask(backend, request).error().code, "E0712");
  request = request_for(std::string(100'000, 'a').append("b c d"));
  const auto result = ask(backend, request);
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code, "E0731");
  request = request_for("x");
  request.messages[0].as_object()["role"] = "nobody";
  EXPECT_FALSE(ask(backend, request).ok());
}

TEST(LocalBackend, CallsThatNeverBeganAreTold) {
  std::vector<std::future<bool>> ends;
  {
    LocalBackend backend;
    for (int i = 0; i < 4; ++i) {
      auto promise = std::make_shared<std::promise<bool>>();
      ends.push_back(promise->get_future());
      backend.chat(request_for("x"),
                   {{}, [promise](Result<ChatResult>) { promise->set_value(true); }});
    }
  }
  for (auto& end : ends) EXPECT_TRUE(end.get());
}

}  // namespace
}  // namespace weft::backend
