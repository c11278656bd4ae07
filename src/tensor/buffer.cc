// SPDX-License-Identifier: Apache-2.0
#include "tensor/buffer.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>

#include "base/error.h"

namespace weft::tensor {
namespace {

constexpr size_t kLine = 64;
constexpr size_t kHugePage = size_t{2} << 20;
constexpr size_t kChunk = 16 * kHugePage;

size_t rounded_up(size_t bytes, size_t unit) { return (bytes + unit - 1) / unit * unit; }

}  // namespace

Buffer::Buffer(size_t bytes) {
  const size_t alignment = bytes >= kHugePage ? kHugePage : kLine;
  const size_t rounded = rounded_up(bytes, alignment);
  if (rounded == 0) return;
  auto* memory = static_cast<uint8_t*>(std::aligned_alloc(alignment, rounded));
  CHECK(memory != nullptr, "no memory for {} bytes", rounded);
  if (alignment == kHugePage) madvise(memory, rounded, MADV_HUGEPAGE);  // advice: may be refused
  data_ = std::shared_ptr<uint8_t[]>(memory, [](uint8_t* p) { std::free(p); });
  bytes_ = rounded;
}

Buffer Arena::take(size_t bytes) {
  const size_t rounded = rounded_up(bytes, kLine);
  if (rounded == 0) return {};
  if (rounded > chunk_.bytes_ - used_) {
    chunk_ = Buffer(std::max(rounded, kChunk));
    used_ = 0;
  }
  Buffer out;
  out.data_ = std::shared_ptr<uint8_t[]>(chunk_.data_, chunk_.data_.get() + used_);
  out.bytes_ = rounded;
  used_ += rounded;
  return out;
}

}  // namespace weft::tensor
