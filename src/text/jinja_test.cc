// SPDX-License-Identifier: Apache-2.0
//
// Templates: white space, scopes, what undefined does, where every byte comes from, bounds.
#include "text/jinja.h"

#include <gtest/gtest.h>

namespace weft::text {
namespace {

std::string rendered(std::string source, std::string_view variables = "{}") {
  const auto parsed = Template::parse(std::move(source), "t");
  if (!parsed.ok()) return parsed.error().text();
  const auto text = parsed->render(*Variables::parse(variables));
  return text.ok() ? text->text : text.error().text();
}

TEST(Template, Basics) {
  EXPECT_EQ(rendered("a {{ 1 + 2 }} b"), "a 3 b");
  EXPECT_EQ(rendered("{% for x in [1, 2, 3] if x != 2 %}{{ loop.index }}:{{ x }} {% endfor %}"),
            "1:1 2:3 ");
  EXPECT_EQ(rendered("{{ x }}|{{ x.y is defined }}", R"({"x": {"z": 1}})"), "{'z': 1}|False");
}

TEST(Template, WhiteSpace) {
  EXPECT_EQ(rendered("a\n"), "a");
  EXPECT_EQ(rendered("a\r\nb\r\n\n"), "a\nb\n");
  EXPECT_EQ(rendered("x\n  {% if true %}\n  y\n  {% endif %}\nz"), "x\n  y\nz");
  EXPECT_EQ(rendered("x\n  {%+ if true +%}\n  y{% endif %}"), "x\n  \n  y");
  EXPECT_EQ(rendered("x \n {{- 1 -}} \n y"), "x1y");
  EXPECT_EQ(rendered("x {#- c -#} y"), "xy");
  EXPECT_EQ(rendered("{% raw %}{{ a }}{% endraw %}"), "{{ a }}");
  EXPECT_EQ(rendered("{{ '{{' }}{{ {'a': {'b': 1}}['a'] }}"), "{{{'b': 1}");
}

TEST(Template, ContinueKeepsWhatWasWritten) {
  EXPECT_EQ(rendered("{% for i in range(4) %}{{ i }}{% if i == 1 %}!{% continue %}{% endif %}"
                     "{% if i == 2 %}{% break %}{% endif %};{% endfor %}"),
            "0;1!2");
}

TEST(Template, UndefinedPrintsNothingButHasNoMembers) {
  EXPECT_EQ(rendered("[{{ x }}{{ x or 'no' }}{% for y in x %}{% endfor %}]"), "[no]");
  EXPECT_EQ(rendered("{{ x.y }}"),
            "E0132 t: line 1 column 6: 'x' is undefined. hint: there are no variables");
  EXPECT_EQ(rendered("{{ a.b.c }}", R"({"a": {"bb": 1}})"),
            "E0132 t: line 1 column 8: 'a.b' is undefined. hint: expected one of bb");
  EXPECT_EQ(rendered("{{ 'a' + x }}", R"({"x": ["l"]})"),
            "E0131 t: line 1 column 8: '+' between a string and a list. hint: join text with ~, "
            "which converts");
  EXPECT_EQ(rendered("{{ nofunction() }}").substr(0, 5), "E0132");
  EXPECT_EQ(rendered("{{ raise_exception('Stop here') }}"), "E0134 t: line 1 column 4: Stop here");
}

TEST(Template, ScopesAreJinjas) {
  EXPECT_EQ(rendered("{% set x = 1 %}{% for i in [1] %}{% set x = 2 %}{% endfor %}{{ x }}"), "1");
  EXPECT_EQ(rendered("{% set x = 1 %}{% if true %}{% set x = 2 %}{% endif %}{{ x }}"), "2");
  EXPECT_EQ(rendered("{% set n = namespace(x=1) %}{% for i in [1] %}{% set n.x = 5 %}{% endfor %}"
                     "{{ n.x }}"),
            "5");
  EXPECT_EQ(rendered("{% macro m(a, b='d') %}<{{ a }}{{ b }}{{ x }}>{% endmacro %}{% set x = 3 %}"
                     "{{ m(1) }}{{ m(b=2, a=0) }}"),
            "<1d3><023>");
  EXPECT_EQ(rendered("{% macro m(a) %}{% endmacro %}{{ m(1, 2) }}").substr(0, 5), "E0131");
  EXPECT_EQ(rendered("{% macro m(a) %}{% endmacro %}{{ m(c=2) }}").substr(0, 5), "E0131");
}

TEST(Template, NumbersPrintAsInPython) {
  EXPECT_EQ(rendered("{{ a }} {{ b }} {{ c }} {{ d | tojson }} {{ e }}",
                     R"({"a": 1.0, "b": 1e22, "c": 123456789012345678901234567890,
                         "d": [1.50, 1e-7, -0.0, 18446744073709551616], "e": true})"),
            "1.0 1e+22 123456789012345678901234567890 [1.5, 1e-07, -0.0, 18446744073709551616] "
            "True");
  EXPECT_EQ(rendered("{{ a == b }}{{ a > b }}",
                     R"({"a": 123456789012345678901, "b": 123456789012345678900})"),
            "FalseTrue");
}

TEST(Template, TimeIsGiven) {
  RenderOptions options;
  options.now = RenderOptions::Time{2024, 2, 29, 15, 4, 5, 6};
  const auto text = Template::parse("{{ strftime_now('%Y-%m-%d %H:%M:%S %A %b %j %-I %p %%') }}")
                        ->render(Variables(), options);
  EXPECT_EQ(text->text, "2024-02-29 15:04:05 Thursday Feb 060 3 PM %");
  EXPECT_EQ(rendered("{{ strftime_now('%Y') }}").substr(0, 5), "E0131");
}

// Data is written with x and y, templates with other letters: wherever a letter ends up, its mark
// must say where it comes from.
void check_marks(const std::string& source) {
  SCOPED_TRACE(source);
  const auto parsed = Template::parse(source);
  ASSERT_TRUE(parsed.ok()) << parsed.error().text();
  Variables variables;
  variables.set("d", "x y,yx xx");
  variables.set("l", json::Array{"x", "yy", json::Object{{"xy", "y\"x"}}});
  variables.set("m", json::Object{{"yx", "x"}, {"x", 1}});
  const auto result = parsed->render(variables);
  ASSERT_TRUE(result.ok()) << result.error().text();
  size_t letters = 0;
  for (size_t i = 0; i < result->text.size(); ++i) {
    const char c = result->text[i];
    if (!isalpha(static_cast<unsigned char>(c))) continue;
    bool marked = false;
    for (const ByteRange& range : result->data) marked |= range.begin <= i && i < range.end;
    const bool is_data = std::string_view("xyXY").find(c) != std::string_view::npos;
    EXPECT_EQ(marked, is_data) << result->text << " at " << i;
    letters += is_data ? 1 : 0;
  }
  EXPECT_GT(letters, 0u);
}

TEST(Template, MarksSurviveEveryOperation) {
  for (const char* expression : {"d",
                                 "'ab' + d + 'c'",
                                 "'ab' ~ d ~ 'c'",
                                 "d[1:]",
                                 "('ab' + d + 'ab')[1:-1]",
                                 "d[::-1]",
                                 "('ab' + d)[::2]",
                                 "d.split(',') | join('ab')",
                                 "d.replace('y', 'ab')",
                                 "'aba'.replace('b', d)",
                                 "('a' ~ d) | upper",
                                 "('a' ~ d) | title",
                                 "d.strip('x') ~ 'b'",
                                 "('ab' ~ d).partition(',') | join('-')",
                                 "d.center(30, 'a')",
                                 "d | indent(2, true)",
                                 "(d ~ 'ababababab') | truncate(9, true, 'cd')",
                                 "l | tojson",
                                 "{'a': d, 'b': l} | tojson",
                                 "{'ab': d} | tojson(indent=2, sort_keys=true)",
                                 "'ab%scd' % d",
                                 "'%s' | format(d)",
                                 "[d, 'a'] | join('b')",
                                 "'b'.join([d, 'a'])",
                                 "d | list | join('a')",
                                 "d | reverse ~ 'a'",
                                 "l | first ~ 'a' ~ l[2]['xy']",
                                 "m | items | first | join('a')",
                                 "m.keys() | join('a')",
                                 "(d ~ 'a').splitlines() | join('b')",
                                 "d if d else 'a'",
                                 "none or d",
                                 "[d, 'ab'] | max",
                                 "('a' ~ d) * 3",
                                 "d | default('ab')",
                                 "missing | default(d)",
                                 "[d, 'a'] | sort | join('b')",
                                 "('a' ~ d).removeprefix('a')",
                                 "d | trim | capitalize",
                                 "{'a': d}['a']",
                                 "d | escape",
                                 "[['a', d]] | map('join', 'b') | join",
                                 "(d ~ 'b').lstrip('x').rsplit(',', 1) | join('a')",
                                 "d | string | safe",
                                 "{'k': l}.k[1]",
                                 "d.zfill(20)",
                                 "'%5s|a' % d if false else d"}) {
    check_marks(std::string("{{ ") + expression + " }}");
  }
  check_marks("{% set a %}ab{{ d }}{% endset %}{{ a }}");
  check_marks("{% macro q(v) %}ab{{ v }}{% endmacro %}{{ q(d) | upper }}");
  check_marks("{% filter upper %}ab{{ d }}{% endfilter %}");
  check_marks("{% for c in d %}a{{ c }}{% endfor %}");
  check_marks("{% for k, v in m.items() %}{{ k }}b{{ v }}{% endfor %}");
}

TEST(Template, MarkupVariablesCountAsTemplate) {
  Variables variables;
  variables.set_markup("eos", "</s>");
  variables.set("x", "</s>");
  const auto text = Template::parse("{{ eos ~ x }}")->render(variables);
  EXPECT_EQ(text->text, "</s></s>");
  EXPECT_EQ(text->data, (std::vector<ByteRange>{{4, 8}}));
  Variables copy = variables;
  copy.set("x", "z");
  EXPECT_EQ(Template::parse("{{ x }}")->render(variables)->text, "</s>");
  EXPECT_EQ(Template::parse("{{ x }}")->render(copy)->text, "z");
}

TEST(Template, SyntaxErrorsHavePlaces) {
  EXPECT_EQ(rendered("a\n{% if x %}"),
            "E0130 t: line 2 column 11: the template ends inside a block, expected '{% endif %}'");
  EXPECT_EQ(rendered("{% endfi %}").substr(0, 53),
            "E0130 t: line 1 column 1: unknown block 'endfi'. hint");
  EXPECT_EQ(rendered("a {{ b"),
            "E0130 t: line 1 column 5: '{{' is never closed. hint: close it "
            "with '}}'");
  EXPECT_EQ(rendered("{# a").substr(0, 26), "E0130 t: line 1 column 1: ");
  EXPECT_EQ(rendered("{% raw %}a").substr(0, 26), "E0130 t: line 1 column 1: ");
  EXPECT_EQ(rendered("{% include 'x' %}").substr(0, 5), "E0130");
  EXPECT_EQ(rendered("{% break %}").substr(0, 5), "E0130");
  EXPECT_EQ(rendered("{{ ']' ] }}").substr(0, 5), "E0130");
  EXPECT_EQ(rendered("{{ '\\ud800' }}").substr(0, 5), "E0130");
  EXPECT_EQ(rendered("{{ x is foo }}").substr(0, 5), "E0130");
  EXPECT_EQ(rendered("\xC3").substr(0, 5), "E0130");
}

// Halves of long texts that almost fit, everywhere: linear, or this would take hours.
TEST(Template, SearchesInLongTextsAreLinear) {
  const std::string texts =
      "{% set a = 'a' * 4000000 %}{% set ab = 'a' * 2000000 ~ 'b' %}{% set ba = 'b' ~ "
      "'a' * 2000000 %}";
  EXPECT_EQ(rendered(texts + "{{ ab in a }} {{ a.find(ab) }} {{ a.count(ab) }} {{ a.rfind(ba) }} "
                             "{{ a.partition(ab)[1] }}{{ a.rpartition(ba)[1] }} "
                             "{{ a.split(ab) | length }} {{ a.rsplit(ba) | length }} "
                             "{{ (a | replace(ab, 'c')) == a }}"),
            "False -1 0 -1  1 1 True");
  EXPECT_EQ(rendered(texts + "{{ (ab ~ a).find(ab) }} {{ (a ~ ba ~ ab).rfind(ba) }} "
                             "{{ ('x' ~ ab ~ ab).split(ab) | length }} "
                             "{{ (a ~ ba ~ ba).rsplit(ba) | length }}"),
            "0 4000000 3 3");
  EXPECT_EQ(rendered("{% set a = 'a' * 1000000 %}{{ a.strip('b' * 1000000 ~ 'a') }}."), ".");
  const std::string often = "{% for i in range(1000) %}{% set x = 'b' in a %}{% endfor %}";
  RenderOptions few;
  few.limits.steps = 100'000;
  const auto refused =
      Template::parse("{% set a = 'a' * 4000000 %}" + often)->render(Variables(), few);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, "E0133");
}

