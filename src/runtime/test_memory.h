// SPDX-License-Identifier: Apache-2.0
//
// Block memory for tests: a position holds a number that stands for its token and everything
// before it, as keys and values do. So a test sees whether a sequence's blocks hold what the
// sequence itself would have computed. Spilled blocks may be damaged at will.
#pragma once

#include <array>
#include <map>
#include <set>
#include <span>
#include <vector>

#include "runtime/block_pool.h"
#include "text/token.h"

namespace weft::runtime {

class TestMemory final : public BlockMemory {
 public:
  using Content = std::array<uint64_t, kBlockPositions>;

  explicit TestMemory(int blocks, size_t spill_max = 0)
      : blocks_(static_cast<size_t>(blocks)), spill_max_(spill_max) {}

  void copy(BlockId from, BlockId to) override { at(to) = at(from); }
  std::optional<int64_t> spill(BlockId from) override {
    if (spilled_.size() >= spill_max_) return std::nullopt;
    spilled_[++ticket_] = at(from);
    return ticket_;
  }
  bool restore(int64_t ticket, BlockId to) override {
    if (damaged.contains(ticket)) return false;
    at(to) = spilled_.at(ticket);
    return true;
  }
  void forget(int64_t ticket) override { spilled_.erase(ticket); }

  Content& at(BlockId id) { return blocks_.at(static_cast<size_t>(id)); }
  size_t spilled() const { return spilled_.size(); }
  int64_t newest_ticket() const { return ticket_; }
  std::set<int64_t> damaged;

  // What each position of a text holds.
  static std::vector<uint64_t> meanings(std::span<const text::TokenId> tokens, uint64_t salt) {
    std::vector<uint64_t> out;
    uint64_t h = salt + 1;
    for (const text::TokenId token : tokens) {
      h = (h ^ static_cast<uint64_t>(token + 1)) * 0x9E3779B97F4A7C15ull;
      h ^= h >> 29;
      out.push_back(h);
    }
    return out;
  }

 private:
  std::vector<Content> blocks_;
  size_t spill_max_;
  std::map<int64_t, Content> spilled_;
  int64_t ticket_ = 0;
};

}  // namespace weft::runtime
