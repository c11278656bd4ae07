// SPDX-License-Identifier: Apache-2.0
#include "tensor/buffer.h"

#include <sys/mman.h>

#include "base/error.h"

namespace weft::tensor {

Buffer::Buffer(size_t bytes) {
  constexpr size_t kLine = 64;
  constexpr size_t kHugePage = size_t{2} << 20;
  const size_t alignment = bytes >= kHugePage ? kHugePage : kLine;
  const size_t rounded = (bytes + alignment - 1) / alignment * alignment;
  if (rounded == 0) return;
  auto* memory = static_cast<uint8_t*>(std::aligned_alloc(alignment, rounded));
  CHECK(memory != nullptr, "no memory for {} bytes", rounded);
  if (alignment == kHugePage) madvise(memory, rounded, MADV_HUGEPAGE);  // advice: may be refused
  data_.reset(memory);
  bytes_ = rounded;
}

}  // namespace weft::tensor
