// SPDX-License-Identifier: Apache-2.0
#include "grammar/regex.h"

#include <gtest/gtest.h>

#include "schema/regex.h"

namespace weft::grammar {
namespace {

TEST(Regex, AgreesWithTheValidatorsMatcher) {
  const std::vector<std::string> patterns = {
      "^a",          "b$",           "^[a-c]+$",       "\\d",        "^.$",        "^\\s*$",
      "a{2,3}",      "^a{2,}b?$",    "^$",             "x|^a|b$",    "^(a|b)*c$",  "^(?:a|bc){2}$",
      "[^a-y]",      "^\\w+@\\w+$",  "(^a|b)c",        "\\u00e9",    "^[\\u{1F600}-\\u{1F610}]$",
      "^[가-힣]+$",  "\\p{L}",       "^\\P{Lu}+$",     "^\\p{Nd}+$", "a.c",        "^[^\\n]*$",
      "^a*?b+?$",    "{",            "a\\{,2}",        "^[\\]\\-a]+$", "\\x41\\t", "^()$",
      "a||b",        "^\\S{1,3}$",   "[]",             "[^]"};
  const std::vector<std::string> texts = {
      "",    "a",    "ab",   "abc", "b",   "c",   "aa", "aaa", "aab", "x y", "\n", "1",  "é",
      "가나", "😀",   "Z",    "z",   "bcbc", "aab", "ac", "bc",  "a@b", "A\t", "]-", "{", "a{,2}",
      "٣",   " ",    "a\nc", "a\u2028c", "a\u00e9c"};
  for (const std::string& pattern : patterns) {
    const auto theirs = schema::Regex::compile(pattern);
    ASSERT_TRUE(theirs.ok()) << pattern;
    const auto ours = regex_language(pattern, Matching::kSearch);
    ASSERT_TRUE(ours.ok()) << pattern << ours.error().text();
    for (const std::string& text : texts) {
      EXPECT_EQ(ours->accepts(text), theirs->search(text) == schema::Regex::Match::kYes)
          << pattern << " on " << text;
    }
    EXPECT_FALSE(ours->accepts("\xff")) << pattern;
  }
}

TEST(Regex, WholeMatching) {
  const Dfa dfa = regex_language("a|bc", Matching::kWhole).value();
  EXPECT_TRUE(dfa.accepts("a"));
  EXPECT_TRUE(dfa.accepts("bc"));
  EXPECT_FALSE(dfa.accepts("abc"));
  EXPECT_TRUE(regex_language("^a$", Matching::kWhole).value().accepts("a"));
}

TEST(Regex, RefusesWhatIsNotRegular) {
  for (const char* pattern : {"(?=a)", "(?!a)b", "(?<=a)b", "(a)\\1", "\\bx", "\\k<n>", "a**",
                              "(", ")", "[a", "\\", "a{3,1}", "[z-a]", "\\p{Han}", "(?i)a", "^*"}) {
    const auto dfa = regex_language(pattern, Matching::kSearch);
    ASSERT_FALSE(dfa.ok()) << pattern;
    EXPECT_EQ(dfa.error().code, "E0321") << pattern;
  }
}

// What other dialects read in another way must not become other text.
TEST(Regex, RefusesWhatFlagUDoesNotHave) {
  for (const char* pattern :
       {"a{2}{3}", "a+{3}", "a{2}+", "a?*", "a{2}??", "a+?{2}", "{2}a", "{,2}", "a{,2}", "a{2",
        "\\01", "\\c1", "\\c", "(?<>a)", "(?<1>a)", "(?<n>a)(?<n>b)", "(?P<n>a)", "(?#a)",
        "(?>a)", "\\A", "\\z", "\\Q"}) {
    EXPECT_FALSE(regex_language(pattern, Matching::kWhole).ok()) << pattern;
    EXPECT_FALSE(as_repetition(std::string("^") + pattern + "$").has_value()) << pattern;
  }
  for (const char* pattern : {"a{2}{3}", "a+{3}", "a{2}+", "a+?{2}", "{2}a", "{,2}", "a{,2}",
                              "\\01"}) {
    EXPECT_FALSE(schema::Regex::compile(pattern).ok()) << pattern;
  }
  EXPECT_TRUE(regex_language("(?:a{2}){3}", Matching::kWhole).value().accepts("aaaaaa"));
  EXPECT_TRUE(regex_language("(?<n>a){]}", Matching::kWhole).value().accepts("a{]}"));
}

TEST(Regex, HostilePatternsEndInAnError) {
  for (const std::string& pattern :
       {std::string("(a|b)*a(a|b){30}"), std::string("((a{1000}){1000}){1000}"),
        std::string("(.*a){20}.{2000}")}) {
    const auto dfa = regex_language(pattern, Matching::kSearch);
    ASSERT_FALSE(dfa.ok()) << pattern;
    EXPECT_EQ(dfa.error().code, "E0323") << pattern;
  }
  EXPECT_FALSE(regex_language(std::string(5000, '('), Matching::kSearch).ok());
}

}  // namespace
}  // namespace weft::grammar
