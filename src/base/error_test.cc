// SPDX-License-Identifier: Apache-2.0
#include "base/error.h"

#include <gtest/gtest.h>

namespace weft {
namespace {

Result<int> half(int n) {
  if (n % 2 != 0) return make_error("E0001", fmt::format("expected an even number, found {}", n));
  return n / 2;
}

Result<int> quarter(int n) {
  const int once = TRY(half(n));
  return TRY(half(once));
}

TEST(Error, TryHandsTheFirstErrorUp) {
  EXPECT_EQ(*quarter(8), 2);
  ASSERT_FALSE(quarter(6).ok());
  EXPECT_EQ(quarter(6).error().message, "expected an even number, found 3");
}

TEST(Error, TextShowsCodeHintAndCauses) {
  Error below = make_error("E0002", "no such file", "check the path");
  Error error = make_error("E0001", "cannot load");
  error.cause = std::make_shared<const Error>(below);
  EXPECT_EQ(in_context(error, "weft.yaml").text(),
            "E0001 weft.yaml: cannot load\n  because: no such file. hint: check the path");
}

TEST(ErrorDeathTest, CheckSaysWhatBroke) {
  const int count = 3;
  EXPECT_DEATH(CHECK(count < 3, "count={}", count), "check failed: count < 3: count=3");
  EXPECT_DEATH((void)half(3).value(), "expected an even number");
}

}  // namespace
}  // namespace weft
