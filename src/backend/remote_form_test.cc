// SPDX-License-Identifier: Apache-2.0
#include "backend/remote_form.h"

#include <gtest/gtest.h>

namespace weft::backend {
namespace {

constexpr RemoteKind kAll[] = {RemoteKind::kOpenAi, RemoteKind::kVllm, RemoteKind::kSglang,
                               RemoteKind::kLlamaCpp, RemoteKind::kWeft};

ChatRequest request() {
  ChatRequest out;
  out.messages.push_back(json::Object{{"role", "system"}, {"content", "Be brief."}});
  out.messages.push_back(json::Object{{"role", "user"}, {"content", "Hello"}});
  out.seed = 10;
  return out;
}

std::string body_of(RemoteKind kind, const ChatRequest& given) {
  const auto form = remote_form(kind, "m", given);
  return form.ok() ? json::dump(form->body) : form.error().code;
}

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

TEST(RemoteForm, KindsByName) {
  for (const RemoteKind kind : kAll) EXPECT_EQ(remote_kind_of(name_of(kind)).value(), kind);
  const auto wrong = remote_kind_of("vlm");
  ASSERT_FALSE(wrong.ok());
  EXPECT_EQ(wrong.error().code, "E0773");
  EXPECT_TRUE(has(wrong.error().hint, "vllm")) << wrong.error().text();
}

TEST(RemoteForm, WhatAllServersShare) {
  for (const RemoteKind kind : kAll) {
    const std::string body = body_of(kind, request());
    EXPECT_TRUE(has(body, R"("model":"m","messages":[{"role":"system","content":"Be brief."})"));
    EXPECT_TRUE(has(body, R"("stream":true,"stream_options":{"include_usage":true})"));
    EXPECT_TRUE(has(body, R"("seed":5)"));
    EXPECT_TRUE(has(body, kind == RemoteKind::kOpenAi ? R"("max_completion_tokens":512)"
                                                      : R"("max_tokens":512)")) << body;
  }
}

TEST(RemoteForm, ThinkingInEachServersWords) {
  ChatRequest off = request();
  off.thinking = Thinking::kOff;
  EXPECT_TRUE(has(body_of(RemoteKind::kOpenAi, off), R"("reasoning_effort":"none")"));
  ChatRequest on = request();
  on.thinking = Thinking::kOn;
  on.thinking_budget_tokens = 700;
  EXPECT_TRUE(has(body_of(RemoteKind::kOpenAi, on), R"("reasoning_effort":"low")"));
  for (const RemoteKind kind : kAll) {
    if (kind == RemoteKind::kOpenAi) continue;
    EXPECT_TRUE(has(body_of(kind, off), R"("chat_template_kwargs":{"enable_thinking":false})"));
    EXPECT_TRUE(has(body_of(kind, on), R"("chat_template_kwargs":{"enable_thinking":true})"));
  }
  EXPECT_TRUE(has(body_of(RemoteKind::kVllm, on), R"("thinking_token_budget":700)"));
  EXPECT_TRUE(has(body_of(RemoteKind::kLlamaCpp, on), R"("reasoning_budget_tokens":700)"));
  const auto sglang = remote_form(RemoteKind::kSglang, "m", on).value();
  ASSERT_EQ(sglang.not_held.size(), 1U) << "a budget that cannot be said is not lost in silence";
  EXPECT_TRUE(has(sglang.not_held[0], "thinking_budget_tokens"));
  EXPECT_FALSE(has(body_of(RemoteKind::kVllm, request()), "enable_thinking")) << "auto: its own";
}

TEST(RemoteForm, FormsOfTheAnswer) {
  ChatRequest choice = request();
  choice.choice = {"yes", "no (not \"now\")"};
  EXPECT_TRUE(has(body_of(RemoteKind::kVllm, choice), R"("structured_outputs":{"choice":["yes")"));
  const std::string sglang = body_of(RemoteKind::kSglang, choice);
  EXPECT_TRUE(has(sglang, R"x("regex":"(yes|no \\(not \"now\"\\))")x")) << sglang;
  EXPECT_TRUE(has(body_of(RemoteKind::kLlamaCpp, choice), R"("grammar":"root ::= \"yes\" | )"));
  EXPECT_EQ(body_of(RemoteKind::kOpenAi, choice), "E0770");
  ChatRequest regex = request();
  regex.regex = "a+";
  EXPECT_EQ(body_of(RemoteKind::kOpenAi, regex), "E0770");
  EXPECT_EQ(body_of(RemoteKind::kLlamaCpp, regex), "E0770");
  EXPECT_TRUE(has(body_of(RemoteKind::kSglang, regex), R"("regex":"a+")"));
  regex.choice = {"x"};
  EXPECT_EQ(body_of(RemoteKind::kVllm, regex), "E0712");
  ChatRequest grammar = request();
  grammar.ebnf = "root ::= \"a\"";
  EXPECT_TRUE(has(body_of(RemoteKind::kSglang, grammar), R"("ebnf":)"));
  EXPECT_TRUE(has(body_of(RemoteKind::kLlamaCpp, grammar), R"("grammar":)"));
  EXPECT_EQ(body_of(RemoteKind::kOpenAi, grammar), "E0770");
}

TEST(RemoteForm, SchemasAreHeldAndTold) {
  ChatRequest open = request();
  open.output_schema = json::parse(R"({"type":"object","properties":{"a":{"type":"string"}}})")
                           .value();
  for (const RemoteKind kind : kAll) {
    const std::string body = body_of(kind, open);
    EXPECT_TRUE(has(body, R"("response_format":{"type":"json_schema","json_schema":{)")) << body;
    const bool told = has(body, "Be brief.\\n\\nAnswer with JSON that matches this schema:");
    EXPECT_EQ(told, kind != RemoteKind::kOpenAi && kind != RemoteKind::kWeft) << name_of(kind);
  }
  EXPECT_EQ(remote_form(RemoteKind::kOpenAi, "m", open)->not_held.size(), 1U);
  EXPECT_TRUE(has(body_of(RemoteKind::kOpenAi, open), R"("strict":false)"));
  open.output_schema = json::parse(R"({"type":"object","properties":{"a":{"type":"string"}},
      "required":["a"],"additionalProperties":false})").value();
  EXPECT_TRUE(has(body_of(RemoteKind::kOpenAi, open), R"("strict":true)"));
  EXPECT_TRUE(has(body_of(RemoteKind::kWeft, open), R"("logprobs":true)"));
}

TEST(RemoteForm, FieldsThatMustBeCopiedBecomeChoicesWhereAGrammarHoldsThem) {
  ChatRequest copies = request();
  copies.messages.push_back(json::Object{{"role", "user"}, {"content", "order C-17"}});
  copies.output_schema = json::parse(R"({"type":"object","properties":{"a":{"type":"string",
      "pattern":"^C","x-weft-verbatim":true}},"required":["a"],"additionalProperties":false})")
                             .value();
  for (const RemoteKind kind : kAll) {
    const std::string body = body_of(kind, copies);
    EXPECT_EQ(has(body, "x-weft-verbatim"), kind == RemoteKind::kWeft) << body;
    const bool chosen = kind != RemoteKind::kWeft && kind != RemoteKind::kOpenAi;
    EXPECT_EQ(has(body, R"("enum":["C-17"])"), chosen) << body;
  }
  EXPECT_EQ(remote_form(RemoteKind::kOpenAi, "m", copies)->not_held.size(), 1U);
}

TEST(RemoteForm, SamplersThatOpenAiLacksAreListed) {
  ChatRequest given = request();
  given.top_k = 5;
  given.repetition_penalty = 1.1;
  EXPECT_EQ(remote_form(RemoteKind::kOpenAi, "m", given)->not_held.size(), 2U);
  EXPECT_TRUE(has(body_of(RemoteKind::kLlamaCpp, given), R"("repeat_penalty":1.1)"));
  EXPECT_TRUE(has(body_of(RemoteKind::kVllm, given), R"("repetition_penalty":1.1)"));
}

TEST(RemoteForm, ArgumentsOfCallsAreText) {
  ChatRequest given = request();
  given.messages.push_back(json::parse(R"({"role":"assistant","content":null,"tool_calls":[
      {"id":"c1","type":"function","function":{"name":"f","arguments":{"a":1}}}]})").value());
  EXPECT_TRUE(has(body_of(RemoteKind::kVllm, given), R"("arguments":"{\"a\":1}")"));
}

}  // namespace
}  // namespace weft::backend
