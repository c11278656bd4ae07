// SPDX-License-Identifier: Apache-2.0
#include "text/unicode.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <utf8proc.h>

#include <cstdlib>
#include <random>

#include "base/strings.h"

namespace weft::text {
namespace {

std::string utf8(std::u32string_view codes) {
  std::string out;
  for (const char32_t c : codes) append_utf8(out, c);
  return out;
}

// The library's own normalization, quadratic ordering included: the twin of ours.
std::string normalize_by_library(const std::string& text, Normalization form) {
  const auto options = static_cast<utf8proc_option_t>(
      UTF8PROC_STABLE | UTF8PROC_COMPOSE |
      (form == Normalization::kNfkc ? UTF8PROC_COMPAT : 0));
  utf8proc_uint8_t* result = nullptr;
  const auto bytes = utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                                  static_cast<utf8proc_ssize_t>(text.size()), &result, options);
  EXPECT_GE(bytes, 0);
  std::string out(reinterpret_cast<char*>(result), static_cast<size_t>(bytes));
  free(result);
  return out;
}

TEST(Unicode, ClassesOfCharacters) {
  const CharTable& table = CharTable::get();
  const auto kind = [&](char32_t c) { return table.of(c) & (kLetter | kNumber | kSpace); };
  for (const char32_t c : std::u32string_view(U"aZé가한ㄱ中\u01C5ªʰ")) {
    EXPECT_EQ(kind(c), kLetter) << static_cast<uint32_t>(c);
  }
  for (const char32_t c : std::u32string_view(U"09٣Ⅷ½²")) {
    EXPECT_EQ(kind(c), kNumber) << static_cast<uint32_t>(c);
  }
  for (const char32_t c : std::u32string_view(
           U" \t\n\v\f\r\u0085\u00A0\u1680\u2000\u200A\u2028\u2029\u202F\u205F\u3000")) {
    EXPECT_EQ(kind(c), kSpace) << static_cast<uint32_t>(c);
  }
  for (const char32_t c : std::u32string_view(
           U".€\u200B\uFEFF\u180E\u0301\u001C\U0001F600\U000F0000")) {
    EXPECT_EQ(kind(c), 0) << static_cast<uint32_t>(c);
  }
  EXPECT_TRUE(table.of('\r') & kNewline);
  EXPECT_FALSE(table.of(0x85) & kNewline);
}

// The claim behind is_inert(): what can stand second in a composition is never inert.
TEST(Unicode, NothingInertComposesBackwards) {
  const CharTable& table = CharTable::get();
  size_t seconds = 0;
  for (int32_t c = 0; c <= 0x10FFFF; ++c) {
    if (c >= 0xD800 && c <= 0xDFFF) continue;
    int32_t parts[32];
    int boundclass = 0;
    const auto count = utf8proc_decompose_char(
        c, parts, 32, static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_DECOMPOSE),
        &boundclass);
    for (utf8proc_ssize_t i = 1; i < count; ++i, ++seconds) {
      ASSERT_EQ(table.of(static_cast<char32_t>(parts[i])) & (kNfcInert | kNfkcInert), 0)
          << fmt::format("U+{:04X} in U+{:04X}", parts[i], c);
    }
  }
  EXPECT_GT(seconds, 10'000u);
}

TEST(Unicode, NormalizationIsThatOfTheLibrary) {
  std::mt19937 random(7);
  const std::u32string pool =
      U"aeo\u0301\u0323\u0308\u0327\u0345\u0344\u1100\u1161\u11A8\uAC00\uAC01\u3131\uFB01"
      U"\u212B\u2126\u0958\u0915\u093C\u09C7\u09BE\u0F71\u0F72\u0F74\u3400\uF900\U0002F800\u32FF"
      U"\u00C5 .\U0001D15E";
  for (int round = 0; round < 20'000; ++round) {
    std::u32string codes;
    for (size_t i = random() % 12; i > 0; --i) codes += pool[random() % pool.size()];
    const std::string text = utf8(codes);
    for (const auto form : {Normalization::kNfc, Normalization::kNfkc}) {
      const std::string expected = normalize_by_library(text, form);
      ASSERT_EQ(normalize(text, form), expected) << quoted(text);
      if (surely_normalized(text, form)) {
        ASSERT_EQ(text, expected) << quoted(text);
      }
    }
  }
  EXPECT_TRUE(surely_normalized("제품이 작동하지 않습니다. déjà vu", Normalization::kNfc));
  EXPECT_TRUE(surely_normalized("제품이 작동하지 않습니다.", Normalization::kNfkc));
  EXPECT_FALSE(surely_normalized("ﬁ", Normalization::kNfkc));
}

// A megabyte of marks in the worst order takes milliseconds, not minutes.
TEST(Unicode, NormalizationOfManyMarksIsNotQuadratic) {
  std::string text = "a";
  for (int i = 0; i < 250'000; ++i) text += "\u0301\u0323";
  const std::string normalized = normalize(text, Normalization::kNfc);
  EXPECT_EQ(normalized.substr(0, 3), "\u1EA1");  // a + dot below
  EXPECT_EQ(normalized.size(), text.size());  // 1 + 2 bytes became 3
}

TEST(Unicode, RepairReplacesEachMaximalSubpart) {
  EXPECT_EQ(repair_utf8("a\xC3\xA9z"), "aéz");
  EXPECT_EQ(repair_utf8("\xFF\xC0\x80"), "\uFFFD\uFFFD\uFFFD");
  EXPECT_EQ(repair_utf8("\xE2\x82"), "\uFFFD");
  EXPECT_EQ(repair_utf8("\xE2\x82z"), "\uFFFDz");
  EXPECT_EQ(repair_utf8("\xF0\x9F\x98\xE2\x82\xAC"), "\uFFFD€");
  EXPECT_EQ(repair_utf8("\xED\xA0\x80"), "\uFFFD\uFFFD\uFFFD");
  EXPECT_EQ(repair_utf8("\xED\xA0"), "\uFFFD\uFFFD");
  EXPECT_EQ(repair_utf8("\xED\xA0z"), "\uFFFD\uFFFDz");
  EXPECT_EQ(repair_utf8("\xF4\x90\x80\x80"), "\uFFFD\uFFFD\uFFFD\uFFFD");
}

TEST(Unicode, DecoderGivesTheSameTextHoweverBytesArrive) {
  std::mt19937 random(11);
  const std::string_view pool = "aZ\x80\xA0\xBF\xC3\xE2\x82\xAC\xED\xF0\x9F\x98\x80\xF4\x90\xFF";
  for (int round = 0; round < 20'000; ++round) {
    std::string bytes;
    for (size_t i = random() % 10; i > 0; --i) bytes += pool[random() % pool.size()];
    std::string pieces;
    Utf8Decoder decoder;
    for (const char byte : bytes) {
      decoder.feed(std::string_view(&byte, 1), pieces);
      ASSERT_FALSE(invalid_utf8_at(pieces));
    }
    decoder.finish(pieces);
    ASSERT_EQ(pieces, repair_utf8(bytes)) << quoted(bytes);
    if (!invalid_utf8_at(bytes)) {
      ASSERT_EQ(pieces, bytes);
    }
  }
}

}  // namespace
}  // namespace weft::text
