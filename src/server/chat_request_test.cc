// SPDX-License-Identifier: Apache-2.0
#include "server/chat_request.h"

#include <gtest/gtest.h>

#include "server/openai_error.h"
#include "server/prompts.h"

namespace weft::server {
namespace {

Result<ChatParameters> parse(std::string_view more) {
  std::string text = R"({"model": "m", "messages": [{"role": "user", "content": "hi"}])";
  if (!more.empty()) text += ", " + std::string(more);
  return parse_chat_request(json::parse(text + "}")->as_object());
}

// "CODE param" of a refusal.
std::string refused(std::string_view more) {
  const auto parsed = parse(more);
  if (parsed.ok()) return "accepted";
  const json::Object error = openai_error_body(parsed.error()).at("error").as_object();
  return std::string(error.at("code").as_string()) + " " +
         (error.at("param").is_string() ? std::string(error.at("param").as_string()) : "null");
}

TEST(ChatRequest, Defaults) {
  const auto parsed = parse("");
  ASSERT_TRUE(parsed.ok());
  EXPECT_EQ(parsed->request.model, "m");
  EXPECT_EQ(parsed->request.max_tokens, kDefaultMaxTokens);
  EXPECT_EQ(parsed->choices, 1);
  EXPECT_FALSE(parsed->seeded);
  EXPECT_FALSE(parsed->streaming.stream);
  EXPECT_FALSE(parsed->request.temperature.has_value());
  EXPECT_EQ(parsed->request.thinking, backend::Thinking::kAuto);
}

TEST(ChatRequest, ReadsEverything) {
  const auto parsed = parse(
      R"("max_completion_tokens": 7, "temperature": 0.5, "top_p": 0.9, "top_k": -1, "min_p": 0.1,
         "repetition_penalty": 1.1, "presence_penalty": 1, "frequency_penalty": -1, "seed": 42,
         "stop": "END", "n": 3, "logprobs": true, "top_logprobs": 5, "stream": true,
         "stream_options": {"include_usage": true}, "reasoning_effort": "none",
         "include_reasoning": false, "user": "u", "metadata": {"a": "b"}, "store": false,
         "logit_bias": {}, "min_tokens": 0, "best_of": 1, "modalities": ["text"],
         "response_format": {"type": "text"}, "tool_choice": "auto")");
  ASSERT_TRUE(parsed.ok()) << parsed.error().text();
  const backend::ChatRequest& request = parsed->request;
  EXPECT_EQ(request.max_tokens, 7);
  EXPECT_EQ(request.temperature, 0.5);
  EXPECT_EQ(request.top_k, 0);
  EXPECT_EQ(request.seed, 42u);
  EXPECT_TRUE(parsed->seeded);
  EXPECT_EQ(request.stop, std::vector<std::string>{"END"});
  EXPECT_EQ(request.top_logprobs, 5);
  EXPECT_EQ(parsed->choices, 3);
  EXPECT_TRUE(parsed->streaming.include_usage);
  EXPECT_EQ(request.thinking, backend::Thinking::kOff);
  EXPECT_FALSE(parsed->include_reasoning);
}

TEST(ChatRequest, NothingIsIgnoredSilently) {
  EXPECT_EQ(refused(R"("temperature": "hot")"), "E0750 temperature");
  EXPECT_EQ(refused(R"("temperature": 2.5)"), "E0750 temperature");
  EXPECT_EQ(refused(R"("max_tokens": 0)"), "E0750 max_tokens");
  EXPECT_EQ(refused(R"("max_tokens": 5, "max_completion_tokens": 6)"),
            "E0750 max_completion_tokens");
  EXPECT_EQ(refused(R"("n": 0)"), "E0750 n");
  EXPECT_EQ(refused(R"("n": 1000000)"), "E0750 n");
  EXPECT_EQ(refused(R"("top_logprobs": 5)"), "E0750 top_logprobs");
  EXPECT_EQ(refused(R"("stream_options": {"include_usage": true})"), "E0750 stream_options");
  EXPECT_EQ(refused(R"("stream": true, "stream_options": {"usage": true})"), "E0750 null");
  EXPECT_EQ(refused(R"("max_token": 5)"), "E0750 null");
  EXPECT_EQ(refused(R"("logit_bias": {"5": 100})"), "E0751 logit_bias");
  EXPECT_EQ(refused(R"("min_tokens": 3)"), "E0751 min_tokens");
  EXPECT_EQ(refused(R"("modalities": ["text", "audio"])"), "E0751 modalities");
  EXPECT_EQ(refused(R"("chat_template_kwargs": {"persona": "x"})"),
            "E0751 chat_template_kwargs.persona");
  EXPECT_EQ(refused(R"("continue_final_message": true)"), "E0751 continue_final_message");
  EXPECT_EQ(refused(R"("reasoning_effort": "none", "thinking_token_budget": 100)").substr(0, 5),
            "E0743");
  EXPECT_EQ(refused(R"("stop": [1])"), "E0750 stop");
}

TEST(ChatRequest, FormsOfTheAnswer) {
  auto parsed = parse(R"("response_format": {"type": "json_object"})");
  EXPECT_EQ(json::dump(parsed->request.output_schema), R"({"type":"object"})");
  parsed = parse(R"("response_format": {"type": "json_schema", "json_schema":
                    {"name": "x", "strict": true, "schema": {"type": "integer"}}})");
  EXPECT_EQ(json::dump(parsed->request.output_schema), R"({"type":"integer"})");
  parsed = parse(R"("response_format": {"type": "json_schema", "schema": {"type": "null"}})");
  EXPECT_EQ(json::dump(parsed->request.output_schema), R"({"type":"null"})");
  EXPECT_EQ(parse(R"("structured_outputs": {"regex": "a+"})")->request.regex, "a+");
  EXPECT_EQ(parse(R"("guided_choice": ["a", "b"])")->request.choice.size(), 2u);
  EXPECT_EQ(parse(R"("grammar": "root ::= 'x'")")->request.ebnf, "root ::= 'x'");
  EXPECT_EQ(refused(R"("response_format": {"type": "xml"})"), "E0750 response_format.type");
  EXPECT_EQ(refused(R"("response_format": {"type": "json_schema"})"),
            "E0750 response_format.json_schema.schema");
  EXPECT_EQ(refused(R"("regex": "a", "grammar": "b")"), "E0750 grammar");
  EXPECT_EQ(refused(R"("response_format": {"type": "json_object"}, "guided_regex": "b")"),
            "E0750 guided_regex");
  EXPECT_EQ(refused(R"("structured_outputs": {"structural_tag": "x"})"), "E0750 null");
  EXPECT_EQ(refused(R"("functions": [])"), "E0751 functions");
}

TEST(ChatRequest, MessagesAreNeeded) {
  const auto problem = [](std::string_view text) {
    const auto parsed = parse_chat_request(json::parse(text)->as_object());
    return parsed.ok() ? "accepted" : parsed.error().message;
  };
  EXPECT_EQ(problem(R"({"messages": []})"), "model: expected a text, found nothing");
  EXPECT_EQ(problem(R"({"model": "m"})"), "messages: expected a list of messages, found nothing");
  EXPECT_EQ(problem(R"({"model": "m", "messages": "hi"})"),
            "messages: expected a list, found 'hi'");
  EXPECT_EQ(problem(R"({"model": "m", "messages": []})"),
            "messages: expected 1 to 10000 messages, found 0");
}

TEST(ChatRequest, ExtraBodyIsUnwrappedWithAWarning) {
  const auto parsed = parse(R"("extra_body": {"top_k": 5})");
  ASSERT_TRUE(parsed.ok());
  EXPECT_EQ(parsed->request.top_k, 5);
  EXPECT_NE(parsed->warning, "");
  EXPECT_EQ(refused(R"("extra_body": {"model": "x"})"), "E0750 extra_body.model");
}

TEST(Prompts, AllFourForms) {
  const auto read = [](std::string_view text) {
    const json::Object body = json::parse(text)->as_object();
    Fields fields(body);
    return read_prompts(fields, "p");
  };
  EXPECT_EQ(read(R"({"p": "a"})")->at(0).text, "a");
  EXPECT_EQ(read(R"({"p": ["a", "b"]})")->size(), 2u);
  EXPECT_EQ(read(R"({"p": [1, 2]})")->at(0).ids, (std::vector<int32_t>{1, 2}));
  EXPECT_EQ(read(R"({"p": [[1, 2], [3]]})")->at(1).ids, std::vector<int32_t>{3});
  for (const char* wrong : {R"({})", R"({"p": []})", R"({"p": 1})", R"({"p": [1.5]})",
                            R"({"p": [-1]})", R"({"p": [[]]})", R"({"p": ["a", 1]})",
                            R"({"p": [1, "a"]})", R"({"p": {"a": 1}})"}) {
    EXPECT_FALSE(read(wrong).ok()) << wrong;
  }
}

TEST(OpenAiError, KindsAndCodes) {
  const auto shape = [](const char* code) {
    const Error error = make_error(code, "max_tokens: wrong", "do this");
    const json::Object body = openai_error_body(error).at("error").as_object();
    return std::to_string(status_of(error)) + " " + json::dump(body.at("code"));
  };
  EXPECT_EQ(shape("E0731"), "400 \"context_length_exceeded\"");
  EXPECT_EQ(shape("E0710"), "404 \"model_not_found\"");
  EXPECT_EQ(shape("E0713"), "503 \"overloaded\"");
  EXPECT_EQ(shape("E0732"), "500 \"E0732\"");
  EXPECT_EQ(shape("E0010"), "400 \"E0010\"");
  EXPECT_EQ(shape("E0212"), "500 \"E0212\"");
  EXPECT_EQ(json::dump(openai_error_body(make_error("E0740", "messages[2].content should be x",
                                                    ""))),
            R"({"error":{"message":"messages[2].content should be x",)"
            R"("type":"invalid_request_error","param":"messages[2].content","code":"E0740"}})");
}

}  // namespace
}  // namespace weft::server
