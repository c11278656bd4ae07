// SPDX-License-Identifier: Apache-2.0
#include "text/unicode.h"

#include <utf8proc.h>

#include <algorithm>
#include <cstring>
#include <map>

#include "base/error.h"

namespace weft::text {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

// White_Space of PropList.txt. Category Z alone lacks the controls, and has nothing else to lack.
bool is_space(char32_t c) {
  return (c >= 9 && c <= 13) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
         c == 0x3000;
}

int options_of(Normalization form) {
  return UTF8PROC_STABLE | UTF8PROC_COMPOSE | (form == Normalization::kNfkc ? UTF8PROC_COMPAT : 0);
}

// The decomposition of one character, appended; unordered.
void decompose(char32_t c, Normalization form, std::vector<int32_t>& out) {
  int32_t buffer[32];  // the longest of Unicode 15 has 18 characters
  int boundclass = 0;
  const auto options = static_cast<utf8proc_option_t>(
      UTF8PROC_STABLE | UTF8PROC_DECOMPOSE |
      (form == Normalization::kNfkc ? UTF8PROC_COMPAT : 0));
  const auto count = utf8proc_decompose_char(static_cast<int32_t>(c), buffer, 32, options,
                                             &boundclass);
  CHECK(count > 0 && count <= 32, "U+{:04X} decomposes into {}", static_cast<uint32_t>(c), count);
  out.insert(out.end(), buffer, buffer + count);
}

// Inert: has combining class 0, is its own normal form, and never composes with what stands
// before it. Those that do compose backwards are marks (category M) and conjoining jamo, which a
// test checks against every composition there is.
bool is_inert(char32_t c, Normalization form) {
  if (c >= 0xD800 && c <= 0xDFFF) return false;
  const utf8proc_property_t* property = utf8proc_get_property(static_cast<int32_t>(c));
  const auto category = property->category;
  if (category == UTF8PROC_CATEGORY_MN || category == UTF8PROC_CATEGORY_MC ||
      category == UTF8PROC_CATEGORY_ME || property->combining_class != 0) {
    return false;
  }
  if ((c >= 0x1100 && c <= 0x11FF) || (c >= 0xA960 && c <= 0xA97F) ||
      (c >= 0xD7B0 && c <= 0xD7FF)) {
    return false;
  }
  if (c >= 0xAC00 && c <= 0xD7A3) return true;  // a Hangul syllable is composed
  if (property->decomp_seqindex == UINT16_MAX) return true;  // no decomposition of either form
  std::vector<int32_t> parts;
  decompose(c, form, parts);
  if (parts.size() == 1) return parts[0] == static_cast<int32_t>(c);
  const auto count = utf8proc_normalize_utf32(
      parts.data(), static_cast<utf8proc_ssize_t>(parts.size()),
      static_cast<utf8proc_option_t>(options_of(form)));
  return count == 1 && parts[0] == static_cast<int32_t>(c);
}

uint8_t class_of(char32_t c) {
  uint8_t bits = 0;
  switch (utf8proc_category(static_cast<int32_t>(c))) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
      bits = kLetter;
      break;
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO:
      bits = kNumber;
      break;
    default:
      break;
  }
  if (is_space(c)) bits |= kSpace;
  if (c == '\r' || c == '\n') bits |= kNewline;
  if (is_inert(c, Normalization::kNfc)) bits |= kNfcInert;
  if (is_inert(c, Normalization::kNfkc)) bits |= kNfkcInert;
  return bits;
}

// Planes 4 to 13 hold nothing, 15 and 16 are for private use: all inert, none letter or space.
bool is_empty_page(char32_t page) { return page >= 0x400 && page != 0xE00 && page != 0xE01; }

}  // namespace

CharTable::CharTable() {
  std::map<Page, uint16_t> known;
  Page empty;
  empty.fill(kNfcInert | kNfkcInert);
  for (char32_t page = 0; page < index_.size(); ++page) {
    Page classes = empty;
    if (!is_empty_page(page)) {
      for (char32_t i = 0; i < 256; ++i) classes[i] = class_of(page << 8 | i);
    }
    const auto [found, added] = known.emplace(classes, static_cast<uint16_t>(pages_.size()));
    if (added) pages_.push_back(classes);
    index_[page] = found->second;
  }
  std::copy_n(pages_[0].begin(), ascii_.size(), ascii_.begin());
}

const CharTable& CharTable::get() {
  static const CharTable table;
  return table;
}

Category category_of(char32_t code) {
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(code))) {
    case UTF8PROC_CATEGORY_LU: return Category::kUpper;
    case UTF8PROC_CATEGORY_LL: return Category::kLower;
    case UTF8PROC_CATEGORY_LT: return Category::kTitle;
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO: return Category::kOtherLetter;
    case UTF8PROC_CATEGORY_ND: return Category::kDigit;
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO: return Category::kOtherNumber;
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_ZS:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO: return Category::kUnprintable;
    default: return Category::kOther;
  }
}

