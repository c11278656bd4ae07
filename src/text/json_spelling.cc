// SPDX-License-Identifier: Apache-2.0
#include "text/json_spelling.h"

#include <algorithm>

#include "base/json.h"
#include "base/math.h"
#include "base/strings.h"

namespace weft::text {
namespace {

// Walks over JSON text that a parser has accepted, without building a tree. Every function leaves
// `at` behind what it has read, and at the end of the text when that was not what it promised.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  // Reads the members of the object that begins here up to `name`; false if it has none.
  bool enter_member(std::string_view name) {
    if (!take('{')) return false;
    while (peek() == '"') {
      const ByteRange key = string();
      if (!take(':')) return false;
      skip_space();
      if (is_name(key, name)) return true;
      value();
      if (!take(',')) return false;
      skip_space();
    }
    return false;
  }
  ByteRange value() {
    skip_space();
    const size_t begin = at_;
    if (peek() == '"') return string();
    int depth = 0;
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '"') {
        string();
        continue;
      }
      if (c == '{' || c == '[') ++depth;
      if (depth == 0 && (c == ',' || c == '}' || c == ']' || is_space(c))) break;
      if ((c == '}' || c == ']') && --depth == 0) {
        ++at_;
        break;
      }
      ++at_;
    }
    return {begin, at_};
  }

 private:
  static bool is_space(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }
  char peek() {
    skip_space();
    return at_ < text_.size() ? text_[at_] : '\0';
  }
  void skip_space() {
    while (at_ < text_.size() && is_space(text_[at_])) ++at_;
  }
  bool take(char c) {
    if (peek() != c) return false;
    ++at_;
    return true;
  }
  ByteRange string() {
    const size_t begin = at_++;
    while (at_ < text_.size() && text_[at_] != '"') at_ += text_[at_] == '\\' ? 2 : 1;
    at_ = std::min(at_ + 1, text_.size());
    return {begin, at_};
  }
  bool is_name(ByteRange key, std::string_view name) const {
    const auto read = json::parse(text_.substr(key.begin, key.end - key.begin));
    return read.ok() && read->is_string() && std::string_view(read->as_string()) == name;
  }

  std::string_view text_;
  size_t at_ = 0;
};

std::string unescaped(std::string_view part) {  // RFC 6901
  std::string out;
  for (size_t i = 0; i < part.size(); ++i) {
    const bool escape = part[i] == '~' && i + 1 < part.size();
    out += escape ? (part[++i] == '1' ? '/' : '~') : part[i];
  }
  return out;
}

}  // namespace

std::optional<ByteRange> value_range(std::string_view json, std::string_view field) {
  Scanner scanner(json);
  if (!field.starts_with('/')) {
    if (!scanner.enter_member(field)) return std::nullopt;
    return scanner.value();
  }
  for (const std::string_view part : split(field.substr(1), '/')) {
    if (!scanner.enter_member(unescaped(part))) return std::nullopt;
  }
  return scanner.value();
}

std::optional<double> field_probability(const std::vector<TokenText>& tokens,
                                        std::string_view answer, std::string_view field) {
  std::optional<ByteRange> range = value_range(answer, field);
  if (!range || range->begin >= range->end) return std::nullopt;
  // A number or a word ends only with what follows it: 5 is the beginning of 50 as well.
  const char last = answer[range->end - 1];
  if (last != '"' && last != '}' && last != ']') ++range->end;
  std::string whole;
  for (const TokenText& token : tokens) whole += token.bytes;
  const size_t start = whole.rfind(answer);
  if (start == std::string::npos) return std::nullopt;
  double sum = 0;
  size_t begin = 0;
  for (const TokenText& token : tokens) {
    const size_t end = begin + token.bytes.size();
    if (begin < start + range->end && end > start + range->begin) sum += token.logprob;
    begin = end;
  }
  return math::exp(std::min(sum, 0.0));
}

}  // namespace weft::text
