// SPDX-License-Identifier: Apache-2.0
//
// Expressions and interpolations of workflow documents: types, errors with hints, bounds, names.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ctime>

#include "base/strings.h"
#include "text/jinja.h"

namespace weft::text {
namespace {

const json::Object& data() {
  static const json::Object value = json::parse(R"({
      "input": {"customer_id": "a/b c", "amount": 12.5, "tags": ["x", "y"], "items": 3,
                "nothing": null, "urgent": true},
      "steps": {"classify": {"category": "billing", "urgency": 4}, "skipped": null},
      "index": 7})")
                                        ->as_object();
  return value;
}

std::string value_of(std::string_view source, const Limits& limits = {}) {
  const auto parsed = Expression::parse(source);
  if (!parsed.ok()) return parsed.error().text();
  const auto value = parsed->evaluate(ObjectScope(data()), limits);
  return value.ok() ? json::dump(*value) : value.error().text();
}

std::string text_of(std::string_view source, bool statements = false) {
  const auto parsed = Interpolation::parse(source, {.statements = statements});
  if (!parsed.ok()) return parsed.error().text();
  const auto value = parsed->evaluate(ObjectScope(data()));
  return value.ok() ? json::dump(*value) : value.error().text();
}

std::string condition_of(std::string_view source) {
  const auto parsed = Interpolation::parse(source);
  if (!parsed.ok()) return parsed.error().text();
  const auto value = parsed->evaluate_condition(ObjectScope(data()));
  return value.ok() ? (*value ? "true" : "false") : value.error().text();
}

TEST(Expression, KeepsTypes) {
  EXPECT_EQ(value_of("input.amount"), "12.5");
  EXPECT_EQ(value_of("input.tags"), R"(["x","y"])");
  EXPECT_EQ(value_of("steps.classify"), R"({"category":"billing","urgency":4})");
  EXPECT_EQ(value_of("input.nothing"), "null");
  EXPECT_EQ(value_of("7 / 2"), "3.5");
  EXPECT_EQ(value_of("4 / 2"), "2.0");
  EXPECT_EQ(value_of("-7 // 2"), "-4");
  EXPECT_EQ(value_of("-7 % 3"), "2");
  EXPECT_EQ(value_of("2 ** 10"), "1024");
  EXPECT_EQ(value_of("{'a': [1, 'b'], 'c': none}"), R"({"a":[1,"b"],"c":null})");
  EXPECT_EQ(value_of("input.items"), "3");
  EXPECT_EQ(value_of("input.items() | length"), "6");
}

TEST(Expression, UndefinedIsAnErrorWithTheNearestName) {
  EXPECT_EQ(value_of("inptu.amount"),
            "E0132 expression: line 1 column 1: 'inptu' is undefined. hint: did you mean 'input'?");
  EXPECT_EQ(value_of("1 + steps.classify.categry"),
            "E0132 expression: line 1 column 20: 'steps.classify.categry' is undefined. hint: did "
            "you mean 'category'?");
  EXPECT_EQ(value_of("input.customer.name").substr(0, 59),
            "E0132 expression: line 1 column 7: 'input.customer' is unde");
  EXPECT_EQ(value_of("input.tags[5]").substr(0, 5), "E0132");
  EXPECT_EQ(value_of("input.missing | default('d')"), R"("d")");
  EXPECT_EQ(value_of("steps.skipped.decision | default('not_needed')"), R"("not_needed")");
  EXPECT_EQ(value_of("input.missing is defined"), "false");
  EXPECT_EQ(value_of("input.missing is undefined or input.missing > 3"), "true");
  EXPECT_EQ(value_of("input.missing | upper").substr(0, 5), "E0132");
  EXPECT_EQ(value_of("[input.missing]").substr(0, 5), "E0132");
  EXPECT_EQ(value_of("1 if false").substr(0, 5), "E0132");
}

TEST(Expression, ComparingDifferentTypesIsAnError) {
  EXPECT_EQ(value_of("1 == 1.0"), "true");
  EXPECT_EQ(value_of("input.amount > 12"), "true");
  EXPECT_EQ(
      value_of("'a' == 1"),
      "E0131 expression: line 1 column 5: a string is compared with an integer. hint: convert "
      "one side: | int, | float or | string");
  EXPECT_EQ(value_of("input.nothing == none"), "true");
  EXPECT_EQ(value_of("input.amount == none").substr(0, 5), "E0131");
  EXPECT_EQ(value_of("input.nothing is none"), "true");
  EXPECT_EQ(value_of("true == 1").substr(0, 5), "E0131");
  EXPECT_EQ(value_of("true + 1").substr(0, 5), "E0131");
  EXPECT_EQ(value_of("'a' < 1").substr(0, 5), "E0131");
  EXPECT_EQ(value_of("'a' + 1").substr(0, 5), "E0131");
  EXPECT_EQ(value_of("1 in ['1', 1]"), "true");
}

TEST(Expression, IntegersAre64Bit) {
  EXPECT_EQ(value_of("9223372036854775807"), "9223372036854775807");
  EXPECT_EQ(value_of("-9223372036854775808"), "-9223372036854775808");
  for (const char* source :
       {"9223372036854775807 + 1", "-9223372036854775808 - 1", "3 ** 60", "4611686018427387904 * 2",
        "-(-9223372036854775808)", "-9223372036854775808 // -1", "(-9223372036854775808) | abs"}) {
    EXPECT_EQ(value_of(source).substr(0, 5), "E0131") << source;
  }
  EXPECT_EQ(value_of("-9223372036854775808 % -1"), "0");
  EXPECT_EQ(value_of("1 / 0").substr(0, 5), "E0131");
  EXPECT_EQ(value_of("'x' | int").substr(0, 5), "E0131");
  EXPECT_EQ(value_of("'x' | int(3)"), "3");
}

TEST(Expression, Filters) {
  EXPECT_EQ(value_of("input.customer_id | urlencode"), R"("a%2Fb%20c")");
  EXPECT_EQ(value_of("{'a b': 'c&d', 'e': 1} | urlencode"), R"("a+b=c%26d&e=1")");
  EXPECT_EQ(value_of("input.tags | join(', ')"), R"("x, y")");
  EXPECT_EQ(value_of("input.tags | map('upper') | list"), R"(["X","Y"])");
  EXPECT_EQ(value_of("[{'n': 2}, {'n': 1}] | map(attribute='n') | sort"), "[1,2]");
  EXPECT_EQ(value_of("[1, 2, 3, 4] | select('even') | sum"), "6");
  EXPECT_EQ(value_of("2.675 | round(2)"), "2.67");
  EXPECT_EQ(value_of("2.5 | round"), "2.0");
  EXPECT_EQ(value_of("2.1 | round(0, 'ceil')"), "3.0");
  EXPECT_EQ(value_of("[15, 25, -25, -26, 24] | map('round', -1) | list"), "[20,20,-20,-30,20]");
  EXPECT_THAT(value_of("(-9223372036854775807 - 1) | round(-1)"), testing::HasSubstr("E0131"));
  EXPECT_EQ(value_of("{'b': 1, 'a': [true, none]} | tojson"),
            R"("{\"b\": 1, \"a\": [true, null]}")");
  EXPECT_EQ(value_of("'Ärger' | upper ~ 'ß' | upper"), R"("ÄRGERSS")");
  EXPECT_EQ(value_of("[3, 1, 2] | max - [3, 1, 2] | min"), "2");
  EXPECT_EQ(value_of("['b', 'A', 'b'] | unique | sort"), R"(["A","b"])");
  EXPECT_EQ(value_of("1 | uper"),
            "E0130 expression: line 1 column 5: there is no filter 'uper'. hint: did you mean "
            "'upper'?");
  EXPECT_EQ(value_of("'x' | replace('x')").substr(0, 5), "E0131");
  EXPECT_EQ(value_of("'x' | trim(1, 2)").substr(0, 5), "E0131");
}

TEST(Expression, SyntaxErrorsHavePlaces) {
  EXPECT_EQ(value_of(""), "E0130 expression: line 1 column 1: expected a value, found the end");
  EXPECT_EQ(value_of("1 +"), "E0130 expression: line 1 column 4: expected a value, found the end");
  EXPECT_EQ(value_of("(1"), "E0130 expression: line 1 column 3: '(' is never closed");
  EXPECT_EQ(value_of("a b").substr(0, 35), "E0130 expression: line 1 column 3: ");
  EXPECT_EQ(value_of("a && b").substr(0, 35), "E0130 expression: line 1 column 3: ");
  EXPECT_EQ(value_of("null").substr(0, 35), "E0130 expression: line 1 column 1: ");
  EXPECT_EQ(value_of("'a").substr(0, 35), "E0130 expression: line 1 column 1: ");
  EXPECT_EQ(value_of("\xff").substr(0, 5), "E0130");
}

TEST(Expression, BoundsHold) {
  EXPECT_EQ(value_of(std::string(10000, '(') + "1").substr(0, 5), "E0130");
  EXPECT_EQ(value_of(std::string(70, '(') + "1" + std::string(70, ')')).substr(0, 5), "E0133");
  EXPECT_EQ(value_of(std::string(60, '(') + "1" + std::string(60, ')')), "1");
  EXPECT_EQ(value_of(std::string(10000, '-') + "1").substr(0, 5), "E0133");
  std::string chain = "1";
  for (int i = 0; i < 1000; ++i) chain += " + 1";
  EXPECT_EQ(value_of(chain).substr(0, 5), "E0133");
  EXPECT_EQ(value_of("range(1000000) | length").substr(0, 5), "E0133");
  EXPECT_EQ(value_of("range(90000) | length"), "90000");
  EXPECT_EQ(value_of("'x' * 10000001").substr(0, 5), "E0133");
  EXPECT_EQ(value_of("('x' * 9000000) | length"), "9000000");
  EXPECT_EQ(value_of("range(300) | map('indent', 9000000, true) | list").substr(0, 5), "E0133");
  EXPECT_EQ(value_of("'x' * 100", {.steps = 1000, .output_bytes = 99}).substr(0, 5), "E0133");
}

TEST(Interpolation, ASingleExpressionKeepsItsType) {
  EXPECT_EQ(text_of("{{ input.amount }}"), "12.5");
  EXPECT_EQ(text_of("{{ input.tags }}"), R"(["x","y"])");
  EXPECT_EQ(text_of(" {{ input.amount }}"), R"(" 12.5")");
  EXPECT_EQ(text_of("{{ 1 }}{{ 2 }}"), R"("12")");
  EXPECT_EQ(text_of("plain\n"), R"("plain\n")");
  EXPECT_EQ(text_of("{{ '12' }}"), R"("12")");
  EXPECT_EQ(text_of("a {{ true }} {{ none }} {{ [1, 'x'] }}"), R"("a True None [1, 'x']")");
}

TEST(Interpolation, InsertedDataIsData) {
  const json::Object hostile{{"x", "{{ input }}{% raw %}"}};
  const auto value = Interpolation::parse("a {{ x }}")->evaluate(ObjectScope(hostile));
  EXPECT_EQ(json::dump(*value), R"("a {{ input }}{% raw %}")");
  const auto text = Interpolation::parse("a {{ x }} b")->evaluate_text(ObjectScope(hostile));
  EXPECT_EQ(text->data, (std::vector<ByteRange>{{2, 22}}));
}

TEST(Interpolation, StatementsOnlyWhereAllowed) {
  const std::string source = "{% for t in input.tags %}{{ t }};{% endfor %}";
  EXPECT_EQ(text_of(source).substr(0, 5), "E0130");
  EXPECT_EQ(text_of(source, true), R"("x;y;")");
}

TEST(Interpolation, ConditionsAreBooleans) {
  EXPECT_EQ(condition_of("{{ steps.classify.urgency >= 4 }}"), "true");
  EXPECT_EQ(condition_of("{{ input.nope is defined }}"), "false");
  EXPECT_EQ(condition_of("{{ 'false' }}").substr(0, 5), "E0131");
  EXPECT_EQ(condition_of("{{ 1 }}").substr(0, 5), "E0131");
  EXPECT_EQ(condition_of("{{ true }} ").substr(0, 5), "E0131");
  EXPECT_EQ(condition_of("true").substr(0, 5), "E0131");
}

std::string names_of(std::string_view source) {
  std::string out;
  const auto parsed = Interpolation::parse(source, {.statements = true});
  if (!parsed.ok()) return parsed.error().text();
  for (const FreeName& name : parsed->names()) {
    for (size_t i = 0; i < name.path.size(); ++i) out += (i > 0 ? "." : "") + name.path[i];
    out += (name.optional ? "? " : " ");
  }
  return out;
}

TEST(Interpolation, NamesAreThoseItReads) {
  EXPECT_EQ(names_of("{{ steps.a.b['c'].d[0].e }} {{ x | default(y) }} {{ z.w is defined }}"),
            "steps.a.b.c.d x? y z.w? ");
  EXPECT_EQ(names_of("{% for i, j in a.b %}{{ i }}{{ loop.index }}{{ k }}{% endfor %}{{ i }}"),
            "a.b k i ");
  EXPECT_EQ(
      names_of("{% set v = p %}{{ v.q }}{% macro m(a, b=c) %}{{ a }}{% endmacro %}{{ m(1) }}"),
      "p c ");
  EXPECT_EQ(names_of("{{ a.items() }}{{ range(n) }}{{ b[c.d].e }}"), "a n c.d b ");
  const auto parsed = Expression::parse("1 +\n  steps.x");
  EXPECT_EQ(parsed->names()[0].line, 2);
  EXPECT_EQ(parsed->names()[0].column, 3);
}

// Their places are those that counting from the beginning gives, and cost no counting from there.
TEST(Interpolation, PlacesOfManyNames) {
  std::string source;
  for (int i = 0; i < 3'000; ++i) {
    source += i % 7 == 0 ? "고객\n" : "é";
    source += "{{ b if a else c }}";
  }
  const auto parsed = Interpolation::parse(source, {.statements = true});
  ASSERT_TRUE(parsed.ok());
  const auto names = parsed->names();
  ASSERT_EQ(names.size(), 9'000U);
  size_t compared = 0;
  size_t at = source.find("a else");
  for (const FreeName& name : names) {
    if (name.path[0] != "a") continue;
    const Place expected = place_of(source, at);
    ASSERT_EQ(std::pair(name.line, name.column), std::pair(expected.line, expected.column));
    at = source.find("a else", at + 1);
    ++compared;
  }
  EXPECT_EQ(compared, 3'000U);
  std::string many;
  for (int i = 0; i < 80'000; ++i) many += "{{ env.a }}";
  const auto begun = std::clock();
  EXPECT_EQ(Interpolation::parse(many, {.statements = true})->names().size(), 80'000U);
  EXPECT_LT(static_cast<double>(std::clock() - begun) / CLOCKS_PER_SEC, 10.0) << "40 s and more";
}

// A scope behind a name: members without one large object.
class StepsScope final : public Scope {
 public:
  const json::Value* find(std::string_view name) const override {
    return name == "a" ? &value_ : nullptr;
  }
  std::vector<std::string> names() const override { return {"a"}; }

 private:
  json::Value value_ = json::Object{{"x", 5}};
};
class RootScope final : public Scope {
 public:
  const json::Value* find(std::string_view) const override { return nullptr; }
  const Scope* nested(std::string_view name) const override {
    return name == "steps" ? &steps_ : nullptr;
  }
  std::vector<std::string> names() const override { return {"steps"}; }

 private:
  StepsScope steps_;
};

TEST(Scope, NestedScopesActAsMaps) {
  const auto value = [](std::string_view source) {
    const auto result = Expression::parse(source)->evaluate(RootScope());
    return result.ok() ? json::dump(*result) : result.error().text();
  };
  EXPECT_EQ(value("steps.a.x + 1"), "6");
  EXPECT_EQ(value("steps['a']"), R"({"x":5})");
  EXPECT_EQ(value("steps"), R"({"a":{"x":5}})");
  EXPECT_EQ(value("steps | length"), "1");
  EXPECT_EQ(value("'a' in steps and 'b' not in steps"), "true");
  EXPECT_EQ(value("step.a"),
            "E0132 expression: line 1 column 1: 'step' is undefined. hint: did you mean 'steps'?");
}

}  // namespace
}  // namespace weft::text
