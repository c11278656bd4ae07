// SPDX-License-Identifier: Apache-2.0
#include "chat/tools.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

#include "chat/call_grammar.h"
#include "chat/call_reader.h"
#include "chat/test_calls.h"
#include "grammar/matcher.h"
#include "schema/validator.h"

namespace weft::chat {
namespace {

text::Tokenizer mini_tokenizer() {
  return text::Tokenizer::load(WEFT_SOURCE_DIR "/tests/golden/tokenizers/mini/qwen3").value();
}

TEST(Tools, BothSpellingsOfADefinition) {
  const auto both = tools(R"([
      {"type": "function", "function": {"name": "a", "parameters": {"properties": {"x": {}}}}},
      {"type": "function", "name": "b", "parameters": null}, {"name": "c"}])");
  ASSERT_EQ(both.size(), 3U);
  EXPECT_EQ(both[0].parameters.at("type"), "object");
  EXPECT_FALSE(both[0].parameters.contains("additionalProperties"));
  EXPECT_EQ(both[1].parameters.at("additionalProperties"), false);
  EXPECT_NE(find_tool(both, "c"), nullptr);
  EXPECT_EQ(find_tool(both, "d"), nullptr);
}

TEST(Tools, WrongOnesNameThePlace) {
  struct Case {
    std::string_view text, place;
  };
  for (const Case& one : std::vector<Case>{
           {R"([5])", "tools[0]:"},
           {R"([{"type": "web_search"}])", "tools[0].type:"},
           {R"([{"name": "a"}, {"function": 1}])", "tools[1].function:"},
           {R"([{"function": {}}])", "tools[0].function.name:"},
           {R"([{"name": "a>b"}])", "tools[0].name:"},
           {R"([{"name": ""}])", "tools[0].name:"},
           {R"([{"name": "a", "parameters": []}])", "tools[0].parameters:"},
           {R"([{"name": "a", "parameters": {"type": "array"}}])", "tools[0].parameters.type:"},
           {R"([{"name": "a", "parameters": {"type": ["object", "null"]}}])",
            "tools[0].parameters.type:"},
           {R"([{"name": "a", "parameter": {}}])", "tools[0].parameter:"},
           {R"([{"type": "function", "function": {"name": "a", "paramters": {}}}])",
            "tools[0].function.paramters:"},
           {R"([{"name": "a"}, {"name": "a"}])", "tools[1]:"}}) {
    const auto got = parse_tools(json::parse(one.text).value().as_array());
    ASSERT_FALSE(got.ok()) << one.text;
    EXPECT_EQ(got.error().code, "E0744");
    EXPECT_TRUE(got.error().message.starts_with(one.place)) << got.error().message;
  }
}

// Members that templates show and weft does not read stay what they are.
TEST(Tools, OtherMembersAreNoMistakes) {
  EXPECT_EQ(tools(R"([{"type": "function", "cache_control": {}, "function": {"name": "a",
                       "strict": true, "return": {}, "x-group": 1}}])").size(), 1U);
}

TEST(Tools, Choices) {
  const auto two = tools(R"([{"name": "alpha"}, {"name": "beta"}])");
  using Mode = ToolChoice::Mode;
  EXPECT_EQ(parse_tool_choice(nullptr, two)->mode, Mode::kAuto);
  EXPECT_EQ(parse_tool_choice("none", two)->mode, Mode::kNone);
  EXPECT_EQ(parse_tool_choice("required", two)->mode, Mode::kRequired);
  const auto named = parse_tool_choice(
      json::parse(R"({"type": "function", "function": {"name": "beta"}})").value(), two);
  EXPECT_EQ(named->mode, Mode::kRequired);
  EXPECT_EQ(named->name, "beta");
  EXPECT_NE(parse_tool_choice(json::Object{{"name", "alpa"}}, two).error().hint.find("alpha"),
            std::string::npos);
  EXPECT_FALSE(parse_tool_choice("required", {}).ok());
  EXPECT_FALSE(parse_tool_choice("always", two).ok());
  EXPECT_FALSE(parse_tool_choice(5, two).ok());
  EXPECT_FALSE(parse_tool_choice(json::parse(R"({"type": "custom", "name": "beta"})").value(),
                                 two).ok());
}

