// SPDX-License-Identifier: Apache-2.0
#include "workflow/step_thinking.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace weft::workflow {
namespace {

using Mode = text::ThinkingMode;

std::string said(std::string_view mode, std::string_view thinking) {
  const json::Value value = json::parse(thinking).value();
  const auto got = step_thinking(mode, &value);
  return got.ok() ? fmt::format("{}", got->budget_tokens.value_or(-1)) : got.error().text();
}

TEST(StepThinking, BudgetAndLimitBecomeOneBound) {
  EXPECT_EQ(said("", "{}"), "-1");
  EXPECT_EQ(said("reasoning", R"({"budget_tokens": 500})"), "500");
  EXPECT_EQ(said("adaptive", R"({"budget_tokens": 500, "limit_tokens": 20})"), "20");
  EXPECT_EQ(said("", R"({"budget_tokens": "auto", "limit_tokens": 20})"), "20");
  EXPECT_EQ(said("", R"({"budget_tokens": "auto"})"), "-1");
  EXPECT_EQ(said("", R"({"budget_tokens": 0})"), "0");
  EXPECT_EQ(said("non_reasoning", R"({"limit_tokens": 20})"), "20") << "a limit is no wish";
  EXPECT_EQ(step_thinking("reasoning", nullptr)->mode, Mode::kOn);
  EXPECT_EQ(step_thinking("non_reasoning", nullptr)->mode, Mode::kOff);
  EXPECT_EQ(step_thinking("adaptive", nullptr)->mode, Mode::kAuto);
}

TEST(StepThinking, ContradictionsAndUnknownMembersAreRefused) {
  const struct {
    const char* mode;
    const char* thinking;
    const char* expected;
  } cases[] = {
      {"non_reasoning", R"({"budget_tokens": 500})",
       "E0412 thinking.budget_tokens: 500 contradicts mode: non_reasoning"},
      {"reasoning", R"({"budget_tokens": 0})",
       "E0412 thinking.budget_tokens: 0 contradicts mode: reasoning"},
      {"adaptive", R"({"budget_tokens": 0})",
       "E0412 thinking.budget_tokens: 0 contradicts mode: adaptive"},
      {"reasoning", R"({"limit_tokens": 0})",
       "E0412 thinking.limit_tokens: 0 contradicts mode: reasoning"},
      {"", R"({"budget_tokens": -5})", "E0412 thinking.budget_tokens: expected a number of tokens"},
      {"", R"({"limit_tokens": -1})", "E0412 thinking.limit_tokens: expected a number of tokens"},
      {"", R"({"budget_tokens": "lots"})", "E0412 thinking.budget_tokens: expected"},
      {"", R"({"budget_tokenz": 5})", "E0410 thinking.budget_tokenz: not known"},
      {"", "[1]", "E0412 thinking: expected {budget_tokens, limit_tokens}, found"},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(said(c.mode, c.thinking).substr(0, std::string_view(c.expected).size()), c.expected);
  }
  EXPECT_NE(said("", R"({"budget_tokenz": 5})").find("did you mean 'budget_tokens'"),
            std::string::npos);
}

}  // namespace
}  // namespace weft::workflow
