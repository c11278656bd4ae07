// SPDX-License-Identifier: Apache-2.0
#include "backend/local.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <set>

#include "backend/test_ask.h"
#include "base/env.h"
#include "schema/validator.h"

namespace weft::backend {
namespace {

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

TEST(LocalBackend, CountsWhatWasCachedAndKeepsSaltsApart) {
  LocalBackend backend;
  std::string text;
  for (int i = 0; i < 40; ++i) text += "Order number " + std::to_string(i) + " is late. ";
  ChatRequest request = request_for(text);
  const auto first = ask(backend, request);
  ASSERT_TRUE(first.ok()) << first.error().text();
  EXPECT_EQ(first->tokens.cached, 0);
  const auto again = ask(backend, request);
  ASSERT_TRUE(again.ok()) << again.error().text();
  EXPECT_GE(again->tokens.cached, again->tokens.prompt - 33);
  EXPECT_EQ(again->evidence.output_ids, first->evidence.output_ids);
  request.cache_salt = "tenant b";
  const auto other = ask(backend, request);
  ASSERT_TRUE(other.ok()) << other.error().text();
  EXPECT_EQ(other->tokens.cached, 0);
  EXPECT_EQ(other->evidence.output_ids, first->evidence.output_ids);
}

TEST(LocalBackend, ADeadlineLeavesACompleteAnswer) {
  LocalBackend backend;
  ASSERT_TRUE(ask(backend, request_for("load it")).ok());
  const json::Value document = json::parse(R"({"type": "object", "additionalProperties": false,
    "required": ["notes", "kind"], "properties": {
      "notes": {"type": "array", "items": {"type": "string"}},
      "kind": {"enum": ["technical", "billing"]}}})").value();
  const schema::Schema schema = schema::Schema::parse(document).value();
  for (const int64_t deadline_ms : {1, 20, 60}) {
    ChatRequest request = request_for("I was charged twice");
    request.output_schema = document;
    request.max_tokens = 900;
    request.temperature = 2.0;
    request.deadline_ms = deadline_ms;
    const auto result = ask(backend, request);
    ASSERT_TRUE(result.ok()) << result.error().text();
    const auto answer = json::parse(result->content);
    ASSERT_TRUE(answer.ok()) << result->content;
    EXPECT_TRUE(schema::validate(schema, *answer).empty()) << result->content;
    EXPECT_LT(result->tokens.answer, 900);
    EXPECT_TRUE(deadline_ms > 1 || !result->evidence.hurries.empty());
    // Made again by the record, without a clock.
    request.deadline_ms.reset();
    request.hurries = result->evidence.hurries;
    const auto again = ask(backend, request);
    ASSERT_TRUE(again.ok()) << again.error().text();
    EXPECT_EQ(again->evidence.output_ids, result->evidence.output_ids);
    EXPECT_EQ(again->evidence.hurries, result->evidence.hurries);
  }
  ChatRequest never = request_for("x");
  never.deadline_ms = 0;
  EXPECT_EQ(ask(backend, never).error().code, "E0712");
}

// Who goes on after a crash goes on from before the hurry: the clock has its say again.
TEST(LocalBackend, WhatCameBehindAHurryIsNotToBeResumed) {
  LocalBackend backend;
  ASSERT_TRUE(ask(backend, request_for("load it")).ok());
  int64_t kept = 0;
  for (const int64_t deadline_ms : {120, 60, 30, 15}) {  // slow machines write little in time
    ChatRequest request = request_for("I was charged twice");
    request.output_schema = json::parse(R"({"type": "array", "items": {"type": "string"},
                                            "minItems": 40, "maxItems": 400})").value();
    request.max_tokens = 1500;
    request.temperature = 2.0;
    request.deadline_ms = deadline_ms;
    int64_t told = 0;
    std::promise<Result<ChatResult>> promise;
    ChatCallbacks callbacks;
    callbacks.on_partial = [&](PartialAnswer piece) {
      EXPECT_EQ(piece.first, told);
      told += std::ssize(piece.ids);
    };
    callbacks.on_done = [&](Result<ChatResult> result) { promise.set_value(std::move(result)); };
    const auto call = backend.chat(std::move(request), std::move(callbacks));
    const auto result = promise.get_future().get();
    ASSERT_TRUE(result.ok()) << result.error().text();
    const auto& hurries = result->evidence.hurries;
    if (hurries.empty()) continue;
    EXPECT_LE(told, hurries[0].as_array()[0].as_int64());
    EXPECT_LT(told, std::ssize(result->evidence.output_ids));
    ++kept;
  }
  EXPECT_GT(kept, 0);
}

