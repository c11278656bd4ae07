// SPDX-License-Identifier: Apache-2.0
#include "cli/spill_seal.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>

namespace weft::cli {
namespace {

// Blocks of one letter, as no noise would be.
std::vector<uint8_t> block_of(uint8_t value) { return std::vector<uint8_t>(4096, value); }

std::unique_ptr<runtime::KvSpill> sealed_spill() {
  return runtime::KvSpill::open(testing::TempDir() + "/weft-sealed-spill", 4096, 3 * 4200,
                                make_spill_seal())
      .value();
}

TEST(SpillSeal, TheDiskHoldsNothingThatWasWritten) {
  const auto file = sealed_spill();
  EXPECT_EQ(file->slots(), 3);
  const int64_t a = file->write(block_of('a')).value();
  const int64_t b = file->write(block_of('b')).value();
  std::vector<uint8_t> disk(2 * (4096 + 40));
  ASSERT_EQ(::pread(file->file(), disk.data(), disk.size(), 0), std::ssize(disk));
  for (const uint8_t letter : {'a', 'b'}) {
    EXPECT_LT(std::ranges::count(disk, letter), 100) << letter;
  }
  std::vector<uint8_t> got(4096);
  EXPECT_TRUE(file->read(b, got));
  EXPECT_EQ(got, block_of('b'));
  EXPECT_TRUE(file->read(a, got));
  EXPECT_EQ(got, block_of('a'));
}

TEST(SpillSeal, ABlockOfAnotherSlotOrKeyIsNotTaken) {
  const auto file = sealed_spill();
  const int64_t a = file->write(block_of('a')).value();
  const int64_t b = file->write(block_of('b')).value();
  std::vector<uint8_t> other(4096 + 40);
  ASSERT_EQ(::pread(file->file(), other.data(), other.size(), 0), std::ssize(other));
  ASSERT_EQ(::pwrite(file->file(), other.data(), other.size(), std::ssize(other)),
            std::ssize(other));
  std::vector<uint8_t> got(4096);
  EXPECT_TRUE(file->read(a, got));
  EXPECT_FALSE(file->read(b, got)) << "a's bytes in b's place";
  const auto stranger = sealed_spill();
  const int64_t c = stranger->write(block_of('c')).value();
  ASSERT_EQ(::pwrite(stranger->file(), other.data(), other.size(), 0), std::ssize(other));
  EXPECT_FALSE(stranger->read(c, got)) << "another process's bytes";
}

}  // namespace
}  // namespace weft::cli
