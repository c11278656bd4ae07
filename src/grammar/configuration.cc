// SPDX-License-Identifier: Apache-2.0
#include "grammar/configuration.h"

#include <algorithm>

namespace weft::grammar {

static constexpr size_t kFew = 16;

StackId Stacks::pushed(StackId below, StateId state, uint32_t count) {
  const auto [found, fresh] =
      ids_.try_emplace({state, count, below}, static_cast<StackId>(nodes_.size()));
  if (fresh) {
    const uint32_t cost = rules_->cost(state, count) + nodes_[below].cost;
    nodes_.push_back({state, count, below, cost, nodes_[below].depth + 1});
  }
  return found->second;
}

ConfigurationSet Machine::start() {
  ConfigurationSet set;
  add({rules_->rule(rules_->root()).start, 0, kBottom}, set);
  order(set);
  return set;
}

bool Machine::passes(const ByteEdge& edge, StateId state, uint32_t& count) const {
  if (edge.guard == Guard::kNone) return true;
  const Rule& rule = rules_->rule(rules_->state(state).rule);
  if (edge.guard == Guard::kFromMin) return count >= rule.min;
  if (count >= rule.max) return false;
  // Beyond both bounds nothing depends on the count: equal sets stay equal.
  const uint32_t top = rule.max == kNoMax ? rule.min : rule.max;
  count = std::min(count + 1, top);
  return true;
}

void Machine::step(const ConfigurationSet& from, uint8_t byte, ConfigurationSet& out) {
  out.clear();
  for (const Configuration& one : from.configurations) {
    for (const ByteEdge& edge : rules_->state(one.state).bytes) {
      if (byte < edge.low) break;
      uint32_t count = one.count;
      if (byte > edge.high || !passes(edge, one.state, count)) continue;
      add({edge.to, count, one.stack}, out);
    }
  }
  if (out.configurations.size() > 1) order(out);
}

void Machine::order(ConfigurationSet& set) {
  std::sort(set.configurations.begin(), set.configurations.end());
  const auto end = std::unique(set.configurations.begin(), set.configurations.end());
  set.configurations.erase(end, set.configurations.end());
}

// A few are compared one by one, many are looked up.
bool Machine::is_new(const Configuration& one) {
  if (seen_.size() <= kFew) return std::find(seen_.begin(), seen_.end(), one) == seen_.end();
  if (marked_.empty()) marked_.insert(seen_.begin(), seen_.end());
  return marked_.insert(one).second;
}

void Machine::add(const Configuration& one, ConfigurationSet& out) {
  const RuleState& simple = rules_->state(one.state);
  const auto fits = [&](const Configuration& c) {
    return stacks_.node(c.stack).depth + rules_->depth(c.state) <= kDepthMax;
  };
  if (simple.calls.empty() && !simple.final) {  // the usual case needs no bookkeeping
    if (fits(one)) out.configurations.push_back(one);
    return;
  }
  seen_.assign(1, one);
  if (!marked_.empty()) marked_.clear();
  const auto reach = [&](const Configuration& c) {
    if (is_new(c)) seen_.push_back(c);
  };
  for (size_t i = 0; i < seen_.size(); ++i) {
    const Configuration at = seen_[i];
    if (!fits(at)) continue;
    const RuleState& state = rules_->state(at.state);
    if (!state.bytes.empty()) out.configurations.push_back(at);
    if (state.final && at.stack == kBottom) out.bottom = true;
    if (state.final && at.stack != kBottom) {
      const Stacks::Node& node = stacks_.node(at.stack);
      reach({node.state, node.count, node.below});
    }
    for (const CallEdge& edge : state.calls) {
      if (edge.rule == kNoRule) {
        reach({edge.to, at.count, at.stack});
        continue;
      }
      const StateId start = rules_->rule(edge.rule).start;
      const RuleState& back = rules_->state(edge.to);
      const bool tail = back.final && back.bytes.empty() && back.calls.empty();
      if (tail) {
        reach({start, 0, at.stack});
      } else if (fits({edge.to, at.count, at.stack})) {
        reach({start, 0, stacks_.pushed(at.stack, edge.to, at.count)});
      }
    }
  }
}

}  // namespace weft::grammar
