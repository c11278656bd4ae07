// SPDX-License-Identifier: Apache-2.0
#include "workflow/yaml.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>

namespace weft::workflow {
namespace {

std::string json_of(std::string_view text) {
  YamlTree tree;
  Problems problems;
  if (!YamlTree::parse(text, tree, problems)) return workflow::text(problems.take()[0], "f");
  const std::string out = json::dump(tree.root().to_json());
  EXPECT_EQ(out, tree.canonical());
  return out;
}

Problem problem_of(std::string_view text, const YamlLimits& limits = {}) {
  YamlTree tree;
  Problems problems;
  EXPECT_FALSE(YamlTree::parse(text, tree, problems, limits)) << text;
  auto list = problems.take();
  return list.empty() ? Problem{} : list[0];
}

std::string place_text(const Problem& p) {
  return p.code + " " + std::to_string(p.place.line) + ":" + std::to_string(p.place.column);
}

TEST(Yaml, CoreSchemaOfPlainScalars) {
  EXPECT_EQ(json_of("[yes, no, on, off, y, n]"), R"(["yes","no","on","off","y","n"])");
  EXPECT_EQ(json_of("[true, True, FALSE, tRUE]"), R"([true,true,false,"tRUE"])");
  EXPECT_EQ(json_of("[~, null, Null, '', nULL]"), R"([null,null,null,"","nULL"])");
  EXPECT_EQ(json_of("[1, -7, +3, 007, 0x1F, 0o17, 1_000]"), R"([1,-7,3,7,31,15,"1_000"])");
  EXPECT_EQ(json_of("[9223372036854775807, -9223372036854775808, 18446744073709551615]"),
            "[9223372036854775807,-9223372036854775808,18446744073709551615]");
  EXPECT_EQ(json_of("[18446744073709551616, -9223372036854775809]"),
            R"(["18446744073709551616","-9223372036854775809"])");
  EXPECT_EQ(json_of("[1.5, .5, 5., 1e3, -1.5E-3, 1.0.0, 1e, .]"),
            R"([1.5,0.5,5.0,1000.0,-0.0015,"1.0.0","1e","."])");
  EXPECT_EQ(json_of("['1', \"true\", !!str 5, !!int 5]"), R"(["1","true","5",5])");
  EXPECT_EQ(json_of("2026-11-21"), R"("2026-11-21")");
  EXPECT_EQ(json_of("a:\nb: 1"), R"({"a":null,"b":1})");
}

TEST(Yaml, TextForms) {
  EXPECT_EQ(json_of("a: |\n  x\n  y\nb: >\n  p\n  q\n"), R"({"a":"x\ny\n","b":"p q\n"})");
  EXPECT_EQ(json_of("a: pre {{ x }}"), R"({"a":"pre {{ x }}"})");
  EXPECT_EQ(json_of("a: \"{{ x }}\" # comment"), R"({"a":"{{ x }}"})");
}

TEST(Yaml, JsonDocuments) {
  EXPECT_EQ(json_of("{\"a\":1,\"b\":[true,null,\"x\\/y\\n\"],\n\t\"c\":{}}"),
            R"({"a":1,"b":[true,null,"x/y\n"],"c":{}})");
  EXPECT_EQ(json_of(R"({"a":"\ud83d\ude00\u00e9","b":"\\ud83d"})"), R"({"a":"😀é","b":"\\ud83d"})");
  EXPECT_EQ(json_of("{\"a\":\"x\ty\"}").substr(0, 8), R"({"a":"x )");
}

// The canonical form of what is accepted reads as the same document.
TEST(Yaml, CanonicalFormIsReadAgain) {
  const auto again = [](std::string_view text) {
    const std::string once = json_of(text);
    return once == json_of(once);
  };
  EXPECT_TRUE(again("title: \"ok\\x7f?\""));
  EXPECT_EQ(json_of("{\"a\x7f\":\"b\x7f\"}"), "{\"a\x7f\":\"b\x7f\"}");
  for (uint32_t c = 0; c < 0x3000; ++c) {
    EXPECT_TRUE(again(fmt::format("\"k\\U{0:08x}\": \"v\\U{0:08x}\"", c))) << c;
  }
  const std::string longest(998, 'k');  // and two quotes
  EXPECT_TRUE(again("? " + longest + "\n: 1"));
  EXPECT_TRUE(again("{\"a\": 1, \"" + longest + "\": {\"" + longest + "\": 2}}"));
  EXPECT_EQ(place_text(problem_of("a: 1\n? k" + longest + "\n: 1")), "E0404 2:3");
  std::string escapes;
  for (int i = 0; i < 200; ++i) escapes += "\\x01";
  EXPECT_EQ(problem_of("? \"" + escapes + "\"\n: 1").code, "E0404") << "six bytes each";
  const Problem json = problem_of("{\"a\":1,\"" + std::string(1'100, 'k') + "\":2}");
  EXPECT_NE(json.hint.find("key of more than 1000 bytes"), std::string::npos) << json.hint;
}

TEST(Yaml, EscapesThatAreReadAsBrokenBytesAreNamed) {
  EXPECT_EQ(place_text(problem_of("a: 1\nb: \"x\\_y\"")), "E0401 2:4");
  EXPECT_NE(problem_of("\"\\N\": 1").hint.find("\\u0085"), std::string::npos);
  EXPECT_EQ(json_of("a: \"\\u00a0\\u0085\""), "{\"a\":\"\u00a0\u0085\"}");
}

TEST(Yaml, PlacesCountCharacters) {
  YamlTree tree;
  Problems problems;
  ASSERT_TRUE(YamlTree::parse("a: 1\nb: [\"고객\", {c: 2}]\n", tree, problems));
  const auto list = tree.root().find("b");
  auto it = list.begin();
  EXPECT_EQ((*it).place().column, 5);
  ++it;
  EXPECT_EQ((*it).find("c").place().line, 2);
  EXPECT_EQ((*it).find("c").place().column, 15);
}

TEST(Yaml, DuplicateKeysAreAllReported) {
  YamlTree tree;
  Problems problems;
  EXPECT_FALSE(YamlTree::parse("a: 1\nb: {x: 1, x: 2}\na: 2\n", tree, problems));
  const auto list = problems.take();
  ASSERT_EQ(list.size(), 2U);
  EXPECT_EQ(place_text(list[0]), "E0402 2:11");
  EXPECT_EQ(place_text(list[1]), "E0402 3:1");
  std::string many;
  for (int i = 0; i < 20; ++i) many += "k" + std::to_string(i) + ": 1\n";
  EXPECT_EQ(place_text(problem_of(many + "k3: 2\n")), "E0402 21:1");
  EXPECT_EQ(place_text(problem_of(many + "k19: 2\n")), "E0402 21:1");
}

TEST(Yaml, UnquotedExpressionsShowTheQuotedLine) {
  const Problem silent = problem_of("steps:\n  - x: {{ a }}\n");
  EXPECT_EQ(silent.code, "E0403");
  EXPECT_EQ(silent.place.line, 2);
  EXPECT_NE(silent.hint.find("- x: \"{{ a }}\""), std::string::npos) << silent.hint;
  const Problem path = problem_of("x: {{ a }}/b\n");
  EXPECT_NE(path.hint.find("x: \"{{ a }}/b\""), std::string::npos) << path.hint;
  const Problem colon = problem_of("x: Customer: {{ a }}\n");
  EXPECT_NE(colon.hint.find("x: \"Customer: {{ a }}\""), std::string::npos) << colon.hint;
  EXPECT_EQ(quoted_line("  x: {{ a | default(\"b\") }} # c"), "x: '{{ a | default(\"b\") }}' # c");
  EXPECT_EQ(quoted_line("parameters: { id: {{ x }} }"), "parameters: { id: \"{{ x }}\" }");
  EXPECT_EQ(quoted_line("- {type: set, parameters: {value: {{ run.id }}}}"),
            "- {type: set, parameters: {value: \"{{ run.id }}\"}}");
  EXPECT_EQ(quoted_line("x: [{{ a }}, {{ b }}]"), "x: [\"{{ a }}\", {{ b }}]");
  EXPECT_EQ(quoted_line("x: {{ {'a': {}} }}"), "x: \"{{ {'a': {}} }}\"");
  EXPECT_EQ(quoted_line("x: \"{{ a }}\""), "");
  EXPECT_EQ(quoted_line("x: 1"), "");
}

TEST(Yaml, BadBytes) {
  EXPECT_EQ(place_text(problem_of("a: 1\nb: \xff\n")), "E0401 2:4");
  EXPECT_EQ(place_text(problem_of(std::string_view("a: \0b", 5))), "E0401 1:4");
  EXPECT_EQ(place_text(problem_of("a: \x04")), "E0401 1:4");
  EXPECT_EQ(problem_of("").code, "E0401");
  EXPECT_EQ(problem_of("# nothing\n").code, "E0401");
  EXPECT_EQ(json_of("\xef\xbb\xbf" "a: 1"), R"({"a":1})");
}

TEST(Yaml, RefusesWhatItCannotMean) {
  EXPECT_EQ(place_text(problem_of("a: 1\n---\nb: 2\n")), "E0401 2:1");
  EXPECT_EQ(place_text(problem_of("a: !thing 1")).substr(0, 5), "E0401");
  EXPECT_EQ(place_text(problem_of("a: .inf")), "E0401 1:4");
  EXPECT_EQ(place_text(problem_of("a: 1e999")), "E0401 1:4");
  EXPECT_EQ(place_text(problem_of("? [a]\n: 1")).substr(0, 5), "E0403");
  EXPECT_EQ(problem_of("a: &x [*x]").code, "E0401");
  EXPECT_EQ(problem_of("a: *nobody").code, "E0401");
  EXPECT_EQ(problem_of("a: [1, 2").code, "E0401");
  EXPECT_EQ(problem_of("a: 'x").code, "E0401");
  EXPECT_EQ(problem_of("a:\n\tb: 1").code, "E0401");
}

TEST(Yaml, AliasesShareAndAreCounted) {
  EXPECT_EQ(json_of("a: &x {k: [1, 2]}\nb: *x\nc: [*x]"),
            R"({"a":{"k":[1,2]},"b":{"k":[1,2]},"c":[{"k":[1,2]}]})");
  std::string bomb = "a0: &a0 [x, x]\n";
  for (int i = 1; i < 40; ++i) {
    const std::string n = std::to_string(i), m = std::to_string(i - 1);
    bomb += "a" + n + ": &a" + n + " [*a" + m + ", *a" + m + "]\n";
  }
  EXPECT_EQ(problem_of(bomb).code, "E0404");
  // Deep through aliases only, and small.
  std::string tower = "a0: &a0 [x]\n";
  for (int i = 1; i < 100; ++i) {
    const std::string n = std::to_string(i), m = std::to_string(i - 1);
    tower += "a" + n + ": &a" + n + " [*a" + m + "]\n";
  }
  EXPECT_EQ(place_text(problem_of(tower)), "E0404 64:12");
}

TEST(Yaml, AliasesCountAsTheTextThatTheyStandFor) {
  const std::string text(1'000, 'x');
  const std::string two = "a: &x {k: " + text + "}\nb: *x\n";  // 2 x 1,001 bytes, 2 keys
  EXPECT_EQ(place_text(problem_of(two, {.bytes_max = 2'003})), "E0404 2:4");
  YamlTree tree;
  Problems problems;
  EXPECT_TRUE(YamlTree::parse(two, tree, problems, {.bytes_max = 2'004}));
  // Keys count, and the anchor within an anchor.
  const std::string keys = "a: &x {" + text.substr(100) + ": &y [1]}\nb: *x\nc: *y\n";
  EXPECT_EQ(place_text(problem_of(keys, {.bytes_max = 1'805})), "E0404 3:4");
  EXPECT_TRUE(YamlTree::parse(keys, tree, problems, {.bytes_max = 1'806}));
  std::string bomb = "a: &x " + std::string(20'000, 'x') + "\nb: [";
  for (int i = 0; i < 4'000; ++i) bomb += "*x, ";
  EXPECT_EQ(problem_of(bomb + "1]\n").code, "E0404") << "80 MB";
}

TEST(Yaml, MergeKeysAreNotTakenForMembers) {
  const Problem merge = problem_of("a: &x {k: 1}\nb:\n  <<: *x\n  l: 2\n");
  EXPECT_EQ(place_text(merge), "E0410 3:3");
  EXPECT_EQ(json_of("{\"<<\": 1, b: [<<], c: <<}"), R"({"<<":1,"b":["<<"],"c":"<<"})");
}

TEST(Yaml, LimitsHold) {
  EXPECT_EQ(problem_of(std::string(10'000, '[')).code.substr(0, 4), "E040");
  EXPECT_EQ(problem_of("{" + std::string(10'000, '[')).code.substr(0, 3), "E04");
  std::string maps, dashes;
  for (int i = 0; i < 10'000; ++i) maps += "{a: ";
  for (int i = 0; i < 10'000; ++i) dashes += "- ";
  EXPECT_EQ(problem_of(maps).code.substr(0, 4), "E040");
  EXPECT_EQ(problem_of(dashes + "x").code, "E0404");
  EXPECT_EQ(json_of(std::string(64, '[') + std::string(64, ']')).size(), 128U);
  EXPECT_EQ(problem_of("[1, 2, 3]", {.nodes_max = 3}).code, "E0404");
  EXPECT_EQ(problem_of("[1, 2, 3]", {.bytes_max = 8}).code, "E0404");
}

}  // namespace
}  // namespace weft::workflow