TEST(CallText, IsReadInEveryForm) {
  const auto one = parse_call(CallFormat::kJsonLines,
                              "\n{\"name\": \"a\", \"arguments\": {\"x\": 1}}\n", {});
  ASSERT_TRUE(one.has_value());
  EXPECT_EQ(one->arguments, json::parse(R"({"x": 1})").value());
  const auto all = tools(R"([{"name": "f", "parameters": {"properties": {
      "s": {"type": "string"}, "n": {"type": "integer"}, "l": {"type": "array"},
      "e": {"enum": ["1", "2"]}}}}])");
  const auto xml = parse_call(CallFormat::kXml,
                              "\n<function=f>\n<parameter=s>\n two\n lines \n</parameter>\n"
                              "<parameter=n>\n7\n</parameter>\n<parameter=l>\n[1, \"</x>\"]\n"
                              "</parameter>\n<parameter=e>\n2\n</parameter>\n"
                              "<parameter=unknown>\n9\n</parameter>\n</function>\n", all);
  ASSERT_TRUE(xml.has_value());
  EXPECT_EQ(xml->name, "f");
  EXPECT_EQ(xml->arguments, json::parse(R"({"s": " two\n lines ", "n": 7, "l": [1, "</x>"],
                                            "e": "2", "unknown": "9"})").value());
  for (const char* broken : {"", "<function=f>", "<function=>\n</function>", "<function=f>\n<p>",
                             "<function=f>\n<parameter=a>\n1\n</function>",
                             "<function=f>\n</function> more", "{\"name\": \"f\"}"}) {
    EXPECT_FALSE(parse_call(CallFormat::kXml, broken, all).has_value()) << broken;
  }
}

// What the grammar writes, the parser reads; and it is valid.
TEST(CallGrammar, WritesWhatTheParserReadsInEveryForm) {
  const auto tokenizer = mini_tokenizer();
  const auto vocabulary = grammar::Vocabulary::of(tokenizer).value();
  const auto all = varied_tools();
  std::mt19937_64 random(5);
  for (const CallFormat format :
       {CallFormat::kJsonLines, CallFormat::kJson, CallFormat::kXml}) {
    const auto grammar = call_grammar(vocabulary, format, all).value();
    std::set<std::string> seen;
    for (int i = 0; i < 120; ++i) {
      const std::string text = random_text(grammar, random);
      SCOPED_TRACE(text);
      const auto call = parse_call(format, text, all);
      ASSERT_TRUE(call.has_value());
      EXPECT_FALSE(inside_value(format, text));
      const Tool* tool = find_tool(all, call->name);
      ASSERT_NE(tool, nullptr);
      const auto schema = schema::Schema::parse(json::Value(tool->parameters)).value();
      EXPECT_TRUE(schema::validate(schema, call->arguments).empty())
          << json::dump(call->arguments);
      seen.insert(call->name);
    }
    EXPECT_EQ(seen.size(), 3U);
  }
}

// References reach all of the tool's schema, and alternatives of a text are held, as in JSON.
TEST(CallGrammar, ParametersInXmlAreHeldAsMembersAre) {
  const auto tokenizer = mini_tokenizer();
  const auto vocabulary = grammar::Vocabulary::of(tokenizer).value();
  const auto all = tools(R"([{"name": "f", "parameters": {"type": "object",
      "required": ["unit", "tag", "other"], "properties": {
      "unit": {"type": "string", "oneOf": [{"const": "kg", "title": "Kilograms"},
                                           {"const": "lb"}, {"const": "</parameter>"}]},
      "tag": {"type": "string", "anyOf": [{"pattern": "^[ab]{1,2}$"}, {"enum": ["none", 1]}]},
      "other": {"$ref": "#/properties/flag"}, "flag": {"type": "boolean"},
      "never": {"type": "object", "required": ["x"], "properties": {"x": false}},
      "child": {"$ref": "#"}}}}])");
  const auto schema = schema::Schema::parse(json::Value(all[0].parameters)).value();
  const auto grammar = call_grammar(vocabulary, CallFormat::kXml, all);
  ASSERT_TRUE(grammar.ok()) << grammar.error().text();
  std::mt19937_64 random(3);
  std::set<std::string> units;
  for (int i = 0; i < 60; ++i) {
    const std::string text = random_text(*grammar, random, 400);
    SCOPED_TRACE(text);
    CallReader reader(CallFormat::kXml, 0, true);
    reader.add(text, all);
    const auto whole = reader.close(all);
    ASSERT_TRUE(whole.has_value());
    EXPECT_TRUE(schema::validate(schema, whole->call.arguments).empty());
    units.insert(std::string(whole->call.arguments.at("unit").as_string()));
  }
  EXPECT_EQ(units, (std::set<std::string>{"kg", "lb"}));
}

