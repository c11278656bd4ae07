// SPDX-License-Identifier: Apache-2.0
//
// Memory for numbers: owned, aligned to a cache line (large ones to a huge page, which they ask
// the kernel for: streaming weights otherwise misses the TLB on every 4 KiB), not initialised.
// Not here: growing, sharing, element types.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>

namespace weft::tensor {

class Buffer {
 public:
  Buffer() = default;
  // Ends the process when the memory is not there: budgets are checked before loading.
  explicit Buffer(size_t bytes);

  uint8_t* data() { return data_.get(); }
  const uint8_t* data() const { return data_.get(); }
  size_t bytes() const { return bytes_; }

  // For scratch: at least `bytes`; what it held is lost when it has to grow.
  void reserve(size_t bytes) {
    if (bytes > bytes_) *this = Buffer(bytes + bytes / 4);
  }

 private:
  struct Free {
    void operator()(uint8_t* p) const { std::free(p); }
  };
  std::unique_ptr<uint8_t[], Free> data_;
  size_t bytes_ = 0;
};

}  // namespace weft::tensor
