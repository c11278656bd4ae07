// SPDX-License-Identifier: Apache-2.0
#include "security/redaction.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/strings.h"

namespace weft::security {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_word_character(char c) { return is_digit(c) || is_letter(c) || c == '_'; }
bool is_local(char c) {
  return is_word_character(c) || c == '.' || c == '%' || c == '+' || c == '-';
}
bool is_domain(char c) { return is_digit(c) || is_letter(c) || c == '.' || c == '-'; }

// What was found: how many characters from where, 0: nothing.
struct Span {
  size_t begin = 0;
  size_t length = 0;
};

// Around the @ at `at`: a local part, a domain with a dot and letters behind the last.
Span email_around(std::string_view text, size_t at, size_t from) {
  size_t begin = at;
  while (begin > from && is_local(text[begin - 1])) --begin;
  size_t end = at + 1;
  while (end < text.size() && is_domain(text[end])) ++end;
  // Up to the letters behind the last dot that has some.
  for (size_t dot = end - 1; dot > at + 1; --dot) {
    if (text[dot] != '.') continue;
    size_t top = dot + 1;
    while (top < end && is_letter(text[top])) ++top;
    if (top - dot > 2 && begin < at) return {begin, top - begin};
  }
  return {};
}

// Digits from `at` on, with single separators between them that `separates` names.
struct Digits {
  std::string digits;
  std::vector<size_t> ends;  // behind each digit, in the text
  size_t groups = 1;
};
Digits digits_at(std::string_view text, size_t at, std::string_view separates, size_t digits_max) {
  Digits out;
  bool gap = false;
  for (size_t i = at; i < text.size() && out.digits.size() < digits_max; ++i) {
    if (is_digit(text[i])) {
      if (std::exchange(gap, false)) ++out.groups;
      out.digits += text[i];
      out.ends.push_back(i + 1);
    } else if (!gap && !out.digits.empty() && separates.find(text[i]) != separates.npos) {
      gap = true;
    } else {
      break;
    }
  }
  return out;
}

bool ends_there(std::string_view text, size_t end) {
  return end >= text.size() || !is_word_character(text[end]);
}

bool luhn(std::string_view digits) {
  int sum = 0;
  for (size_t i = 0; i < digits.size(); ++i) {
    int digit = digits[digits.size() - 1 - i] - '0';
    if (i % 2 == 1) digit = digit * 2 > 9 ? digit * 2 - 9 : digit * 2;
    sum += digit;
  }
  return sum % 10 == 0;
}

// The longest number from 19 digits down to 13 that is one.
Span card_at(std::string_view text, size_t at) {
  const Digits found = digits_at(text, at, " -", 20);
  for (size_t count = std::min<size_t>(found.digits.size(), 19); count >= 13; --count) {
    const size_t end = found.ends[count - 1];
    const bool zeros = found.digits.find_first_not_of('0') == std::string::npos;
    if (ends_there(text, end) && !zeros && luhn(std::string_view(found.digits).substr(0, count))) {
      return {at, end - at};
    }
  }
  return {};
}

// YYMMDD-SNNNNNN with a day that exists and S from 1 to 8 (9 and 0: born before 1900).
Span resident_number_at(std::string_view text, size_t at) {
  const Digits found = digits_at(text, at, "-", 14);
  if (found.digits.size() != 13 || found.groups > 2) return {};
  if (found.groups == 2 && found.ends[5] - at != 6) return {};
  const auto two = [&](size_t i) {
    return (found.digits[i] - '0') * 10 + (found.digits[i + 1] - '0');
  };
  const int month = two(2);
  const int day = two(4);
  if (month < 1 || month > 12 || day < 1 || day > 31) return {};
  const size_t end = found.ends.back();
  return ends_there(text, end) ? Span{at, end - at} : Span{};
}

// "+82 10 1234 5678", "010-1234-5678", "(02) 123 4567", "555-123-4567".
Span phone_at(std::string_view text, size_t at) {
  const bool plus = text[at] == '+';
  const bool open = text[at] == '(';
  size_t begin = at + (plus || open ? 1 : 0);
  if (begin >= text.size() || !is_digit(text[begin])) return {};
  std::string digits;
  std::vector<size_t> groups{0};
  size_t end = begin;
  for (size_t i = begin; i < text.size() && digits.size() < 16; ++i) {
    if (is_digit(text[i])) {
      digits += text[i];
      ++groups.back();
      end = i + 1;
    } else if (std::string_view(" -.()/").find(text[i]) != std::string_view::npos && i - end < 2) {
      if (groups.back() > 0) groups.push_back(0);
    } else {
      break;
    }
  }
  if (groups.back() == 0) groups.pop_back();
  if (!ends_there(text, end) || digits.size() < 8 || digits.size() > 15) return {};
  const bool national = digits[0] == '0' && digits.size() >= 9 && digits.size() <= 12;
  const bool american = groups == std::vector<size_t>{3, 3, 4};
  if (!plus && !national && !american) return {};
  return {at, end - at};
}

Span pattern_at(std::string_view text, size_t at, std::string_view pattern) {
  if (text.size() - at < pattern.size()) return {};
  for (size_t i = 0; i < pattern.size(); ++i) {
    const char c = text[at + i];
    const bool fits = pattern[i] == '#' ? is_digit(c) : pattern[i] == '@' ? is_letter(c)
                                                                          : c == pattern[i];
    if (!fits) return {};
  }
  return ends_there(text, at + pattern.size()) ? Span{at, pattern.size()} : Span{};
}

struct Finding {
  Span span;
  std::string_view word;
};

// What begins at `at`, the most certain first; an e-mail address is found at its @.
Finding finding_at(std::string_view text, size_t at, size_t from, const Redaction& what) {
  if (what.email && text[at] == '@') {
    if (const Span span = email_around(text, at, from); span.length > 0) return {span, "[email]"};
  }
  const bool inside = at > from && is_word_character(text[at - 1]);
  if (inside) return {};
  for (const std::string& pattern : what.patterns) {
    if (const Span span = pattern_at(text, at, pattern); span.length > 0) {
      return {span, "[redacted]"};
    }
  }
  if (is_digit(text[at])) {
    if (what.resident_number) {
      if (const Span span = resident_number_at(text, at); span.length > 0) {
        return {span, "[resident number]"};
      }
    }
    if (what.card) {
      if (const Span span = card_at(text, at); span.length > 0) return {span, "[card]"};
    }
  }
  if (what.phone && (is_digit(text[at]) || text[at] == '+' || text[at] == '(')) {
    if (const Span span = phone_at(text, at); span.length > 0) return {span, "[phone]"};
  }
  return {};
}

}  // namespace