// Text of a parameter is not JSON, so nothing in it is a key: only open names of the values repeat.
TEST(CallGrammar, TextOfAParameterIsNotReadAsJson) {
  const auto tokenizer = mini_tokenizer();
  const auto vocabulary = grammar::Vocabulary::of(tokenizer).value();
  const auto all = tools(R"([{"name": "write", "parameters": {"type": "object",
      "required": ["first", "code", "meta"], "properties": {
      "first": {"type": "object", "additionalProperties": {"type": "integer"}},
      "code": {"type": "string", "enum": ["if (x) { f(\"a\", \"a\") }", "{\"a\": {,\"a\": \""]},
      "meta": {"type": "object", "additionalProperties": {"type": "integer"}}}}}])");
  const auto grammar = call_grammar(vocabulary, CallFormat::kXml, all).value();
  std::mt19937_64 random(11);
  for (const int64_t budget : {140, 170, 400}) {
    for (int i = 0; i < 40; ++i) {
      const std::string text = random_text(grammar, random, budget);
      SCOPED_TRACE(text);
      const auto call = parse_call(CallFormat::kXml, text, all);
      ASSERT_TRUE(call.has_value());
      const auto schema = schema::Schema::parse(json::Value(all[0].parameters)).value();
      EXPECT_TRUE(schema::validate(schema, call->arguments).empty());
    }
  }
}

// Reads bytes as single tokens, each of which has to be allowed; the first that is not.
std::string read_bytes(grammar::Matcher& matcher, std::string_view text) {
  for (size_t i = 0; i < text.size(); ++i) {
    const auto id = matcher.trie().byte_token(static_cast<uint8_t>(text[i]));
    grammar::TokenMask mask(matcher.trie().vocabulary());
    matcher.mask(mask);
    if (!mask.allowed(id)) return std::string(text.substr(0, i + 1));
    matcher.on_token(id);
  }
  return "";
}

TEST(CallGrammar, EachParameterHasItsOwnKeys) {
  const auto tokenizer = mini_tokenizer();
  const auto vocabulary = grammar::Vocabulary::of(tokenizer).value();
  const auto all = tools(R"([{"name": "w", "parameters": {"type": "object",
      "required": ["m", "c", "n"], "properties": {"c": {"type": "string"},
      "m": {"type": "object", "additionalProperties": {"type": "integer"}},
      "n": {"type": "object", "additionalProperties": {"type": "integer"}}}}}])");
  const auto grammar = call_grammar(vocabulary, CallFormat::kXml, all).value();
  const std::string begin = "\n<function=w>\n<parameter=c>\nf(\"a\", {\"a\", \"a\n</parameter>\n"
                            "<parameter=m>\n{\"a\": 1, \"";
  const std::string next = "b\": 2}\n</parameter>\n<parameter=n>\n{\"a\": 3, \"";
  grammar::MatcherOptions options;
  options.rollback_max = 8;
  const auto matcher = grammar::Matcher::create(grammar, options).value();
  EXPECT_EQ(read_bytes(*matcher, begin), "");
  EXPECT_EQ(read_bytes(*matcher, "a\""), "a\"");
  matcher->rollback(1);
  EXPECT_EQ(read_bytes(*matcher, next), "");
  EXPECT_EQ(read_bytes(*matcher, "a\""), "a\"");
  matcher->rollback(1);
  EXPECT_EQ(read_bytes(*matcher, "c\": 4}\n</parameter>\n</function>\n"), "");
  EXPECT_TRUE(matcher->complete());
}

// Lengths are counted in characters, however long the text may be.
TEST(CallGrammar, TextInXmlMayBeLongAndNoLonger) {
  const auto tokenizer = mini_tokenizer();
  const auto vocabulary = grammar::Vocabulary::of(tokenizer).value();
  const auto all = tools(R"([{"name": "w", "parameters": {"type": "object",
      "required": ["short", "long"], "properties": {
      "short": {"type": "string", "minLength": 2, "maxLength": 4},
      "long": {"type": "string", "pattern": "^[a-z]*$", "maxLength": 20000}}}}])");
  const auto grammar = call_grammar(vocabulary, CallFormat::kXml, all);
  ASSERT_TRUE(grammar.ok()) << grammar.error().text();
  const std::string begin = "\n<function=w>\n<parameter=short>\n";
  const std::string behind = "\n</parameter>\n<parameter=long>\n";
  const auto first_wrong = [&](const std::string& text) {
    return read_bytes(*grammar::Matcher::create(*grammar, {}).value(), text);
  };
  EXPECT_EQ(first_wrong(begin + "안\n녕é" + behind), "");
  EXPECT_EQ(first_wrong(begin + "a" + behind), begin + "a\n</p") << "so it is text, and too long";
  EXPECT_EQ(first_wrong(begin + "안\n녕éx"), begin + "안\n녕éx");
  const std::string end = "\n</parameter>\n</function>\n";
  EXPECT_EQ(first_wrong(begin + "ab" + behind + std::string(20000, 'z') + end), "");
  const std::string longer = begin + "ab" + behind + std::string(20001, 'z');
  EXPECT_EQ(first_wrong(longer), longer);
}