TEST(Template, FormatsAsPythonDoes) {
  const auto formatted = [](const std::string& form, const std::string& values) {
    return rendered("{{ '" + form + "' | format(" + values + ") }}");
  };
  EXPECT_EQ(formatted("%5s|%-5s|%.2s|%05s|", "'ab', 'cd', 'xyz', 'a'"), "   ab|cd   |xy|    a|");
  EXPECT_EQ(formatted("%3s|%.1s|%-6r|", "'é', 'éa', 'x'"), "  é|é|'x'   |");
  EXPECT_EQ(formatted("%x %X %o %06x %-5x|", "-255, -255, -8, -255, 255"),
            "-ff -FF -10 -000ff ff   |");
  EXPECT_EQ(formatted("%d %5d|%-5d|%05d|%+d|% d|%.3d", "7, 7, 7, -7, 7, 7, 7"),
            "7     7|7    |-0007|+7| 7|007");
  EXPECT_EQ(formatted("%d %s", "18446744073709551616, 18446744073709551616"),
            "18446744073709551616 18446744073709551616");
  EXPECT_EQ(formatted("%s", "'a' * 3"), "aaa");
}

TEST(Template, SearchesFindAsPythonDoes) {
  const std::string piece = "abcabcabcabcabcabcabcabcabcabcabcabd";
  const std::string texts = "{% set p = '" + piece + "' %}{% set t = 'abc' ~ p ~ 'ab' ~ p ~ 'c' %}";
  EXPECT_EQ(rendered(texts + "{{ t.find(p) }} {{ t.rfind(p) }} {{ t.count(p) }} {{ p in t }} "
                             "{{ t.replace(p, '-') }} {{ t.split(p) }} "
                             "{{ t.rsplit(p, 1) | length }} "
                             "{{ p.rfind(t) }} {{ t.rpartition(p)[2] }}"),
            "3 41 2 True abc-ab-c ['abc', 'ab', 'c'] 2 -1 c");
  EXPECT_EQ(rendered("{{ 'äxéyä'.strip('äé') }}"), "xéy");
}

