// SPDX-License-Identifier: Apache-2.0
#include "chat/verbatim.h"

#include <gtest/gtest.h>

#include "schema/validator.h"

namespace weft::chat {
namespace {

json::Array said(std::string_view text) {
  return {json::Object{{"role", "system"}, {"content", "Never mention ZZ-99."}},
          json::Object{{"role", "user"}, {"content", text}},
          json::Object{{"role", "assistant"}, {"content", "Is it QQ-11?"}}};
}

bool accepts(std::string_view schema, std::string_view text, std::string_view value) {
  const auto bound = bound_to(json::parse(schema).value(), said(text));
  EXPECT_TRUE(bound.ok()) << bound.error().text();
  const auto parsed = schema::Schema::parse(*bound);
  EXPECT_TRUE(parsed.ok());
  return schema::is_valid(*parsed, json::parse(value).value());
}

constexpr const char* kOrder =
    R"({"type":"object","properties":{"order":{"type":"string","x-weft-verbatim":true},
        "note":{"type":"string"}},"required":["order"]})";

TEST(Verbatim, OnlyWhatUsersSaidCanBeCopied) {
  const char* text = "Where is order C-17? It was for Edith Harrow.";
  EXPECT_TRUE(accepts(kOrder, text, R"({"order":"C-17","note":"anything"})"));
  EXPECT_TRUE(accepts(kOrder, text, R"({"order":"Edith Harrow"})"));
  for (const char* made_up : {"C-18", "C-1", "-17", "ZZ-99", "QQ-11", "", "c-17"}) {
    EXPECT_FALSE(accepts(kOrder, text, json::dump(json::Object{{"order", made_up}}))) << made_up;
  }
}

TEST(Verbatim, WhatToolsReturnedCounts) {
  json::Array messages = said("Who is it?");
  messages.push_back(json::Object{
      {"role", "tool"}, {"tool_call_id", "1"}, {"content", R"({"email":"e.h@post.uk"})"}});
  const auto bound = bound_to(json::parse(kOrder).value(), messages);
  EXPECT_NE(json::dump(*bound).find("e.h@post.uk"), std::string::npos);
}

TEST(Verbatim, OtherKeywordsChooseAmongTheTexts) {
  const char* text = "Write to a@b.org or call 555 0101; we owe 12.50 of 30.";
  EXPECT_TRUE(accepts(R"({"type":"string","format":"email","x-weft-verbatim":true})", text,
                      "\"a@b.org\""));
  EXPECT_FALSE(accepts(R"({"type":"string","format":"email","x-weft-verbatim":true})", text,
                       "\"call\""));
  constexpr const char* kAmount = R"({"type":"number","minimum":20,"x-weft-verbatim":true})";
  EXPECT_TRUE(accepts(kAmount, text, "30"));
  EXPECT_FALSE(accepts(kAmount, text, "12.5"));
  EXPECT_FALSE(accepts(kAmount, text, "31"));
  EXPECT_TRUE(accepts(R"({"type":"array","items":{"type":"string","pattern":"^\\d+$",
                          "x-weft-verbatim":true}})", text, R"(["555","0101"])"));
}

TEST(Verbatim, WhereNothingFitsTheFieldCannotBeWritten) {
  constexpr const char* kMail = R"({"type":"object","properties":{"mail":{"type":"string",
      "format":"email","x-weft-verbatim":true}}})";
  EXPECT_TRUE(accepts(kMail, "no address here", "{}"));
  EXPECT_FALSE(accepts(kMail, "no address here", R"({"mail":"a@b.org"})"));
}

TEST(Verbatim, ManyWordsMakeShorterRunsAndThenAnError) {
  std::string text;
  for (int i = 0; i < 900; ++i) text += "w" + std::to_string(i) + " ";
  EXPECT_TRUE(accepts(R"({"type":"string","x-weft-verbatim":true})", text, "\"w7 w8\""));
  EXPECT_FALSE(accepts(R"({"type":"string","x-weft-verbatim":true})", text, "\"w7 w8 w9\""));
  for (int i = 900; i < 5000; ++i) text += "w" + std::to_string(i) + " ";
  const auto many = bound_to(json::parse(kOrder).value(), said(text));
  ASSERT_FALSE(many.ok());
  EXPECT_EQ(many.error().code, "E0323");
  EXPECT_NE(many.error().message.find("#/properties/order"), std::string::npos);
  EXPECT_TRUE(accepts(R"({"type":"string","pattern":"^w49..$","x-weft-verbatim":true})", text,
                      "\"w4901\""));
}

TEST(Verbatim, HostilePatternsAndTextsCostABoundedAmountOfWork) {
  std::string text;
  for (int i = 0; i < 20'000; ++i) text += "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa ";
  json::Object fields;
  for (int i = 0; i < 50; ++i) {
    fields["f" + std::to_string(i)] = json::Object{
        {"type", "string"}, {"pattern", "^(a+)+$b"}, {"x-weft-verbatim", true}};
  }
  const json::Value schema = json::Object{{"properties", fields}};
  const auto hostile = bound_to(schema, said(text));
  ASSERT_FALSE(hostile.ok());
  EXPECT_EQ(hostile.error().code, "E0323");
  std::string joined;
  for (int i = 0; i < 100'000; ++i) joined += "a:'";
  EXPECT_FALSE(bound_to(json::parse(kOrder).value(), said(joined)).ok());
}

TEST(Verbatim, AConversationTooLongToCopyFromIsRefused) {
  const auto refused = bound_to(json::parse(kOrder).value(), said(std::string(600'000, ',')));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, "E0323");
  json::Object fields;  // many fields over a text without words
  for (int i = 0; i < 20'000; ++i) {
    fields["f" + std::to_string(i)] = json::Object{{"type", "string"}, {"x-weft-verbatim", true}};
  }
  EXPECT_TRUE(bound_to(json::Object{{"properties", fields}}, said(std::string(400'000, ','))).ok());
}

TEST(Verbatim, TheKeywordIsTrueOrFalse) {
  const auto wrong = bound_to(
      json::parse(R"({"properties":{"a":{"x-weft-verbatim":"yes"}}})").value(), said("x"));
  ASSERT_FALSE(wrong.ok());
  EXPECT_EQ(wrong.error().code, "E0301");
  EXPECT_TRUE(accepts(R"({"type":"string","x-weft-verbatim":false})", "a", "\"b\""));
  // A member of that name is no keyword.
  EXPECT_TRUE(accepts(R"({"properties":{"x-weft-verbatim":{"type":"boolean"}}})", "a",
                      R"({"x-weft-verbatim":true})"));
}

TEST(Verbatim, ModelsAreNotToldTheKeyword) {
  const json::Value schema = json::parse(kOrder).value();
  EXPECT_TRUE(asks_verbatim(schema));
  const json::Value plain = without_verbatim(schema);
  EXPECT_FALSE(asks_verbatim(plain));
  EXPECT_EQ(plain.at("properties").at("order"), json::parse(R"({"type":"string"})").value());
  const json::Array tools = tools_without_verbatim(
      {json::Object{{"type", "function"},
                    {"function", json::Object{{"name", "f"}, {"parameters", schema}}}}});
  EXPECT_EQ(tools[0].at("function").at("parameters"), plain);
}

}  // namespace
}  // namespace weft::chat
