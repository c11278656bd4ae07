// SPDX-License-Identifier: Apache-2.0
#include "grammar/automaton.h"

#include <gtest/gtest.h>

#include "base/strings.h"
#include "text/unicode.h"

namespace weft::grammar {
namespace {

std::string encoded(char32_t c) {
  std::string out;
  text::append_utf8(out, c);
  return out;
}

TEST(Automaton, CharacterRangesAreTheirUtf8) {
  const CharRanges ranges = {{0x41, 0x5A}, {0x7F, 0x812}, {0xFFF0, 0x10234}, {0x10FFFE, 0x10FFFF}};
  Nfa nfa;
  const uint32_t start = nfa.add_state();
  const uint32_t end = nfa.add_state();
  nfa.characters(start, ranges, end);
  const Dfa dfa = nfa.determinised(start, end).value();
  size_t inside = 0;
  for (char32_t c = 0; c <= 0x10FFFF; ++c) {
    if (c == 0xD800) c = 0xE000;
    bool expected = false;
    for (const auto& [low, high] : ranges) expected |= low <= c && c <= high;
    ASSERT_EQ(dfa.accepts(encoded(c)), expected) << static_cast<uint32_t>(c);
    inside += expected ? 1 : 0;
  }
  EXPECT_GT(inside, 2000u);
}

TEST(Automaton, AllTextIsWellFormedUtf8) {
  const Dfa dfa = all_text();
  for (const std::string text : {"", "a", "é", "한", "😀", "\xc0\x80", "\xed\xa0\x80",
                                 "\xf4\x90\x80\x80",
                                 "\x80", "\xe2\x82", "\xf0\x9f\x98\x80z", "\xff"}) {
    EXPECT_EQ(dfa.accepts(text), !invalid_utf8_at(text)) << quoted(text);
  }
}

TEST(Automaton, Combinations) {
  const Dfa ab = literals({"a", "ab", "b"});
  const Dfa bc = literals({"b", "c", "ab"});
  const Dfa both = combined(ab, bc, Combine::kBoth).value();
  const Dfa either = combined(ab, bc, Combine::kEither).value();
  const Dfa minus = combined(ab, bc, Combine::kFirstWithoutSecond).value();
  for (const std::string text : {"", "a", "b", "c", "ab", "abc"}) {
    EXPECT_EQ(both.accepts(text), ab.accepts(text) && bc.accepts(text)) << text;
    EXPECT_EQ(either.accepts(text), ab.accepts(text) || bc.accepts(text)) << text;
    EXPECT_EQ(minus.accepts(text), ab.accepts(text) && !bc.accepts(text)) << text;
  }
  EXPECT_TRUE(combined(ab, ab, Combine::kFirstWithoutSecond).value().is_empty());
  EXPECT_EQ(words(either, 10).value(), (std::vector<std::string>{"a", "ab", "b", "c"}));
  EXPECT_FALSE(words(either, 3));
  EXPECT_FALSE(words(all_text(), 1000));
}

TEST(Automaton, Lengths) {
  const Dfa dfa = of_length(1, 3).value();
  for (const auto& [text, fits] : std::vector<std::pair<std::string, bool>>{
           {"", false}, {"한", true}, {"a😀b", true}, {"abcd", false}}) {
    EXPECT_EQ(dfa.accepts(text), fits) << text;
  }
  EXPECT_TRUE(of_length(2, std::nullopt).value().accepts("abcdefgh"));
  EXPECT_EQ(of_length(0, 1'000'000).error().code, "E0323");
}

TEST(Automaton, MinimisedIsTheSameLanguage) {
  Nfa nfa;
  const uint32_t start = nfa.add_state();
  const uint32_t end = nfa.add_state();
  for (const char* text : {"xa", "ya", "xb", "yb"}) nfa.text(start, text, end);
  const Dfa dfa = nfa.determinised(start, end).value();
  EXPECT_EQ(dfa.states.size(), 3u);
  EXPECT_TRUE(dfa.accepts("yb"));
  EXPECT_FALSE(dfa.accepts("y"));
}

}  // namespace
}  // namespace weft::grammar
