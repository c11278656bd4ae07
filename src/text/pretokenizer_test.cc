// SPDX-License-Identifier: Apache-2.0
#include "text/pretokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "base/strings.h"

namespace weft::text {
namespace {

using testing::ElementsAre;
using Words = std::vector<std::string>;

Words words_of(const Splitter& splitter, std::string_view text) {
  Words words;
  splitter.split(text, [&](std::string_view word) { words.emplace_back(word); });
  return words;
}
Words words_of(std::string_view expression, std::string_view text, bool keeps_gaps = true) {
  return words_of(Splitter::make({std::string(expression), keeps_gaps}).value(), text);
}

TEST(Pretokenizer, Gpt2) {
  EXPECT_THAT(words_of(kGpt2Expression, "I'll  go, 2024!\n\n he'S"),
              ElementsAre("I", "'ll", " ", " go", ",", " 2024", "!", "\n\n", " he", "'", "S"));
}

TEST(Pretokenizer, QwenTakesDigitsSingly) {
  EXPECT_THAT(words_of(kQwenExpression, "I'LL(go) 42.\n\n  x\u3000y "),
              ElementsAre("I", "'LL", "(go", ")", " ", "4", "2", ".\n\n", " ", " x", "\u3000y",
                          " "));
}

TEST(Pretokenizer, Cl100kTakesDigitsByThrees) {
  EXPECT_THAT(words_of(kCl100kExpression, "12345 \n \n  제품이\n"),
              ElementsAre("123", "45", " \n \n", " ", " 제품이", "\n"));
}

// The plain twin: PCRE2 on the same expression. Its tables are Unicode 14 and its \s knows
// U+180E, so the random text keeps to characters that did not change their class since.
TEST(Pretokenizer, ScannersAgreeWithPcre2OnRandomText) {
  const std::u32string pool =
      U"abSTLdmrevl'''''  \t\n\r\v\f09½Ⅷ٣.,!(€éſßΣдשا한글ㅋ中あ\u0301\u093E\u0085\u00A0\u1680"
      U"\u2003\u2028\u202F\u205F\u3000\u200B\uFEFF\u200D\U0001F600\U00020000\U0001D400"
      U"\U000E0001\uE000";
  std::mt19937 random(20);
  for (const std::string_view expression : {kGpt2Expression, kQwenExpression, kCl100kExpression}) {
    const SplitSpec spec{std::string(expression), true};
    const Splitter fast = Splitter::make(spec).value();
    const Splitter plain = Splitter::make(spec, Splitter::Engine::kRegex).value();
    for (int round = 0; round < 30'000; ++round) {
      std::string text;
      for (size_t i = 1 + random() % 24; i > 0; --i) {
        append_utf8(text, pool[random() % pool.size()]);
      }
      ASSERT_EQ(words_of(fast, text), words_of(plain, text)) << expression << "\n" << quoted(text);
    }
  }
}

// Every code point between two letters and two spaces; those whose class the two tables see
// differently (Unicode 14 and 15) must be few.
TEST(Pretokenizer, ScannersAgreeWithPcre2OnEveryCharacter) {
  const SplitSpec spec{std::string(kQwenExpression), true};
  const Splitter fast = Splitter::make(spec).value();
  const Splitter plain = Splitter::make(spec, Splitter::Engine::kRegex).value();
  size_t differ = 0;
  for (char32_t c = 1; c <= 0xE01FF; ++c) {
    if (c == 0xD800) c = 0xE000;
    if (c == 0x32400) c = 0xE0000;  // nothing in between
    std::string text = "a";
    append_utf8(text, c);
    append_utf8(text, c);
    text += "  1";
    differ += words_of(fast, text) != words_of(plain, text);
  }
  EXPECT_LT(differ, 4'600u) << "Unicode 15.0 added 4,489 characters";
}

TEST(Pretokenizer, OtherExpressionsGoThroughPcre2) {
  EXPECT_THAT(words_of("\\d+", "a12b"), ElementsAre("a", "12", "b"));
  EXPECT_THAT(words_of("\\d+", "a12b", false), ElementsAre("12"));
  EXPECT_THAT(words_of("(?=b)|x*", "aabb"), ElementsAre("aabb"));
  EXPECT_THAT(words_of("\\p{Hangul}+", "ab한글c"), ElementsAre("ab", "한글", "c"));
}

TEST(Pretokenizer, BadExpressionsAreRefused) {
  for (const std::string expression : {"(", "[a", "a**b{", "\\C", "(?<n"}) {
    const auto splitter = Splitter::make({expression, true});
    ASSERT_FALSE(splitter.ok()) << expression;
    EXPECT_EQ(splitter.error().code, "E0102");
  }
  EXPECT_FALSE(Splitter::make({std::string(20'000, 'a'), true}).ok());
}

TEST(Pretokenizer, AnExpressionThatBacktracksWithoutEndGivesUp) {
  const std::string text(40, 'a');
  EXPECT_THAT(words_of("(a+)+[bc]", text), ElementsAre(text));
  EXPECT_THAT(words_of("(a+)+[bc]", text, false), ElementsAre(text));
}

TEST(Pretokenizer, DeepBacktrackingNeedsNoStackOfOurs) {
  const std::string text(100'000, 'a');
  EXPECT_THAT(words_of("(?:a|b)*c|a+", text), ElementsAre(text));
}

TEST(Pretokenizer, LongRunsAreLinear) {
  for (const std::string_view expression : {kGpt2Expression, kQwenExpression, kCl100kExpression}) {
    EXPECT_EQ(words_of(expression, std::string(1 << 20, 'a')).size(), 1u);
    EXPECT_EQ(words_of(expression, std::string(1 << 20, ' ')).size(), 1u);
    EXPECT_EQ(words_of(expression, std::string(1 << 20, '\n') + "x").size(),
              expression == kGpt2Expression ? 3u : 2u);
  }
}

}  // namespace
}  // namespace weft::text
