// SPDX-License-Identifier: Apache-2.0
#include "text/jinja_text.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstring>

#include "text/unicode.h"

namespace weft::text::jinja {

static constexpr size_t kShortSearch = 32;  // the plain search is as good

MarkedText literal(std::string_view text) {
  return {std::string(text), {}};
}

MarkedText from_data(std::string_view text) {
  MarkedText out;
  append_data(out, text);
  return out;
}

void append_literal(MarkedText& out, std::string_view text) {
  out.text += text;
}

// Ranges that touch are one range, whatever strings they came from.
static void append_range(MarkedText& out, size_t begin, size_t end) {
  if (begin == end) return;
  if (!out.data.empty() && out.data.back().end == begin) {
    out.data.back().end = end;
  } else {
    out.data.push_back({begin, end});
  }
}

void append_data(MarkedText& out, std::string_view text) {
  append_range(out, out.text.size(), out.text.size() + text.size());
  out.text += text;
}

void append(MarkedText& out, const MarkedText& in) {
  append_slice(out, in, 0, in.text.size());
}

void append_slice(MarkedText& out, const MarkedText& in, size_t begin, size_t end) {
  const size_t base = out.text.size();
  auto range = std::lower_bound(in.data.begin(), in.data.end(), begin,
                                [](const ByteRange& r, size_t at) { return r.end <= at; });
  for (; range != in.data.end() && range->begin < end; ++range) {
    append_range(out, base + std::max(range->begin, begin) - begin,
                 base + std::min(range->end, end) - begin);
  }
  out.text.append(in.text, begin, end - begin);
}

MarkedText slice(const MarkedText& in, size_t begin, size_t end) {
  MarkedText out;
  append_slice(out, in, begin, end);
  return out;
}

CodePoint code_point_at(std::string_view text, size_t at) {
  const auto byte = [&](size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u;
  };
  const unsigned first = byte(at);
  if (first < 0x80) return {first, 1};
  const auto tail = [&](size_t i) { return byte(at + i) & 0x3Fu; };
  if (first < 0xE0) return {(first & 0x1Fu) << 6 | tail(1), 2};
  if (first < 0xF0) return {(first & 0x0Fu) << 12 | tail(1) << 6 | tail(2), 3};
  return {(first & 0x07u) << 18 | tail(1) << 12 | tail(2) << 6 | tail(3), 4};
}

size_t length_of(std::string_view text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  }));
}

size_t offset_of(std::string_view text, size_t code_points) {
  size_t at = 0;
  for (; code_points > 0 && at < text.size(); --code_points) at += code_point_at(text, at).bytes;
  return std::min(at, text.size());
}

std::vector<size_t> offsets_of(std::string_view text) {
  std::vector<size_t> offsets;
  for (size_t at = 0; at < text.size(); at += code_point_at(text, at).bytes) offsets.push_back(at);
  offsets.push_back(text.size());
  return offsets;
}

bool is_space(char32_t c) {
  return (c >= 9 && c <= 13) || (c >= 28 && c <= 32) || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
         c == 0x3000;
}

MarkedText strip(const MarkedText& in, const StripOptions& options) {
  const std::string_view text = in.text;
  std::vector<char32_t> characters;
  for (size_t at = 0; options.characters && at < options.characters->size();) {
    const CodePoint c = code_point_at(*options.characters, at);
    characters.push_back(c.value);
    at += c.bytes;
  }
  std::sort(characters.begin(), characters.end());
  const auto goes = [&](size_t at) {
    const char32_t c = code_point_at(text, at).value;
    if (!options.characters) return is_space(c);
    return std::binary_search(characters.begin(), characters.end(), c);
  };
  size_t begin = 0;
  size_t end = text.size();
  while (options.left && begin < end) {
    const size_t bytes = code_point_at(text, begin).bytes;
    if (!goes(begin)) break;
    begin += bytes;
  }
  while (options.right && begin < end) {
    size_t at = end - 1;
    while (at > begin && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) --at;
    if (!goes(at)) break;
    end = at;
  }
  return slice(in, begin, end);
}

// By the two-way algorithm of the C library; std::string_view::find is quadratic at worst.
size_t find_text(std::string_view in, std::string_view what, size_t from) {
  if (what.size() < kShortSearch) return in.find(what, from);
  if (from > in.size()) return std::string_view::npos;
  const void* found = memmem(in.data() + from, in.size() - from, what.data(), what.size());
  if (found == nullptr) return std::string_view::npos;
  return static_cast<size_t>(static_cast<const char*>(found) - in.data());
}

