// SPDX-License-Identifier: Apache-2.0
//
// Filters that convert values: default, tojson, int, float, round, abs, attr.
#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/strings.h"
#include "text/jinja_access.h"
#include "text/jinja_print.h"
#include "text/jinja_tables.h"

namespace weft::text::jinja {
namespace {

using Kind = Value::Kind;

Result<Value> default_value(const Call& call) {
  const bool also_false = flag_argument(call, 1, false);
  // A skipped step of a workflow is null; jinja2 asks for default(x, true) there, and so do we:
  // null is a value. Undefined members of null are undefined.
  const bool absent = call.self.is(Kind::kUndefined) || (also_false && !truth(call.self));
  if (!absent) return call.self;
  return call.bound[0] ? *call.bound[0] : Value::string(literal(""));
}

// Hugging Face's tojson: no HTML escapes, order of keys kept.
Result<Value> tojson(const Call& call) {
  // jinja2's own filter has one parameter, indent; Hugging Face's has it second.
  const size_t ascii = call.session.strict ? 1 : 0;
  JsonOptions options;
  options.ascii_only = flag_argument(call, ascii, false);
  options.sort_keys = flag_argument(call, 3, false);
  const Value* indent = call.bound[1 - ascii];
  if (indent && !indent->is(Kind::kNone)) {
    const int64_t width = TRY(integer_argument(call, 1 - ascii, 0));
    if (width < 0 || width > 100) return type_error("the indent of 'tojson' should be 0 to 100");
    options.indent = static_cast<int>(width);
    options.item_separator = ",";
  }
  const Value* separators = call.bound[2];
  MarkedText item_separator;
  MarkedText key_separator;
  if (separators && !separators->is(Kind::kNone)) {
    const bool pair = separators->is(Kind::kList) && separators->list().size() == 2 &&
                      separators->list().at(0).is(Kind::kString) &&
                      separators->list().at(1).is(Kind::kString);
    if (!pair) return type_error("the separators of 'tojson' should be two strings");
    item_separator = separators->list().at(0).string();
    key_separator = separators->list().at(1).string();
    options.item_separator = item_separator.text;
    options.key_separator = key_separator.text;
  }
  return Value::string(TRY(json_text(call.session.budget, call.self, options)));
}

// int(text, base) of Python: sign, digits, underscores between digits.
std::optional<int64_t> integer_of(std::string_view text, int base) {
  text = weft::trim(text);
  const bool minus = text.starts_with('-');
  if (minus || text.starts_with('+')) text.remove_prefix(1);
  std::string digits;
  if (base == 16 && (text.starts_with("0x") || text.starts_with("0X"))) text.remove_prefix(2);
  if (base == 8 && (text.starts_with("0o") || text.starts_with("0O"))) text.remove_prefix(2);
  if (base == 2 && (text.starts_with("0b") || text.starts_with("0B"))) text.remove_prefix(2);
  for (size_t i = 0; i < text.size(); ++i) {
    const bool between = i > 0 && i + 1 < text.size() && text[i - 1] != '_';
    if (text[i] == '_' && between) continue;
    digits += text[i];
  }
  uint64_t value = 0;
  const auto [end, ec] = std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
  if (digits.empty() || ec != std::errc() || end != digits.data() + digits.size()) return {};
  const uint64_t limit = static_cast<uint64_t>(INT64_MAX) + (minus ? 1 : 0);
  if (value > limit) return {};
  return minus ? static_cast<int64_t>(~value + 1) : static_cast<int64_t>(value);
}

// Beyond double's range: infinity, or zero when it is too small.
double beyond_double(const std::string& digits) {
  long double wide = 0;
  const auto [end, ec] = std::from_chars(digits.data(), digits.data() + digits.size(), wide);
  if (ec == std::errc()) return static_cast<double>(wide);
  const bool tiny =
      digits.find("e-") != std::string::npos || digits.find("E-") != std::string::npos;
  const double size = tiny ? 0 : HUGE_VAL;
  return digits.starts_with('-') ? -size : size;
}

// 10 to a whole power, |digits| <= 308.
double power_of_ten(int64_t digits) {
  const std::string text = fmt::format("1e{}", digits);
  double out = 0;
  std::from_chars(text.data(), text.data() + text.size(), out);
  return out;
}

std::optional<double> float_of(std::string_view text) {
  std::string digits;
  text = weft::trim(text);
  if (text.starts_with('+')) text.remove_prefix(1);
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '_' || i == 0 || i + 1 == text.size()) digits += text[i];
  }
  double value = 0;
  const auto [end, ec] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (end != digits.data() + digits.size() || digits.empty()) return {};
  if (ec == std::errc::result_out_of_range) return beyond_double(digits);
  if (ec != std::errc()) return {};
  return value;
}

std::optional<int64_t> truncated(double number) {
  if (!(number > -9.2233720368547758e18 && number < 9.2233720368547758e18)) return {};
  return static_cast<int64_t>(number);
}

// What jinja2 does silently (0 for what is no number) hides mistakes in a workflow: there it
// happens only when a default is given.
Result<Value> no_number(const Call& call, Value otherwise) {
  if (call.bound[0]) return *call.bound[0];
  if (!call.session.strict) return otherwise;
  const std::string shown = call.self.is(Kind::kString) ? quoted(call.self.string().text)
                                                        : std::string(described(call.self));
  return type_error(fmt::format("{} is not a number for '{}'", shown, call.name),
                    fmt::format("give a default: | {}(0)", call.name));
}