char32_t to_upper(char32_t code) {
  return static_cast<char32_t>(utf8proc_toupper(static_cast<utf8proc_int32_t>(code)));
}
char32_t to_lower(char32_t code) {
  return static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(code)));
}
char32_t to_title(char32_t code) {
  return static_cast<char32_t>(utf8proc_totitle(static_cast<utf8proc_int32_t>(code)));
}

void append_utf8(std::string& out, char32_t code) {
  const auto put = [&out](char32_t byte) { out += static_cast<char>(byte); };
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xC0 | code >> 6);
    put(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    put(0xE0 | code >> 12);
    put(0x80 | (code >> 6 & 0x3F));
    put(0x80 | (code & 0x3F));
  } else {
    put(0xF0 | code >> 18);
    put(0x80 | (code >> 12 & 0x3F));
    put(0x80 | (code >> 6 & 0x3F));
    put(0x80 | (code & 0x3F));
  }
}

void Utf8Decoder::feed_byte(uint8_t byte, std::string& out) {
  if (missing_ > 0) {
    if (byte >= low_ && byte <= high_) {
      held_[held_count_++] = static_cast<char>(byte);
      low_ = 0x80;
      high_ = 0xBF;
      if (--missing_ > 0) return;
      if (holds_surrogate()) return finish(out);
      out.append(held_.data(), held_count_);
      held_count_ = 0;
      return;
    }
    finish(out);  // what was held is invalid now; the byte starts anew
  }
  if (byte < 0x80) {
    out += static_cast<char>(byte);
    return;
  }
  if (byte < 0xC2 || byte > 0xF4) {
    out += kReplacement;
    return;
  }
  missing_ = byte < 0xE0 ? 1 : byte < 0xF0 ? 2 : 3;
  low_ = byte == 0xE0 ? 0xA0 : byte == 0xF0 ? 0x90 : 0x80;   // no overlong forms
  high_ = byte == 0xF4 ? 0x8F : 0xBF;                        // at most U+10FFFF
  held_[0] = static_cast<char>(byte);
  held_count_ = 1;
}

void Utf8Decoder::feed(std::string_view bytes, std::string& out) {
  for (const char byte : bytes) feed_byte(static_cast<uint8_t>(byte), out);
}

bool Utf8Decoder::holds_surrogate() const {
  return held_count_ >= 2 && held_[0] == '\xED' && static_cast<uint8_t>(held_[1]) >= 0xA0;
}

void Utf8Decoder::finish(std::string& out) {
  const int invalid_parts = holds_surrogate() ? held_count_ : held_count_ > 0 ? 1 : 0;
  for (int i = 0; i < invalid_parts; ++i) out += kReplacement;
  missing_ = 0;
  held_count_ = 0;
  low_ = 0x80;
  high_ = 0xBF;
}

std::string repair_utf8(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size());
  Utf8Decoder decoder;
  decoder.feed(bytes, out);
  decoder.finish(out);
  return out;
}

bool surely_normalized(std::string_view text, Normalization form) {
  const CharTable& table = CharTable::get();
  const uint8_t inert = form == Normalization::kNfc ? kNfcInert : kNfkcInert;
  const char* at = text.data();
  const char* const end = at + text.size();
  while (at < end) {
    uint64_t eight = 0;
    if (end - at >= 8) {
      std::memcpy(&eight, at, 8);
      if ((eight & 0x8080808080808080u) == 0) {  // ASCII is inert
        at += 8;
        continue;
      }
    }
    const Utf8Char c = utf8_char(at);
    if ((table.of(c.code) & inert) == 0) return false;
    at += c.bytes;
  }
  return true;
}

std::string normalize(std::string_view text, Normalization form) {
  std::vector<int32_t> codes;
  codes.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const Utf8Char c = utf8_char(text.data() + at);
    decompose(c.code, form, codes);
    at += c.bytes;
  }
  // Canonical ordering: every run of characters with a combining class other than 0, stably by it.
  const auto combining = [](int32_t c) { return utf8proc_get_property(c)->combining_class; };
  for (size_t begin = 0; begin < codes.size();) {
    size_t end = begin;
    while (end < codes.size() && combining(codes[end]) != 0) ++end;
    if (end - begin > 1) {
      std::stable_sort(codes.begin() + static_cast<ptrdiff_t>(begin),
                       codes.begin() + static_cast<ptrdiff_t>(end),
                       [&](int32_t a, int32_t b) { return combining(a) < combining(b); });
    }
    begin = end + 1;
  }
  const auto count = utf8proc_normalize_utf32(codes.data(),
                                              static_cast<utf8proc_ssize_t>(codes.size()),
                                              static_cast<utf8proc_option_t>(options_of(form)));
  CHECK(count >= 0, "utf8proc refused to compose: {}", count);
  std::string out;
  out.reserve(text.size());
  for (utf8proc_ssize_t i = 0; i < count; ++i) {
    append_utf8(out, static_cast<char32_t>(codes[static_cast<size_t>(i)]));
  }
  return out;
}

}  // namespace weft::text