// By the algorithm of Knuth, Morris and Pratt, from the end: border[n] is the length of the longest
// true suffix of the last n characters of `what` with which they also begin (read from the end).
size_t rfind_text(std::string_view in, std::string_view what) {
  if (what.size() < kShortSearch) return in.rfind(what);
  if (what.size() > in.size()) return std::string_view::npos;
  const size_t size = what.size();
  const auto from_end = [&](size_t i) { return what[size - 1 - i]; };
  std::vector<uint32_t> border(size + 1, 0);
  for (size_t i = 1, n = 0; i < size; ++i) {
    while (n > 0 && from_end(i) != from_end(n)) n = border[n];
    if (from_end(i) == from_end(n)) ++n;
    border[i + 1] = static_cast<uint32_t>(n);
  }
  size_t n = 0;
  for (size_t at = in.size(); at-- > 0;) {
    while (n > 0 && in[at] != from_end(n)) n = border[n];
    if (in[at] == from_end(n)) ++n;
    if (n == size) return at;
  }
  return std::string_view::npos;
}

namespace {

// [begin, end) of each piece, cut at a separator.
std::vector<ByteRange> pieces_by_separator(std::string_view text, const SplitOptions& options) {
  const std::string_view separator = *options.separator;
  std::vector<ByteRange> pieces;
  int64_t left = options.count;
  if (options.from_right) {
    size_t end = text.size();
    for (; left != 0 && end >= separator.size(); --left) {
      const size_t at = rfind_text(text.substr(0, end), separator);
      if (at == std::string_view::npos) break;
      pieces.push_back({at + separator.size(), end});
      end = at;
    }
    pieces.push_back({0, end});
    std::reverse(pieces.begin(), pieces.end());
    return pieces;
  }
  size_t begin = 0;
  for (; left != 0; --left) {
    const size_t at = find_text(text, separator, begin);
    if (at == std::string_view::npos) break;
    pieces.push_back({begin, at});
    begin = at + separator.size();
  }
  pieces.push_back({begin, text.size()});
  return pieces;
}

std::vector<ByteRange> words_of(std::string_view text) {
  std::vector<ByteRange> words;
  bool inside = false;
  for (size_t at = 0; at < text.size();) {
    const CodePoint c = code_point_at(text, at);
    if (is_space(c.value)) {
      inside = false;
    } else {
      if (!inside) words.push_back({at, at});
      inside = true;
      words.back().end = at + c.bytes;
    }
    at += c.bytes;
  }
  return words;
}

// Words, of which those beyond `count` stay joined to the last (or, from the right, the first).
std::vector<ByteRange> pieces_by_space(std::string_view text, const SplitOptions& options) {
  std::vector<ByteRange> words = words_of(text);
  const size_t kept = static_cast<size_t>(options.count) + 1;
  if (options.count < 0 || words.size() < kept) return words;
  if (options.from_right) {
    const ByteRange rest{0, words[words.size() - kept].end};
    words.erase(words.begin(), words.end() - static_cast<ptrdiff_t>(kept));
    words.front() = rest;
  } else {
    words.resize(kept);
    words.back().end = text.size();
  }
  return words;
}

}  // namespace

std::vector<MarkedText> split_text(const MarkedText& in, const SplitOptions& options) {
  const auto pieces =
      options.separator ? pieces_by_separator(in.text, options) : pieces_by_space(in.text, options);
  std::vector<MarkedText> out;
  out.reserve(pieces.size());
  for (const ByteRange& piece : pieces) out.push_back(slice(in, piece.begin, piece.end));
  return out;
}

std::vector<MarkedText> split_lines(const MarkedText& in, bool keep_ends) {
  std::vector<MarkedText> out;
  const std::string_view text = in.text;
  size_t begin = 0;
  for (size_t at = 0; at < text.size();) {
    const CodePoint c = code_point_at(text, at);
    size_t next = at + c.bytes;
    const bool ends = (c.value >= 10 && c.value <= 13) || (c.value >= 28 && c.value <= 30) ||
                      c.value == 0x85 || c.value == 0x2028 || c.value == 0x2029;
    if (ends) {
      if (c.value == '\r' && next < text.size() && text[next] == '\n') ++next;
      out.push_back(slice(in, begin, keep_ends ? next : at));
      begin = next;
    }
    at = next;
  }
  if (begin < text.size()) out.push_back(slice(in, begin, text.size()));
  return out;
}

