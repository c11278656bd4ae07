// SPDX-License-Identifier: Apache-2.0
//
// The tests behind `is`.
#include <fmt/core.h>

#include <algorithm>

#include "base/strings.h"
#include "text/jinja_access.h"
#include "text/jinja_compare.h"
#include "text/jinja_parser.h"
#include "text/jinja_print.h"
#include "text/jinja_session.h"

namespace weft::text::jinja {
namespace {

using Kind = Value::Kind;

struct Test {
  std::string_view name;
  Result<bool> (*function)(Session& session, const Value& self, const Value& other);
  bool binary = false;
};

template <Kind kind>
Result<bool> is_kind(Session&, const Value& self, const Value&) {
  return self.is(kind);
}
template <bool wanted>
Result<bool> is_boolean(Session&, const Value& self, const Value&) {
  return self.is(Kind::kBool) && self.boolean() == wanted;
}

Result<bool> defined(Session&, const Value& self, const Value&) {
  return !self.is(Kind::kUndefined);
}
Result<bool> integer(Session&, const Value& self, const Value&) {
  return self.is(Kind::kInt) || self.is(Kind::kBig);
}
Result<bool> number(Session& session, const Value& self, const Value&) {
  return self.is_number() || (self.is(Kind::kBool) && !session.strict);
}
// As in Python a map counts as a sequence for jinja2: it has a length and subscripts.
Result<bool> sequence(Session&, const Value& self, const Value&) {
  return self.is(Kind::kList) || self.is(Kind::kString) || self.is(Kind::kDict) ||
         self.is(Kind::kUndefined);
}
Result<bool> iterable(Session&, const Value& self, const Value&) {
  return self.is(Kind::kList) || self.is(Kind::kString) || self.is(Kind::kDict) ||
         self.is(Kind::kUndefined) || self.is(Kind::kLoop);
}
Result<bool> callable(Session&, const Value& self, const Value&) {
  return self.is(Kind::kMacro) || self.is(Kind::kFunction);
}

template <int rest>
Result<bool> remainder_is(Session& session, const Value& self, const Value&) {
  const Value modulo = TRY(arithmetic(session, Op::kModulo, self, Value::integer(2)));
  return equal(session.budget, modulo, Value::integer(rest));
}
Result<bool> divisible(Session& session, const Value& self, const Value& other) {
  const Value modulo = TRY(arithmetic(session, Op::kModulo, self, other));
  return equal(session.budget, modulo, Value::integer(0));
}

template <Case form>
Result<bool> is_case(Session& session, const Value& self, const Value&) {
  const MarkedText shown = TRY(text_of(session.budget, self));
  const std::string& text = shown.text;
  bool cased = false;
  for (size_t at = 0; at < text.size();) {
    const CodePoint c = code_point_at(text, at);
    at += c.bytes;
    const bool upper = is_a(c.value, CharacterClass::kUpper);
    const bool lower = is_a(c.value, CharacterClass::kLower);
    if (form == Case::kUpper ? lower : upper) return false;
    cased = cased || upper || lower;
  }
  return cased;
}

Result<bool> eq(Session& session, const Value& self, const Value& other) {
  return equal(session.budget, self, other, {.strict = session.strict});
}
Result<bool> ne(Session& session, const Value& self, const Value& other) {
  return !TRY(eq(session, self, other));
}
Result<bool> lt(Session& session, const Value& self, const Value& other) {
  return TRY(order(session.budget, self, other)) < 0;
}
Result<bool> le(Session& session, const Value& self, const Value& other) {
  return TRY(order(session.budget, self, other)) <= 0;
}
Result<bool> gt(Session& session, const Value& self, const Value& other) {
  bool unordered = false;
  return TRY(order(session.budget, self, other, &unordered)) > 0 && !unordered;
}
Result<bool> ge(Session& session, const Value& self, const Value& other) {
  bool unordered = false;
  return TRY(order(session.budget, self, other, &unordered)) >= 0 && !unordered;
}
Result<bool> in(Session& session, const Value& self, const Value& other) {
  return contains(session.budget, other, self);
}
Result<bool> same_as(Session& session, const Value& self, const Value& other) {
  if (self.kind() != other.kind()) return false;
  return equal(session.budget, self, other);
}
Result<bool> is_filter(Session&, const Value& self, const Value&) {
  return self.is(Kind::kString) && known_filter(self.string().text);
}
Result<bool> is_test(Session&, const Value& self, const Value&) {
  return self.is(Kind::kString) && known_test(self.string().text);
}

constexpr Test kTests[] = {
    {"defined", defined},
    {"undefined", is_kind<Kind::kUndefined>},
    {"none", is_kind<Kind::kNone>},
    {"boolean", is_kind<Kind::kBool>},
    {"true", is_boolean<true>},
    {"false", is_boolean<false>},
    {"integer", integer},
    {"float", is_kind<Kind::kFloat>},
    {"number", number},
    {"string", is_kind<Kind::kString>},
    {"mapping", is_kind<Kind::kDict>},
    {"sequence", sequence},
    {"iterable", iterable},
    {"callable", callable},
    {"odd", remainder_is<1>},
    {"even", remainder_is<0>},
    {"divisibleby", divisible, true},
    {"upper", is_case<Case::kUpper>},
    {"lower", is_case<Case::kLower>},
    {"eq", eq, true},
    {"equalto", eq, true},
    {"ne", ne, true},
    {"lt", lt, true},
    {"lessthan", lt, true},
    {"le", le, true},
    {"gt", gt, true},
    {"greaterthan", gt, true},
    {"ge", ge, true},
    {"==", eq, true},
    {"!=", ne, true},
    {"<", lt, true},
    {"<=", le, true},
    {">", gt, true},
    {">=", ge, true},
    {"in", in, true},
    {"sameas", same_as, true},
    {"filter", is_filter},
    {"test", is_test},
};

const Test* find_test(std::string_view name) {
  for (const Test& test : kTests) {
    if (test.name == name) return &test;
  }
  return nullptr;
}

}  // namespace

bool known_test(std::string_view name) {
  return find_test(name) != nullptr;
}

const std::vector<std::string>& test_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> out;
    for (const Test& test : kTests) out.emplace_back(test.name);
    return out;
  }();
  return names;
}

Result<bool> apply_test(Session& session, std::string_view name, const Value& self,
                        const Arguments& arguments) {
  const Test* test = find_test(name);
  if (test == nullptr) {
    return type_error(fmt::format("there is no test {}", quoted(name)),
                      name_hint(name, test_names()));
  }
  const size_t wanted = test->binary ? 1 : 0;
  if (arguments.positional.size() != wanted || !arguments.named.empty()) {
    return type_error(fmt::format("test '{}' takes {} arguments, found {}", name, wanted,
                                  arguments.positional.size() + arguments.named.size()));
  }
  return test->function(session, self, test->binary ? arguments.positional[0] : Value());
}

}  // namespace weft::text::jinja
