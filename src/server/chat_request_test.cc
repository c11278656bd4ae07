// SPDX-License-Identifier: Apache-2.0
#include "server/chat_request.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "server/chat_reply.h"
#include "server/openai_error.h"
#include "server/prompts.h"
#include "server/responses_request.h"

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
  EXPECT_EQ(refused(R"("stream": true, "stream_options": {"usage": true})"),
            "E0750 stream_options.usage");
  EXPECT_EQ(refused(R"("max_token": 5)"), "E0750 max_token");
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

TEST(ChatRequest, WhatHasNoEffectIsRefused) {
  EXPECT_EQ(refused(R"("reasoning": {"efort": "none"})"), "E0743 reasoning.efort");
  EXPECT_EQ(refused(R"("nvext": 3)"), "E0743 nvext");
  EXPECT_EQ(refused(R"("skip_special_tokens": false)"), "E0751 skip_special_tokens");
  EXPECT_EQ(refused(R"("skip_special_tokens": true)"), "accepted");
  EXPECT_EQ(refused(R"("user": 5)"), "E0750 user");
  EXPECT_EQ(refused(R"("metadata": "x")"), "E0750 metadata");
  EXPECT_EQ(refused(R"("response_format": {"type": "text", "schema": {}})"),
            "E0751 response_format.schema");
  for (const char* wrong : {R"("strict": "yes")", R"("name": 5)", R"("description": [])"}) {
    EXPECT_EQ(refused(std::string(R"("response_format": {"type": "json_schema", "json_schema":
                      {"schema": {}, )") + wrong + "}}").substr(0, 5), "E0750") << wrong;
  }
  EXPECT_EQ(refused(R"("stream": true, "stream_options": {"continuous_usage_stats": true})"),
            "E0750 stream_options.continuous_usage_stats");
  EXPECT_TRUE(parse(R"("stream": true, "stream_options": {"include_usage": true,
                       "continuous_usage_stats": true})")->streaming.usage_so_far);
  EXPECT_EQ(refused(R"("max_tokens": 1e400)"), "E0750 max_tokens");
  EXPECT_NE(parse(R"("max_tokens": 1e400)").error().message.find("beyond all bounds"),
            std::string::npos);
}

TEST(ChatRequest, ReasoningIsHiddenByAnyOfItsNames) {
  EXPECT_TRUE(parse(R"("reasoning": {"enabled": true})")->include_reasoning);
  EXPECT_FALSE(parse(R"("separate_reasoning": false)")->include_reasoning);
  EXPECT_FALSE(parse(R"("reasoning": {"enabled": true, "exclude": true})")->include_reasoning);
  EXPECT_EQ(refused(R"("reasoning": {"exclude": "yes"})"), "E0750 reasoning.exclude");
}

TEST(ChatRequest, MembersOfMessagesAreKnown) {
  const auto problem = [](std::string_view message) {
    const std::string text = R"({"model": "m", "messages": [)" + std::string(message) + "]}";
    const auto parsed = parse_chat_request(json::parse(text)->as_object());
    return parsed.ok() ? std::string("accepted") : parsed.error().text();
  };
  EXPECT_EQ(problem(R"({"role": "user", "content": "x", "cotent": "y"})"),
            "E0750 messages[0].cotent: this field is not known here. hint: did you mean "
            "'content'?");
  EXPECT_EQ(problem(R"({"role": "assistant", "content": "x", "refusal": null, "annotations": [],
                        "function_call": null, "audio": null, "tool_calls": []})"), "accepted");
  EXPECT_EQ(problem(R"({"role": "assistant", "function_call": {"name": "f"}})").substr(0, 33),
            "E0751 messages[0].function_call: ");
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
  EXPECT_EQ(refused(R"("structured_outputs": {"structural_tag": "x"})"),
            "E0750 structured_outputs.structural_tag");
  EXPECT_EQ(refused(R"("response_format": {"type": "json_schema", "schema": {"const": 1},
                        "json_schema": {"schema": {"const": 2}}})"),
            "E0750 response_format.schema");
  EXPECT_EQ(refused(R"("functions": [])"), "E0751 functions");
  EXPECT_EQ(refused(R"("guided_json": "{")"), "E0010 guided_json");
  EXPECT_EQ(parse(R"("structured_outputs": {"regex": "a+"})")->form, "structured_outputs.regex");
  EXPECT_EQ(parse(R"("response_format": {"type": "json_object"})")->form, "response_format");
  EXPECT_EQ(parse("")->form, "");
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

TEST(OpenAiError, ErrorsOfOtherLayersNameTheMember) {
  const auto told = [](const char* code, const char* message, RequestWords words) {
    const json::Object body =
        openai_error_body(in_request_words(make_error(code, message), words));
    const json::Object& error = body.at("error").as_object();
    return std::string(error.at("message").as_string()) + " | " + json::dump(error.at("param"));
  };
  EXPECT_EQ(told("E0731", "the prompt has 5 tokens", {.prompt = "input"}),
            "input: the prompt has 5 tokens | \"input\"");
  EXPECT_EQ(told("E0731", "input[3]: it has 5 tokens", {}),
            "input[3]: it has 5 tokens | \"input[3]\"");
  EXPECT_EQ(told("E0326", "3 tokens for the whole turn", {.tokens = "max_output_tokens"}),
            "max_output_tokens: 3 tokens for the whole turn | \"max_output_tokens\"");
  EXPECT_EQ(told("E0320", "output schema: #/properties/a/not: x", {.form = "guided_json"}),
            "guided_json: #/properties/a/not: x | \"guided_json\"");
  EXPECT_EQ(told("E0322", "EBNF grammar of the answer: line 1 column 2: x", {.form = "grammar"}),
            "grammar: line 1 column 2: x | \"grammar\"");
  EXPECT_EQ(told("E0324", "no choices are given", {}), "no choices are given | null");
  EXPECT_EQ(told("E0010", "the request's body: line 1 column 2: x", {}),
            "the request's body: line 1 column 2: x | null");
  EXPECT_EQ(told("E0730", "token 5 at index 3 is not known", {}),
            "token 5 at index 3 is not known | null");
}

TEST(OpenAiError, WhatNeverFitsIsNotToBeTriedAgain) {
  const net::HttpResponse never = openai_error(make_error("E0716", "too large"));
  EXPECT_EQ(never.status, 507);
  for (const net::Header& header : never.headers) EXPECT_NE(header.name, "Retry-After");
  EXPECT_EQ(openai_error(make_error("E0714", "later")).status, 503);
}

TEST(Responses, EveryWordAboutThinkingIsChats) {
  const auto parsed = [](std::string_view more) {
    const std::string text = R"({"model": "m", "input": "hi", )" + std::string(more) + "}";
    return parse_responses_request(json::parse(text)->as_object(), {});
  };
  for (const char* off : {R"("enable_thinking": false)", R"("thinking": {"type": "disabled"})",
                          R"("think": false)", R"("reasoning_effort": "none")",
                          R"("thinking_token_budget": 0)", R"("reasoning_budget_tokens": 0)",
                          R"("reasoning": {"effort": "none", "summary": "auto"})"}) {
    const auto request = parsed(off);
    ASSERT_TRUE(request.ok()) << off << request.error().text();
    EXPECT_EQ(request->chat.request.thinking, backend::Thinking::kOff) << off;
  }
  EXPECT_EQ(parsed(R"("reasoning": {"effort": "none"}, "think": true)").error().code, "E0743");
  EXPECT_EQ(parsed(R"("reasoning": {"efort": "none"})").error().message,
            "reasoning.efort: not known");
  EXPECT_TRUE(parsed(R"("include": ["message.output_text.logprobs"])")->chat.request.logprobs);
  EXPECT_EQ(parsed(R"("top_logprobs": 3)")->chat.request.top_logprobs, 3);
  EXPECT_TRUE(parsed(R"("include": ["reasoning.encrypted_content"])").ok());
  EXPECT_EQ(parsed(R"("include": ["message.output_text.logprob"])").error().code, "E0750");
  EXPECT_EQ(parsed(R"("text": {"format": {"type": "json_object"}})")->chat.form, "text.format");
}

TEST(Responses, ErrorsNameTheMemberThatWasWritten) {
  const auto place = [](std::string_view more) {
    const std::string text = R"({"model": "m", )" + std::string(more) + "}";
    const auto parsed = parse_responses_request(json::parse(text)->as_object(), {});
    if (parsed.ok()) return std::string("accepted");
    return parsed.error().message.substr(0, parsed.error().message.find(':'));
  };
  EXPECT_EQ(place(R"("input": "x", "text": {"format": {"type": "xml"}})"), "text.format.type");
  EXPECT_EQ(place(R"("input": "x", "text": {"format": {"type": "text", "schema": {}}})"),
            "text.format.schema");
  EXPECT_EQ(place(R"("input": "x", "reasoning": {"exclude": true})"), "reasoning.exclude");
  EXPECT_EQ(place(R"("input": [{"role": "user", "content": "x", "contnet": "y"}])"),
            "input[0].contnet");
  EXPECT_EQ(place(R"("input": [{"type": "function_call", "id": "fc", "status": "completed",
                      "call_id": "c", "name": "f", "arguments": "{}", "args": 1}])"),
            "input[0].args");
  EXPECT_EQ(place(R"("input": [{"type": "message", "id": "msg", "status": "completed", "role":
                      "assistant", "content": [{"type": "output_text", "text": "x",
                      "annotations": [], "logprobs": []}]}, {"type": "reasoning", "id": "rs",
                      "summary": [], "encrypted_content": "x", "content": null},
                      {"type": "function_call", "id": "fc", "status": "completed", "call_id": "c",
                      "name": "f", "arguments": "{}", "parsed_arguments": {}},
                      {"type": "function_call_output", "call_id": "c", "output": "z"}])"),
            "accepted");
}

