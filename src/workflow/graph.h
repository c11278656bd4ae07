// SPDX-License-Identifier: Apache-2.0
//
// The dependency graph of a workflow's steps: who waits for whom, in what order, how far to the
// end. Built once in O(steps + dependencies) and only read after that. Steps are named by their
// index in Workflow::steps. No recursion: a chain of 100,000 steps is as good as any.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "workflow/definition.h"

namespace weft::workflow {

// A cycle as indices, each step before one that waits for it, first = last (a, b, a); empty if
// there is none. `steps` may be unchecked: dependencies must be valid indices, nothing more.
std::vector<uint32_t> find_cycle(std::span<const Step> steps);

class Graph {
 public:
  Graph() = default;
  explicit Graph(std::span<const Step> steps);  // without cycles

  uint32_t size() const { return static_cast<uint32_t>(height_.size()); }
  std::span<const uint32_t> predecessors(uint32_t step) const;
  std::span<const uint32_t> successors(uint32_t step) const;
  // Number of steps on the longest path that begins behind `step`: what still has to follow it.
  // The larger, the more urgent.
  uint32_t height(uint32_t step) const { return height_[step]; }
  // Number of steps on the longest path that ends before `step`; 0 without predecessors.
  uint32_t depth(uint32_t step) const { return depth_[step]; }
  // Every step after its predecessors; among equals, document order.
  std::span<const uint32_t> order() const { return order_; }
  // Whether `step` depends on `other`, directly or not. Few steps for what workflows look like;
  // O(steps + dependencies) at worst.
  bool depends_on(uint32_t step, uint32_t other) const;

 private:
  struct Edges {  // compressed rows: the neighbours of i are target[first[i] .. first[i + 1])
    std::vector<uint32_t> first, target;
    std::span<const uint32_t> of(uint32_t i) const {
      return std::span(target).subspan(first[i], first[i + 1] - first[i]);
    }
  };
  void number_tree();

  Edges predecessors_, successors_;
  std::vector<uint32_t> order_, depth_, height_;
  // Interval of each step in a spanning forest of the predecessors: nested intervals prove a
  // dependency at once.
  std::vector<uint32_t> tree_begin_, tree_end_;
};

}  // namespace weft::workflow