TEST(LocalBackend, ModelsLeaveUnderABudgetAndComeBack) {
  ModelsOptions options;
  options.engine.kv_bytes_max = size_t{8} << 20;
  options.names["copy"] = WEFT_SOURCE_DIR "/models/weft-mini";
  options.memory_bytes_max = uint64_t{19} << 20;  // one of two
  LocalBackend backend(options);
  const auto chat = [&](const char* name) {
    ChatRequest request = request_for("I was charged twice");
    request.model = name;
    request.max_tokens = 8;
    return ask(backend, request);
  };
  const auto first = chat("default");
  ASSERT_TRUE(first.ok()) << first.error().text();
  EXPECT_TRUE(backend.models().is_loaded("default"));
  EXPECT_LE(backend.models().memory_bytes(), options.memory_bytes_max);
  const auto second = chat("copy");
  ASSERT_TRUE(second.ok()) << second.error().text();
  EXPECT_EQ(backend.models().loaded().size(), 1U);
  EXPECT_FALSE(backend.models().is_loaded("default"));
  EXPECT_EQ(chat("default")->evidence.output_ids, first->evidence.output_ids);
  const auto held = backend.models().get("default").value();
  const auto refused = chat("copy");
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, "E0714");
  EXPECT_NE(refused.error().text().find("MiB"), std::string::npos);
  EXPECT_EQ(backend.models().unload("default").error().code, "E0715");
}

TEST(LocalBackend, UnloadsWhatNobodyUses) {
  LocalBackend backend;
  EXPECT_FALSE(backend.models().unload("default").value());
  ASSERT_TRUE(ask(backend, request_for("x")).ok());
  for (int i = 0; i < 100; ++i) {  // the engine's thread may still be in the last callback
    const auto left = backend.models().unload("default");
    if (left.ok()) break;
    real_env().sleep_us(1000);
  }
  EXPECT_TRUE(backend.models().loaded().empty());
  ASSERT_TRUE(ask(backend, request_for("x")).ok());
}

// Patterns of thousands of states: what somebody's schema costs is not everybody's delay.
TEST(LocalBackend, APlainChatDoesNotWaitForSlowSchemas) {
  LocalBackend backend;
  ASSERT_TRUE(ask(backend, request_for("x")).ok());
  std::atomic<int> ended = 0;
  const auto begin = [&](ChatRequest request) {
    request.max_tokens = 1;
    auto place = std::make_shared<std::promise<int>>();
    backend.chat(std::move(request), {.on_delta = {}, .on_done = [&ended, place](auto) {
                                        place->set_value(++ended);
                                      }});
    return place->get_future();
  };
  ChatRequest slow = request_for("x");
  json::Object properties;
  for (int i = 0; i < 6; ++i) {
    properties[fmt::format("p{}", i)] =
        json::Object{{"type", "string"}, {"pattern", fmt::format("^[ab]*a[ab]{{13}}{}$", i)}};
  }
  slow.output_schema = json::Object{{"type", "object"}, {"properties", properties}};
  auto held = begin(std::move(slow));
  auto plain = begin(request_for("y"));
  EXPECT_EQ(plain.get(), 1);
  EXPECT_EQ(held.get(), 2);
}

const char* const kTriage = R"({"type": "object", "additionalProperties": false,
  "required": ["category", "urgency"], "properties": {
    "category": {"enum": ["technical", "billing", "general"]},
    "urgency": {"type": "integer", "minimum": 1, "maximum": 5},
    "actions": {"type": "array", "items": {"type": "string", "maxLength": 20}, "maxItems": 3}}})";

