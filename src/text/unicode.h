// SPDX-License-Identifier: Apache-2.0
//
// What the tokenizer needs to know of Unicode: classes of characters, normalization, repair of
// broken UTF-8. Tables come from utf8proc (2.8: Unicode 15.0) and are built once, in some
// milliseconds, at first use.
//
// Reading functions take well-formed UTF-8; repair_utf8() makes any bytes so. Classes of the
// expressions that tokenizers use: \p{L}, \p{N}, and \s = White_Space.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace weft::text {

// Bits; a character has at most one of the first three. kNewline is \r or \n, always with kSpace.
// An inert character never changes under the normalization, nor by its neighbours.
enum CharClass : uint8_t {
  kLetter = 1,
  kNumber = 2,
  kSpace = 4,
  kNewline = 8,
  kNfcInert = 16,
  kNfkcInert = 32,
};

class CharTable {
 public:
  static const CharTable& get();

  uint8_t of(char32_t c) const { return pages_[index_[c >> 8]][c & 0xFF]; }
  uint8_t of_ascii(unsigned char c) const { return ascii_[c]; }

 private:
  using Page = std::array<uint8_t, 256>;
  CharTable();
  std::array<uint8_t, 128> ascii_{};
  std::array<uint16_t, 0x1100> index_{};  // code point >> 8 -> page; equal pages are shared
  std::vector<Page> pages_;
};

struct Utf8Char {
  char32_t code = 0;
  uint32_t bytes = 0;
};
// The character at `at`, which must be the start of one in well-formed UTF-8.
inline Utf8Char utf8_char(const char* at) {
  const auto byte = [at](int i) { return static_cast<char32_t>(static_cast<uint8_t>(at[i])); };
  const char32_t lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  if (lead < 0xE0) return {(lead & 0x1F) << 6 | (byte(1) & 0x3F), 2};
  if (lead < 0xF0) return {(lead & 0xF) << 12 | (byte(1) & 0x3F) << 6 | (byte(2) & 0x3F), 3};
  return {(lead & 7) << 18 | (byte(1) & 0x3F) << 12 | (byte(2) & 0x3F) << 6 | (byte(3) & 0x3F), 4};
}

void append_utf8(std::string& out, char32_t code);

// What templates ask of a character: its general category, as coarse as Python's str methods.
// kUnprintable: controls, separators, unassigned and private ones (category C and Z).
enum class Category : uint8_t {
  kUpper, kLower, kTitle, kOtherLetter, kDigit, kOtherNumber, kUnprintable, kOther,
};
Category category_of(char32_t code);
// One to one; characters without the other case stay.
char32_t to_upper(char32_t code);
char32_t to_lower(char32_t code);
char32_t to_title(char32_t code);

// Turns bytes that arrive in pieces into text. An incomplete sequence that may still become a
// character is held back; one that has become invalid is replaced at once, by one U+FFFD for each
// maximal subpart (WHATWG; Unicode 15, section 3.9). Only the bytes of a surrogate are held until
// the third, as the incremental decoder of CPython does, which the goldens were made with: the
// text is the same, it comes a byte later. Not for two threads at a time.
class Utf8Decoder {
 public:
  void feed(std::string_view bytes, std::string& out);
  void finish(std::string& out);  // what is held back becomes U+FFFD; ready for a new text

 private:
  void feed_byte(uint8_t byte, std::string& out);
  bool holds_surrogate() const;  // ED A0..BF: each of its bytes is an invalid part
  std::array<char, 4> held_{};
  uint8_t held_count_ = 0;
  uint8_t missing_ = 0;  // continuation bytes still to come
  uint8_t low_ = 0x80;   // bounds of the next one
  uint8_t high_ = 0xBF;
};

// The text with every maximal invalid part replaced by U+FFFD.
std::string repair_utf8(std::string_view bytes);

enum class Normalization { kNfc, kNfkc };

// Whether every character of `text` is inert: then normalize() would return it unchanged. May be
// false for normalized text too (it is a quick check).
bool surely_normalized(std::string_view text, Normalization form);
// O(n log n) in the worst case, whatever the text (utf8proc's own ordering of combining marks is
// quadratic, so a long run of them in a user's text could stop a server).
std::string normalize(std::string_view text, Normalization form);

}  // namespace weft::text
