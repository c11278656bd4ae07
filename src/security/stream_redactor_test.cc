// SPDX-License-Identifier: Apache-2.0
#include "security/stream_redactor.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "base/json.h"

namespace weft::security {
namespace {

const Redaction kEverything{.email = true, .phone = true, .card = true, .resident_number = true,
                     .patterns = {"EMP-#####", "case ## @", "a b#c "}};

std::string in_pieces(std::string_view text, bool json, const std::vector<size_t>& sizes) {
  StreamRedactor redactor(kEverything, json);
  std::string out;
  size_t at = 0;
  for (size_t i = 0; at < text.size(); ++i) {
    const size_t size = sizes[i % sizes.size()];
    out += redactor.add(text.substr(at, size));
    at += size;
  }
  return out + redactor.finish();
}

TEST(StreamRedactor, WhateverThePiecesTheTextIsTheSame) {
  std::mt19937 random(7);
  const std::vector<std::string> parts = {
      "ada@example.com", "@", "4111 1111 1111 1111", "4111", " ", "  ", " - ", "-",
      "010-1234-5678", "(02",
      ") 123 4567", "+82 10 1234 5678", "EMP-12345", "EMP", "-", "123", "45", "case 12 x", "case ",
      "a b1c ", "a ", "b2c", "900101-1234567", "900101", ".", ",", "\n", "안녕", "。", "x", "word",
      "/", "(", ")", "+", "%", "_", "5", "555-123-4567", "com", ".kr"};
  for (int round = 0; round < 20'000; ++round) {
    std::string text;
    for (size_t i = random() % 12; i-- > 0;) text += parts[random() % parts.size()];
    const std::vector<size_t> sizes{1 + random() % 5, 1 + random() % 9, 1 + random() % 2};
    EXPECT_EQ(in_pieces(text, false, sizes), redacted(text, kEverything)) << text;
    const std::string quoted = json::dump(
        json::Object{{"a", text}, {"n", 4111111111111111}, {"list", json::Array{text, "x"}}});
    EXPECT_EQ(in_pieces(quoted, true, sizes), redacted_json(quoted, kEverything)) << quoted;
  }
}

TEST(StreamRedactor, EscapesAreNotTornApart) {
  for (const char* text : {R"({"a":"tab\tada@example.com\"4111111111111111\""})",
                           R"({"a":"\u00e9ada@example.com\u00e9","b":"\\"})", R"({"a":"\u00)",
                           R"({"a":"open EMP-12345)"}) {
    for (size_t size = 1; size < 9; ++size) {
      EXPECT_EQ(in_pieces(text, true, {size}), redacted_json(text, kEverything)) << text;
    }
  }
}

TEST(StreamRedactor, WhatIsNoJsonIsProse) {
  for (const char* text : {"Here: ada@example.com", "ada@example.com", "4111 1111 1111 1111",
                           "\"x\" ada@example.com \"y\"", "{\"a\": 1} or ada@example.com",
                           "[1, 2] 010-1234-5678", "{} call 010-1234-5678 \"now\"",
                           "{\"a\": ada@example.com}", "true 4111 1111 1111 1111"}) {
    for (size_t size = 1; size < 9; ++size) {
      const std::string shown = in_pieces(text, true, {size});
      EXPECT_EQ(shown.find("ada"), std::string::npos) << shown;
      EXPECT_EQ(shown.find("1111"), std::string::npos) << shown;
      EXPECT_EQ(shown.find("5678"), std::string::npos) << shown;
      EXPECT_NE(shown.find('['), std::string::npos) << shown;
      EXPECT_EQ(shown, in_pieces(text, true, {100})) << text;
    }
  }
  for (const char* text : {" { \"a\" : 4111111111111111 , \"b\" : [ -1.5e3 , true,null ] } \n",
                           "4111111111111111", "null", "[]"}) {
    for (size_t size = 1; size < 9; ++size) EXPECT_EQ(in_pieces(text, true, {size}), text);
  }
}

TEST(StreamRedactor, ATextThatCanBeCutNowhereIsLookedAtOnce) {
  std::string text;
  while (text.size() < 2'000'000) text += "7 12 ";
  EXPECT_EQ(in_pieces(text, false, {1}), redacted(text, kEverything));
  const std::string spaces = "[1" + std::string(1'000'000, ' ') + "]";
  EXPECT_EQ(in_pieces(spaces, true, {1}), spaces);
}

TEST(StreamRedactor, WordsComeAsTheyAreCertain) {
  StreamRedactor redactor(kEverything, false);
  EXPECT_EQ(redactor.add("Write to a"), "Write to ");
  EXPECT_EQ(redactor.add("da@exam"), "");
  EXPECT_EQ(redactor.add("ple.com, or"), "[email], ");
  EXPECT_EQ(redactor.add(" call 010-12"), "or call ");
  EXPECT_EQ(redactor.add("34-5678 "), "");
  EXPECT_EQ(redactor.add("now.\n"), "[phone] now.\n");
  EXPECT_EQ(redactor.add("안녕"), "안녕");
  EXPECT_EQ(redactor.finish(), "");
}

}  // namespace
}  // namespace weft::security
