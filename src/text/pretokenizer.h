// SPDX-License-Identifier: Apache-2.0
//
// Splits text into the words that byte-pair encoding works on, by the expression that the
// tokenizer names. The expressions of GPT-2, Qwen and cl100k have scanners written by hand, an
// order of magnitude faster; any other goes through PCRE2 (text/regex). The two are twins: a test
// compares them on random text.
//
// Takes well-formed UTF-8. Immutable; any number of threads may split at a time.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "text/regex.h"
#include "text/unicode.h"

namespace weft::text {

inline constexpr std::string_view kGpt2Expression =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
inline constexpr std::string_view kQwenExpression =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*)"
    R"(|\s*[\r\n]+|\s+(?!\S)|\s+)";
inline constexpr std::string_view kCl100kExpression =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*)"
    R"(|\s*[\r\n]+|\s+(?!\S)|\s+)";

// A step of splitting, as tokenizer.json states it.
struct SplitSpec {
  std::string expression;
  // What becomes of the text between two matches: a word of its own (behaviour Isolated), or
  // nothing (Removed with invert).
  bool keeps_gaps = true;
};

class Splitter {
 public:
  enum class Engine { kScannerIfKnown, kRegex };  // kRegex: the slow twin, for tests
  // E0102 if PCRE2 does not take the expression.
  static Result<Splitter> make(const SplitSpec& spec, Engine engine = Engine::kScannerIfKnown);

  // Calls word(std::string_view) for each word, in order. Words lie in `text` and do not overlap.
  template <class Word>
  void split(std::string_view text, Word&& word) const {
    if (scanner_ == nullptr) return split_by_regex(text, word);
    const char* at = text.data();
    const char* const end = at + text.size();
    while (at < end) {
      const char* next = scanner_(*table_, at, end);
      word(std::string_view(at, static_cast<size_t>(next - at)));
      at = next;
    }
  }

 private:
  // The end of the word that begins at `at`; at < end.
  using Scanner = const char* (*)(const CharTable& table, const char* at, const char* end);

  template <class Word>
  void split_by_regex(std::string_view text, Word& word) const {
    size_t done = 0;
    RegexMatches matches(*regex_, text);
    while (const auto match = matches.next()) {
      if (keeps_gaps_ && match->begin > done) word(text.substr(done, match->begin - done));
      if (match->end > match->begin) word(text.substr(match->begin, match->end - match->begin));
      done = match->end;
    }
    const bool keeps_rest = keeps_gaps_ || matches.gave_up();
    if (keeps_rest && done < text.size()) word(text.substr(done));
  }

  Scanner scanner_ = nullptr;
  const CharTable* table_ = nullptr;
  std::shared_ptr<const Regex> regex_;  // when there is no scanner
  bool keeps_gaps_ = true;
};

}  // namespace weft::text
