// SPDX-License-Identifier: Apache-2.0
#include "backend/remote_reply.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace weft::backend {
namespace {

// The stream in pieces of `size` bytes, so that every border falls everywhere.
Result<ChatResult> read(std::string_view stream, size_t size = 1, ChatDelta* told = nullptr) {
  RemoteReply reply;
  ChatDelta all;
  for (size_t at = 0; at < stream.size(); at += size) {
    ChatDelta delta;
    TRY(reply.feed(stream.substr(at, size), delta));
    all.reasoning += delta.reasoning;
    all.content += delta.content;
  }
  ChatDelta late;
  auto result = reply.finish(late);
  all.reasoning += late.reasoning;
  all.content += late.content;
  all.calls = late.calls;
  if (told != nullptr) *told = all;
  return result;
}

std::string event(std::string_view delta, std::string_view finish = "null") {
  return fmt::format("data: {{\"id\":\"c-1\",\"model\":\"qwen\",\"choices\":[{{\"index\":0,"
                     "\"delta\":{},\"finish_reason\":{}}}]}}\n\n", delta, finish);
}
const std::string kDone = "data: [DONE]\n\n";

TEST(RemoteReply, VllmReasoningUsageAndDone) {
  const std::string stream =
      ": ping\n\n" + event(R"({"role":"assistant","content":""})") +
      event(R"({"reasoning":"Let me "})") + event(R"({"reasoning":"see."})") +
      event(R"({"content":"Grüße"})") + event("{}", "\"stop\"") +
      "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":9,"
      "\"prompt_tokens_details\":{\"cached_tokens\":4},"
      "\"completion_tokens_details\":{\"reasoning_tokens\":5}}}\n\n" + kDone;
  for (const size_t size : {1, 2, 7, 1000}) {
    ChatDelta told;
    const auto result = read(stream, size, &told);
    ASSERT_TRUE(result.ok()) << result.error().text();
    EXPECT_EQ(result->content, "Grüße");
    EXPECT_EQ(result->reasoning, "Let me see.");
    EXPECT_EQ(told.content, "Grüße");
    EXPECT_EQ(told.reasoning, "Let me see.");
    EXPECT_EQ(result->finish_reason, "stop");
    EXPECT_EQ(result->tokens.prompt, 7);
    EXPECT_EQ(result->tokens.cached, 4);
    EXPECT_EQ(result->tokens.reasoning, 5);
    EXPECT_EQ(result->tokens.answer, 4);
  }
}

TEST(RemoteReply, TagsInsideTheTextAreTakenApart) {
  const auto result = read(event(R"({"content":"\n<thi"})") + event(R"({"content":"nk>a < b"})") +
                           event(R"({"content":"</th"})") +
                           event(R"({"content":"ink>\n\nyes </b>"})", "\"eos_token\"") + kDone);
  ASSERT_TRUE(result.ok()) << result.error().text();
  EXPECT_EQ(result->reasoning, "a < b");
  EXPECT_EQ(result->content, "yes </b>");
  EXPECT_EQ(result->finish_reason, "stop");
}

TEST(RemoteReply, ATemplateMayHaveOpenedTheTag) {
  const auto result = read(event(R"({"content":"hm</think>yes"})", "\"stop\"") + kDone);
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->reasoning, "hm");
  EXPECT_EQ(result->content, "yes");
}

TEST(RemoteReply, TextThatOnlyBeginsLikeATagIsText) {
  const auto result = read(event(R"({"content":"<thin"})", "\"stop\"") + kDone);
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->content, "<thin");
  EXPECT_EQ(result->reasoning, "");
}

TEST(RemoteReply, CallsInPieces) {
  const auto result = read(
      event(R"({"tool_calls":[{"index":0,"id":"a",)"
            R"("function":{"name":"f","arguments":"{\"x\""}}]})") +
      event(R"({"tool_calls":[{"index":1,"id":"b","function":{"name":"g","arguments":""}}]})") +
      event(R"({"tool_calls":[{"index":0,"function":{"arguments":": 1}"}}]})", "\"stop\"") + kDone);
  ASSERT_TRUE(result.ok()) << result.error().text();
  ASSERT_EQ(result->tool_calls.size(), 2U);
  EXPECT_EQ(json::dump(result->tool_calls[0]),
            R"({"id":"a","type":"function","function":{"name":"f","arguments":{"x":1}}})");
  EXPECT_EQ(json::dump(result->tool_calls[1].at("function").at("arguments")), "{}");
  EXPECT_EQ(result->finish_reason, "tool_calls");
  ASSERT_EQ(result->calls.size(), 2U);
  EXPECT_EQ(result->calls[0].id, "a");
  EXPECT_EQ(result->calls[0].arguments, "{\"x\": 1}") << "as the server wrote it";
  EXPECT_TRUE(result->calls[1].done);
}

