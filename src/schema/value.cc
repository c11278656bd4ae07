// SPDX-License-Identifier: Apache-2.0
#include "schema/value.h"

#include <charconv>
#include <cmath>
#include <functional>
#include <vector>

#include "base/strings.h"

namespace weft::schema {
namespace {

using Wide = __int128;

bool is_whole(const json::Value& value) { return value.is_int64() || value.is_uint64(); }

Wide whole(const json::Value& value) {
  return value.is_int64() ? Wide{value.get_int64()} : Wide{value.get_uint64()};
}

int sign_of(Wide number) { return number < 0 ? -1 : number > 0 ? 1 : 0; }

// Integer against double, exactly: doubles beyond 2^64 decide by magnitude, the others split into
// a whole part that fits and a fraction.
int compare_mixed(Wide integer, double number) {
  if (number >= 0x1p65) return -1;
  if (number <= -0x1p65) return 1;
  const double floor = std::floor(number);
  const int by_floor = sign_of(integer - static_cast<Wide>(floor));
  if (by_floor != 0) return by_floor;
  return number > floor ? -1 : 0;
}

// digits * 10^exponent, digits < 2^64, as the shortest decimal of the number says.
struct Decimal {
  uint64_t digits = 0;
  int exponent = 0;
};

Decimal decimal_of(const json::Value& value) {
  Decimal out;
  if (is_whole(value)) {
    const Wide number = whole(value);
    out.digits = static_cast<uint64_t>(number < 0 ? -number : number);
  } else {
    char buffer[64];
    const auto written = std::to_chars(buffer, buffer + sizeof(buffer),
                                       std::abs(value.get_double()), std::chars_format::scientific);
    bool fraction = false;
    const char* at = buffer;
    for (; at < written.ptr && *at != 'e'; ++at) {
      if (*at == '.') {
        fraction = true;
        continue;
      }
      out.digits = out.digits * 10 + static_cast<uint64_t>(*at - '0');
      if (fraction) --out.exponent;
    }
    int exponent = 0;
    at += at[1] == '+' ? 2 : 1;
    std::from_chars(at, written.ptr, exponent);
    out.exponent += exponent;
  }
  while (out.digits != 0 && out.digits % 10 == 0) {
    out.digits /= 10;
    ++out.exponent;
  }
  return out;
}

}  // namespace

bool is_number(const json::Value& value) { return value.is_number(); }

bool is_integer(const json::Value& value) {
  if (is_whole(value)) return true;
  if (!value.is_double()) return false;
  const double number = value.get_double();
  return std::isfinite(number) && number == std::floor(number);
}

int compare_numbers(const json::Value& a, const json::Value& b) {
  if (is_whole(a) && is_whole(b)) return sign_of(whole(a) - whole(b));
  if (is_whole(a)) return compare_mixed(whole(a), b.get_double());
  if (is_whole(b)) return -compare_mixed(whole(b), a.get_double());
  const double x = a.get_double();
  const double y = b.get_double();
  return x < y ? -1 : x > y ? 1 : 0;
}

// value = v * 10^p, divisor = d * 10^q, v and d without trailing zeros. For p >= q the quotient is
// an integer if d divides v * 10^(p-q), a modular power. For p < q it would need 10^(q-p) to
// divide v, which has no trailing zero.
bool is_multiple(const json::Value& value, const json::Value& divisor) {
  if (value.is_double() && !std::isfinite(value.get_double())) return false;
  const Decimal v = decimal_of(value);
  const Decimal d = decimal_of(divisor);
  if (v.digits == 0) return true;
  if (d.digits == 0 || v.exponent < d.exponent) return false;
  unsigned __int128 rest = v.digits % d.digits;
  for (int i = v.exponent - d.exponent; i > 0 && rest != 0; --i) rest = rest * 10 % d.digits;
  return rest == 0;
}

bool equal(const json::Value& a, const json::Value& b) {  // NOLINT(misc-no-recursion)
  if (a.is_number() && b.is_number()) return compare_numbers(a, b) == 0;
  if (a.kind() != b.kind()) return false;
  if (const auto* array = a.if_array()) {
    const auto& other = b.get_array();
    if (array->size() != other.size()) return false;
    for (size_t i = 0; i < array->size(); ++i) {
      if (!equal((*array)[i], other[i])) return false;
    }
    return true;
  }
  if (const auto* object = a.if_object()) {
    const auto& other = b.get_object();
    if (object->size() != other.size()) return false;
    for (const auto& member : *object) {
      const json::Value* twin = other.if_contains(member.key());
      if (!twin || !equal(member.value(), *twin)) return false;
    }
    return true;
  }
  return a == b;
}

size_t hash_of(const json::Value& value) {  // NOLINT(misc-no-recursion)
  const auto mix = [](size_t a, size_t b) {
    return (a ^ (b + 0x9E3779B97F4A7C15u + (a << 6) + (a >> 2))) * 0xFF51AFD7ED558CCDu;
  };
  switch (value.kind()) {
    case boost::json::kind::null: return 1;
    case boost::json::kind::bool_: return value.get_bool() ? 2 : 3;
    case boost::json::kind::int64:
      return mix(4, std::hash<double>{}(static_cast<double>(value.get_int64())));
    case boost::json::kind::uint64:
      return mix(4, std::hash<double>{}(static_cast<double>(value.get_uint64())));
    case boost::json::kind::double_: return mix(4, std::hash<double>{}(value.get_double()));
    case boost::json::kind::string:
      return mix(5, std::hash<std::string_view>{}(std::string_view(value.get_string())));
    case boost::json::kind::array: {
      size_t hash = 6;
      for (const json::Value& item : value.get_array()) hash = mix(hash, hash_of(item));
      return hash;
    }
    case boost::json::kind::object: {
      size_t sum = 7;  // order of members does not count
      for (const auto& member : value.get_object()) {
        sum += mix(std::hash<std::string_view>{}(std::string_view(member.key())),
                   hash_of(member.value()));
      }
      return sum;
    }
  }
  return 0;
}

bool deeper_than(const json::Value& value, size_t depth_max) {
  struct Open {
    const json::Value* value;
    size_t depth;
  };
  std::vector<Open> open = {{&value, 1}};
  while (!open.empty()) {
    const Open at = open.back();
    open.pop_back();
    if (!at.value->is_structured()) continue;
    if (at.depth > depth_max) return true;
    if (const auto* array = at.value->if_array()) {
      for (const json::Value& item : *array) {
        if (item.is_structured()) open.push_back({&item, at.depth + 1});
      }
    } else {
      for (const auto& member : at.value->get_object()) {
        if (member.value().is_structured()) open.push_back({&member.value(), at.depth + 1});
      }
    }
  }
  return false;
}

size_t weight(const json::Value& value) {
  size_t sum = 0;
  std::vector<const json::Value*> open = {&value};
  while (!open.empty()) {
    const json::Value& at = *open.back();
    open.pop_back();
    sum += 16;
    if (const auto* text = at.if_string()) sum += text->size();
    if (const auto* array = at.if_array()) {
      for (const json::Value& item : *array) open.push_back(&item);
    }
    if (const auto* object = at.if_object()) {
      for (const auto& member : *object) {
        sum += member.key().size();
        open.push_back(&member.value());
      }
    }
  }
  return sum;
}

std::string brief(const json::Value& value) {
  if (const auto* array = value.if_array()) return fmt::format("array of {} items", array->size());
  if (const auto* object = value.if_object()) {
    return fmt::format("object with {} members", object->size());
  }
  if (const auto* text = value.if_string()) return quoted(std::string_view(*text), 60);
  return json::dump(value);
}

}  // namespace weft::schema
