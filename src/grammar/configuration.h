// SPDX-License-Identifier: Apache-2.0
//
// Where a text stands in a grammar: a set of configurations (state, count, stack). Stacks are
// hash-consed: equal ones have one id, so configurations compare as three numbers, sets stay small
// and a set that comes back (the next item of a list) is recognised.
//
// `Machine` reads bytes: step() gives the set behind one byte. A set holds only configurations that
// read bytes; `bottom` says that the frame at the bottom of the stack may end here. For a whole
// matcher that means: the text is complete. For one frame looked at alone (TokenGroups): what
// follows is the caller's business.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "grammar/rules.h"

namespace weft::grammar {

using StackId = uint32_t;
inline constexpr StackId kBottom = 0;

struct Configuration {
  StateId state = 0;
  uint32_t count = 0;
  StackId stack = kBottom;
  auto operator<=>(const Configuration&) const = default;

  struct Hash {
    size_t operator()(const Configuration& key) const {
      uint64_t h = (uint64_t{key.state} << 32 | key.count) * 0x9E3779B97F4A7C15ull;
      h = (h ^ (h >> 29) ^ key.stack) * 0xBF58476D1CE4E5B9ull;
      return static_cast<size_t>(h ^ (h >> 32));
    }
  };
};

struct ConfigurationSet {
  std::vector<Configuration> configurations;  // ascending
  bool bottom = false;
  bool dead() const { return configurations.empty() && !bottom; }
  bool operator==(const ConfigurationSet&) const = default;
  void clear() {
    configurations.clear();
    bottom = false;
  }
};

// Only grows; a matcher starts a new one when it is too large.
class Stacks {
 public:
  struct Node {
    StateId state = 0;    // to return to
    uint32_t count = 0;   // of the frame returned to
    StackId below = kBottom;
    uint32_t cost = 0;    // fewest bytes that finish this frame and all below
    uint32_t depth = 0;   // frames
  };
  explicit Stacks(const Rules& rules) : rules_(&rules), nodes_(1) {}
  StackId pushed(StackId below, StateId state, uint32_t count);
  const Node& node(StackId id) const { return nodes_[id]; }
  size_t size() const { return nodes_.size(); }

 private:
  const Rules* rules_;
  std::vector<Node> nodes_;
  std::unordered_map<Configuration, StackId, Configuration::Hash> ids_;
};

class Machine {
 public:
  // JSON readers refuse values nested deeper; what cannot be finished within is not begun.
  static constexpr uint32_t kDepthMax = 250;

  explicit Machine(const Rules& rules) : rules_(&rules), stacks_(rules) {}

  const Rules& rules() const { return *rules_; }
  const Stacks& stacks() const { return stacks_; }
  Stacks& stacks() { return stacks_; }

  ConfigurationSet start();
  // `out` is another object than `from`; dead if the byte may not come.
  void step(const ConfigurationSet& from, uint8_t byte, ConfigurationSet& out);
  // Adds what `one` leads to without reading a byte. Call ordered() when all are added.
  void add(const Configuration& one, ConfigurationSet& out);
  static void order(ConfigurationSet& set);

  // Fewest bytes that complete the text from here.
  uint32_t cost(const Configuration& one) const {
    return rules_->cost(one.state, one.count) + stacks_.node(one.stack).cost;
  }
  bool passes(const ByteEdge& edge, StateId state, uint32_t& count) const;

 private:
  bool is_new(const Configuration& one);

  const Rules* rules_;
  Stacks stacks_;
  std::vector<Configuration> seen_;  // scratch of add(): what is reached …
  std::unordered_set<Configuration, Configuration::Hash> marked_;  // … the same once they are many
};

}  // namespace weft::grammar
