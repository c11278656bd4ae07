// SPDX-License-Identifier: Apache-2.0
#include "base/file_writer.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "base/file.h"

namespace weft {
namespace {

std::string place(const std::string& name) { return testing::TempDir() + "weft-writer-" + name; }

TEST(FileWriter, NothingIsThereBeforeCommit) {
  const std::string path = place("a");
  std::filesystem::remove(path);
  {
    auto writer = FileWriter::create(path);
    ASSERT_TRUE(writer.ok());
    ASSERT_TRUE(writer->write("half").ok());
    EXPECT_FALSE(file_exists(path));
  }
  EXPECT_FALSE(file_exists(path + ".part"));
  auto writer = FileWriter::create(path);
  ASSERT_TRUE(writer->write("all ").ok());
  ASSERT_TRUE(writer->write("of it").ok());
  ASSERT_TRUE(writer->commit().ok());
  EXPECT_EQ(read_file(path).value(), "all of it");
  EXPECT_FALSE(file_exists(path + ".part"));
}

TEST(FileWriter, APartThatWasKeptIsContinued) {
  const std::string path = place("b");
  {
    auto writer = FileWriter::create(path);
    ASSERT_TRUE(writer->write("first ").ok());
    writer->keep();
  }
  auto writer = FileWriter::create(path, true);
  EXPECT_EQ(writer->size(), 6u);
  ASSERT_TRUE(writer->write("second").ok());
  ASSERT_TRUE(writer->commit().ok());
  EXPECT_EQ(read_file(path).value(), "first second");
}

TEST(FileWriter, RestartForgetsAndBadPathsAreErrors) {
  auto writer = FileWriter::create(place("c"));
  ASSERT_TRUE(writer->write("wrong").ok());
  ASSERT_TRUE(writer->restart().ok());
  ASSERT_TRUE(writer->write("right").ok());
  ASSERT_TRUE(writer->commit().ok());
  EXPECT_EQ(read_file(place("c")).value(), "right");
  const auto nowhere = FileWriter::create(place("no-such-directory") + "/x/y");
  ASSERT_FALSE(nowhere.ok());
  EXPECT_EQ(nowhere.error().code, "E0022");
}

}  // namespace
}  // namespace weft
