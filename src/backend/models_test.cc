// SPDX-License-Identifier: Apache-2.0
#include "backend/models.h"

#include <gtest/gtest.h>

namespace weft::backend {
namespace {

TEST(Models, OneThatNeverFitsIsNotToBeTriedAgain) {
  ModelsOptions options;
  options.memory_bytes_max = uint64_t{1} << 20;
  const auto refused = Models(options).get("default");
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, "E0716");
  EXPECT_NE(refused.error().message.find("the budget for all models is 1.0 MiB"),
            std::string::npos) << refused.error().text();
}

}  // namespace
}  // namespace weft::backend