TEST(Responses, WhatIsNullIsNotEchoed) {
  const auto parsed = parse_responses_request(
      json::parse(R"({"model": "m", "input": "x", "tools": null, "text": null, "user": "u"})")
          ->as_object(), {});
  EXPECT_EQ(json::dump(parsed->echo), R"({"model":"m","user":"u"})");
}

TEST(Responses, AnOutputNeedsItsCall) {
  const auto parsed = [](std::string_view items, const json::Array& history) {
    const std::string text = R"({"model": "m", "input": [)" + std::string(items) + "]}";
    return parse_responses_request(json::parse(text)->as_object(), history);
  };
  constexpr std::string_view kOutput =
      R"({"type": "function_call_output", "call_id": "c1", "output": "7"})";
  EXPECT_EQ(parsed(kOutput, {}).error().message,
            "input[0].call_id: expected the call_id of a function_call before it, found 'c1'");
  const json::Array history = json::parse(R"([{"role": "assistant", "content": null, "tool_calls":
      [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]}])")
                                  ->as_array();
  EXPECT_TRUE(parsed(kOutput, history).ok());
  EXPECT_TRUE(parsed(R"({"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
                     )" + std::string(kOutput), {}).ok());
}

TEST(ChatReply, AForcedTokenIsItsOwnAlternative) {
  backend::GeneratedToken forced{"{\"", 0.0f};
  const json::Array asked = content_logprobs({&forced, 1}, 5);
  EXPECT_EQ(json::dump(asked[0].as_object().at("top_logprobs")),
            R"([{"token":"{\"","logprob":0.0,"bytes":[123,34]}])");
  EXPECT_EQ(json::dump(content_logprobs({&forced, 1}, 0)[0].as_object().at("top_logprobs")), "[]");
}

