// SPDX-License-Identifier: Apache-2.0
#include "text/jinja_lexer.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/strings.h"
#include "text/jinja_text.h"
#include "text/unicode.h"

namespace weft::text::jinja {

Error syntax_error(std::string_view source, size_t offset, std::string message, std::string hint) {
  const Place place = place_of(source, std::min(offset, source.size()));
  return make_error("E0130",
                    fmt::format("line {} column {}: {}", place.line, place.column, message),
                    std::move(hint));
}

std::string normalize_newlines(std::string source) {
  if (source.find('\r') == std::string::npos) return source;
  std::string out;
  out.reserve(source.size());
  for (size_t i = 0; i < source.size(); ++i) {
    if (source[i] == '\r') {
      out += '\n';
      if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
    } else {
      out += source[i];
    }
  }
  return out;
}

namespace {

constexpr bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
constexpr bool is_name_start(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
         static_cast<unsigned char>(c) >= 0x80;
}
constexpr bool is_name(char c) {
  return is_name_start(c) || is_digit(c);
}

// Longest first.
constexpr std::array<std::string_view, 26> kSymbols = {
    "//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[",
    "]",  "(",  ")",  "{",  "}",  ">",  "<", "=", ".", ":", "|", ",", ";"};

class Lexer {
 public:
  Lexer(std::string_view source, const LexerOptions& options)
      : source_(source), options_(options) {}

  Result<std::vector<Token>> run() {
    if (options_.expression_only) {
      TRY(expression_until({}, TokenKind::kEnd));
    } else {
      while (at_ < source_.size()) TRY(root());
    }
    push(TokenKind::kEnd, source_.size(), {});
    return std::move(tokens_);
  }

 private:
  void push(TokenKind kind, size_t offset, std::string text) {
    tokens_.push_back({kind, static_cast<uint32_t>(offset), std::move(text)});
  }
  bool looking_at(std::string_view what) const { return source_.substr(at_, what.size()) == what; }
  Error fail(size_t offset, std::string message, std::string hint = {}) const {
    return syntax_error(source_, offset, std::move(message), std::move(hint));
  }

  // Text up to the next mark, then what the mark opens.
  Status root() {
    size_t mark = at_;
    for (;; ++mark) {
      mark = source_.find('{', mark);
      if (mark == std::string_view::npos || mark + 1 >= source_.size()) {
        mark = source_.size();
        break;
      }
      const char next = source_[mark + 1];
      if (next == '{' || next == '%' || next == '#') break;
    }
    if (mark == source_.size()) {
      add_text(at_, source_.size());
      at_ = source_.size();
      return ok_status();
    }
    const char form = source_[mark + 1];
    const char sign = mark + 2 < source_.size() ? source_[mark + 2] : ' ';
    const bool signed_mark = sign == '-' || sign == '+';
    add_text(at_, text_end(mark, form, signed_mark ? sign : ' '));
    at_ = mark + 2 + (signed_mark ? 1 : 0);
    if (form == '#') return comment(mark);
    if (form == '{') {
      push(TokenKind::kPrintBegin, mark, {});
      TRY(expression_until("}}", TokenKind::kPrintEnd));
      return ok_status();
    }
    if (raw_begins()) return raw(mark);
    push(TokenKind::kBlockBegin, mark, {});
    return expression_until("%}", TokenKind::kBlockEnd);
  }

  void add_text(size_t begin, size_t end) {
    if (begin < end) push(TokenKind::kText, begin, std::string(source_.substr(begin, end - begin)));
  }

  // Where the text before a mark ends, once white space control has taken its share.
  size_t text_end(size_t mark, char form, char sign) const {
    const MarkedText text = literal(source_.substr(at_, mark - at_));
    if (sign == '-') return at_ + strip(text, {.characters = {}, .left = false}).text.size();
    if (sign == '+' || form == '{' || !options_.trim_blocks) return mark;
    const size_t newline = text.text.rfind('\n');
    const bool whole_line = newline != std::string::npos || at_ == 0 || source_[at_ - 1] == '\n';
    const size_t line = newline == std::string::npos ? 0 : newline + 1;
    const MarkedText indent = slice(text, line, text.text.size());
    return whole_line && strip(indent, {}).text.empty() ? at_ + line : mark;
  }

  // After a closing mark: `-` eats all white space, trim_blocks one newline after a block.
  void after_mark(char sign, bool block) {
    if (sign == '-') {
      while (at_ < source_.size()) {
        const CodePoint c = code_point_at(source_, at_);
        if (!is_space(c.value)) break;
        at_ += c.bytes;
      }
    } else if (sign != '+' && block && options_.trim_blocks && looking_at("\n")) {
      ++at_;
    }
  }