// From the fewest tokens on, whatever the temperature: never cut off, never malformed.
TEST(LocalBackend, AnAnswerUnderASchemaIsCompleteAndValidForEveryMaxTokens) {
  LocalBackend backend;
  const json::Value document = json::parse(kTriage).value();
  const schema::Schema schema = schema::Schema::parse(document).value();
  int64_t fewest = 0;
  for (int64_t max_tokens = 1; max_tokens <= 64; ++max_tokens) {
    for (const double temperature : {0.0, 2.0}) {
      ChatRequest request = request_for("I was charged twice");
      request.output_schema = document;
      request.max_tokens = max_tokens;
      request.temperature = temperature;
      request.seed = static_cast<uint64_t>(max_tokens);
      const auto result = ask(backend, request);
      if (!result.ok()) {
        EXPECT_EQ(result.error().code, "E0326") << result.error().text();
        EXPECT_EQ(fewest, 0) << "refused at " << max_tokens << ", accepted at " << fewest;
        continue;
      }
      if (fewest == 0) fewest = max_tokens;
      const auto value = json::parse(result->content);
      ASSERT_TRUE(value.ok()) << max_tokens << ": " << result->content;
      EXPECT_TRUE(schema::validate(schema, *value).empty()) << result->content;
      EXPECT_EQ(result->finish_reason, "stop");
      EXPECT_LE(result->tokens.answer, max_tokens);
    }
  }
  EXPECT_GT(fewest, 4);
  EXPECT_LT(fewest, 30);
}

// With reasoning in front its budget is cut so that the answer fits.
TEST(LocalBackend, ReasoningLeavesTheAnswerItsTokens) {
  LocalBackend backend;
  for (const int64_t max_tokens : {30, 50, 70, 90, 120, 300}) {
    for (const Thinking thinking : {Thinking::kAuto, Thinking::kOn}) {
      ChatRequest request = request_for("The app closes by itself");
      request.output_schema = json::parse(kTriage).value();
      request.max_tokens = max_tokens;
      request.thinking = thinking;
      request.temperature = 3.0;  // never ends its reasoning by itself
      const auto result = ask(backend, request);
      ASSERT_TRUE(result.ok()) << result.error().text();
      EXPECT_TRUE(json::parse(result->content).ok()) << max_tokens << ": " << result->content;
      EXPECT_EQ(result->finish_reason, "stop");
      EXPECT_LE(result->tokens.reasoning + result->tokens.answer, max_tokens);
      if (max_tokens == 300) {
        EXPECT_GT(result->tokens.reasoning, 20);
      }
    }
  }
}

TEST(LocalBackend, TheEmbeddedModelWritesTheSpacesItWasTrainedWith) {
  LocalBackend backend;
  ChatRequest request = request_for("I was charged twice");
  request.output_schema = json::parse(kTriage).value();
  request.temperature = 0;
  const auto result = ask(backend, request);
  ASSERT_TRUE(result.ok()) << result.error().text();
  EXPECT_TRUE(result->content.starts_with("{\"category\": \"")) << result->content;
  EXPECT_TRUE(result->evidence.grammar.starts_with("json-schema:"));
}

TEST(LocalBackend, TellsHowSureItWasOfWhatItChose) {
  LocalBackend backend;
  ChatRequest request = request_for("I was charged twice");
  request.temperature = 0;
  request.output_schema = json::parse(kTriage).value();
  const auto result = ask(backend, request);
  ASSERT_TRUE(result.ok()) << result.error().text();
  ASSERT_EQ(result->chosen.size(), 1U);  // the integer is no list of values
  EXPECT_EQ(result->chosen[0].field, "/category");
  EXPECT_EQ(result->chosen[0].value, json::parse(result->content)->at("category"));
  EXPECT_GT(result->chosen[0].probability, 1.0 / 3);  // the best of three, and one spelling of it
  EXPECT_LE(result->chosen[0].probability, 1.0);
  EXPECT_TRUE(result->generated.empty());  // nobody asked for them
  // One value only: nothing was chosen, whatever the model would have liked.
  request.output_schema = json::parse(R"({"type": "object", "required": ["a"],
      "properties": {"a": {"$ref": "#/$defs/x"}}, "$defs": {"x": {"const": "zebra"}}})").value();
  const auto certain = ask(backend, request);
  ASSERT_TRUE(certain.ok()) << certain.error().text();
  ASSERT_EQ(certain->chosen.size(), 1U);
  EXPECT_EQ(certain->content, "{\"a\": \"zebra\"}");
}

