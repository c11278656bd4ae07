// SPDX-License-Identifier: Apache-2.0
#include "base/memory.h"

#include <gtest/gtest.h>

namespace weft {
namespace {

TEST(Memory, ReadsWhatTheKernelSays) {
  EXPECT_EQ(available_of_meminfo("MemTotal:  8 kB\nMemAvailable:   20 kB\nCached: 3 kB\n"),
            20u * 1024);
  EXPECT_EQ(available_of_meminfo("MemTotal:  8 kB\n"), std::nullopt);
  EXPECT_EQ(available_of_meminfo("MemAvailable: many\n"), std::nullopt);
  EXPECT_EQ(available_of_meminfo("MemAvailable: 99999999999999999999 kB\n"), std::nullopt);
}

TEST(Memory, AGroupLeavesItsLimitLessWhatItHolds) {
  EXPECT_EQ(left_of_group("1000\n", "600\n", "anon 5\ninactive_file 100\n"), 500u);
  EXPECT_EQ(left_of_group("1000", "600", ""), 400u);
  EXPECT_EQ(left_of_group("1000", "1600", ""), 0u);
  EXPECT_EQ(left_of_group("1000", "60", "inactive_file 100\n"), 1000u);
  EXPECT_EQ(left_of_group("max\n", "600\n", ""), std::nullopt);
  EXPECT_EQ(left_of_group("", "", ""), std::nullopt);
}

TEST(Memory, ThisMachineHasSome) {
  ASSERT_TRUE(available_memory().has_value());
  EXPECT_GT(*available_memory(), 1u << 20);
}

TEST(Memory, BytesAsPeopleReadThem) {
  EXPECT_EQ(bytes_text(0), "0 B");
  EXPECT_EQ(bytes_text(1023), "1023 B");
  EXPECT_EQ(bytes_text(3482), "3.4 KiB");
  EXPECT_EQ(bytes_text(uint64_t{5} << 30), "5.0 GiB");
}

}  // namespace
}  // namespace weft
