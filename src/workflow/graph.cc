// SPDX-License-Identifier: Apache-2.0
#include "workflow/graph.h"

#include <algorithm>
#include <functional>
#include <queue>
#include <utility>

#include "base/error.h"

namespace weft::workflow {

// Depth first with an explicit stack; a step met again while it is on the stack closes a cycle.
std::vector<uint32_t> find_cycle(std::span<const Step> steps) {
  enum Mark : uint8_t { kNew, kOnStack, kDone };
  std::vector<Mark> marks(steps.size(), kNew);
  std::vector<std::pair<uint32_t, uint32_t>> stack;  // step, next dependency to look at
  for (uint32_t root = 0; root < steps.size(); ++root) {
    if (marks[root] != kNew) continue;
    marks[root] = kOnStack;
    stack.emplace_back(root, 0);
    while (!stack.empty()) {
      auto& [step, next] = stack.back();
      if (next == steps[step].dependencies.size()) {
        marks[step] = kDone;
        stack.pop_back();
        continue;
      }
      const uint32_t dependency = steps[step].dependencies[next++];
      CHECK(dependency < steps.size());
      if (marks[dependency] == kOnStack) {
        std::vector<uint32_t> cycle{dependency};
        for (size_t i = stack.size(); stack[--i].first != dependency;) {
          cycle.push_back(stack[i].first);
        }
        // The stack leads from a step to what it waits for; read from its top it is the order in
        // which the steps would run.
        cycle.push_back(dependency);
        return cycle;
      }
      if (marks[dependency] == kNew) {
        marks[dependency] = kOnStack;
        stack.emplace_back(dependency, 0);
      }
    }
  }
  return {};
}

Graph::Graph(std::span<const Step> steps) {
  const auto n = static_cast<uint32_t>(steps.size());
  predecessors_.first.assign(n + 1, 0);
  successors_.first.assign(n + 1, 0);
  for (uint32_t i = 0; i < n; ++i) {
    predecessors_.first[i + 1] =
        predecessors_.first[i] + static_cast<uint32_t>(steps[i].dependencies.size());
    for (const uint32_t d : steps[i].dependencies) {
      CHECK(d < n && d != i);
      ++successors_.first[d + 1];
      predecessors_.target.push_back(d);
    }
  }
  for (uint32_t i = 0; i < n; ++i) successors_.first[i + 1] += successors_.first[i];
  successors_.target.resize(predecessors_.target.size());
  std::vector<uint32_t> fill = successors_.first;
  for (uint32_t i = 0; i < n; ++i) {
    for (const uint32_t d : predecessors(i)) successors_.target[fill[d]++] = i;
  }

  // Kahn's order, the smallest index first, so that it does not depend on how edges are stored.
  std::vector<uint32_t> missing(n);
  std::priority_queue<uint32_t, std::vector<uint32_t>, std::greater<>> ready;
  depth_.assign(n, 0);
  height_.assign(n, 0);
  for (uint32_t i = 0; i < n; ++i) {
    missing[i] = static_cast<uint32_t>(predecessors(i).size());
    if (missing[i] == 0) ready.push(i);
  }
  while (!ready.empty()) {
    const uint32_t i = ready.top();
    ready.pop();
    order_.push_back(i);
    for (const uint32_t s : successors(i)) {
      depth_[s] = std::max(depth_[s], depth_[i] + 1);
      if (--missing[s] == 0) ready.push(s);
    }
  }
  CHECK(order_.size() == n, "the graph has a cycle");
  for (auto it = order_.rbegin(); it != order_.rend(); ++it) {
    for (const uint32_t d : predecessors(*it)) height_[d] = std::max(height_[d], height_[*it] + 1);
  }
  number_tree();
}

std::span<const uint32_t> Graph::predecessors(uint32_t step) const {
  CHECK(step + 1 < predecessors_.first.size());
  return predecessors_.of(step);
}

std::span<const uint32_t> Graph::successors(uint32_t step) const {
  CHECK(step + 1 < successors_.first.size());
  return successors_.of(step);
}

// One depth-first walk along the predecessors, from the last steps: [begin, end) of a step holds
// the begins of everything first reached through it.
void Graph::number_tree() {
  const uint32_t n = size();
  tree_begin_.assign(n, UINT32_MAX);
  tree_end_.assign(n, 0);
  uint32_t clock = 0;
  std::vector<std::pair<uint32_t, uint32_t>> stack;
  for (auto root = order_.rbegin(); root != order_.rend(); ++root) {
    if (tree_begin_[*root] != UINT32_MAX) continue;
    tree_begin_[*root] = clock++;
    stack.emplace_back(*root, 0);
    while (!stack.empty()) {
      auto& [step, next] = stack.back();
      const auto before = predecessors(step);
      if (next == before.size()) {
        tree_end_[step] = clock;
        stack.pop_back();
        continue;
      }
      const uint32_t p = before[next++];
      if (tree_begin_[p] != UINT32_MAX) continue;
      tree_begin_[p] = clock++;
      stack.emplace_back(p, 0);
    }
  }
}

bool Graph::depends_on(uint32_t step, uint32_t other) const {
  CHECK(step < size() && other < size());
  const auto surely = [&](uint32_t s) {
    return tree_begin_[s] <= tree_begin_[other] && tree_begin_[other] < tree_end_[s];
  };
  if (step == other || depth_[step] <= depth_[other]) return false;
  if (surely(step)) return true;
  // Only steps deeper than `other` can depend on it.
  std::vector<uint32_t> stack{step};
  std::vector<bool> seen(size());
  while (!stack.empty()) {
    const uint32_t s = stack.back();
    stack.pop_back();
    for (const uint32_t p : predecessors(s)) {
      if (p == other || (depth_[p] > depth_[other] && surely(p))) return true;
      if (depth_[p] <= depth_[other] || seen[p]) continue;
      seen[p] = true;
      stack.push_back(p);
    }
  }
  return false;
}

}  // namespace weft::workflow
