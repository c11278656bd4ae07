// SPDX-License-Identifier: Apache-2.0
//
// Memory for numbers: owned, aligned to a cache line, not initialised. Large ones lie on huge
// pages, which they ask the kernel for: streaming weights otherwise misses the TLB on every 4 KiB,
// a quarter of what memory gives. What is too small for a page of its own comes out of an Arena.
// Not here: growing, element types.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

namespace weft::tensor {

class Buffer {
 public:
  Buffer() = default;
  // Ends the process when the memory is not there: budgets are checked before loading.
  explicit Buffer(size_t bytes);
  Buffer(Buffer&&) = default;
  Buffer& operator=(Buffer&&) = default;

  uint8_t* data() { return data_.get(); }
  const uint8_t* data() const { return data_.get(); }
  size_t bytes() const { return bytes_; }

  // For scratch: at least `bytes`; what it held is lost when it has to grow.
  void reserve(size_t bytes) {
    if (bytes > bytes_) *this = Buffer(bytes + bytes / 4);
  }

 private:
  friend class Arena;
  std::shared_ptr<uint8_t[]> data_;  // of an arena: a part of one of its chunks
  size_t bytes_ = 0;
};

// Buffers side by side in chunks of huge pages, for what is made together, as the matrices of a
// model. A chunk goes when the last of its buffers goes; the arena may go before. One thread.
class Arena {
 public:
  // Aligned to a cache line.
  Buffer take(size_t bytes);

 private:
  Buffer chunk_;  // the one being filled
  size_t used_ = 0;
};

}  // namespace weft::tensor
