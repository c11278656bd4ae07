// SPDX-License-Identifier: Apache-2.0
#include "security/checkpoint_outbox.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/file.h"
#include "security/checkpoint.h"

namespace weft::security {
namespace {

class OutboxTest : public ::testing::Test {
 protected:
  void SetUp() override {
    directory_ = std::filesystem::temp_directory_path() /
                 ("weft-outbox-" + std::to_string(::getpid()) + random_text(6));
    std::filesystem::create_directories(directory_);
    file_ = (directory_ / "checkpoints").string();
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }
  void append(int lines) {
    for (int i = 0; i < lines; ++i) {
      const ChainState state{"audit", "a", 1, ++length_, std::string(32, 'h')};
      ASSERT_TRUE(append_checkpoint(file_, seed_, length_, {&state, 1}).ok());
    }
  }
  // What a receiver gets that takes everything.
  std::string told_by(CheckpointOutbox& outbox, int64_t first) {
    const auto next = outbox.next();
    EXPECT_TRUE(next.ok()) << next.error().text();
    if (!next.ok() || !*next) return "";
    EXPECT_EQ((*next)->first, first);
    EXPECT_TRUE(outbox.acknowledge(**next).ok());
    return (*next)->text;
  }
  std::string text() const { return read_file(file_).value(); }

  std::filesystem::path directory_;
  std::string file_;
  int64_t length_ = 0;
  const Secret seed_ = Secret::derived("seed");
};

TEST_F(OutboxTest, WhatIsTakenIsTheFileLineByLine) {
  CheckpointOutbox outbox(file_, "https://witness.example.com/a");
  EXPECT_EQ(told_by(outbox, 1), "");  // there is no file yet
  append(3);
  std::string told = told_by(outbox, 1);
  EXPECT_EQ(told, text());
  EXPECT_EQ(told_by(outbox, 4), "");
  append(2);
  std::ofstream(file_, std::ios::app) << R"({"n":6,"at)";  // one is being written
  told += told_by(outbox, 4);
  EXPECT_EQ(outbox.told(), 5);
  append(1);
  told += told_by(outbox, 6);
  EXPECT_EQ(told, text());
  EXPECT_EQ(read_checkpoints(told, public_key(seed_)).value().lines, 6);
}

TEST_F(OutboxTest, OneThatIsNotTakenComesAgainWithWhatFollowed) {
  append(2);
  {
    CheckpointOutbox outbox(file_, "here");
    EXPECT_EQ(outbox.next().value()->last, 2);
    append(1);
    EXPECT_EQ(outbox.next().value()->last, 3);
    EXPECT_EQ(told_by(outbox, 1), text());
    append(1);
  }
  CheckpointOutbox after(file_, "here");  // another process
  EXPECT_EQ(after.next().value()->first, 4);
  EXPECT_EQ(after.told(), 3);
}

TEST_F(OutboxTest, OneOfSeveralProcessesTells) {
  append(1);
  auto first = std::make_unique<CheckpointOutbox>(file_, "here");
  CheckpointOutbox second(file_, "here");
  EXPECT_TRUE(first->next().value().has_value());
  EXPECT_FALSE(second.next().value().has_value());
  EXPECT_EQ(told_by(*first, 1), text());
  append(1);
  first.reset();
  EXPECT_EQ(second.next().value()->first, 2);
}

TEST_F(OutboxTest, ANewReceiverAndATornPlaceBeginAtTheBeginning) {
  append(2);
  { CheckpointOutbox outbox(file_, "here"); told_by(outbox, 1); }
  { CheckpointOutbox outbox(file_, "there"); EXPECT_EQ(told_by(outbox, 1), text()); }
  std::ofstream(file_ + ".told") << R"({"receiver":"3)";
  CheckpointOutbox outbox(file_, "there");
  EXPECT_EQ(told_by(outbox, 1), text());
}

TEST_F(OutboxTest, AFileThatIsAnotherOneIsToldAnew) {
  append(3);
  CheckpointOutbox outbox(file_, "here");
  const std::string before = told_by(outbox, 1);
  std::filesystem::resize_file(file_, before.find('\n') + 1);  // two lines cut
  EXPECT_EQ(told_by(outbox, 1), text());
  std::filesystem::remove(file_);
  EXPECT_EQ(told_by(outbox, 1), "");
  length_ = 10;
  append(5);  // longer than what was told
  const std::string other = told_by(outbox, 1);
  EXPECT_EQ(other, text());
  // who keeps both sees that they are two histories
  EXPECT_FALSE(read_checkpoints(before + other, public_key(seed_)).ok());
  std::ofstream(file_, std::ios::app) << "rubbish\n";
  EXPECT_EQ(outbox.next().error().code, "E0766");
}

TEST_F(OutboxTest, LinesThatCameTwiceProveTheSame) {
  append(4);
  const std::string all = text();
  const size_t second = all.find('\n') + 1;
  const size_t fourth = all.find('\n', all.find('\n', second) + 1) + 1;
  const auto twice = read_checkpoints(all.substr(0, fourth) + all.substr(second), "");
  ASSERT_TRUE(twice.ok()) << twice.error().text();
  EXPECT_EQ(twice->lines, 4);
  EXPECT_FALSE(read_checkpoints(all + all.substr(fourth, 20) + "\n", "").ok());
}

}  // namespace
}  // namespace weft::security