TEST(LocalBackend, OtherFormsOfAnswers) {
  LocalBackend backend;
  ChatRequest request = request_for("I was charged twice");
  request.choice = {"yes", "no"};
  auto result = ask(backend, request);
  ASSERT_TRUE(result.ok()) << result.error().text();
  EXPECT_TRUE(result->content == "yes" || result->content == "no") << result->content;
  request.choice = {};
  request.regex = "[0-9]{3}-[a-f]+z";
  result = ask(backend, request);
  ASSERT_TRUE(result.ok()) << result.error().text();
  EXPECT_TRUE(result->content.ends_with("z")) << result->content;
  request.regex.reset();
  request.ebnf = "root ::= \"<\" [a-c]{2,4} \">\"";
  result = ask(backend, request);
  ASSERT_TRUE(result.ok()) << result.error().text();
  EXPECT_TRUE(result->content.starts_with("<") && result->content.ends_with(">"));
}

TEST(LocalBackend, FormsThatCannotBeHeldAreRefused) {
  LocalBackend backend;
  ChatRequest request = request_for("x");
  request.output_schema = json::parse(
      R"({"type": "array", "items": {"type": "integer"}, "uniqueItems": true})").value();
  auto result = ask(backend, request);
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code, "E0320");
  EXPECT_NE(result.error().text().find("output schema"), std::string::npos);
  request.output_best_effort = true;
  result = ask(backend, request);
  ASSERT_TRUE(result.ok()) << result.error().text();
  EXPECT_NE(result->not_held.find("uniqueItems"), std::string::npos) << result->not_held;
  EXPECT_TRUE(result->evidence.grammar.empty());
  request = request_for("x");
  request.choice = {"a"};
  request.stop = {"a"};
  EXPECT_EQ(ask(backend, request).error().code, "E0712");
  request.stop = {};
  request.regex = "b";
  EXPECT_EQ(ask(backend, request).error().code, "E0712");
}

// What must be copied from the conversation cannot be made up, at a temperature of mere chance.
TEST(LocalBackend, FieldsThatMustBeCopiedAreCopied) {
  LocalBackend backend;
  const std::string text = "Where is order A-1? It was for 김영희 (b.c@d.org), not for C\"9\".";
  ChatRequest request = request_for(text);
  request.temperature = 5;
  request.output_schema = json::parse(R"({"type": "object", "required": ["order", "words"],
      "properties": {"order": {"type": "string", "x-weft-verbatim": true},
      "words": {"type": "array", "maxItems": 3,
                "items": {"type": "string", "x-weft-verbatim": true}}}})").value();
  std::set<std::string> copies;
  for (uint64_t seed = 0; seed < 30; ++seed) {
    request.seed = seed;
    const auto result = ask(backend, request);
    ASSERT_TRUE(result.ok()) << result.error().text();
    const json::Value answer = json::parse(result->content).value();
    const std::string order(answer.at("order").as_string());
    EXPECT_NE(text.find(order), std::string::npos) << result->content;
    for (const json::Value& word : answer.at("words").as_array()) {
      EXPECT_NE(text.find(std::string_view(word.get_string())), std::string::npos);
    }
    ASSERT_FALSE(result->chosen.empty());
    EXPECT_EQ(result->chosen[0].field, "/order") << "how sure it was of the copy";
    copies.insert(order);
  }
  EXPECT_GT(copies.size(), 10U);
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
  // So long that nobody has to tokenise it to know.
  const auto longer = ask(backend, request_for(std::string(9'000'000, 'a')));
  ASSERT_FALSE(longer.ok());
  EXPECT_EQ(longer.error().code, "E0731");
  EXPECT_NE(longer.error().message.find("has at least "), std::string::npos)
      << longer.error().text();
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
