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
  constexpr std::string_view kDoes[] = {"think", "choose", "fetch", "approve", "wait",   "save",
                                        "lookup", "chat", "email", "webhook", "agent"};
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
      steps.push_back(json::Object{{"does", kDoes[below(11)]}, {"text", kTexts[below(10)]},
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

TEST(Draft, DatabasesMessagesAndAgents) {
  const auto text = document_of_draft(
      draft(R"([{"does": "lookup", "text": "The order", "choices": [], "waits": false},
                {"does": "agent", "text": "Find out", "choices": ["orders", "shell"],
                 "waits": true},
                {"does": "agent", "text": "More", "choices": ["orders"], "waits": true},
                {"does": "email", "text": "Tell them", "choices": [], "waits": true},
                {"does": "chat", "text": "Tell us", "choices": [], "waits": false},
                {"does": "webhook", "text": "Done", "choices": [], "waits": true}])"),
      "x");
  ASSERT_TRUE(text.ok()) << text.error().text();
  const auto loaded = workflow::load_or_error(*text, "draft");
  ASSERT_TRUE(loaded.ok()) << loaded.error().text() << *text;
  const auto& steps = (*loaded)->steps;
  EXPECT_EQ(steps[0].type, "database");
  EXPECT_EQ(steps[1].type, "agent");
  EXPECT_EQ(steps[3].type, "notification");
  ASSERT_EQ((*loaded)->tools.size(), 2U) << "one tool of a name";
  EXPECT_EQ((*loaded)->tools[1].name, "get_shell") << "nothing built in is declared anew";
  for (const char* part : {"steps.step_1.rows", "input.email ", "input.chat_url", "input.tools_url",
                           "input.webhook_url", "output: \"{{ steps.step_3 }}\""}) {
    EXPECT_NE(text->find(part), std::string::npos) << part << "\n" << *text;
  }
}

TEST(Draft, ASeedMakesItAnother) {
  EXPECT_FALSE(draft_request("m", "x", std::nullopt).temperature.has_value());
  const auto sampled = draft_request("m", "x", 7);
  EXPECT_GT(sampled.temperature.value_or(0), 0);
  EXPECT_EQ(sampled.seed, 7U);
}

TEST(Draft, ARefusalGoesBackWithTheFormAndTheLastResortLoads) {
  auto request = draft_request("m", "x", std::nullopt);
  const auto none = drafted_document("Sure! Here is your workflow.", "x");
  ASSERT_FALSE(none.ok());
  tell_draft_refused(request, "Sure! Here is your workflow.", none.error());
  ASSERT_EQ(request.messages.size(), 4U);
  const std::string told(request.messages[3].at("content").as_string());
  EXPECT_NE(told.find("is no JSON"), std::string::npos) << told;
  EXPECT_NE(told.find("\"maxItems\":6"), std::string::npos) << told;
  for (const char* wanted : {"", "a\nb", "{{ 7 * 7 }}", "한국어", "x: - #"}) {
    const std::string text = undrafted_document(wanted);
    const auto loaded = workflow::load_or_error(text, "frame");
    ASSERT_TRUE(loaded.ok()) << loaded.error().text() << text;
    EXPECT_NE(text.find("frame to fill in"), std::string::npos);
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