TEST(CallGrammar, RefusesWhatItCannotHoldByTheToolsName) {
  const auto tokenizer = mini_tokenizer();
  const auto vocabulary = grammar::Vocabulary::of(tokenizer).value();
  const auto all = tools(R"([{"name": "one"}, {"name": "pick", "parameters": {"properties": {
      "x": {"type": "array", "uniqueItems": true}}}}])");
  for (const CallFormat format : {CallFormat::kJsonLines, CallFormat::kXml}) {
    const auto refused = call_grammar(vocabulary, format, all);
    ASSERT_FALSE(refused.ok());
    EXPECT_NE(refused.error().text().find("pick"), std::string::npos) << refused.error().text();
    EXPECT_NE(refused.error().text().find("uniqueItems"), std::string::npos);
  }
}

// In the schema that the caller wrote, also where parameters are compiled one by one.
TEST(CallGrammar, ErrorsNameTheParameter) {
  const auto tokenizer = mini_tokenizer();
  const auto vocabulary = grammar::Vocabulary::of(tokenizer).value();
  const auto said = [&](CallFormat format, std::string_view parameter) {
    const auto all = tools(fmt::format(
        R"([{{"name": "f", "parameters": {{"type": "object", "properties": {{"a/b": {}}}}}}}])",
        parameter));
    const auto made = call_grammar(vocabulary, format, all);
    return made.ok() ? std::string("accepted") : made.error().text();
  };
  for (const CallFormat format : {CallFormat::kJson, CallFormat::kXml}) {
    for (const auto& [parameter, keyword] : std::vector<std::pair<std::string, std::string>>{
             {R"({"type": "string", "pattern": "^(.*a.{20})$"})", "E0323 /pattern"},
             {R"({"type": "integer", "multipleOf": 1234567})", "E0323 "},
             {R"({"type": "array", "uniqueItems": true})", "E0320 /uniqueItems"},
             {R"({"type": "string", "not": {"enum": ["a"]}})", "E0320 /not"},
             {R"({"$ref": "#/properties/b"})", "E0302 /$ref"},
             {R"({"type": "string", "oneOf": [{"maxLength": 2}, {"const": "a"}]})",
              "E0320 /oneOf"}}) {
      const std::string text = said(format, parameter);
      const std::string place = keyword.substr(0, 6) +
                                "tools: parameters of f: #/properties/a~1b" + keyword.substr(6);
      EXPECT_TRUE(text.starts_with(place + ": ")) << text;
    }
  }
}

// The grammar of all calls ends with the tool that it becomes too large with.
TEST(CallGrammar, ToolsThatAreTooManyTogetherAreRefusedByName) {
  const auto tokenizer = mini_tokenizer();
  const auto vocabulary = grammar::Vocabulary::of(tokenizer).value();
  std::string all;
  for (int i = 0; i < 6; ++i) {
    all += fmt::format(R"({}{{"name": "t{}", "parameters": {{"required": ["a"], "properties": {{
        "a": {{"const": "{}"}}}}}}}})", i == 0 ? "" : ",", i, std::string(140'000, 'x'));
  }
  for (const CallFormat format : {CallFormat::kJson, CallFormat::kXml}) {
    const auto made = call_grammar(vocabulary, format, tools("[" + all + "]"));
    ASSERT_FALSE(made.ok());
    EXPECT_TRUE(made.error().text().starts_with("E0323 tools: parameters of t4: "))
        << made.error().text();
  }
}

TEST(CallGrammar, WhatNoTextFitsIsNamed) {
  const auto tokenizer = mini_tokenizer();
  const auto vocabulary = grammar::Vocabulary::of(tokenizer).value();
  const auto said = [&](std::string_view required, std::string_view parameter) {
    const auto all = tools(fmt::format(
        R"([{{"name": "g"}}, {{"name": "f", "parameters": {{"type": "object", "required": [{}],
            "properties": {{"a": {}}}}}}}])", required, parameter));
    const auto made = call_grammar(vocabulary, CallFormat::kXml, all);
    if (made.ok()) return std::string("accepted");
    const std::string text = made.error().text();
    return text.substr(0, text.find(": ", text.find('#')));
  };
  const std::string place = "E0324 tools: parameters of f: #/properties/a";
  for (const char* parameter : {"false", R"({"type": "string", "enum": [1]})",
                                R"({"type": "string", "minLength": 5, "maxLength": 1})",
                                R"({"type": "string", "const": "a</parameter>"})",
                                R"({"type": "integer", "minimum": 5, "maximum": 1})"}) {
    EXPECT_EQ(said("\"a\"", parameter), place) << parameter;
    EXPECT_EQ(said("", parameter), "accepted") << parameter << " is left away";
  }
}

}  // namespace
}  // namespace weft::chat
