// SPDX-License-Identifier: Apache-2.0
#include "cli/class_warnings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "workflow/loader.h"

namespace weft::cli {
namespace {

using testing::HasSubstr;

TEST(ClassWarnings, NameTheStepAndTheNearestClass) {
  const auto flow = workflow::load_or_error(R"(
weft: "1"
id: flow
workflow_config: { mode_selection: { simple_tasks: non_reasoning } }
steps:
  - { id: good, type: llm, parameters: { prompt: x, class: simple_tasks } }
  - { id: other, type: llm, parameters: { prompt: x, class: nightly } }
  - { id: slip, type: llm, parameters: { prompt: x, class: simpel_tasks } }
  - id: late
    type: llm
    parameters: { prompt: x, class: "{{ run.id }}" }
    fallback: [{ id: again, type: llm, parameters: { prompt: x, class: simple } }]
)", "flow").value();
  backend::RoutingConfig rules;
  rules.classes["nightly"] = {.mode = "reasoning"};
  const auto found = class_warnings(*flow, rules);
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0].code, "E0432");
  EXPECT_THAT(found[0].message, HasSubstr("step 'slip'"));
  EXPECT_THAT(found[0].hint, HasSubstr("did you mean 'simple_tasks'?"));
  EXPECT_EQ(found[0].place.line, 8);
  EXPECT_THAT(found[1].message, HasSubstr("step 'again'"));
  EXPECT_EQ(class_warnings(*flow, {}).size(), 3U) << "nobody knows nightly without its rules";
}

}  // namespace
}  // namespace weft::cli