TEST(Template, BoundsHold) {
  std::string nested;
  for (int i = 0; i < 10000; ++i) nested += "{% if x %}";
  EXPECT_EQ(rendered(nested).substr(0, 5), "E0133");
  EXPECT_EQ(rendered("{{ " + std::string(10000, '[') + " }}").substr(0, 5), "E0130");
  std::string chain = "{{ x";
  for (int i = 0; i < 10000; ++i) chain += ".x";
  EXPECT_EQ(rendered(chain + " }}").substr(0, 5), "E0133");
  EXPECT_EQ(rendered("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}").substr(0, 5), "E0133");
  // Blocks between the calls take stack as well.
  std::string deep = "{% macro m() %}";
  for (int i = 0; i < 80; ++i) deep += "{% if true %}";
  deep += "{{ m() }}";
  for (int i = 0; i < 80; ++i) deep += "{% endif %}";
  EXPECT_EQ(rendered(deep + "{% endmacro %}{{ m() }}").substr(0, 5), "E0133");
  EXPECT_EQ(rendered("{% set n = namespace(x=[]) %}{% for i in range(1000) %}{% set n.x = [n.x] %}"
                     "{% endfor %}")
                .substr(0, 5),
            "E0133");
  // Small to build, exponential to print.
  const std::string doubled =
      "{% set n = namespace(x=['a']) %}{% for i in range(60) %}{% set n.x = [n.x, n.x] %}"
      "{% endfor %}";
  RenderOptions options;
  options.limits = {.steps = 100'000, .output_bytes = 1'000'000, .total_bytes = 10'000'000};
  for (const char* use :
       {"{{ n.x }}", "{{ n.x | tojson }}", "{{ n.x == [n.x] }}", "{{ n.x | sum }}"}) {
    const auto text = Template::parse(doubled + use)->render(Variables(), options);
    EXPECT_TRUE(text.ok() || text.error().code == "E0133" || text.error().code == "E0131") << use;
  }
  const auto big = Template::parse(
                       "{% set n = namespace(s='x') %}{% for i in range(99) %}"
                       "{% set n.s = n.s ~ n.s %}{% endfor %}")
                       ->render(Variables(), options);
  EXPECT_EQ(big.error().code, "E0133");
}

TEST(Variables, KeepWhatJsonSays) {
  EXPECT_EQ(Variables::parse("[]").error().code, "E0131");
  EXPECT_EQ(Variables::parse(R"({"a": 1, "a": 2})").error().code, "E0012");
  EXPECT_EQ(Variables::parse("{").error().code, "E0010");
  const Variables all = *Variables::parse(R"({"a": 1, "b": {"c": 2.0}})");
  EXPECT_EQ(Template::parse("{{ a }}{{ c }}")->render(all.members_of("b"))->text, "2.0");
  EXPECT_EQ(Template::parse("{{ a }}{{ b }}")->render(all.only({"a"}))->text, "1");
}

}  // namespace
}  // namespace weft::text
