// SPDX-License-Identifier: Apache-2.0
#include "text/thinking.h"

#include <gtest/gtest.h>

namespace weft::text {
namespace {

Result<ThinkingRequest> parse(std::string_view body) {
  return parse_thinking(json::parse(body).value().as_object());
}

constexpr ThinkingMode kAuto = ThinkingMode::kAuto;
constexpr ThinkingMode kOff = ThinkingMode::kOff;
constexpr ThinkingMode kOn = ThinkingMode::kOn;

TEST(Thinking, EverySpellingIsUnderstood) {
  struct Case {
    std::string_view body;
    ThinkingMode mode;
    std::optional<int64_t> budget = {};
  };
  for (const Case& one : std::vector<Case>{
           {R"({"messages": [], "temperature": 1})", kAuto},
           {R"({"enable_thinking": true})", kOn},
           {R"({"enable_thinking": false})", kOff},
           {R"({"enable_thinking": null, "thinking": null})", kAuto},
           {R"({"chat_template_kwargs": {"enable_thinking": false}})", kOff},
           {R"({"chat_template_kwargs": {"thinking": true, "other": 1}})", kOn},
           {R"({"chat_template_kwargs": {"low_effort": true}})", kOn, 1024},
           {R"({"chat_template_kwargs": {"low_effort": false}})", kAuto},
           {R"({"chat_template_kwargs": {"thinking_budget": 77}})", kOn, 77},
           {R"({"thinking": {"type": "enabled", "budget_tokens": 2000}})", kOn, 2000},
           {R"({"thinking": {"type": "disabled"}})", kOff},
           {R"({"thinking": {"type": "adaptive"}})", kAuto},
           {R"({"thinking": false})", kOff},
           {R"({"think": "low"})", kOn, 1024},
           {R"({"think": true})", kOn},
           {R"({"reasoning_effort": "none"})", kOff, 0},
           {R"({"reasoning_effort": "minimal"})", kOn, 256},
           {R"({"reasoning_effort": "max"})", kOn},
           {R"({"reasoning": {"effort": "high", "summary": "auto"}})", kOn, 16384},
           {R"({"reasoning": {"max_tokens": 5}})", kOn, 5},
           {R"({"reasoning": {"enabled": false}})", kOff},
           {R"({"output_config": {"effort": "medium"}})", kOn, 4096},
           {R"({"thinking_token_budget": 100})", kOn, 100},
           {R"({"thinking_token_budget": 0})", kOff, 0},
           {R"({"reasoning_budget_tokens": 100})", kOn, 100},
           {R"({"thinking_budget_tokens": -1})", kAuto},
           {R"({"nvext": {"max_thinking_tokens": 9}})", kOn, 9},
           // Several that agree; a number is more exact than an effort.
           {R"({"reasoning_effort": "high", "thinking_token_budget": 50})", kOn, 50},
           {R"({"reasoning_effort": "low", "thinking_token_budget": -1})", kOn},
           {R"({"enable_thinking": false, "thinking_budget": 0})", kOff, 0},
           {R"({"enable_thinking": true, "reasoning": {"effort": "low"}})", kOn, 1024}}) {
    const auto got = parse(one.body);
    ASSERT_TRUE(got.ok()) << one.body << ": " << got.error().text();
    EXPECT_EQ(got->mode, one.mode) << one.body;
    EXPECT_EQ(got->budget_tokens, one.budget) << one.body;
  }
}

TEST(Thinking, ContradictionsAndNonsenseNameTheField) {
  struct Case {
    std::string_view body, field;
  };
  for (const Case& one : std::vector<Case>{
           {R"({"enable_thinking": true, "reasoning_effort": "none"})", "reasoning_effort:"},
           {R"({"enable_thinking": false, "thinking_token_budget": 5})", "thinking_token_budget:"},
           {R"({"thinking_budget": 5, "reasoning_budget_tokens": 6})", "thinking_budget:"},
           {R"({"reasoning_effort": "low", "reasoning": {"effort": "high"}})", "reasoning.effort:"},
           {R"({"enable_thinking": true, "chat_template_kwargs": {"thinking": false}})",
            "chat_template_kwargs.thinking:"},
           {R"({"thinking": {"type": "disabled", "budget_tokens": 7}})",
            "thinking.budget_tokens:"},
           {R"({"enable_thinking": 1})", "enable_thinking:"},
           {R"({"thinking": "yes"})", "thinking:"},
           {R"({"thinking": {"type": "on"}})", "thinking.type:"},
           {R"({"thinking": {"budget": 1}})", "thinking.budget:"},
           {R"({"reasoning_effort": "extreme"})", "reasoning_effort:"},
           {R"({"reasoning_effort": 3})", "reasoning_effort:"},
           {R"({"reasoning": "high"})", "reasoning:"},
           {R"({"thinking_token_budget": -2})", "thinking_token_budget:"},
           {R"({"thinking_token_budget": 1.5})", "thinking_token_budget:"},
           {R"({"thinking_token_budget": 99999999999999999999})", "thinking_token_budget:"},
           {R"({"reasoning": {"efort": "none"}})", "reasoning.efort:"},
           {R"({"output_config": {"efort": "none"}})", "output_config.efort:"},
           {R"({"output_config": "x"})", "output_config:"},
           {R"({"nvext": {"foo": 1}})", "nvext.foo:"},
           {R"({"nvext": 3})", "nvext:"},
           {R"({"think": []})", "think:"}}) {
    const auto got = parse(one.body);
    ASSERT_FALSE(got.ok()) << one.body;
    EXPECT_EQ(got.error().code, "E0743");
    EXPECT_TRUE(got.error().message.starts_with(one.field)) << got.error().message;
  }
}

TEST(Thinking, AMisspeltMemberIsToldTheNearestName) {
  EXPECT_NE(parse(R"({"reasoning": {"efort": "none"}})").error().hint.find("effort"),
            std::string::npos);
  EXPECT_NE(parse(R"({"nvext": {"max_thinking_token": 1}})").error().hint.find(
                "max_thinking_tokens"), std::string::npos);
}

TEST(Thinking, TheLimitIsTheLargestBudgetThatLeavesTheAnswerItsRoom) {
  for (const int64_t close : {4, 24}) {
    for (const int64_t answer : {1, 10, 64}) {
      for (int64_t tokens = 1; tokens < 3000; ++tokens) {
        const int64_t limit = thinking_limit(tokens, answer, close);
        const auto needed = [&](int64_t b) { return 1 + b + thinking_overrun(b) + close + answer; };
        if (limit > 0) {
          EXPECT_LE(needed(limit), tokens);
        }
        EXPECT_GT(needed(limit + 1), tokens);
      }
    }
  }
}

}  // namespace
}  // namespace weft::text