// It ran out of tokens: no fault of the server, and asking again would cost the same again.
TEST(RemoteReply, ACallThatMaxTokensHasCutIsShownAndNotMade) {
  ChatDelta told;
  const auto result = read(
      event(R"({"tool_calls":[{"index":0,"function":{"name":"f","arguments":"{}"}}]})") +
      event(R"({"tool_calls":[{"index":1,"function":{"name":"g","arguments":"{\"x\": \"a"}}]})",
            "\"length\"") + kDone, 1, &told);
  ASSERT_TRUE(result.ok()) << result.error().text();
  ASSERT_EQ(result->tool_calls.size(), 1U);
  EXPECT_EQ(result->finish_reason, "length");
  ASSERT_EQ(result->calls.size(), 2U);
  EXPECT_TRUE(result->calls[0].done);
  EXPECT_FALSE(result->calls[1].done);
  EXPECT_EQ(result->calls[1].arguments, "{\"x\": \"a");
  ASSERT_EQ(told.calls.size(), 2U);
  EXPECT_EQ(told.calls[1].arguments, result->calls[1].arguments);
}

TEST(RemoteReply, OneDocumentInsteadOfAStream) {
  const auto result = read(R"({"choices":[{"index":0,"message":{"role":"assistant",
      "content":"yes","reasoning_content":"hm"},"finish_reason":"length"}],
      "usage":{"prompt_tokens":1,"completion_tokens":2}})");
  ASSERT_TRUE(result.ok()) << result.error().text();
  EXPECT_EQ(result->content, "yes");
  EXPECT_EQ(result->reasoning, "hm");
  EXPECT_EQ(result->finish_reason, "length");
  EXPECT_EQ(result->tokens.answer, 2);
}

TEST(RemoteReply, WhatBreaksOffIsNoAnswer) {
  const std::string whole = event(R"({"content":"yes"})") + event("{}", "\"stop\"");
  EXPECT_TRUE(read(whole).ok()) << "[DONE] is a courtesy";
  for (const std::string& stream :
       {std::string(), event(R"({"content":"ye"})"), whole.substr(0, whole.size() - 30),
        event(R"({"content":"ye"})") + kDone, std::string("data: {\"choices\": [\n\n"),
        std::string("<html>502</html>"), std::string("data: [1]\n\n"), std::string("{\"choices\""),
        event(R"({"content":"x"})") + "data: {\"error\":{\"message\":\"out of memory\"}}\n\n",
        event("{}", "\"abort\""),
        event(R"({"tool_calls":[{"index":0,"function":{"name":"f","arguments":"{"}}]})",
              "\"tool_calls\"")}) {
    const auto result = read(stream);
    ASSERT_FALSE(result.ok()) << stream;
    EXPECT_EQ(result.error().code, "E0772") << result.error().text();
  }
  EXPECT_EQ(read(event(R"({"content":"x"})", "\"content_filter\"")).error().code, "E0771");
}

TEST(RemoteReply, HostileAnswersAreBounded) {
  RemoteReply reply;
  ChatDelta delta;
  const std::string piece = "data: " + std::string(1 << 20, 'x');
  Status read = ok_status();
  int pieces = 0;
  for (; read.ok() && pieces < 100; ++pieces) read = reply.feed(piece, delta);
  EXPECT_FALSE(read.ok());
  EXPECT_LT(pieces, 70);
  RemoteReply calls;
  EXPECT_FALSE(calls.feed(event(R"({"tool_calls":[{"index":4000000000}]})"), delta).ok());
  RemoteReply odd;
  EXPECT_TRUE(odd.feed(event(R"({"content":7,"tool_calls":{},"reasoning":[]})"), delta).ok());
}

TEST(RemoteReply, ProbabilitiesAreRead) {
  RemoteReply reply;
  ChatDelta delta;
  ASSERT_TRUE(reply.feed("data: {\"choices\":[{\"delta\":{\"content\":\"ä\"},\"logprobs\":{"
                         "\"content\":[{\"token\":\"?\",\"logprob\":-0.5,\"bytes\":[195,164],"
                         "\"top_logprobs\":[{\"token\":\"b\",\"logprob\":-1}]}]},"
                         "\"finish_reason\":\"stop\"}]}\n\n", delta).ok());
  ChatDelta late;
  const auto result = reply.finish(late);
  ASSERT_TRUE(result.ok());
  ASSERT_EQ(result->generated.size(), 1U);
  EXPECT_EQ(result->generated[0].bytes, "ä");
  EXPECT_FLOAT_EQ(result->generated[0].logprob, -0.5F);
  EXPECT_EQ(result->generated[0].top.at(0).bytes, "b");
}

TEST(RemoteReply, RefusalsInEachServersForm) {
  EXPECT_EQ(remote_refusal(R"({"error":{"message":"no such model"}})"), "no such model");
  EXPECT_EQ(remote_refusal(R"({"detail":"Not Found"})"), "Not Found");
  EXPECT_EQ(remote_refusal(R"({"error":"full"})"), "full");
  EXPECT_NE(remote_refusal("<html>").find("<html>"), std::string::npos);
}

}  // namespace
}  // namespace weft::backend
