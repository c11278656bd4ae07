// SPDX-License-Identifier: Apache-2.0
#include "text/word_runs.h"

#include <algorithm>
#include <utility>

#include "text/unicode.h"

namespace weft::text {
namespace {

enum class Kind : uint8_t { kGap, kLetter, kWideLetter, kMark };

// White space, quotation marks and brackets; a comma too, which stands inside a run of words only.
bool is_gap(char32_t c) {
  constexpr std::u32string_view kGaps =
      U"\"`()[]{}<>,;|=*«»“”„‘‚¿¡、。，；：（）「」『』《》〈〉【】…";
  return (CharTable::get().of(c) & kSpace) != 0 || c < 0x20 ||
         kGaps.find(c) != std::u32string_view::npos;
}

// Scripts whose words join others without a space: Hangul, Kana, Han.
bool is_wide(char32_t c) { return (c >= 0x1100 && c < 0x1200) || c >= 0x2E80; }

Kind kind_of(char32_t c) {
  if (is_gap(c)) return Kind::kGap;
  if ((CharTable::get().of(c) & (kLetter | kNumber)) == 0 && c != '_') return Kind::kMark;
  return is_wide(c) ? Kind::kWideLetter : Kind::kLetter;
}

bool is_letter(Kind kind) { return kind == Kind::kLetter || kind == Kind::kWideLetter; }

}  // namespace

struct WordRuns::Char {
  char32_t code;
  Kind kind;
  size_t at;  // byte offset
};

// chars[from, to) stand between two gaps; `end`: byte offset behind them.
WordRuns::Word WordRuns::word_of(const std::vector<Char>& chars, size_t from, size_t to,
                                 size_t end) {
  Word out;
  const auto begin_at = [&](size_t i) {
    if (out.begins.empty() || out.begins.back() != chars[i].at) out.begins.push_back(chars[i].at);
  };
  const auto first = [&](size_t i) { return is_letter(chars[i].kind); };
  size_t head = from;
  while (head < to && !first(head)) ++head;
  if (head == to) return out;
  size_t tail = to;
  while (!first(tail - 1)) --tail;
  begin_at(from);
  begin_at(head);
  for (size_t i = head + 1; i < tail; ++i) {
    const bool letters = is_letter(chars[i - 1].kind) && is_letter(chars[i].kind);
    const bool joined = letters && chars[i - 1].kind != chars[i].kind;
    const char32_t before = chars[i - 1].code;
    if (joined || before == ':' || before == '#') begin_at(i);
    if (joined || chars[i].code == '\'' || chars[i].code == U'’') out.ends.push_back(chars[i].at);
  }
  if (tail < to) out.ends.push_back(chars[tail].at);
  out.ends.push_back(end);
  return out;
}

WordRuns::WordRuns(std::string text) : text_(std::move(text)) {
  std::vector<Char> chars;
  for (size_t at = 0; at < text_.size();) {
    const Utf8Char c = utf8_char(text_.data() + at);
    chars.push_back({c.code, kind_of(c.code), at});
    at += c.bytes;
  }
  for (size_t from = 0; from < chars.size();) {
    size_t to = from;
    while (to < chars.size() && chars[to].kind != Kind::kGap) ++to;
    if (to > from) {
      Word word = word_of(chars, from, to, to < chars.size() ? chars[to].at : text_.size());
      if (!word.begins.empty()) words_.push_back(std::move(word));
    }
    from = to + 1;
  }
}

void WordRuns::for_each(size_t words_max, size_t bytes_max,
                        const std::function<bool(std::string_view)>& take) const {
  const std::string_view text = text_;
  for (size_t i = 0; i < words_.size(); ++i) {
    for (const size_t begin : words_[i].begins) {
      const size_t last = std::min(words_.size(), i + words_max);
      for (size_t j = i; j < last; ++j) {
        const std::vector<size_t>& ends = words_[j].ends;
        for (auto end = std::ranges::upper_bound(ends, begin); end != ends.end(); ++end) {
          if (*end - begin > bytes_max) break;
          if (!take(text.substr(begin, *end - begin))) return;
        }
      }
    }
  }
}

}  // namespace weft::text