Result<Value> to_int(const Call& call) {
  const Value& self = call.self;
  std::optional<int64_t> out;
  switch (self.kind()) {
    case Kind::kInt:
    case Kind::kBig:
      return self;
    case Kind::kBool:
      return Value::integer(self.boolean() ? 1 : 0);
    case Kind::kFloat:
      out = truncated(self.number());
      break;
    case Kind::kString: {
      const int64_t base = TRY(integer_argument(call, 1, 10));
      if (base < 2 || base > 36) return type_error("the base of 'int' should be 2 to 36");
      out = integer_of(self.string().text, static_cast<int>(base));
      if (!out) {
        const auto number = float_of(self.string().text);
        if (number && std::isfinite(*number)) out = truncated(*number);
      }
      break;
    }
    default:
      break;
  }
  return out ? Result<Value>(Value::integer(*out)) : no_number(call, Value::integer(0));
}

Result<Value> to_float(const Call& call) {
  const Value& self = call.self;
  switch (self.kind()) {
    case Kind::kInt:
      return Value::number(static_cast<double>(self.integer()));
    case Kind::kBig:
      return Value::number(float_of(self.digits()).value_or(HUGE_VAL));
    case Kind::kBool:
      return Value::number(self.boolean() ? 1.0 : 0.0);
    case Kind::kFloat:
      return self;
    case Kind::kString:
      if (const auto number = float_of(self.string().text)) return Value::number(*number);
      break;
    default:
      break;
  }
  return no_number(call, Value::number(0.0));
}

Result<Value> absolute(const Call& call) {
  switch (call.self.kind()) {
    case Kind::kBool:
      return Value::integer(call.self.boolean() ? 1 : 0);
    case Kind::kFloat:
      return Value::number(std::fabs(call.self.number()));
    case Kind::kInt:
      return call.self.integer() < 0 ? negated(call.self) : call.self;
    case Kind::kBig:
      return call.self.digits()[0] == '-' ? negated(call.self) : call.self;
    default:
      return wrong_subject(call, "a number");
  }
}

// Correctly rounded in decimal, ties to even in binary's exact value, as Python's round().
double rounded(double number, int64_t digits) {
  if (!std::isfinite(number) || digits > 320) return number;
  if (digits >= 0) {
    return float_of(fmt::format("{:.{}f}", number, digits)).value_or(number);
  }
  if (digits < -308) return 0 * number;
  const double scale = power_of_ten(-digits);
  return std::nearbyint(number / scale) * scale;
}

Result<Value> round(const Call& call) {
  const int64_t digits = TRY(integer_argument(call, 0, 0));
  const std::string method = TRY(text_argument(call, 1, "common")).text;
  if (method != "common" && method != "ceil" && method != "floor") {
    return type_error(fmt::format("'round' does not know the method {}", quoted(method)),
                      "one of common, ceil, floor");
  }
  if (!call.self.is(Kind::kInt) && !call.self.is(Kind::kFloat) && !call.self.is(Kind::kBool)) {
    return wrong_subject(call, "a number");
  }
  if (method == "common") {
    if (call.self.is(Kind::kFloat)) return Value::number(rounded(call.self.number(), digits));
    const int64_t whole = call.self.is(Kind::kBool) ? call.self.boolean() : call.self.integer();
    if (digits >= 0) return Value::integer(whole);
    if (digits < -18) return Value::integer(0);
    int64_t scale = 1;
    for (int64_t i = 0; i < -digits; ++i) scale *= 10;
    const int64_t rest = ((whole % scale) + scale) % scale;
    const int64_t below = whole / scale - (whole % scale < 0 ? 1 : 0);  // scales that fit
    const bool up = rest > scale - rest || (rest == scale - rest && below % 2 != 0);
    return arithmetic(call.session, Op::kMultiply, Value::integer(below + (up ? 1 : 0)),
                      Value::integer(scale));
  }
  const double number = call.self.is(Kind::kFloat)
                            ? call.self.number()
                            : static_cast<double>(call.self.is(Kind::kBool) ? call.self.boolean()
                                                                            : call.self.integer());
  if (digits > 300 || digits < -300) return type_error("the precision of 'round' is out of range");
  const double scale = power_of_ten(digits);
  const double scaled = number * scale;
  return Value::number((method == "ceil" ? std::ceil(scaled) : std::floor(scaled)) / scale);
}

Result<Value> attr(const Call& call) {
  const std::string name = TRY(text_argument(call, 0, "")).text;
  return attribute_of(call.self, name, name);
}

// The two orders of parameters of tojson.
constexpr Parameters kTemplateJson = {"ensure_ascii", "indent", "separators", "sort_keys"};
constexpr Parameters kWorkflowJson = {"indent", "ensure_ascii", "separators", "sort_keys"};

Result<Value> tojson_bound(const Call& call) {
  Call bound = call;
  bound.bound = TRY(jinja::bind(call.arguments, call.session.strict ? kWorkflowJson : kTemplateJson,
                                "filter 'tojson'"));
  return tojson(bound);
}

constexpr Entry kValueFilters[] = {
    {"default", default_value, {"default_value", "boolean"}},
    {"d", default_value, {"default_value", "boolean"}},
    {"int", to_int, {"default", "base"}},
    {"float", to_float, {"default"}},
    {"abs", absolute},
    {"round", round, {"precision", "method"}},
    {"attr", attr, {"name"}},
    {"tojson", tojson_bound, {}, true},
};

}  // namespace

std::span<const Entry> value_filters() {
  return kValueFilters;
}

}  // namespace weft::text::jinja
