// SPDX-License-Identifier: Apache-2.0
#include "workflow/secret_names.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "workflow/loader.h"

namespace weft::workflow {
namespace {

TEST(SecretNames, ThoseThatAStepCannotDoWithout) {
  const auto workflow = load_or_error(R"(
weft: "1"
id: x
tools:
  - name: refund
    step: {type: http, parameters: {url: "http://h/", headers: {K: "{{ secrets.TOOL }}"}}}
steps:
  - id: push
    type: http
    parameters: {url: "http://h/{{ secrets.B }}", headers: {K: "{{ secrets.A }}{{ secrets.A }}"}}
    fallback:
      - {id: mail, type: notification, parameters: {channel: chat, to: "{{ secrets.C }}", text: x}}
  - id: perhaps
    type: notification
    when: "{{ secrets.HOOK is defined }}"
    parameters: {channel: chat, to: "{{ secrets.HOOK }}", text: "{{ secrets.D | default('') }}"}
  - {id: never, type: set, parameters: {value: "{{ secrets.E }}"}}
)", "test");
  ASSERT_TRUE(workflow.ok()) << workflow.error().text();
  std::vector<std::string> found;
  for (const SecretName& one : secret_names(**workflow)) {
    found.push_back(one.where + " " + one.name);
  }
  EXPECT_THAT(found, testing::ElementsAre("tool 'refund' TOOL", "step 'push' A", "step 'push' B",
                                          "fallback 'mail' C"));
}

}  // namespace
}  // namespace weft::workflow
