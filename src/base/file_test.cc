// SPDX-License-Identifier: Apache-2.0
#include "base/file.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>

namespace weft {
namespace {

class FileTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "weft-file-XXXXXX";
    directory_ = ::mkdtemp(pattern.data());
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }
  std::string directory_;
};

TEST_F(FileTest, AtomicWriteReplacesAndLeavesNothingBehind) {
  const std::string path = directory_ + "/a";
  ASSERT_TRUE(write_file_atomic(path, "one").ok());
  ASSERT_TRUE(write_file_atomic(path, "two").ok());
  EXPECT_EQ(*read_file(path), "two");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(directory_), {}), 1);
}

TEST_F(FileTest, AFailedWriteKeepsTheOldContent) {
  const std::string path = directory_ + "/a";
  ASSERT_TRUE(write_file_atomic(path, "old").ok());
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, SIG_IGN);
  rlimit small{1000, before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &small);
  const Status status = write_file_atomic(path, std::string(5000, 'x'));
  setrlimit(RLIMIT_FSIZE, &before);
  EXPECT_EQ(status.error().code, "E0022");
  EXPECT_EQ(*read_file(path), "old");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(directory_), {}), 1);
}

TEST_F(FileTest, ReadingIsBoundedAndExplained) {
  ASSERT_TRUE(write_file_atomic(directory_ + "/a", "12345").ok());
  EXPECT_EQ(read_file(directory_ + "/a", 4).error().code, "E0021");
  EXPECT_EQ(read_file(directory_ + "/none").error().hint, "check the path");
  EXPECT_EQ(read_file(directory_).error().code, "E0020");
}

TEST_F(FileTest, Mapping) {
  ASSERT_TRUE(write_file_atomic(directory_ + "/a", "12345").ok());
  ASSERT_TRUE(write_file_atomic(directory_ + "/empty", "").ok());
  EXPECT_EQ(MappedFile::open(directory_ + "/a")->bytes(), "12345");
  EXPECT_EQ(MappedFile::open(directory_ + "/empty")->bytes(), "");
  EXPECT_EQ(MappedFile::open(directory_).error().code, "E0020");
}

// Whoever keeps something for these bytes keeps it under their name, not their successor's.
TEST_F(FileTest, AMappedFileKeepsItsIdentity) {
  const std::string path = directory_ + "/a";
  const std::string link = directory_ + "/link";
  ASSERT_TRUE(write_file_atomic(path, "first").ok());
  std::filesystem::create_symlink(path, link);
  const MappedFile first = MappedFile::open(path).value();
  const std::string was = first.identity();
  EXPECT_TRUE(was.starts_with(std::filesystem::canonical(path).string() + "\t5\t")) << was;
  EXPECT_EQ(MappedFile::open(link)->identity(), was);
  ASSERT_TRUE(write_file_atomic(path, "another").ok());
  EXPECT_EQ(first.identity(), was);
  EXPECT_EQ(first.bytes(), "first");
  EXPECT_NE(MappedFile::open(path)->identity(), was);
}

}  // namespace
}  // namespace weft
