// SPDX-License-Identifier: Apache-2.0
#include "runtime/kv_spill.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

namespace weft::runtime {
namespace {

std::vector<uint8_t> block_of(uint8_t value) { return std::vector<uint8_t>(1000, value); }

std::unique_ptr<KvSpill> spill(uint64_t bytes_max) {
  return KvSpill::open(testing::TempDir() + "/weft-spill", 1000, bytes_max).value();
}

TEST(KvSpill, GivesBackWhatWasWritten) {
  const auto file = spill(2999);
  EXPECT_EQ(file->slots(), 2);
  const int64_t a = file->write(block_of(1)).value();
  const int64_t b = file->write(block_of(2)).value();
  EXPECT_FALSE(file->write(block_of(3)).has_value());  // full
  std::vector<uint8_t> got(1000);
  EXPECT_TRUE(file->read(b, got));
  EXPECT_EQ(got, block_of(2));
  file->release(a);
  const int64_t c = file->write(block_of(3)).value();
  EXPECT_EQ(c, a);
  EXPECT_TRUE(file->read(c, got));
  EXPECT_EQ(got, block_of(3));
  EXPECT_EQ(file->used(), 2);
}

TEST(KvSpill, NoticesDamage) {
  const auto file = spill(10'000);
  const int64_t a = file->write(block_of(1)).value();
  const int64_t b = file->write(block_of(2)).value();
  ASSERT_EQ(::pwrite(file->file(), "x", 1, 500), 1);
  std::vector<uint8_t> got(1000);
  EXPECT_FALSE(file->read(a, got));
  EXPECT_TRUE(file->read(b, got));
  ASSERT_EQ(::ftruncate(file->file(), 1500), 0);
  EXPECT_FALSE(file->read(b, got));
}

TEST(KvSpill, LeavesNoFileBehindAndSaysWhereItCannotWrite) {
  const std::string directory = testing::TempDir() + "/weft-spill-empty";
  const auto file = KvSpill::open(directory, 1000, 10'000).value();
  EXPECT_TRUE(file->write(block_of(1)).has_value());
  EXPECT_TRUE(std::filesystem::is_empty(directory));
  const auto refused = KvSpill::open("/proc/nowhere", 1000, 10'000);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, "E0022");
}

}  // namespace
}  // namespace weft::runtime
