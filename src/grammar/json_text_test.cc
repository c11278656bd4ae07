// SPDX-License-Identifier: Apache-2.0
#include "grammar/json_text.h"

#include <gtest/gtest.h>

#include <random>

#include "base/strings.h"
#include "grammar/regex.h"
#include "grammar/test_belongs.h"
#include "schema/validator.h"

namespace weft::grammar {
namespace {

// Texts near all the bounds below, written as the grammar writes numbers.
const std::vector<std::string> kNumbers = {
    "0",      "1",    "-1",   "2",      "9",     "10",    "11",    "-10",  "-9",    "99",
    "100",    "101",  "-99",  "-100",   "-101",  "0.1",   "0.09",  "0.11", "-0.1",  "-0.09",
    "-0.11",  "1.5",  "1.49", "1.51",   "1.50",  "-1.5",  "12.34", "12.3", "12.35", "300",
    "299.99", "1000", "999",  "123456", "0.25",  "0.75",  "0.3",   "0.30", "7",     "14",
    "-7",     "15",   "2.50", "1.0",    "100.0", "0.001", "-0.001"};

TEST(JsonText, NumbersAgreeWithTheValidator) {
  const std::vector<std::string> schemas = {R"({"minimum":0})",
                                            R"({"exclusiveMinimum":0})",
                                            R"({"maximum":0})",
                                            R"({"exclusiveMaximum":0})",
                                            R"({"minimum":-10})",
                                            R"({"exclusiveMaximum":-0.1})",
                                            R"({"minimum":1.5})",
                                            R"({"maximum":1.5})",
                                            R"({"exclusiveMinimum":1.5})",
                                            R"({"minimum":-1.5,"maximum":12.34})",
                                            R"({"exclusiveMinimum":99,"maximum":1e2})",
                                            R"({"minimum":0.1,"exclusiveMaximum":300})",
                                            R"({"multipleOf":0.25})",
                                            R"({"multipleOf":7})",
                                            R"({"multipleOf":0.3,"minimum":-1})",
                                            R"({"multipleOf":10})",
                                            R"({"minimum":1e-3})",
                                            R"({"maximum":123456})"};
  size_t inside = 0;
  for (const std::string& text : schemas) {
    const schema::Schema tree = schema::Schema::parse(json::parse(text).value()).value();
    const schema::Node& node = tree.node(tree.root());
    for (const bool integers : {false, true}) {
      NumberLanguage language;
      language.integers_only = integers;
      const auto add = [&](const std::optional<json::Value>& limit, bool lower, bool strict) {
        if (limit) language.bounds.push_back({&*limit, lower, strict});
      };
      add(node.minimum, true, false);
      add(node.exclusive_minimum, true, true);
      add(node.maximum, false, false);
      add(node.exclusive_maximum, false, true);
      if (node.multiple_of) language.multiples.push_back(&*node.multiple_of);
      const Dfa dfa = number_text(language).value();
      for (const std::string& number : kNumbers) {
        const bool whole = number.find('.') == std::string::npos;
        // more digits behind the point than the divisor has are not written
        const bool long_zero = node.multiple_of && number.ends_with('0') && !whole;
        if (long_zero) continue;
        const bool valid = schema::is_valid(tree, json::parse(number).value());
        EXPECT_EQ(dfa.accepts(number), valid && (whole || !integers)) << text << " " << number;
        inside += valid ? 1 : 0;
      }
      for (const char* never : {"", "-", "01", "-0", "+1", "1.", ".5", "1e2", "--1", "1 "}) {
        EXPECT_FALSE(dfa.accepts(never)) << text << " " << never;
      }
    }
  }
  EXPECT_GT(inside, 300u);
}

TEST(JsonText, FreeNumbers) {
  const Dfa dfa = number_text({}).value();
  for (const char* text : {"0", "-1", "1.5e10", "1E-5", "123456789012345", "0.1"}) {
    EXPECT_TRUE(dfa.accepts(text)) << text;
  }
  for (const char* text : {"01", "1e400", "1234567890123456", "NaN", ""}) {
    EXPECT_FALSE(dfa.accepts(text)) << text;
  }
  NumberLanguage integers;
  integers.integers_only = true;
  EXPECT_TRUE(number_text(integers).value().accepts("-123456789012345678"));
  EXPECT_FALSE(number_text(integers).value().accepts("1234567890123456789"));
}

TEST(JsonText, QuotedTextIsWhatDumpWrites) {
  const Dfa dfa = quoted_text(all_text());
  for (const std::string& text :
       {std::string(), std::string("a\"b\\c/\n\t\r\b\f"), std::string("\x01\x1f\x7f", 3),
        std::string("é한😀"), std::string("\0", 1)}) {
    EXPECT_TRUE(dfa.accepts(json::dump(json::Value(text)))) << json::dump(json::Value(text));
  }
  for (const char* text : {"\"", "\"a", "a\"", "\"\\u0041\"", "\"\\/\"", "\"\n\"", "\"\xff\""}) {
    EXPECT_FALSE(dfa.accepts(text)) << text;
  }
}

bool is_string(std::string_view text, uint32_t min, uint32_t max) {
  Rules rules;
  const RuleId rule = rules.add_rule("root");
  free_string(rules, rule, min, max);
  EXPECT_TRUE(rules.finish(rule).ok());
  return belongs(rules, text);
}

TEST(JsonText, FreeStringsAreWhatAReaderTakes) {
  const std::vector<std::string> texts = {"\"\"",
                                          "\"abc\"",
                                          "\"\\u00e9\\n\\/\"",
                                          "\"\\ud83d\\ude00\"",
                                          "\"\\uD83D\\uDE00x\"",
                                          "\"\\ud83d\"",
                                          "\"\\ude00\"",
                                          "\"\\ud83dx\"",
                                          "\"\\ud83d\\u0041\"",
                                          "\"\\u12G4\"",
                                          "\"\\x\"",
                                          "\"\x01\"",
                                          "\"한\"",
                                          "\"\xed\xa0\x80\"",
                                          "\"a\"b\"",
                                          "\"a",
                                          "\"\\udBff\\udfFF\"",
                                          "\"\\u0000\""};
  for (const std::string& text : texts) {
    const auto value = json::parse(text);
    EXPECT_EQ(is_string(text, 0, kNoMax), value.ok()) << text;
  }
}

TEST(JsonText, LengthsAreCharacters) {
  for (const auto& [text, length] :
       std::vector<std::pair<std::string, uint32_t>>{{"\"\"", 0},
                                                     {"\"ab\"", 2},
                                                     {"\"한😀\"", 2},
                                                     {"\"\\ud83d\\ude00\\n\"", 2},
                                                     {"\"\\u0041bc\"", 3}}) {
    for (uint32_t min = 0; min < 5; ++min) {
      for (uint32_t max = min; max < 5; ++max) {
        EXPECT_EQ(is_string(text, min, max), min <= length && length <= max) << text;
      }
    }
  }
}

// A pattern that is a mere repetition is written by counting; the automaton of the same language is
// its slow twin. Shortest completions are those of the rules, so their numbers must agree, too.
TEST(JsonText, RepetitionsAreWhatTheirAutomataAre) {
  const std::string pieces[] = {"a", "z", "Q", "7", "-", " ", "\"", "\\", "\n", "\x01", "é", "한",
                                "😀", "\x7f"};
  std::mt19937_64 random(3);
  size_t accepted = 0;
  for (const char* pattern : {"^[a-z]{2,4}$", "^.*$", "^[^\\n]{1,3}$", "^(?:[\"\\\\\\n])+$", 
                              "^한{2}$",
                              "^[é-힣]{0,2}$", "^(([a]))?$", "^\\u0001{1,2}$", "^[\\s\\S]+$"}) {
    SCOPED_TRACE(pattern);
    const auto repetition = as_repetition(pattern);
    ASSERT_TRUE(repetition.has_value());
    Rules rules;
    const RuleId rule = rules.add_rule("root");
    ASSERT_TRUE(repeated_string(rules, rule, *repetition).ok());
    ASSERT_TRUE(rules.finish(rule).ok());
    EXPECT_TRUE(rules.rule(rule).leaf);
    const Dfa twin = quoted_text(regex_language(pattern, Matching::kSearch).value());
    Rules slow;
    const RuleId embedded = slow.add_rule("root");
    slow.embed(embedded, twin);
    ASSERT_TRUE(slow.finish(embedded).ok());
    EXPECT_EQ(rules.rule_cost(rule), slow.rule_cost(embedded));
    const StateId start = rules.rule(rule).start;
    EXPECT_TRUE(twin.accepts(rules.shortest(start, rules.rule(rule).min)));
    for (int i = 0; i < 400; ++i) {
      std::string text;
      for (uint64_t n = random() % 6; n > 0; --n) text += pieces[random() % std::size(pieces)];
      const std::string quoted = json::dump(json::Value(text));
      const bool fits = belongs(rules, quoted);
      accepted += fits ? 1 : 0;
      EXPECT_EQ(fits, twin.accepts(quoted)) << quoted;
    }
  }
  EXPECT_GT(accepted, 300U);
  for (const char* other : {"[a-z]+", "^a+b$", "^a|b$", "^[a-z]+", "^(ab)+$", 
                            "^a$", "^$", "^[a-z$"}) {
    EXPECT_FALSE(as_repetition(other).has_value()) << other;
  }
}

}  // namespace
}  // namespace weft::grammar
