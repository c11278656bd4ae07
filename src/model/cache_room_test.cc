// SPDX-License-Identifier: Apache-2.0
#include "model/cache_room.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "base/file.h"

namespace weft::model {
namespace {

TEST(CacheRoom, WhatWasNotUsedForLongestGoesFirst) {
  const std::vector<CachedFile> files = {{"b", 30, 2}, {"a", 20, 1}, {"d", 40, 4}, {"c", 10, 3}};
  const auto gone = [&](uint64_t most, std::string_view kept = "") {
    return least_used(files, most, kept);
  };
  EXPECT_TRUE(gone(100).empty());
  EXPECT_EQ(gone(99), std::vector<std::string>({"a"}));
  EXPECT_EQ(gone(50), std::vector<std::string>({"a", "b"}));
  EXPECT_EQ(gone(0), std::vector<std::string>({"a", "b", "c", "d"}));
  EXPECT_EQ(gone(50, "a"), std::vector<std::string>({"b", "c", "d"})) << "one is being used";
  EXPECT_TRUE(least_used({}, 0, "").empty());
}

TEST(CacheRoom, NothingGoesWhileTheDiskHasRoom) {
  const std::string directory = testing::TempDir() + "weft-cache-room";
  std::filesystem::remove_all(directory);
  ASSERT_TRUE(make_directories(directory).ok());
  ASSERT_TRUE(write_file_atomic(directory + "/one.pack", "1").ok());
  ASSERT_TRUE(write_file_atomic(directory + "/other", "2").ok());
  make_room(directory, ".pack", "");
  EXPECT_TRUE(std::filesystem::exists(directory + "/one.pack"));
  EXPECT_TRUE(std::filesystem::exists(directory + "/other"));
  make_room(directory + "/absent", ".pack", "");
  std::filesystem::remove_all(directory);
}

}  // namespace
}  // namespace weft::model
