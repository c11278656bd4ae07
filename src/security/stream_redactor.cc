// SPDX-License-Identifier: Apache-2.0
#include "security/stream_redactor.h"

#include <algorithm>
#include <utility>

#include "base/json.h"
#include "base/strings.h"

namespace weft::security {
namespace {

constexpr std::string_view kSeparators = " -.()/";  // that may stand inside numbers

constexpr size_t kPatternCharactersMax = 100;  // as check_pattern has it

bool is_space(char c) { return c == ' ' || c == '\n'; }
bool digit(char c) { return c >= '0' && c <= '9'; }
bool letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// No address and no number has it; nor is it half of a character.
bool breaks(std::string_view text, size_t at) {
  const char c = text[at];
  if (digit(c) || letter(c) || std::string_view("_%+@").find(c) != std::string_view::npos ||
      kSeparators.find(c) != kSeparators.npos) {
    return false;
  }
  const bool ascii = static_cast<unsigned char>(c) < 0x80;
  const bool goes_on =
      at + 1 < text.size() && (static_cast<unsigned char>(text[at + 1]) & 0xc0) == 0x80;
  return ascii || !goes_on;
}

// Behind a space: an address ends there; a number does not if that is one of its separators, of
// which it has at most two in a row. (What one begins with, + or an opening bracket, has a digit
// right behind it.)
bool is_gap(std::string_view text, size_t at) {
  if (text[at] != ' ') return false;
  for (size_t run = 1; run <= 2 && run <= at; ++run) {
    const char before = text[at - run];
    if (digit(before)) return false;
    if (kSeparators.find(before) == kSeparators.npos) return true;
  }
  return true;
}

// Whether what begins before `cut` may be the pattern and reach to it or beyond.
bool pattern_over(std::string_view text, size_t cut, std::string_view pattern) {
  for (size_t begin = cut - std::min(cut, pattern.size()); begin < cut; ++begin) {
    const size_t there = std::min(pattern.size(), text.size() - begin);
    size_t same = 0;
    while (same < there) {
      const char c = text[begin + same];
      const char wanted = pattern[same];
      if (wanted == '#' ? !digit(c) : wanted == '@' ? !letter(c) : c != wanted) break;
      ++same;
    }
    if (same == there) return true;
  }
  return false;
}

// What stands between the strings of JSON, besides punctuation: a value, or nothing.
bool is_value(std::string_view token) {
  const std::string_view word = trim(token);
  return word.empty() || json::parse(word).ok();
}

}  // namespace

size_t safe_cut(std::string_view text, const Redaction& rules, size_t from) {
  for (size_t cut = text.size(); cut > from; --cut) {
    if (!breaks(text, cut - 1) && !is_gap(text, cut - 1)) continue;
    const bool over = std::ranges::any_of(rules.patterns, [&](const std::string& pattern) {
      return pattern_over(text, cut, pattern);
    });
    if (!over) return cut;
  }
  return 0;
}

std::string StreamRedactor::cut() {
  const size_t end = safe_cut(held_, rules_, looked_);
  std::string out = redacted(std::string_view(held_).substr(0, end), rules_);
  held_.erase(0, end);
  // Only what a pattern of 100 characters may have held back can be cut there later.
  looked_ = held_.size() - std::min<size_t>(held_.size(), kPatternCharactersMax);
  return out;
}

std::string StreamRedactor::add(std::string_view piece) {
  if (json_) return add_json(piece);
  held_ += piece;
  return cut();
}

// The same parts as redacted_json looks at: between quotes, escapes and line feeds.
std::string StreamRedactor::add_json(std::string_view piece) {
  std::string out;
  for (const char c : piece) {
    if (prose_) {
      held_ += c;
    } else if (!in_string_) {
      const bool punctuation = std::string_view("{}[],:\"").find(c) != std::string_view::npos;
      const bool ends =
          punctuation || (is_space(c) && !token_.empty() && !is_space(token_.back()));
      if (ends && !is_value(token_)) {
        prose_ = true;
        held_ = std::exchange(token_, {}) + c;
        continue;
      }
      token_ += c;
      if (punctuation) out += std::exchange(token_, {});
      in_string_ = c == '"';
    } else if (escape_begun_) {
      out += c;
      escape_begun_ = false;
      escape_ = c == 'u' ? 4 : 0;
    } else if (escape_ > 0) {
      out += c;
      --escape_;
    } else if (c == '"' || c == '\\' || c == '\n') {
      out += redacted(std::exchange(held_, {}), rules_);
      looked_ = 0;
      out += c;
      in_string_ = c == '\\';
      escape_begun_ = c == '\\';
    } else {
      held_ += c;
    }
  }
  if (in_string_ || prose_) out += cut();
  return out;
}

std::string StreamRedactor::finish() {
  std::string out = redacted(std::exchange(held_, {}), rules_);
  out += is_value(token_) ? token_ : redacted(token_, rules_);
  token_.clear();
  looked_ = 0;
  in_string_ = escape_begun_ = prose_ = false;
  escape_ = 0;
  return out;
}

}  // namespace weft::security
