// SPDX-License-Identifier: Apache-2.0
#include "text/pretokenizer.h"

#include <utility>

namespace weft::text {
namespace {

struct ClassifiedChar {
  uint8_t classes = 0;
  uint32_t bytes = 0;  // 0 at the end of the text
};

// Reads classes of characters; every function is small and inlined into its scanner.
struct Reader {
  const CharTable& table;
  const char* const end;

  ClassifiedChar at(const char* p) const {
    if (p == end) return {};
    const auto lead = static_cast<uint8_t>(*p);
    if (lead < 0x80) return {table.of_ascii(lead), 1};
    const Utf8Char c = utf8_char(p);
    return {table.of(c.code), c.bytes};
  }
  // The end of the longest run of characters that have any of `classes`, at most `count_max`.
  const char* skip(const char* p, uint8_t classes, int count_max = 1 << 30) const {
    for (; count_max > 0; --count_max) {
      const ClassifiedChar c = at(p);
      if ((c.classes & classes) == 0) break;
      p += c.bytes;
    }
    return p;
  }
  // [^\s\p{L}\p{N}]
  static bool is_symbol(ClassifiedChar c) {
    return c.bytes > 0 && (c.classes & (kSpace | kLetter | kNumber)) == 0;
  }
  const char* skip_symbols(const char* p) const {
    for (ClassifiedChar c = at(p); is_symbol(c); c = at(p)) p += c.bytes;
    return p;
  }
};

// 's|'t|'re|'ve|'m|'ll|'d behind the apostrophe: bytes of it, or 0. Folding case by Unicode, as
// expression engines do, adds one more spelling of s, U+017F.
template <bool kFoldsCase>
size_t contraction_bytes(const char* p, const char* end) {
  const auto letter = [&](int i) {
    const char c = end - p > i ? p[i] : '\0';
    return kFoldsCase && c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  };
  switch (letter(0)) {
    case 's':
    case 't':
    case 'm':
    case 'd':
      return 1;
    case 'r':
    case 'v':
      return letter(1) == 'e' ? 2 : 0;
    case 'l':
      return letter(1) == 'l' ? 2 : 0;
    case '\xC5':
      return kFoldsCase && letter(1) == '\xBF' ? 2 : 0;
    default:
      return 0;
  }
}

// \s+(?!\S)|\s+ : all white space but the last character, which goes with the word behind it,
// unless nothing follows or there is only one.
const char* scan_space(const Reader& reader, const char* begin) {
  const char* last = begin;
  const char* p = begin;
  for (ClassifiedChar c = reader.at(p); c.classes & kSpace; c = reader.at(p)) {
    last = p;
    p += c.bytes;
  }
  return p == reader.end || last == begin ? p : last;
}

// 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
const char* scan_gpt2(const CharTable& table, const char* at, const char* end) {
  const Reader reader{table, end};
  if (*at == '\'') {
    if (const size_t bytes = contraction_bytes<false>(at + 1, end)) return at + 1 + bytes;
  }
  const char* p = *at == ' ' ? at + 1 : at;
  const ClassifiedChar c = reader.at(p);
  if (c.classes & kLetter) return reader.skip(p + c.bytes, kLetter);
  if (c.classes & kNumber) return reader.skip(p + c.bytes, kNumber);
  if (Reader::is_symbol(c)) return reader.skip_symbols(p + c.bytes);
  return scan_space(reader, at);
}

// (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,kDigits}
// | ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
template <int kDigits>
const char* scan_cl100k(const CharTable& table, const char* at, const char* end) {
  const Reader reader{table, end};
  if (*at == '\'') {
    if (const size_t bytes = contraction_bytes<true>(at + 1, end)) return at + 1 + bytes;
  }
  const ClassifiedChar first = reader.at(at);
  const char* behind = at + first.bytes;
  if (first.classes & kLetter) return reader.skip(behind, kLetter);
  if (first.classes & kNumber) return reader.skip(behind, kNumber, kDigits - 1);
  const ClassifiedChar second = reader.at(behind);
  if ((second.classes & kLetter) && !(first.classes & kNewline)) {
    return reader.skip(behind + second.bytes, kLetter);
  }
  if (Reader::is_symbol(first) || (*at == ' ' && Reader::is_symbol(second))) {
    return reader.skip(reader.skip_symbols(behind), kNewline);
  }
  const char* newline_end = nullptr;  // \s*[\r\n]+ ends behind the last newline of the run
  for (const char* p = at; reader.at(p).classes & kSpace;) {
    const ClassifiedChar c = reader.at(p);
    p += c.bytes;
    if (c.classes & kNewline) newline_end = p;
  }
  return newline_end != nullptr ? newline_end : scan_space(reader, at);
}

}  // namespace

Result<Splitter> Splitter::make(const SplitSpec& spec, Engine engine) {
  Splitter splitter;
  splitter.keeps_gaps_ = spec.keeps_gaps;
  splitter.table_ = &CharTable::get();
  if (engine == Engine::kScannerIfKnown) {
    // The known expressions match every character, so there are no gaps to keep or drop.
    if (spec.expression == kGpt2Expression) splitter.scanner_ = scan_gpt2;
    if (spec.expression == kQwenExpression) splitter.scanner_ = scan_cl100k<1>;
    if (spec.expression == kCl100kExpression) splitter.scanner_ = scan_cl100k<3>;
  }
  if (splitter.scanner_ == nullptr) {
    splitter.regex_ = std::make_shared<const Regex>(TRY(Regex::compile(spec.expression)));
  }
  return splitter;
}

}  // namespace weft::text
