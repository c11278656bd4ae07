// SPDX-License-Identifier: Apache-2.0
//
// The blocks of a KV cache as the scheduler moves them: copied where texts begin alike, written to
// a file when they are evicted, if there is one, and read back when somebody asks for them.
//
// It decides nothing: which block, when and why is the scheduler's business.
#pragma once

#include <algorithm>
#include <memory>

#include "runtime/block_pool.h"
#include "runtime/kv_cache.h"
#include "runtime/kv_spill.h"

namespace weft::runtime {

class CacheMemory final : public BlockMemory {
 public:
  // `cache` outlives this; `file` may be null.
  CacheMemory(KvCache& cache, std::unique_ptr<KvSpill> file)
      : cache_(cache), file_(std::move(file)) {}

  void copy(BlockId from, BlockId to) override {
    std::ranges::copy(cache_.block(from), cache_.block(to).begin());
  }
  std::optional<int64_t> spill(BlockId from) override {
    return file_ ? file_->write(cache_.block(from)) : std::nullopt;
  }
  bool restore(int64_t ticket, BlockId to) override {
    CHECK(file_ != nullptr, "ticket {} without a file", ticket);
    return file_->read(ticket, cache_.block(to));
  }
  void forget(int64_t ticket) override {
    CHECK(file_ != nullptr, "ticket {} without a file", ticket);
    file_->release(ticket);
  }

 private:
  KvCache& cache_;
  std::unique_ptr<KvSpill> file_;
};

}  // namespace weft::runtime
