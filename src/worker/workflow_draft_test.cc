// SPDX-License-Identifier: Apache-2.0
#include "worker/workflow_draft.h"

#include <gtest/gtest.h>

#include "base/env.h"
#include "workflow/loader.h"

namespace weft::worker {
namespace {

json::Value draft(std::string_view steps) {
  return json::parse(fmt::format(R"({{"title": "T: \"x\" # {{{{ y }}}}",
                                     "inputs": ["steps", "steps", "if"], "steps": {}}})",
                                 steps)).value();
}

TEST(Draft, ANormalOne) {
  const auto text = document_of_draft(
      draft(R"([{"does": "choose", "text": "Which?", "choices": ["yes", "no", "yes"],
                 "waits": true},
                {"does": "fetch", "text": "Ask", "choices": [], "waits": false},
                {"does": "approve", "text": "Send {{ it }}?", "choices": [], "waits": true},
                {"does": "save", "text": "Result:", "choices": [], "waits": true}])"),
      "sort\nmail");
  ASSERT_TRUE(text.ok()) << text.error().text();
  const auto workflow = workflow::load_or_error(*text, "draft");
  ASSERT_TRUE(workflow.ok()) << workflow.error().text() << *text;
  ASSERT_EQ((*workflow)->steps.size(), 4U);
  EXPECT_EQ((*workflow)->steps[3].dependencies.size(), 3U) << "the last one brings all together";
  EXPECT_TRUE((*workflow)->steps[1].dependencies.empty());
}

// Whatever fits the form becomes a document that loads: words of templates, quotes, braces, odd
// characters, every kind of step in every place.
TEST(Draft, AlwaysLoads) {
  constexpr std::string_view kDoes[] = {"think", "choose", "fetch", "approve", "wait", "save"};
  constexpr std::string_view kTexts[] = {"plain",  "{{ steps.nothing }}", "{% if %}", "'\\\"",
                                         "# - :",  "한국어",              "a\nb\tc",  "}}",
                                         "&*!|>", "\x01"};
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    SimEnv env(seed);
    const auto below = [&](size_t n) {
      uint8_t byte[1];
      env.random(byte);
      return byte[0] % n;
    };
    json::Array steps;
    for (size_t i = 0, n = 1 + below(6); i < n; ++i) {
      json::Array choices;
      for (size_t c = 0, m = below(4); c < m; ++c) choices.emplace_back(c % 2 == 0 ? "yes" : "no");
      steps.push_back(json::Object{{"does", kDoes[below(6)]}, {"text", kTexts[below(10)]},
                                   {"choices", choices}, {"waits", below(2) == 0}});
    }
    const json::Value one = json::Object{{"title", fmt::format("t {}", kTexts[below(10)])},
                                         {"inputs", json::Array{"not", "in", "loop"}},
                                         {"steps", steps}};
    const auto text = document_of_draft(one, kTexts[below(10)]);
    ASSERT_TRUE(text.ok()) << text.error().text() << json::dump(one);
    const auto workflow = workflow::load_or_error(*text, "draft");
    ASSERT_TRUE(workflow.ok()) << workflow.error().text() << "\n" << *text;
  }
}

TEST(Draft, WhatDoesNotFitIsRefused) {
  for (const char* wrong : {"{}", "[]", R"({"title": "abc", "inputs": [], "steps": []})",
                            R"({"title": "abc", "inputs": ["a b"], "steps": [{}]})"}) {
    const auto text = document_of_draft(json::parse(wrong).value(), "x");
    ASSERT_FALSE(text.ok()) << wrong;
    EXPECT_EQ(text.error().code, "E0907");
  }
}

}  // namespace
}  // namespace weft::worker