  Status comment(size_t mark) {
    const size_t end = source_.find("#}", at_);
    if (end == std::string_view::npos) {
      return fail(mark, "the comment '{#' is never closed", "close it with '#}'");
    }
    const char sign = end > at_ ? source_[end - 1] : ' ';
    at_ = end + 2;
    after_mark(sign, true);
    return ok_status();
  }

  // Skips `word` and white space around it and the closing mark, from `from`; 0 if not there.
  size_t mark_with_word(size_t from, std::string_view word, char& sign) const {
    size_t at = from;
    const auto skip = [&] {
      while (at < source_.size() && static_cast<unsigned char>(source_[at]) <= ' ') ++at;
    };
    skip();
    if (source_.substr(at, word.size()) != word) return 0;
    at += word.size();
    skip();
    sign = at < source_.size() ? source_[at] : ' ';
    if (sign == '-' || sign == '+') ++at;
    return source_.substr(at, 2) == "%}" ? at + 2 : 0;
  }
  bool raw_begins() const {
    char sign = ' ';
    return mark_with_word(at_, "raw", sign) != 0;
  }

  Status raw(size_t mark) {
    char sign = ' ';
    at_ = mark_with_word(at_, "raw", sign);
    after_mark(sign, true);
    for (size_t end = source_.find("{%", at_); end != std::string_view::npos;
         end = source_.find("{%", end + 2)) {
      const char begin_sign = end + 2 < source_.size() ? source_[end + 2] : ' ';
      const bool signed_mark = begin_sign == '-' || begin_sign == '+';
      const size_t after = mark_with_word(end + 2 + (signed_mark ? 1 : 0), "endraw", sign);
      if (after == 0) continue;
      add_text(at_, text_end(end, '%', signed_mark ? begin_sign : ' '));
      at_ = after;
      after_mark(sign, true);
      return ok_status();
    }
    return fail(mark, "the block '{% raw %}' is never closed", "close it with '{% endraw %}'");
  }

  Status expression_until(std::string_view end, TokenKind end_kind) {
    const size_t start = at_;
    std::vector<char> open;
    while (at_ < source_.size()) {
      const char c = source_[at_];
      const CodePoint code = code_point_at(source_, at_);
      if (is_space(code.value)) {
        at_ += code.bytes;
        continue;
      }
      if (open.empty() && !end.empty() && at_mark_end(end)) {
        const char sign = c;
        const bool signed_mark = !looking_at(end);
        push(end_kind, at_, {});
        at_ += end.size() + (signed_mark ? 1 : 0);
        after_mark(signed_mark ? sign : ' ', end == "%}");
        return ok_status();
      }
      TRY(word(open));
    }
    if (!open.empty()) return fail(at_, fmt::format("'{}' is never closed", open.back()));
    if (end.empty()) return ok_status();
    return fail(start, fmt::format("'{}' is never closed", end == "}}" ? "{{" : "{%"),
                fmt::format("close it with '{}'", end));
  }

  bool at_mark_end(std::string_view end) const {
    if (looking_at(end)) return true;
    const char c = source_[at_];
    return (c == '-' || (c == '+' && end == "%}")) && source_.substr(at_ + 1, 2) == end;
  }

  Status word(std::vector<char>& open) {
    const char c = source_[at_];
    if (is_name_start(c)) {
      const size_t begin = at_;
      while (at_ < source_.size() && is_name(source_[at_]) &&
             !is_space(code_point_at(source_, at_).value)) {
        at_ += code_point_at(source_, at_).bytes;
      }
      push(TokenKind::kName, begin, std::string(source_.substr(begin, at_ - begin)));
      return ok_status();
    }
    if (is_digit(c)) return number();
    if (c == '"' || c == '\'') return string(c);
    for (const std::string_view symbol : kSymbols) {
      if (!looking_at(symbol)) continue;
      TRY(balance(symbol, open));
      push(TokenKind::kSymbol, at_, std::string(symbol));
      at_ += symbol.size();
      return ok_status();
    }
    const CodePoint code = code_point_at(source_, at_);
    return fail(at_,
                fmt::format("unexpected character {}", quoted(source_.substr(at_, code.bytes))));
  }

  Status balance(std::string_view symbol, std::vector<char>& open) {
    const char c = symbol[0];
    if (c == '(' || c == '[' || c == '{') {
      if (open.size() >= options_.nesting_max) {
        return fail(at_,
                    fmt::format("brackets are nested more than {} deep", options_.nesting_max));
      }
      open.push_back(c);
    } else if (c == ')' || c == ']' || c == '}') {
      const char wanted = c == ')' ? '(' : (c == ']' ? '[' : '{');
      if (open.empty()) return fail(at_, fmt::format("'{}' without an opening bracket", c));
      if (open.back() != wanted) {
        return fail(at_, fmt::format("'{}' does not close '{}'", c, open.back()));
      }
      open.pop_back();
    }
    return ok_status();
  }