Status check_pattern(std::string_view pattern) {
  constexpr size_t kCharactersMin = 4;
  constexpr size_t kCharactersMax = 100;
  const bool printable = std::all_of(pattern.begin(), pattern.end(), [](char c) {
    return c >= ' ' && c < 0x7f && c != '"' && c != '\\';
  });
  if (pattern.size() >= kCharactersMin && pattern.size() <= kCharactersMax && printable &&
      pattern.find_first_of("#@") != pattern.npos) {
    return ok_status();
  }
  return make_error("E0768", fmt::format("the pattern {} is none", quoted(pattern)),
                    "4 to 100 ASCII characters, # for a digit and @ for a letter: EMP-#####");
}

std::string redacted(std::string_view text, const Redaction& what) {
  std::string out;
  size_t from = 0;  // of what has not been copied; nothing before it is looked at again
  for (size_t at = 0; at < text.size(); ++at) {
    const Finding finding = finding_at(text, at, from, what);
    if (finding.span.length == 0) continue;
    out += text.substr(from, finding.span.begin - from);
    out += finding.word;
    from = finding.span.begin + finding.span.length;
    at = from - 1;
  }
  out += text.substr(from);
  return out;
}

std::string redacted_json(std::string_view json, const Redaction& what) {
  std::string out;
  out.reserve(json.size());
  size_t at = 0;
  while (at < json.size()) {
    const size_t quote = json.find('"', at);
    if (quote == json.npos) break;
    out += json.substr(at, quote + 1 - at);
    at = quote + 1;
    // Between escapes, so that none is torn apart.
    for (;;) {
      const size_t stop = std::min(json.find_first_of("\"\\\n", at), json.size());
      out += redacted(json.substr(at, stop - at), what);
      at = stop;
      if (at >= json.size() || json[at] != '\\') break;
      const size_t escape = at + 1 < json.size() && json[at + 1] == 'u' ? 6 : 2;
      out += json.substr(at, escape);
      at = std::min(at + escape, json.size());
    }
    if (at < json.size()) out += json[at++];
  }
  if (at < json.size()) out += json.substr(at);
  return out;
}

}  // namespace weft::security
