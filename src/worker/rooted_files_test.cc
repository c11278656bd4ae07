// SPDX-License-Identifier: Apache-2.0
#include "worker/rooted_files.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "base/digest.h"
#include "base/file.h"

namespace weft::worker {
namespace {

class RootedFilesTest : public ::testing::Test {
 protected:
  RootedFilesTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "weft-roots-XXXXXX").string();
    CHECK(::mkdtemp(pattern.data()) != nullptr);
    directory_ = pattern;
    std::filesystem::create_directories(directory_ / "root/sub");
    CHECK(write_file_atomic(directory_ / "secret", "secret").ok());
    CHECK(write_file_atomic(directory_ / "root/sub/a.txt", "inside").ok());
    files_ = std::make_unique<RootedFiles>(std::vector<std::string>{root()});
  }
  ~RootedFilesTest() override { std::filesystem::remove_all(directory_); }
  std::string root() const { return (directory_ / "root").string(); }

  std::filesystem::path directory_;
  std::unique_ptr<RootedFiles> files_;
};

TEST_F(RootedFilesTest, ReachesWhatLiesBelow) {
  EXPECT_EQ(files_->read("sub/a.txt", 100).value(), "inside");
  EXPECT_EQ(files_->read(root() + "/sub/a.txt", 100).value(), "inside");
  EXPECT_EQ(files_->read("sub/../sub/a.txt", 100).value(), "inside");
  std::filesystem::create_symlink("sub/a.txt", root() + "/link");
  EXPECT_EQ(files_->read("link", 100).value(), "inside");
  EXPECT_EQ(files_->read("sub/a.txt", 3).error().code, "E0605");
  EXPECT_EQ(files_->read("sub", 100).error().code, "E0605");
}

TEST_F(RootedFilesTest, NoWayLeadsOutside) {
  std::filesystem::create_symlink(directory_ / "secret", root() + "/absolute");
  std::filesystem::create_symlink("../secret", root() + "/relative");
  std::filesystem::create_symlink("..", root() + "/up");
  const std::string secret = (directory_ / "secret").string();
  for (const std::string& path :
       {std::string("../secret"), std::string("sub/../../secret"), secret,
        std::string("absolute"), std::string("relative"), std::string("up/secret"),
        root() + "/../secret", root() + "x/y"}) {
    EXPECT_EQ(files_->read(path, 100).error().code, "E0608") << path;
    EXPECT_FALSE(files_->append(path, "x").ok()) << path;
  }
  for (const char* path : {"up/secret", "up/new", "../new"}) {
    EXPECT_EQ(files_->write(path, "x", "k", 1).error().code, "E0608") << path;
    EXPECT_EQ(files_->remove(path).error().code, "E0608") << path;
  }
  // Replacing or deleting a link touches the link, not what it names.
  EXPECT_TRUE(files_->write("absolute", "mine", "k", 1).ok());
  EXPECT_TRUE(files_->remove("relative").value());
  EXPECT_EQ(read_file(secret).value(), "secret");
  EXPECT_EQ(RootedFiles({}).read("sub/a.txt", 100).error().code, "E0608");
}

TEST_F(RootedFilesTest, WritingReplacesWholeAndLeavesNoLitter) {
  ASSERT_TRUE(files_->write("sub/a.txt", "one", "key", 1).ok());
  // What a killed first attempt left behind goes with the second.
  const std::string left = "/sub/.weft-" + sha256_hex("key").substr(0, 16) + "-1";
  ASSERT_TRUE(write_file_atomic(root() + left, "half").ok());
  const auto entries = [&] { return files_->list("sub", 100).value().size(); };
  ASSERT_TRUE(files_->write("sub/a.txt", "two", "key", 2).ok());
  EXPECT_EQ(read_file(root() + "/sub/a.txt").value(), "two");
  EXPECT_EQ(entries(), 1U);
  EXPECT_EQ(files_->write("no/such/a.txt", "x", "key", 1).error().code, "E0605");
  EXPECT_EQ(files_->write("sub/", "x", "key", 1).error().code, "E0605");
  EXPECT_EQ(files_->write("", "x", "key", 1).error().code, "E0605");
}

TEST_F(RootedFilesTest, ListsByNameWithKinds) {
  ASSERT_TRUE(files_->append("sub/b.txt", "12345").ok());
  std::filesystem::create_directory(root() + "/sub/dir");
  ASSERT_EQ(::mkfifo((root() + "/sub/pipe").c_str(), 0600), 0);
  const auto entries = files_->list("sub", 100).value();
  ASSERT_EQ(entries.size(), 4U);
  EXPECT_EQ(entries[1].name, "b.txt");
  EXPECT_EQ(entries[1].bytes, 5);
  EXPECT_EQ(entries[2].kind, "directory");
  EXPECT_EQ(entries[3].kind, "other");
  EXPECT_EQ(files_->read("sub/pipe", 10).error().code, "E0605");  // and does not hang
  EXPECT_EQ(files_->list("sub", 2).error().code, "E0605");
}

TEST_F(RootedFilesTest, DeletingSaysWhetherThereWasSomething) {
  EXPECT_TRUE(files_->remove("sub/a.txt").value());
  EXPECT_FALSE(files_->remove("sub/a.txt").value());
}

}  // namespace
}  // namespace weft::worker