  void digits(std::string& out) {
    while (at_ < source_.size() &&
           (is_digit(source_[at_]) ||
            (source_[at_] == '_' && at_ + 1 < source_.size() && is_digit(source_[at_ + 1])))) {
      if (source_[at_] != '_') out += source_[at_];
      ++at_;
    }
  }

  // 12, 1_000, 0x1f, 0b1, 0o7, 1.5, 1e3, 1.5e-3.
  Status number() {
    const size_t begin = at_;
    const char form = at_ + 1 < source_.size() ? source_[at_ + 1] : ' ';
    if (source_[at_] == '0' && std::string_view("xXbBoO").find(form) != std::string_view::npos) {
      at_ += 2;
      while (at_ < source_.size() && is_name(source_[at_])) ++at_;
      push(TokenKind::kInteger, begin, std::string(source_.substr(begin, at_ - begin)));
      return ok_status();
    }
    std::string text;
    TokenKind kind = TokenKind::kInteger;
    digits(text);
    if (looking_at(".") && at_ + 1 < source_.size() && is_digit(source_[at_ + 1])) {
      kind = TokenKind::kFloat;
      text += source_[at_++];
      digits(text);
    }
    if (looking_at("e") || looking_at("E")) {
      const bool has_sign =
          at_ + 1 < source_.size() && (source_[at_ + 1] == '+' || source_[at_ + 1] == '-');
      const size_t first = at_ + (has_sign ? 2 : 1);
      if (first < source_.size() && is_digit(source_[first])) {
        kind = TokenKind::kFloat;
        text += source_.substr(at_, first - at_);
        at_ = first;
        digits(text);
      }
    }
    push(kind, begin, std::move(text));
    return ok_status();
  }

  Status string(char quote) {
    const size_t begin = at_++;
    std::string text;
    while (at_ < source_.size() && source_[at_] != quote) {
      if (source_[at_] != '\\') {
        text += source_[at_++];
      } else {
        TRY(escape(text));
      }
    }
    if (at_ >= source_.size()) return fail(begin, "the string is never closed");
    ++at_;
    push(TokenKind::kString, begin, std::move(text));
    return ok_status();
  }

  Status escape(std::string& out) {
    const size_t begin = at_++;
    if (at_ >= source_.size()) return fail(begin, "the string is never closed");
    const char c = source_[at_++];
    static constexpr std::string_view kFrom = "ntr\\'\"abfv";
    static constexpr std::string_view kTo = "\n\t\r\\'\"\a\b\f\v";
    const size_t simple = kFrom.find(c);
    if (simple != std::string_view::npos) {
      out += kTo[simple];
    } else if (c == '\n') {
      // a line break inside a string, escaped: both go
    } else if (c >= '0' && c <= '7') {
      char32_t code = static_cast<char32_t>(c - '0');
      for (int i = 0; i < 2 && at_ < source_.size() && source_[at_] >= '0' && source_[at_] <= '7';
           ++i) {
        code = code * 8 + static_cast<char32_t>(source_[at_++] - '0');
      }
      append_utf8(out, code);
    } else if (c == 'x' || c == 'u' || c == 'U') {
      return hexadecimal_escape(begin, c == 'x' ? 2 : (c == 'u' ? 4 : 8), out);
    } else if (c == 'N') {
      return fail(begin, "\\N{…} is not supported in strings", "write the character itself");
    } else {
      out += '\\';
      out += c;
    }
    return ok_status();
  }

  Status hexadecimal_escape(size_t begin, int count, std::string& out) {
    char32_t code = 0;
    for (int i = 0; i < count; ++i) {
      const char c = at_ < source_.size() ? source_[at_] : ' ';
      const bool lower = c >= 'a' && c <= 'f';
      if (!is_digit(c) && !lower && !(c >= 'A' && c <= 'F')) {
        return fail(begin, fmt::format("this escape needs {} hexadecimal digits", count));
      }
      const char base = is_digit(c) ? '0' : static_cast<char>(lower ? 'a' - 10 : 'A' - 10);
      code = code * 16 + static_cast<char32_t>(c - base);
      ++at_;
    }
    if (code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) {
      return fail(begin, "this escape is not a Unicode character",
                  "write characters beyond U+FFFF as \\UXXXXXXXX or as themselves");
    }
    append_utf8(out, code);
    return ok_status();
  }

  std::string_view source_;
  LexerOptions options_;
  size_t at_ = 0;
  std::vector<Token> tokens_;
};

}  // namespace

Result<std::vector<Token>> tokenize(std::string_view source, const LexerOptions& options) {
  return Lexer(source, options).run();
}

}  // namespace weft::text::jinja