TEST(ChatReply, AnAnswerThatWentRoundInCirclesSaysSo) {
  backend::ChatResult result;
  result.finish_reason = "length";
  EXPECT_FALSE(chat_choice(0, result, {}).contains("stop_reason"));
  result.stop_reason = "repetition";
  EXPECT_EQ(chat_choice(0, result, {}).at("stop_reason"), "repetition");
}

TEST(ChatRequest, AToolMessageNeedsACallBeforeIt) {
  const auto place = [](std::string_view messages) -> std::string {
    const auto parsed = parse_chat_request(
        json::parse(R"({"model": "m", "messages": )" + std::string(messages) + "}")->as_object());
    if (parsed.ok()) return "accepted";
    const json::Object error = openai_error_body(parsed.error()).at("error").as_object();
    return fmt::format("{} {} {}", status_of(parsed.error()),
                       std::string(error.at("code").as_string()),
                       std::string(error.at("param").as_string()));
  };
  const std::string tool = R"({"role": "tool", "tool_call_id": "1", "content": "{}"})";
  const std::string user = R"({"role": "user", "content": "hi"})";
  const std::string calls = R"({"role": "assistant", "tool_calls": [{"id": "1", "type": "function",
    "function": {"name": "f", "arguments": "{}"}}]})";
  EXPECT_EQ(place("[" + tool + "]"), "400 E0740 messages[0]");
  EXPECT_EQ(place("[" + user + "," + tool + "]"), "400 E0740 messages[1]");
  EXPECT_EQ(place("[" + user + R"(,{"role": "assistant", "content": "x", "tool_calls": []},)" +
                  tool + "]"),
            "400 E0740 messages[2]");
  EXPECT_EQ(place("[" + tool + "," + calls + "]"), "400 E0740 messages[0]");
  EXPECT_EQ(place("[" + user + "," + calls + "," + tool + "," + tool + "]"), "accepted");
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
  EXPECT_EQ(json::dump(openai_error_body(make_error("E0740", "messages[2].content: expected x",
                                                    ""))),
            R"({"error":{"message":"messages[2].content: expected x",)"
            R"("type":"invalid_request_error","param":"messages[2].content","code":"E0740"}})");
}

}  // namespace
}  // namespace weft::server
