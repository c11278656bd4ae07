// SPDX-License-Identifier: Apache-2.0
#include "text/jinja_access.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/strings.h"

namespace weft::text::jinja {

using Kind = Value::Kind;

namespace {

Value missing(const Value& value, std::string_view name, std::string_view path) {
  std::string what = path.empty() ? quoted(name) : quoted(path);
  std::string hint;
  if (value.is(Kind::kDict)) {
    const std::vector<std::string> names = value.dict().names();
    hint = names.empty() ? "the map is empty" : name_hint(name, names);
  } else {
    hint = fmt::format("it is looked for in {}", described(value));
  }
  return Value::undefined(fmt::format("{} is undefined", what), std::move(hint));
}

Value loop_member(const Loop& loop, std::string_view name) {
  const auto count = static_cast<int64_t>(loop.items.size());
  const auto index = static_cast<int64_t>(loop.index);
  if (name == "index") return Value::integer(index + 1);
  if (name == "index0") return Value::integer(index);
  if (name == "revindex") return Value::integer(count - index);
  if (name == "revindex0") return Value::integer(count - index - 1);
  if (name == "first") return Value::boolean(index == 0);
  if (name == "last") return Value::boolean(index + 1 == count);
  if (name == "length") return Value::integer(count);
  if (name == "depth") return Value::integer(loop.depth);
  if (name == "depth0") return Value::integer(loop.depth - 1);
  if (name == "previtem" && index > 0) return loop.items[loop.index - 1];
  if (name == "nextitem" && index + 1 < count) return loop.items[loop.index + 1];
  if (name == "previtem" || name == "nextitem") {
    return Value::undefined(fmt::format("there is no loop.{} here", name));
  }
  static const std::vector<std::string> kMembers = {
      "index", "index0", "revindex", "revindex0", "first", "last",   "length",
      "depth", "depth0", "previtem", "nextitem",  "cycle", "changed"};
  return Value::undefined(fmt::format("'loop.{}' is undefined", name), name_hint(name, kMembers));
}

Error undefined_error(const Value& value) {
  return make_error("E0132", value.undefined().message, value.undefined().hint);
}

}  // namespace

Result<Value> attribute_of(const Value& value, std::string_view name, std::string_view path) {
  Value out;
  switch (value.kind()) {
    case Kind::kUndefined:
      return undefined_error(value);
    case Kind::kDict:
      if (value.dict().find(name, out)) return out;
      break;
    case Kind::kNamespace:
      for (const auto& [member, content] : value.space().members) {
        if (member == name) return content;
      }
      break;
    case Kind::kLoop:
      return loop_member(value.loop(), name);
    case Kind::kMacro:
      if (name == "name") return Value::string(literal(value.macro()->text));
      break;
    default:
      break;
  }
  return missing(value, name, path);
}

Result<Value> subscript_of(const Value& value, const Value& key, std::string_view path) {
  if (value.is(Kind::kUndefined)) return undefined_error(value);
  if (key.is(Kind::kUndefined)) return undefined_error(key);
  if (value.is(Kind::kDict)) {
    Value out;
    if (value.dict().find(key, out)) return out;
    if (key.is(Kind::kString)) return missing(value, key.string().text, path);
    return Value::undefined("the map has no such key");
  }
  const bool sequence = value.is(Kind::kList) || value.is(Kind::kString);
  if (sequence && (key.is(Kind::kInt) || key.is(Kind::kBool))) {
    const auto size = static_cast<int64_t>(value.is(Kind::kList) ? value.list().size()
                                                                 : length_of(value.string().text));
    const int64_t wanted = key.is(Kind::kInt) ? key.integer() : (key.boolean() ? 1 : 0);
    const int64_t index = wanted < 0 ? wanted + size : wanted;
    if (index < 0 || index >= size) {
      return Value::undefined(
          fmt::format("{} has no element {}", path.empty() ? "the list" : quoted(path), wanted),
          fmt::format("it has {} elements", size));
    }
    if (value.is(Kind::kList)) return value.list().at(static_cast<size_t>(index));
    const MarkedText& text = value.string();
    const size_t begin = offset_of(text.text, static_cast<size_t>(index));
    return Value::string(slice(text, begin, begin + code_point_at(text.text, begin).bytes));
  }
  if (key.is(Kind::kString)) return attribute_of(value, key.string().text, path);
  return Value::undefined(
      fmt::format("{} has no element for {}", described(value), described(key)));
}

Result<Value> slice_of(Session& session, const Value& value, const SliceBounds& bounds) {
  if (value.is(Kind::kUndefined)) return undefined_error(value);
  if (!value.is(Kind::kList) && !value.is(Kind::kString)) {
    return type_error(fmt::format("{} cannot be sliced", described(value)),
                      "lists and strings can");
  }
  const bool is_list = value.is(Kind::kList);
  const std::vector<size_t> offsets =
      is_list ? std::vector<size_t>() : offsets_of(value.string().text);
  const auto size = static_cast<int64_t>(is_list ? value.list().size() : offsets.size() - 1);
  const int64_t step = bounds.step.value_or(1);
  if (step == 0) return type_error("the step of a slice is zero");
  TRY(session.budget.pay_steps(static_cast<uint64_t>(size)));
  // Python: bounds are clipped to the sequence; a negative step walks from the end.
  const int64_t low = step < 0 ? -1 : 0;
  const int64_t high = step < 0 ? size - 1 : size;
  const auto clip = [&](std::optional<int64_t> bound, int64_t otherwise) {
    if (!bound) return otherwise;
    return std::clamp(*bound < 0 ? *bound + size : *bound, low, high);
  };
  const int64_t start = clip(bounds.start, step < 0 ? high : low);
  const int64_t stop = clip(bounds.stop, step < 0 ? low : high);
  const auto inside = [&](int64_t i) { return step > 0 ? i < stop : i > stop; };
  // A step beyond the size visits one element; clipped, so that the index cannot overflow.
  const int64_t stride = std::clamp(step, -size - 1, size + 1);
  if (is_list) {
    std::vector<Value> items;
    for (int64_t i = start; inside(i); i += stride) {
      items.push_back(value.list().at(static_cast<size_t>(i)));
    }
    return List::make(std::move(items), value.list().is_tuple());
  }
  TRY(session.budget.pay_bytes(value.string().text.size()));
  MarkedText out;
  const auto at = [&](int64_t i) { return offsets[static_cast<size_t>(i)]; };
  if (stride == 1) {
    if (start < stop) append_slice(out, value.string(), at(start), at(stop));
    return Value::string(std::move(out));
  }
  for (int64_t i = start; inside(i); i += stride) {
    append_slice(out, value.string(), at(i), at(i + 1));
  }
  return Value::string(std::move(out));
}

namespace {

std::string_view symbol_of(Op op) {
  switch (op) {
    case Op::kAdd:
      return "+";
    case Op::kSubtract:
      return "-";
    case Op::kMultiply:
      return "*";
    case Op::kDivide:
      return "/";
    case Op::kFloorDivide:
      return "//";
    case Op::kModulo:
      return "%";
    case Op::kPower:
      return "**";
    default:
      return "?";
  }
}

Error overflow(Op op) {
  return type_error(fmt::format("the result of '{}' does not fit a 64-bit integer", symbol_of(op)),
                    "use floats: | float");
}

Result<int64_t> integer_power(int64_t base, int64_t exponent) {
  int64_t result = 1;
  while (exponent > 0) {
    if ((exponent & 1) != 0 && __builtin_mul_overflow(result, base, &result)) {
      return overflow(Op::kPower);
    }
    exponent >>= 1;
    if (exponent > 0 && __builtin_mul_overflow(base, base, &base)) return overflow(Op::kPower);
  }
  return result;
}

// Whole exponents by squaring in 64 bits of mantissa, and the square root: what needs no libm,
// whose last bit differs between machines.
Result<Value> float_power(double base, double exponent) {
  if (base == 0 && exponent < 0) return type_error("zero to a negative power");
  if (exponent == 0.5 && base >= 0) return Value::number(std::sqrt(base));
  if (exponent != std::floor(exponent) || std::fabs(exponent) > 1e6) {
    return type_error("'**' takes whole exponents up to a million, and 0.5");
  }
  long double result = 1;
  long double square = base;
  for (auto left = static_cast<int64_t>(std::fabs(exponent)); left > 0; left >>= 1) {
    if ((left & 1) != 0) result *= square;
    square *= square;
  }
  const auto out = static_cast<double>(exponent < 0 ? 1 / result : result);
  if (std::isinf(out) && std::isfinite(base)) {
    return type_error("the result of '**' is too large");
  }
  return Value::number(out);
}

Result<Value> integer_arithmetic(Op op, int64_t a, int64_t b) {
  int64_t out = 0;
  const bool divides = op == Op::kDivide || op == Op::kFloorDivide || op == Op::kModulo;
  if (divides && b == 0) return type_error("division by zero");
  switch (op) {
    case Op::kAdd:
      if (__builtin_add_overflow(a, b, &out)) return overflow(op);
      return Value::integer(out);
    case Op::kSubtract:
      if (__builtin_sub_overflow(a, b, &out)) return overflow(op);
      return Value::integer(out);
    case Op::kMultiply:
      if (__builtin_mul_overflow(a, b, &out)) return overflow(op);
      return Value::integer(out);
    case Op::kDivide:
      // Through 64 bits of mantissa: rounded once, as Python does, for all but huge operands.
      return Value::number(static_cast<double>(static_cast<long double>(a) / b));
    case Op::kFloorDivide:
      if (b == -1)
        return __builtin_sub_overflow(int64_t{0}, a, &out) ? Result<Value>(overflow(op))
                                                           : Value::integer(out);
      return Value::integer(a / b - ((a % b != 0 && (a < 0) != (b < 0)) ? 1 : 0));
    case Op::kModulo:
      if (b == -1) return Value::integer(0);
      out = a % b;
      return Value::integer(out != 0 && (out < 0) != (b < 0) ? out + b : out);
    default:
      break;
  }
  if (b >= 0) return Value::integer(TRY(integer_power(a, b)));
  return float_power(static_cast<double>(a), static_cast<double>(b));
}

Result<Value> float_arithmetic(Op op, double a, double b) {
  const bool divides = op == Op::kDivide || op == Op::kFloorDivide || op == Op::kModulo;
  if (divides && b == 0) return type_error("division by zero");
  switch (op) {
    case Op::kAdd:
      return Value::number(a + b);
    case Op::kSubtract:
      return Value::number(a - b);
    case Op::kMultiply:
      return Value::number(a * b);
    case Op::kDivide:
      return Value::number(a / b);
    case Op::kModulo:
    case Op::kFloorDivide: {
      // CPython's float_divmod: the remainder has the sign of the divisor.
      double rest = std::fmod(a, b);
      double quotient = (a - rest) / b;
      if (rest != 0) {
        if ((b < 0) != (rest < 0)) {
          rest += b;
          quotient -= 1;
        }
      } else {
        rest = std::copysign(0.0, b);
      }
      if (op == Op::kModulo) return Value::number(rest);
      double floored = std::floor(quotient);
      if (quotient - floored > 0.5) floored += 1;
      return Value::number(quotient == 0 ? std::copysign(0.0, a / b) : floored);
    }
    default:
      break;
  }
  return float_power(a, b);
}

Result<Value> repeated(Session& session, const Value& value, int64_t count) {
  const auto times = static_cast<uint64_t>(std::max<int64_t>(count, 0));
  const uint64_t size = value.is(Kind::kList) ? value.list().size() : value.string().text.size();
  uint64_t total = 0;
  if (__builtin_mul_overflow(times, size, &total)) total = UINT64_MAX;
  TRY(session.budget.pay_string(total));
  if (value.is(Kind::kString)) {
    MarkedText out;
    for (uint64_t i = 0; i < times && size > 0; ++i) append(out, value.string());
    return Value::string(std::move(out));
  }
  TRY(session.budget.pay_steps(total));
  std::vector<Value> items;
  const std::vector<Value> once = value.list().items();
  for (uint64_t i = 0; i < times && size > 0; ++i)
    items.insert(items.end(), once.begin(), once.end());
  return List::make(std::move(items), value.list().is_tuple());
}

Result<Value> joined(Session& session, const Value& a, const Value& b) {
  if (a.is(Kind::kString)) {
    TRY(session.budget.pay_string(a.string().text.size() + b.string().text.size()));
    MarkedText out = a.string();
    append(out, b.string());
    return Value::string(std::move(out));
  }
  TRY(session.budget.pay_steps(a.list().size() + b.list().size()));
  std::vector<Value> items = a.list().items();
  for (Value& item : b.list().items()) items.push_back(std::move(item));
  return List::make(std::move(items), a.list().is_tuple());
}

bool numeric(const Session& session, const Value& value) {
  return value.is(Kind::kInt) || value.is(Kind::kFloat) ||
         (value.is(Kind::kBool) && !session.strict);
}
int64_t whole(const Value& value) {
  return value.is(Kind::kBool) ? static_cast<int64_t>(value.boolean()) : value.integer();
}
double as_double(const Value& value) {
  if (value.is(Kind::kFloat)) return value.number();
  return static_cast<double>(value.is(Kind::kBool) ? value.boolean() : value.integer());
}

}  // namespace

Result<Value> arithmetic(Session& session, Op op, const Value& a, const Value& b) {
  if (a.is(Kind::kUndefined)) return undefined_error(a);
  if (b.is(Kind::kUndefined)) return undefined_error(b);
  if (numeric(session, a) && numeric(session, b)) {
    if (a.is(Kind::kFloat) || b.is(Kind::kFloat)) {
      return float_arithmetic(op, as_double(a), as_double(b));
    }
    return integer_arithmetic(op, whole(a), whole(b));
  }
  const bool texts = a.is(Kind::kString) && b.is(Kind::kString);
  const bool lists =
      a.is(Kind::kList) && b.is(Kind::kList) && a.list().is_tuple() == b.list().is_tuple();
  if (op == Op::kAdd && (texts || lists)) return joined(session, a, b);
  const auto sequence = [](const Value& v) { return v.is(Kind::kString) || v.is(Kind::kList); };
  const auto counts = [&](const Value& v) { return numeric(session, v) && !v.is(Kind::kFloat); };
  if (op == Op::kMultiply && sequence(a) && counts(b)) return repeated(session, a, whole(b));
  if (op == Op::kMultiply && counts(a) && sequence(b)) return repeated(session, b, whole(a));
  if (op == Op::kModulo && a.is(Kind::kString)) {
    Arguments arguments;
    arguments.positional =
        b.is(Kind::kList) && b.list().is_tuple() ? b.list().items() : std::vector<Value>{b};
    return apply_filter(session, "format", a, arguments);
  }
  const bool text = a.is(Kind::kString) || b.is(Kind::kString);
  return type_error(
      fmt::format("'{}' between {} and {}", symbol_of(op), described(a), described(b)),
      text && op == Op::kAdd ? "join text with ~, which converts" : "");
}

Result<Value> negated(const Value& value) {
  if (value.is(Kind::kUndefined)) return undefined_error(value);
  if (value.is(Kind::kFloat)) return Value::number(-value.number());
  if (value.is(Kind::kBool)) return Value::integer(value.boolean() ? -1 : 0);
  if (value.is(Kind::kInt)) return integer_arithmetic(Op::kSubtract, 0, value.integer());
  if (value.is(Kind::kBig)) {
    if (value.digits() == "9223372036854775808") return Value::integer(INT64_MIN);
    return Value::big(value.digits()[0] == '-' ? value.digits().substr(1) : "-" + value.digits());
  }
  return type_error(fmt::format("{} cannot be negated", described(value)));
}

Result<Value> attribute_path(const Value& value, const Value& path) {
  if (!path.is(Kind::kString)) return subscript_of(value, path, {});
  Value current = value;
  for (const std::string_view part : split(path.string().text, '.')) {
    const bool index =
        !part.empty() && part.size() < 10 &&
        std::all_of(part.begin(), part.end(), [](char c) { return c >= '0' && c <= '9'; });
    if (index) {
      int64_t number = 0;
      std::from_chars(part.data(), part.data() + part.size(), number);
      current = TRY(subscript_of(current, Value::integer(number), {}));
    } else {
      current = TRY(attribute_of(current, part, path.string().text));
    }
  }
  return current;
}

}  // namespace weft::text::jinja
