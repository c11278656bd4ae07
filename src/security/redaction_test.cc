// SPDX-License-Identifier: Apache-2.0
#include "security/redaction.h"

#include <gtest/gtest.h>

#include "base/json.h"

namespace weft::security {
namespace {

const Redaction kAll{true, true, true, true, {"EMP-#####", "@@-####"}};

struct Case {
  const char* text;
  const char* wanted;
};

TEST(Redaction, FindsWhatItShould) {
  for (const Case& c : std::initializer_list<Case>{
           {"write to ada@example.com.", "write to [email]."},
           {"<a.b+c_d@mail.co.kr>;x@y.de", "<[email]>;[email]"},
           {"call 010-1234-5678 now", "call [phone] now"},
           {"+82 10 1234 5678", "[phone]"},
           {"+4915112345678", "[phone]"},
           {"(02) 123-4567", "[phone]"},
           {"555-123-4567", "[phone]"},
           {"card 4111 1111 1111 1111, thanks", "card [card], thanks"},
           {"4111111111111111", "[card]"},
           {"378282246310005", "[card]"},
           {"900101-1234567", "[resident number]"},
           {"9001011234567", "[resident number]"},
           {"EMP-12345 and KR-0001", "[redacted] and [redacted]"},
           {"ada@example.com010-1234-5678", "[email][phone]"},
           {"주문 010-1234-5678입니다", "주문 [phone]입니다"}}) {
    EXPECT_EQ(redacted(c.text, kAll), c.wanted) << c.text;
  }
}

TEST(Redaction, LeavesWhatIsNone) {
  for (const char* text :
       {"", "@", "a@b", "a@b.c", "@handle", "at @ noon", "2026-11-22T09:55:54.263Z", "12345",
        "order 1234567", "4111 1111 1111 1112", "0000000000000000000", "901301-1234567",
        "EMP-123456", "XEMP-12345", "run_01m81ay0zmd7wxwha9w4awvadc", "3.14159265358979",
        "192.168.10.254", "1.2.3", "price 1,234,567", "901232-1234567"}) {
    EXPECT_EQ(redacted(text, kAll), text) << text;
  }
}

TEST(Redaction, OnlyWhatIsAskedFor) {
  const char* text = "ada@example.com 010-1234-5678 4111111111111111";
  EXPECT_EQ(redacted(text, {}), text);
  EXPECT_EQ(redacted(text, {.email = true}), "[email] 010-1234-5678 4111111111111111");
  EXPECT_EQ(redacted(text, {.card = true}), "ada@example.com 010-1234-5678 [card]");
}

TEST(Redaction, JsonStaysJson) {
  const json::Value before = json::parse(
      R"({"a@b.com": "x\nada@example.com\\", "n": 4111111111111111, "t": "\"010-1234-5678\"",)"
      R"( "u": "\u00e9ada@example.com", "list": ["4111 1111 1111 1111", 5]})").value();
  const auto after = json::parse(redacted_json(json::dump(before), kAll));
  ASSERT_TRUE(after.ok());
  EXPECT_EQ(json::dump(*after),
            R"({"[email]":"x\n[email]\\","n":4111111111111111,"t":"\"[phone]\"",)"
            R"("u":"é[email]","list":["[card]",5]})");
  EXPECT_EQ(redacted_json("id: 7\ndata: {\"a\":\"x@y.com\"}\n\n", kAll),
            "id: 7\ndata: {\"a\":\"[email]\"}\n\n");
  EXPECT_EQ(redacted_json("\"cut \\", kAll), "\"cut \\");
  EXPECT_EQ(redacted_json("\"cut \\u00", kAll), "\"cut \\u00");
}

TEST(Redaction, LinearInLongTexts) {
  const std::string digits(300'000, '7');
  EXPECT_EQ(redacted(digits, kAll), digits);
  const std::string ats(300'000, '@');
  EXPECT_EQ(redacted(ats, kAll), ats);
  std::string spaced;
  for (int i = 0; i < 100'000; ++i) spaced += "7 ";
  EXPECT_LE(redacted(spaced, kAll).size(), spaced.size() + 100);
}

TEST(Redaction, PatternsAreChecked) {
  EXPECT_TRUE(check_pattern("EMP-#####").ok());
  for (const char* wrong : {"", "###", "EMPLOYEE", "a\"#b#", "tab\t##"}) {
    EXPECT_FALSE(check_pattern(wrong).ok()) << wrong;
  }
}

}  // namespace
}  // namespace weft::security
