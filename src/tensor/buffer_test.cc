// SPDX-License-Identifier: Apache-2.0
#include "tensor/buffer.h"

#include <gtest/gtest.h>

#include <cstring>
#include <optional>
#include <vector>

namespace weft::tensor {
namespace {

TEST(Arena, BuffersAreDisjointAlignedAndOutliveIt) {
  std::optional<Arena> arena{std::in_place};
  std::vector<Buffer> buffers;
  const size_t sizes[] = {1, 64, 100'000, 3 << 20, 40 << 20, 5, 31 << 20, 2 << 20};
  for (const size_t size : sizes) {
    buffers.push_back(arena->take(size));
    ASSERT_GE(buffers.back().bytes(), size);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(buffers.back().data()) % 64, 0u);
    std::memset(buffers.back().data(), static_cast<int>(buffers.size()), buffers.back().bytes());
  }
  EXPECT_EQ(arena->take(0).bytes(), 0u);
  arena.reset();
  buffers.erase(buffers.begin());  // its chunk holds others
  for (size_t i = 0; i < buffers.size(); ++i) {
    EXPECT_EQ(buffers[i].data()[0], i + 2);
    EXPECT_EQ(buffers[i].data()[buffers[i].bytes() - 1], i + 2);
  }
  // One chunk, as long as there is room.
  Arena small;
  const Buffer a = small.take(100);
  const Buffer b = small.take(100);
  EXPECT_EQ(b.data() - a.data(), 128);
}

}  // namespace
}  // namespace weft::tensor
