// SPDX-License-Identifier: Apache-2.0
#include "workflow/core_schema.h"

#include <charconv>

namespace weft::workflow {

using Kind = YamlTree::Kind;

namespace {

bool is_digits(std::string_view s, std::string_view digits) {
  return !s.empty() && s.find_first_not_of(digits) == std::string_view::npos;
}

constexpr std::string_view kDigits = "0123456789";

std::string_view without_sign(std::string_view s) {
  if (!s.empty() && (s[0] == '-' || s[0] == '+')) s.remove_prefix(1);
  return s;
}

// [-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?
bool is_core_float(std::string_view s) {
  s = without_sign(s);
  const size_t e = s.find_first_of("eE");
  if (e != std::string_view::npos && !is_digits(without_sign(s.substr(e + 1)), kDigits)) {
    return false;
  }
  s = s.substr(0, e);
  const size_t dot = s.find('.');
  const auto whole = s.substr(0, dot);
  const auto part = dot == std::string_view::npos ? std::string_view() : s.substr(dot + 1);
  if (!whole.empty() && !is_digits(whole, kDigits)) return false;
  if (!part.empty() && !is_digits(part, kDigits)) return false;
  return !whole.empty() || !part.empty();
}

}  // namespace

CoreInteger core_integer(std::string_view s) {
  CoreInteger out;
  out.negative = s.starts_with('-');
  s = without_sign(s);
  int base = 10;
  if (s.starts_with("0x") || s.starts_with("0o")) {
    base = s[1] == 'x' ? 16 : 8;
    s.remove_prefix(2);
  }
  const auto [end, error] = std::from_chars(s.data(), s.data() + s.size(), out.magnitude, base);
  out.fits = error == std::errc() && end == s.data() + s.size() &&
             (!out.negative || out.magnitude <= uint64_t{1} << 63);
  return out;
}

// The YAML 1.2 core schema (section 10.3.2 of the specification).
Kind core_kind(std::string_view s) {
  if (s.empty() || s == "~" || s == "null" || s == "Null" || s == "NULL") return Kind::kNull;
  for (const std::string_view word : {"true", "True", "TRUE", "false", "False", "FALSE"}) {
    if (s == word) return Kind::kBoolean;
  }
  const bool integer = is_digits(without_sign(s), kDigits) ||
                       (s.starts_with("0o") && is_digits(s.substr(2), "01234567")) ||
                       (s.starts_with("0x") && is_digits(s.substr(2), "0123456789abcdefABCDEF"));
  if (integer) return core_integer(s).fits ? Kind::kInteger : Kind::kText;
  if (is_core_float(s)) return Kind::kFloat;
  return Kind::kText;
}

bool is_core_infinity(std::string_view s) {
  const auto rest = without_sign(s);
  return rest == ".inf" || rest == ".Inf" || rest == ".INF" || s == ".nan" || s == ".NaN" ||
         s == ".NAN";
}

std::optional<double> core_double(std::string_view s) {
  if (s.starts_with('+')) s.remove_prefix(1);
  double number = 0;
  const auto [end, error] = std::from_chars(s.data(), s.data() + s.size(), number);
  if (error != std::errc() || end != s.data() + s.size()) return std::nullopt;
  return number;
}

}  // namespace weft::workflow
