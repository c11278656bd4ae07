// SPDX-License-Identifier: Apache-2.0
#include "text/jinja_compare.h"

#include <fmt/core.h>

#include <charconv>
#include <cmath>

namespace weft::text::jinja {
namespace {

using Kind = Value::Kind;

bool is_numeric(const Value& value) {
  return value.is_number() || value.is(Kind::kBool);
}

// Compares digit strings of integers beyond 64 bits.
int order_digits(const std::string& a, const std::string& b) {
  const bool minus_a = a[0] == '-';
  const bool minus_b = b[0] == '-';
  if (minus_a != minus_b) return minus_a ? -1 : 1;
  const int sign = minus_a ? -1 : 1;
  if (a.size() != b.size()) return a.size() < b.size() ? -sign : sign;
  return a == b ? 0 : (a < b ? -sign : sign);
}

std::string digits_of(const Value& value) {
  if (value.is(Kind::kBig)) return value.digits();
  if (value.is(Kind::kBool)) return value.boolean() ? "1" : "0";
  return std::to_string(value.integer());
}

// 64 bits of mantissa hold every int64 and every double exactly.
long double wide(const Value& value) {
  if (value.is(Kind::kFloat)) return value.number();
  if (value.is(Kind::kBool)) return value.boolean() ? 1 : 0;
  return static_cast<long double>(value.integer());
}

// A big integer against a float: by the nearest double, the sign when that is out of range.
long double wide_big(const Value& value) {
  if (!value.is(Kind::kBig)) return wide(value);
  long double out = 0;
  const std::string& digits = value.digits();
  std::from_chars(digits.data(), digits.data() + digits.size(), out);
  return out;
}

int order_numbers(const Value& a, const Value& b, bool* unordered) {
  const bool has_float = a.is(Kind::kFloat) || b.is(Kind::kFloat);
  const bool has_big = a.is(Kind::kBig) || b.is(Kind::kBig);
  if (has_big && !has_float) return order_digits(digits_of(a), digits_of(b));
  const long double x = wide_big(a);
  const long double y = wide_big(b);
  if (std::isnan(x) || std::isnan(y)) {
    *unordered = true;
    return 1;
  }
  return x < y ? -1 : (x > y ? 1 : 0);
}

// Types as strict comparison sees them: int and float are one.
Kind comparable_kind(const Value& value) {
  return value.is_number() ? Kind::kFloat : value.kind();
}

// NOLINTNEXTLINE(misc-no-recursion)
Result<bool> equal_lists(Budget& budget, const List& a, const List& b) {
  if (a.size() != b.size() || a.is_tuple() != b.is_tuple()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (!TRY(equal(budget, a.at(i), b.at(i)))) return false;
  }
  return true;
}

// NOLINTNEXTLINE(misc-no-recursion)
Result<bool> equal_dicts(Budget& budget, const Dict& a, const Dict& b) {
  if (a.size() != b.size()) return false;
  for (const Dict::Item& item : a.items()) {
    Value other;
    if (!b.find(item.first, other)) return false;
    if (!TRY(equal(budget, item.second, other))) return false;
  }
  return true;
}

}  // namespace

// NOLINTNEXTLINE(misc-no-recursion)
Result<bool> equal(Budget& budget, const Value& a, const Value& b, CompareOptions options) {
  TRY(budget.pay_steps(1));
  if (options.strict && comparable_kind(a) != comparable_kind(b)) {
    const bool none = a.is(Kind::kNone) || b.is(Kind::kNone);
    return type_error(
        fmt::format("{} is compared with {}", described(a), described(b)),
        none ? "test for null with 'is none'" : "convert one side: | int, | float or | string");
  }
  if (is_numeric(a) && is_numeric(b)) {
    bool unordered = false;
    return order_numbers(a, b, &unordered) == 0;
  }
  if (a.kind() != b.kind()) return false;
  switch (a.kind()) {
    case Kind::kUndefined:
    case Kind::kNone:
      return true;
    case Kind::kString:
      return a.string().text == b.string().text;
    case Kind::kList:
      return equal_lists(budget, a.list(), b.list());
    case Kind::kDict:
      return equal_dicts(budget, a.dict(), b.dict());
    case Kind::kNamespace:
      return &a.space() == &b.space();
    case Kind::kLoop:
      return &a.loop() == &b.loop();
    case Kind::kMacro:
      return a.macro() == b.macro();
    case Kind::kFunction:
      return a.function() == b.function();
    default:
      return false;
  }
}

// NOLINTNEXTLINE(misc-no-recursion)
Result<int> order(Budget& budget, const Value& a, const Value& b, bool* unordered) {
  TRY(budget.pay_steps(1));
  bool ignored = false;
  if (unordered == nullptr) unordered = &ignored;
  if (is_numeric(a) && is_numeric(b)) return order_numbers(a, b, unordered);
  if (a.is(Kind::kString) && b.is(Kind::kString)) {
    // UTF-8 sorts by bytes as by code points.
    const int sign = a.string().text.compare(b.string().text);
    return sign < 0 ? -1 : (sign > 0 ? 1 : 0);
  }
  if (a.is(Kind::kList) && b.is(Kind::kList) && a.list().is_tuple() == b.list().is_tuple()) {
    const size_t common = std::min(a.list().size(), b.list().size());
    for (size_t i = 0; i < common; ++i) {
      const Value x = a.list().at(i);
      const Value y = b.list().at(i);
      if (TRY(equal(budget, x, y))) continue;
      return order(budget, x, y, unordered);
    }
    if (a.list().size() == b.list().size()) return 0;
    return a.list().size() < b.list().size() ? -1 : 1;
  }
  return type_error(fmt::format("{} and {} have no order", described(a), described(b)),
                    "numbers, strings and lists of them have one");
}

Result<bool> contains(Budget& budget, const Value& container, const Value& item) {
  switch (container.kind()) {
    case Kind::kUndefined:
      return false;
    case Kind::kString:
      if (!item.is(Kind::kString)) {
        return type_error(fmt::format("'in' a string needs a string, found {}", described(item)));
      }
      TRY(budget.pay_search(container.string().text.size()));
      return find_text(container.string().text, item.string().text) != std::string::npos;
    case Kind::kList:
      for (size_t i = 0; i < container.list().size(); ++i) {
        if (TRY(equal(budget, container.list().at(i), item))) return true;
      }
      return false;
    case Kind::kDict: {
      Value ignored;
      return container.dict().find(item, ignored);
    }
    default:
      return type_error(
          fmt::format("'in' needs a list, a map or a string, found {}", described(container)));
  }
}

}  // namespace weft::text::jinja
