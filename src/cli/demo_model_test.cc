// SPDX-License-Identifier: Apache-2.0
#include "cli/demo_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "workflow/loader.h"

namespace weft::cli {
namespace {

using testing::HasSubstr;

constexpr std::string_view kFlow = R"(
weft: "1"
id: flow
steps:
  - id: triage
    type: llm
    parameters: { prompt: x, output: { type: object, properties: { urgency: { type: integer } } } }
  - id: poem
    type: llm
    parameters: { prompt: x, output: { type: object, properties: { poem: { type: string } } } }
  - id: text
    type: llm
    parameters: { prompt: x }
  - id: list
    type: llm
    parameters: { prompt: x, model: fast, output: { type: array, items: { type: string } } }
  - id: large
    type: llm
    parameters: { prompt: x, model: large, output: { type: array } }
  - id: classed
    type: llm
    parameters: { prompt: x, class: hard, output: { type: array } }
  - id: late
    type: llm
    parameters: { prompt: x, output: { type: object, properties: { "{{ run.id }}": {} } } }
    fallback:
      - { id: again, type: llm, parameters: { prompt: x, output: { type: string } } }
)";

TEST(DemoModel, WarnsOfOutputsThatItWasNotTrainedFor) {
  const auto flow = workflow::load_or_error(std::string(kFlow), "flow").value();
  ModelsConfig config;
  config.rules.classes["hard"] = {.model = "large"};
  const auto found = demo_model_warnings(
      *flow, config.rules, [&](const std::string& model) { return is_demo_model(config, model); });
  ASSERT_EQ(found.size(), 3U);
  EXPECT_EQ(found[0].code, "E0433");
  EXPECT_THAT(found[0].message, HasSubstr("step 'poem'"));
  EXPECT_THAT(found[0].hint, HasSubstr("category, intent"));
  EXPECT_EQ(found[0].place.line, 8);
  EXPECT_THAT(found[1].message, HasSubstr("step 'list'"));
  EXPECT_THAT(found[2].message, HasSubstr("step 'again'"));
  EXPECT_TRUE(demo_model_warnings(*flow, {}, [](const auto&) { return false; }).empty());
}

TEST(DemoModel, IsWhatTheConfigurationMakesOfAName) {
  ModelsConfig config;
  for (const char* name : {"default", "fast", "deep", "embedded"}) {
    EXPECT_TRUE(is_demo_model(config, name)) << name;
  }
  for (const char* name : {"auto", "large", "models/weft-mini"}) {
    EXPECT_FALSE(is_demo_model(config, name)) << name;
  }
  config.local = {{"fast", "/models/large"}, {"mini", ""}};
  config.rules.models["deep"] = {};  // of another server
  EXPECT_FALSE(is_demo_model(config, "fast"));
  EXPECT_TRUE(is_demo_model(config, "mini"));
  EXPECT_FALSE(is_demo_model(config, "deep"));
  EXPECT_TRUE(is_demo_model(config, "default"));
  config.rules.device = "server";
  config.rules.devices["server"] = "fast";
  EXPECT_FALSE(is_demo_model(config, "default"));
}

}  // namespace
}  // namespace weft::cli
