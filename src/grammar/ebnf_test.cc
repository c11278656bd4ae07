// SPDX-License-Identifier: Apache-2.0
#include "grammar/ebnf.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "grammar/test_belongs.h"

namespace weft::grammar {
namespace {

TEST(Ebnf, ReadsRulesOverLines) {
  const auto rules = ebnf_rules(R"(
# a list of numbers
root   ::= "[" (number ("," " "? number)*)? "]"   # one or none
number ::= "-"?
  digits ("." digits)?
digits ::= [0-9]{1,3} | "\x41" [^\]\n] "한"+
)");
  ASSERT_TRUE(rules.ok()) << rules.error().text();
  for (const char* text : {"[]", "[1]", "[-12.5, 999]", "[Ax한한]"}) {
    EXPECT_TRUE(belongs(*rules, text)) << text;
  }
  for (const char* text : {"", "[1234]", "[1,]", "[A]한]", "[-]", "[1,  2]"}) {
    EXPECT_FALSE(belongs(*rules, text)) << text;
  }
}

TEST(Ebnf, RecursionAndCounts) {
  const auto rules = ebnf_rules("root ::= \"(\" root{0,2} \")\" | \"x\"").value();
  EXPECT_TRUE(belongs(rules, "((x)(xx))"));
  EXPECT_FALSE(belongs(rules, "(xxx)"));
  EXPECT_FALSE(belongs(rules, "((x)"));
}

TEST(Ebnf, ErrorsNameThePlace) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"root ::= a", "line 1, column 10: rule 'a' is not defined"},
      {"root ::= \"a\"\nroot ::= \"b\"", "line 2, column 1: rule 'root' stands twice"},
      {"start ::= \"a\"", "there is no rule 'root'"},
      {"root ::= (\"a\"", "line 1, column 10: '(' without its ')'"},
      {"root ::= \"a", "a literal without its end"},
      {"root ::= \"a\" )", "')' without its '('"},
      {"root ::= [b-a]", "a range in the wrong order"},
      {"root ::= \"a\"{3,1}", "the bounds are in the wrong order"},
      {"root ::= \"a\"{99999}", "more than 5000 repetitions"},
      {"root = \"a\"", "expected '::='"},
      {"root ::= root \"a\" | \"b\"", "rule 'root' calls itself before it has read anything"},
      {"root ::= a | \"x\"\na ::= (\"y\")? root", "calls itself"},
  };
  for (const auto& [source, message] : cases) {
    const auto rules = ebnf_rules(source);
    ASSERT_FALSE(rules.ok()) << source;
    EXPECT_EQ(rules.error().code, "E0322") << source;
    EXPECT_NE(rules.error().message.find(message), std::string::npos) << rules.error().message;
  }
  EXPECT_EQ(ebnf_rules("root ::= \"a\" root").error().code, "E0324");
  const auto stuck = ebnf_rules("root ::= \"(\" item \")\"\nitem ::= \"a\" item");
  ASSERT_FALSE(stuck.ok());
  EXPECT_EQ(stuck.error().message.substr(0, 12), "rule 'item':") << stuck.error().message;
  std::string deep = "root ::= ";
  deep.append(5000, '(');
  EXPECT_EQ(ebnf_rules(deep).error().code, "E0322");
}

// Reached through calls all at once: compared in pairs they would take a minute.
TEST(Ebnf, ManyAlternativesAreReachedInOneStep) {
  constexpr int kMany = 45'000;
  std::string source = "root ::= ";
  for (int i = 0; i < kMany; ++i) source += fmt::format("{}\"{}\" [a-c]*", i == 0 ? "" : " | ", i);
  const auto rules = ebnf_rules(source);
  if (!rules.ok()) FAIL() << rules.error().text();
  EXPECT_TRUE(belongs(*rules, "44999abc"));
  EXPECT_FALSE(belongs(*rules, "100000"));
}

}  // namespace
}  // namespace weft::grammar
