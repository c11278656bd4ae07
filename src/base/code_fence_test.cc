// SPDX-License-Identifier: Apache-2.0
#include "base/code_fence.h"

#include <gtest/gtest.h>

namespace weft {
namespace {

TEST(CodeFence, OnlyAWholeBlockIsTakenOff) {
  EXPECT_EQ(without_code_fence(" {\"a\": 1}\n"), "{\"a\": 1}");
  EXPECT_EQ(without_code_fence("```json\n{\"a\": 1}\n```\n"), "{\"a\": 1}");
  EXPECT_EQ(without_code_fence("```\n\n```"), "");
  EXPECT_EQ(without_code_fence("```\n```"), "");
  EXPECT_EQ(without_code_fence("```"), "```");
  EXPECT_EQ(without_code_fence("``````"), "``````");  // one line is no block
  EXPECT_EQ(without_code_fence("see ```x```"), "see ```x```");
  EXPECT_EQ(without_code_fence(""), "");
}

}  // namespace
}  // namespace weft
