// SPDX-License-Identifier: Apache-2.0
// Packed weights survive a restart bit for bit; whatever is wrong with the file, it is refused.
#include "model/packed_cache.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>

#include "base/file.h"
#include "tensor/test_numbers.h"

namespace weft::model {
namespace {

using tensor::Matrix;
using tensor::WeightType;

class PackedCacheTest : public ::testing::Test {
 protected:
  PackedCacheTest() {
    directory_ = testing::TempDir() + "packed_cache_" + std::to_string(::getpid());
    std::filesystem::remove_all(directory_);
    std::filesystem::create_directories(directory_);
    // Longer than a chunk of a megabyte, so that several threads check it.
    const auto large = tensor::TestNumbers(1).normals(int64_t{700} * 640);
    const auto small = tensor::TestNumbers(2).normals(3 * 40);
    large_ = tensor::pack(WeightType::kF32, WeightType::kF32, large.data(), 700, 640);
    small_ = tensor::pack(WeightType::kQ8, WeightType::kF32, small.data(), 3, 40);
  }
  ~PackedCacheTest() override { std::filesystem::remove_all(directory_); }

  void fill(const std::string& source = "model\t1\t2\n") {
    PackedCache cache(directory_, source, "q8");
    ASSERT_FALSE(cache.filled());
    cache.add("large", large_, pool_);
    cache.add("small", small_, pool_);
    cache.finish("abc123");
    path_ = cache.path();
    if (!file_exists(path_)) GTEST_SKIP() << "SKIPPED: no unnamed files on this file system";
  }
  static void expect_same(const std::optional<Matrix>& got, const Matrix& wanted) {
    ASSERT_TRUE(got.has_value());
    EXPECT_EQ(got->type(), wanted.type());
    const size_t bytes = Matrix::bytes_of(wanted.type(), wanted.rows(), wanted.columns());
    EXPECT_EQ(std::memcmp(got->data(), wanted.data(), bytes), 0);
  }
  // Does every matrix of the file come back? Never a wrong one.
  bool all_there() {
    PackedCache cache(directory_, "model\t1\t2\n", "q8");
    if (!cache.filled()) return false;
    const auto large = cache.find("large", 700, 640, pool_);
    if (large) expect_same(large, large_);
    const auto small = cache.find("small", 3, 40, pool_);
    if (small) expect_same(small, small_);
    EXPECT_EQ(cache.broken(), !large || !small);
    return !cache.broken();
  }

  ThreadPool pool_{2};
  std::string directory_;
  std::string path_;
  Matrix large_;
  Matrix small_;
};

TEST_F(PackedCacheTest, GivesBackWhatWasKept) {
  fill();
  PackedCache cache(directory_, "model\t1\t2\n", "q8");
  ASSERT_TRUE(cache.filled());
  EXPECT_EQ(cache.weights_hash(), "abc123");
  expect_same(cache.find("small", 3, 40, pool_), small_);
  expect_same(cache.find("large", 700, 640, pool_), large_);
  EXPECT_FALSE(cache.broken());
  EXPECT_FALSE(cache.find("other", 3, 40, pool_).has_value());
  EXPECT_TRUE(cache.broken());
}

TEST_F(PackedCacheTest, AnotherSourcePrecisionOrShapeIsNotTheSame) {
  fill();
  EXPECT_FALSE(PackedCache(directory_, "model\t1\t3\n", "q8").filled());  // another time
  EXPECT_FALSE(PackedCache(directory_, "model\t2\t2\n", "q8").filled());  // another size
  EXPECT_FALSE(PackedCache(directory_, "model\t1\t2\n", "q4").filled());
  EXPECT_TRUE(all_there());
  PackedCache cache(directory_, "model\t1\t2\n", "q8");
  EXPECT_FALSE(cache.find("small", 40, 3, pool_).has_value());
  // A changed model takes the place of the old one.
  fill("model\t2\t2\n");
  EXPECT_TRUE(PackedCache(directory_, "model\t2\t2\n", "q8").filled());
  EXPECT_FALSE(all_there());
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(directory_), {}), 1);
}

TEST_F(PackedCacheTest, DamageIsFound) {
  fill();
  const std::string whole = read_file(path_).value();
  const auto put = [&](const std::string& bytes) {
    std::ofstream(path_, std::ios::binary | std::ios::trunc) << bytes;
  };
  EXPECT_TRUE(all_there());
  // Bits of head, matrices (not of the padding between them), index and tail.
  const size_t matrices = 4096 + Matrix::bytes_of(WeightType::kF32, 700, 640);
  for (const size_t at : {size_t{0}, size_t{8}, size_t{4096}, size_t{5000}, size_t{1} << 20,
                          matrices - 1, whole.size() - 120, whole.size() - 32, whole.size() - 9,
                          whole.size() - 1}) {
    std::string bytes = whole;
    bytes[at] = static_cast<char>(bytes[at] ^ 4);
    put(bytes);
    EXPECT_FALSE(all_there()) << "byte " << at << " of " << whole.size();
  }
  for (const size_t length : {size_t{0}, size_t{15}, size_t{4096}, size_t{1} << 20,
                              whole.size() - 33, whole.size() - 1}) {
    put(whole.substr(0, length));
    EXPECT_FALSE(all_there()) << length << " bytes";
  }
  put(whole + "x");
  EXPECT_FALSE(all_there());
  put(whole);
  EXPECT_TRUE(all_there());
}

TEST_F(PackedCacheTest, WhatIsNotFinishedLeavesNothing) {
  {
    PackedCache cache(directory_, "model\t1\t2\n", "q8");
    cache.add("large", large_, pool_);
  }
  EXPECT_TRUE(std::filesystem::is_empty(directory_));
}

TEST_F(PackedCacheTest, ADirectoryThatCannotBeMadeIsNoError) {
  std::ofstream(directory_ + "/file") << "x";
  PackedCache cache(directory_ + "/file/below", "model\t1\t2\n", "q8");
  EXPECT_FALSE(cache.filled());
  cache.add("small", small_, pool_);
  cache.finish("abc");
  EXPECT_FALSE(file_exists(cache.path()));
}

}  // namespace
}  // namespace weft::model