MarkedText replace_text(const MarkedText& in, std::string_view from, const MarkedText& to,
                        int64_t count) {
  MarkedText out;
  size_t begin = 0;
  size_t search = 0;
  for (int64_t left = count; left != 0; --left) {
    const size_t at = find_text(in.text, from, search);
    if (at == std::string::npos) break;
    append_slice(out, in, begin, at);
    append(out, to);
    begin = at + from.size();
    search = begin;
    if (from.empty()) {
      if (at >= in.text.size()) break;
      search = at + code_point_at(in.text, at).bytes;
    }
  }
  append_slice(out, in, begin, in.text.size());
  return out;
}

size_t count_text(std::string_view in, std::string_view what) {
  if (what.empty()) return length_of(in) + 1;
  size_t count = 0;
  for (size_t at = find_text(in, what); at != std::string_view::npos;
       at = find_text(in, what, at + what.size())) {
    ++count;
  }
  return count;
}

namespace {

bool is_cased(char32_t c) {
  const Category category = category_of(c);
  return category == Category::kUpper || category == Category::kLower ||
         category == Category::kTitle;
}

// Simple (one to one) mappings, but for the sharp s, whose capital is two letters.
void append_case(std::string& out, char32_t c, bool upper, bool title) {
  if (c == 0xDF && upper) {
    out += title ? "Ss" : "SS";
    return;
  }
  append_utf8(out, !upper ? to_lower(c) : (title ? to_title(c) : to_upper(c)));
}

}  // namespace

MarkedText change_case(const MarkedText& in, Case form) {
  MarkedText out;
  bool start = true;  // of a word (title) or of the text (capitalize)
  std::string mapped;
  for (size_t at = 0; at < in.text.size();) {
    const CodePoint c = code_point_at(in.text, at);
    bool upper = form == Case::kUpper;
    if (form == Case::kTitle || form == Case::kCapitalize) upper = start;
    if (form == Case::kSwap) upper = !is_a(c.value, CharacterClass::kUpper);
    mapped.clear();
    append_case(mapped, c.value, upper, form == Case::kTitle || form == Case::kCapitalize);
    start = form == Case::kTitle && !is_cased(c.value);
    const MarkedText one = slice(in, at, at + c.bytes);
    if (one.data.empty()) {
      append_literal(out, mapped);
    } else {
      append_data(out, mapped);
    }
    at += c.bytes;
  }
  return out;
}

bool is_a(char32_t c, CharacterClass form) {
  const Category category = category_of(c);
  const bool letter = category == Category::kUpper || category == Category::kLower ||
                      category == Category::kTitle || category == Category::kOtherLetter;
  switch (form) {
    case CharacterClass::kAlpha:
      return letter;
    case CharacterClass::kDigit:
      return category == Category::kDigit;
    case CharacterClass::kAlphaNumeric:
      return letter || category == Category::kDigit || category == Category::kOtherNumber;
    case CharacterClass::kUpper:
      return category == Category::kUpper;
    case CharacterClass::kLower:
      return category == Category::kLower;
    case CharacterClass::kSpace:
      return is_space(c);
    case CharacterClass::kPrintable:
      return c == ' ' || category != Category::kUnprintable;
  }
  return false;
}

MarkedText quoted_as_python(const MarkedText& in) {
  const std::string_view text = in.text;
  const bool has_single = text.find('\'') != std::string_view::npos;
  const bool has_double = text.find('"') != std::string_view::npos;
  const char quote = has_single && !has_double ? '"' : '\'';
  MarkedText out;
  append_data(out, std::string_view(&quote, 1));
  for (size_t at = 0; at < text.size();) {
    const CodePoint c = code_point_at(text, at);
    std::string escaped;
    if (c.value == '\n')
      escaped = "\\n";
    else if (c.value == '\r')
      escaped = "\\r";
    else if (c.value == '\t')
      escaped = "\\t";
    else if (c.value == '\\' || c.value == static_cast<char32_t>(quote))
      escaped = std::string("\\") + static_cast<char>(c.value);
    else if (!is_a(c.value, CharacterClass::kPrintable)) {
      const auto code = static_cast<uint32_t>(c.value);
      escaped = code < 0x100     ? fmt::format("\\x{:02x}", code)
                : code < 0x10000 ? fmt::format("\\u{:04x}", code)
                                 : fmt::format("\\U{:08x}", code);
    }
    if (escaped.empty())
      append_slice(out, in, at, at + c.bytes);
    else
      append_data(out, escaped);
    at += c.bytes;
  }
  append_data(out, std::string_view(&quote, 1));
  return out;
}

}  // namespace weft::text::jinja
