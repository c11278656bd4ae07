// SPDX-License-Identifier: Apache-2.0
#include "schema/regex.h"

#include <gtest/gtest.h>

namespace weft::schema {
namespace {

bool matches(std::string_view pattern, std::string_view text) {
  const auto regex = Regex::compile(pattern);
  EXPECT_TRUE(regex.ok()) << pattern << (regex.ok() ? "" : regex.error().text());
  return regex.ok() && regex->search(text) == Regex::Match::kYes;
}

// Verdicts of JavaScript, new RegExp(pattern, "u").test(text); a lone '{' or ']', which the flag
// refuses, stands for itself as it does without the flag.
TEST(Regex, FollowsEcma262WhereItDiffersFromPcre) {
  EXPECT_FALSE(matches("^abc$", "abc\n"));
  EXPECT_FALSE(matches("^\\d$", "\u07c0"));
  EXPECT_FALSE(matches("^\\w$", "é"));
  EXPECT_TRUE(matches("^\\s$", "\ufeff"));
  EXPECT_TRUE(matches("^[\\s]$", "\u00a0"));
  EXPECT_TRUE(matches("^[\\S]$", "\u200b"));
  EXPECT_FALSE(matches("^[\\S]$", "\u2003"));
  EXPECT_FALSE(matches("^.$", "\u2028"));
  EXPECT_TRUE(matches("^.$", "\U0001F600"));
  EXPECT_TRUE(matches("^[[:alpha:]]$", "a]"));
  EXPECT_FALSE(matches("[]", "a"));
  EXPECT_TRUE(matches("^[^]$", "\n"));
  EXPECT_TRUE(matches("^\\u{1F600}\\uD83D\\uDE00$", "\U0001F600\U0001F600"));
  EXPECT_TRUE(matches("^\\p{Letter}+\\p{gc=Nd}\\P{Number}$", "한é5x"));
  EXPECT_TRUE(matches("^\\p{Script=Greek}$", "λ"));
  EXPECT_TRUE(matches("^\\cA\\0\\v\\x41[\\b]$", std::string_view("\x01\0\x0b" "A\b", 5)));
  EXPECT_TRUE(matches("(a)|\\1b", "b"));  // a group that did not take part matches nothing
  EXPECT_TRUE(matches("(?<year>\\d{4})-\\k<year>", "2026-2026"));
  EXPECT_TRUE(matches("^(?=a)(?!b)(?<!x)a*?$", "aaa"));
  EXPECT_TRUE(matches("^[-a\\-z]{1,3}x{]}$", "-azx{]}"));
  EXPECT_TRUE(matches("b", "abc"));  // a search, not a whole match
}

TEST(Regex, RefusesWhatEcma262DoesNotHave) {
  for (const char* bad : {"(?i)a", "a++", "a*+", "a{2}+", "a**", "\\A", "\\Z", "\\Qa", "\\a",
                          "(*UTF)a", "[a", "(a",
                          "a)", "\\", "\\u12", "\\x4", "\\c1", "\\pL", "\\p{", "(?<=a*)b", "*a",
                          "[z-a]", "a{3,2}", "\\p{Nonsense}", "\\u{110000}", "\\u{}", "(?P<n>a)",
                          "a{,2}", "a{2}{3}", "a+{3}", "{2}a", "\\01"}) {
    const auto regex = Regex::compile(bad);
    ASSERT_FALSE(regex.ok()) << bad;
    EXPECT_EQ(regex.error().code, "E0304") << bad;
    EXPECT_NE(regex.error().message.find("offset"), std::string::npos) << bad;
    EXPECT_FALSE(regex.error().hint.empty()) << bad;
  }
}

TEST(Regex, NestingAndLengthAreBounded) {
  EXPECT_FALSE(Regex::compile(std::string(10'000, '(') + std::string(10'000, ')')).ok());
  EXPECT_FALSE(Regex::compile(std::string(100'000, 'a')).ok());
}

TEST(Regex, CatastrophicBacktrackingEnds) {
  const auto regex = Regex::compile("^(a|a)*(a|a)*(a+)+$");
  ASSERT_TRUE(regex.ok());
  EXPECT_EQ(regex->search(std::string(5000, 'a').append("b")), Regex::Match::kTooMuchWork);
}

// The steps of all starts count, not only of each: these never reach the limit of one.
TEST(Regex, StepsAreCountedOverAllStarts) {
  const auto nested = Regex::compile("(a+)+$|b$");
  ASSERT_TRUE(nested.ok());
  std::string text;
  for (int i = 0; i < 20'000; ++i) text += "aaaaaaaaaaab";
  const auto search = nested->searched(text + "c");
  EXPECT_EQ(search.match, Regex::Match::kTooMuchWork);
  EXPECT_LT(search.steps, 8'000'000U);
  const auto runs = Regex::compile("a*b$");
  ASSERT_TRUE(runs.ok());
  EXPECT_EQ(runs->search(std::string(400'000, 'a') + "bc"), Regex::Match::kTooMuchWork);
}

TEST(Regex, OrdinarySearchesCostFewSteps) {
  const auto address = Regex::compile("^[^@\\s]+@[^@\\s]+\\.[a-z]{2,}$");
  ASSERT_TRUE(address.ok());
  const auto search = address->searched("somebody.with.a.name@mail.example.org");
  EXPECT_EQ(search.match, Regex::Match::kYes);
  EXPECT_LT(search.steps, 200U);
  const auto digit = Regex::compile("[a-z]+\\d");
  ASSERT_TRUE(digit.ok());
  EXPECT_EQ(digit->search(std::string(3000, 'x') + "7"), Regex::Match::kYes);
}

// As long as its counted form has no room: the bound is by character then.
TEST(Regex, LongPatternsAreBoundedToo) {
  std::string words = "^(";
  for (int i = 0; i < 2000; ++i) words += "w" + std::to_string(i) + "|";
  const auto list = Regex::compile(words + "x)$");
  ASSERT_TRUE(list.ok());
  EXPECT_EQ(list->search("w1999"), Regex::Match::kYes);
  EXPECT_EQ(list->search("w2000"), Regex::Match::kNo);
  const auto regex = Regex::compile("(a|a)*(a+)+$|" + std::string(12'000, 'x'));
  ASSERT_TRUE(regex.ok());
  const std::string text = std::string(20'000, 'a') + "b";
  EXPECT_EQ(regex->search(text), Regex::Match::kTooMuchWork);
}

TEST(Regex, InvalidUtf8DoesNotMatch) {
  EXPECT_EQ(Regex::compile("")->search("\xff"), Regex::Match::kNo);
}

}  // namespace
}  // namespace weft::schema
