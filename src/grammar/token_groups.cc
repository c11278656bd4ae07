// SPDX-License-Identifier: Apache-2.0
#include "grammar/token_groups.h"

#include <algorithm>
#include <array>
#include <map>

#include "grammar/json_text.h"

namespace weft::grammar {
namespace {

constexpr StateId kInsideString = 1;  // behind the opening quotation mark, see free_string()

// The edge for each byte, of the states that a walk meets.
class EdgeTables {
 public:
  using Row = std::array<const ByteEdge*, 256>;
  explicit EdgeTables(const Rules& rules) : rules_(rules), rows_(rules.state_count()) {}

  const Row& of(StateId state) {
    if (rows_[state]) return *rows_[state];
    rows_[state] = std::make_unique<Row>();
    rows_[state]->fill(nullptr);
    for (const ByteEdge& edge : rules_.state(state).bytes) {
      for (int b = edge.low; b <= edge.high; ++b) (*rows_[state])[static_cast<size_t>(b)] = &edge;
    }
    return *rows_[state];
  }

 private:
  const Rules& rules_;
  std::vector<std::unique_ptr<Row>> rows_;
};

}  // namespace

void TokenSet::add(text::TokenId id, size_t vocabulary) {
  if (many_) {
    many_->allow(id);
    return;
  }
  few_.push_back(id);
  if (few_.size() <= kFewMax) return;
  many_.emplace(vocabulary);
  for (const text::TokenId one : few_) many_->allow(one);
  few_ = {};
}

void TokenSet::add_all(const TokenSet& other, size_t vocabulary) {
  if (other.many_ && many_) {
    many_->unite(*other.many_);
  } else if (other.many_) {
    many_ = other.many_;
    for (const text::TokenId id : few_) many_->allow(id);
    few_ = {};
  }
  for (const text::TokenId id : other.few_) add(id, vocabulary);
}

void TokenSet::allow_in(TokenMask& mask) const {
  if (many_) mask.unite(*many_);
  for (const text::TokenId id : few_) mask.allow(id);
}

// Finds the group of a set; most tokens lead where the token before led.
class TokenGroups::Walk {
 public:
  TokenGroup& group(TokenPart& part, const ConfigurationSet& after, uint32_t counted) {
    if (last_ < part.groups.size()) {
      TokenGroup& same = part.groups[last_];
      if (same.counted == counted && same.after == after) return same;
    }
    const auto [found, fresh] = groups_.try_emplace(
        {after.configurations, {counted, after.bottom ? 1u : 0u}}, part.groups.size());
    if (fresh) {
      part.groups.emplace_back();
      part.groups.back().after = after;
      part.groups.back().counted = counted;
      part.groups.back().tokens = std::make_shared<TokenSet>();
    }
    last_ = found->second;
    return part.groups[last_];
  }

  std::vector<ConfigurationSet> sets;  // scratch of walk(), by depth

 private:
  using Key = std::pair<std::vector<Configuration>, std::pair<uint32_t, uint32_t>>;
  std::map<Key, size_t> groups_;
  size_t last_ = SIZE_MAX;
};

TokenPartPtr TokenGroups::of(StateId state, uint32_t count) {
  const std::lock_guard lock(mutex_);
  const Rules& rules = machine_.rules();
  const Rule& rule = rules.rule(rules.state(state).rule);
  // A leaf reads at most one token's characters: beyond its length, counts are all alike.
  const auto longest = static_cast<uint32_t>(trie_.depth_max());
  Key key{0, state, count, 0};
  const bool leaf = rule.leaf;
  if (leaf) {
    key.need = rule.counts ? std::min(rules.need(state, count), longest) : 0;
    key.room = rule.max == kNoMax || rule.max - count >= longest ? kNoMax : rule.max - count;
  }
  const auto known = parts_.find(key);
  if (known != parts_.end()) return known->second;
  TokenPart part;
  if (leaf) {
    const TokenPartPtr free = without_bounds(state);
    if (!rule.counts) return free;
    // The walk is made once for all counts; need and room choose from it.
    part.counted = true;
    part.cost_max = free->cost_max;
    for (const TokenGroup& group : free->groups) {
      const bool early = group.after.bottom && group.counted < key.need;
      if (!early && group.counted <= key.room) part.groups.push_back(group);
    }
    for (size_t i = 0; i < free->pending.size(); ++i) {
      const uint32_t counted = free->pending_counted[i];
      if (counted >= key.need && counted <= key.room) part.pending.push_back(free->pending[i]);
    }
  } else {
    Walk scratch;
    scratch.sets.resize(trie_.depth_max() + 2);
    // What the state calls stands in the caller's set beside it.
    const ConfigurationSet from{{{state, count, kBottom}}, false};
    walk(from, 0, part, scratch);
  }
  return keep(key, std::move(part));
}

// What a leaf's state would allow without bounds of its count. (Only the end of the frame needs a
// count, see free_string.)
TokenPartPtr TokenGroups::without_bounds(StateId state) {
  const Key key{UINT64_MAX, state, 0, 0};
  const auto known = parts_.find(key);
  if (known != parts_.end()) return known->second;
  const Rules& rules = machine_.rules();
  const Rule& rule = rules.rule(rules.state(state).rule);
  const TokenPartPtr& shared = rule.counts ? strings_.counted : strings_.plain;
  TokenPart part;
  if (rule.free_string && state == rule.start + kInsideString && shared) {
    part = *shared;
    for (TokenGroup& group : part.groups) {
      for (Configuration& one : group.after.configurations) one.state += rule.start;
    }
    part.all = {};
  } else {
    walk_leaf(state, rule.counts, part);
  }
  return keep(key, std::move(part));
}

StringParts string_parts(const TokenTrie& trie) {
  const auto inside = [&](uint32_t min) {
    Rules rules;
    const RuleId rule = rules.add_rule();
    free_string(rules, rule, min, kNoMax);
    CHECK(rules.finish(rule).ok() && rules.rule(rule).start == 0);
    const StringParts none;
    TokenGroups groups(rules, trie, none);
    return groups.without_bounds(kInsideString);
  };
  return {inside(0), inside(1)};
}

TokenPartPtr TokenGroups::behind(const TokenPart& before, StateId state, uint32_t count) {
  const std::lock_guard lock(mutex_);
  const Key key{before.id, state, count, 0};
  const auto known = parts_.find(key);
  if (known != parts_.end()) return known->second;
  TokenPart part;
  Walk scratch;
  scratch.sets.resize(trie_.depth_max() + 2);
  ConfigurationSet from;
  machine_.add({state, count, kBottom}, from);
  Machine::order(from);
  for (const uint32_t node : before.pending) {
    walk(from, node, part, scratch);
    // the frame may be over at once: the caller's caller goes on at the same node
    if (from.bottom) part.pending.push_back(node);
  }
  std::sort(part.pending.begin(), part.pending.end());
  part.pending.erase(std::unique(part.pending.begin(), part.pending.end()), part.pending.end());
  return keep(key, std::move(part));
}

TokenPartPtr TokenGroups::keep(const Key& key, TokenPart part) {
  part.id = next_id_++;
  part.bytes = sizeof(part) + part.pending.size() * sizeof(uint32_t);
  for (const TokenGroup& group : part.groups) {
    part.all.add_all(*group.tokens, trie_.vocabulary());
    part.bytes += sizeof(group) + group.tokens->bytes() +
                  group.after.configurations.size() * sizeof(Configuration);
  }
  part.bytes += part.all.bytes();
  bytes_ += part.bytes;
  if (bytes_ > kBytesMax) {  // rare: a grammar of very many states; all are made anew when needed
    parts_.clear();
    bytes_ = part.bytes;
  }
  auto shared = std::make_shared<const TokenPart>(std::move(part));
  parts_.insert_or_assign(key, shared);
  return shared;
}

size_t TokenGroups::bytes() const {
  const std::lock_guard lock(mutex_);
  return bytes_;
}

// One state at each depth, one edge for each byte.
void TokenGroups::walk_leaf(StateId state, bool counts, TokenPart& part) {
  const Rules& rules = machine_.rules();
  const auto nodes = trie_.nodes();
  struct At {
    StateId state;
    uint32_t counted;
  };
  std::vector<At> at(trie_.depth_max() + 2);
  std::vector<uint32_t> ends(trie_.depth_max() + 2);  // of the subtrees on the path
  EdgeTables table(rules);
  std::vector<const EdgeTables::Row*> rows(trie_.depth_max() + 2);
  std::unordered_map<uint64_t, size_t> groups;
  uint64_t last_key = UINT64_MAX;
  size_t last_group = 0;
  at[0] = {state, 0};
  rows[0] = &table.of(state);
  ends[0] = static_cast<uint32_t>(nodes.size());
  size_t depth = 0;
  for (uint32_t n = 1; n < nodes.size();) {
    while (n >= ends[depth]) --depth;
    const TokenTrie::Node& node = nodes[n];
    const ByteEdge* edge = (*rows[depth])[node.byte];
    uint32_t counted = at[depth].counted;
    if (!edge) {
      n = node.next;
      continue;
    }
    if (edge->guard == Guard::kBelowMax) ++counted;
    const RuleState& to = rules.state(edge->to);
    if (node.token >= 0) {
      const uint64_t group = uint64_t{edge->to} << 32 | counted;
      if (group != last_key) {
        const auto [found, fresh] = groups.try_emplace(group, part.groups.size());
        if (fresh) {
          part.groups.emplace_back();
          part.groups.back().counted = counted;
          part.groups.back().tokens = std::make_shared<TokenSet>();
          ConfigurationSet& after = part.groups.back().after;
          if (!to.bytes.empty()) after.configurations.push_back({edge->to, 0, kBottom});
          after.bottom = to.final;
        }
        last_key = group;
        last_group = found->second;
        part.cost_max = std::max(part.cost_max, rules.cost(edge->to, kNoMax));
      }
      part.groups[last_group].tokens->add(node.token, trie_.vocabulary());
    }
    const bool has_children = node.next > n + 1;
    if (to.final && has_children) {
      part.pending.push_back(n);
      if (counts) part.pending_counted.push_back(counted);
    }
    if (!has_children || to.bytes.empty()) {
      n = node.next;
      continue;
    }
    ++depth;
    at[depth] = {edge->to, counted};
    rows[depth] = at[depth - 1].state == edge->to ? rows[depth - 1] : &table.of(edge->to);
    ends[depth] = node.next;
    ++n;
  }
}

void TokenGroups::walk(const ConfigurationSet& from, uint32_t root, TokenPart& part, Walk& state) {
  const auto nodes = trie_.nodes();
  const Rules& rules = machine_.rules();
  std::vector<uint32_t> ends = {root == 0 ? static_cast<uint32_t>(nodes.size())
                                          : nodes[root].next};
  state.sets[0] = from;
  for (uint32_t n = root + 1; n < ends[0];) {
    while (n >= ends.back()) ends.pop_back();
    const size_t depth = ends.size() - 1;
    const TokenTrie::Node& node = nodes[n];
    ConfigurationSet& to = state.sets[depth + 1];
    machine_.step(state.sets[depth], node.byte, to);
    if (to.dead()) {
      n = node.next;
      continue;
    }
    if (node.token >= 0) {
      state.group(part, to, 0).tokens->add(node.token, trie_.vocabulary());
      uint32_t cost = to.bottom ? 0 : kNever;
      for (const Configuration& one : to.configurations) {
        cost = std::min(cost, rules.cost(one.state, one.count) +
                                  machine_.stacks().node(one.stack).cost);
      }
      part.cost_max = std::max(part.cost_max, cost);
    }
    const bool has_children = node.next > n + 1;
    if (to.bottom && has_children) part.pending.push_back(n);
    if (!has_children) {
      n = node.next;
      continue;
    }
    ends.push_back(node.next);
    ++n;
  }
}

StackId TokenGroups::moved(StackId own, StackId base, Stacks& to) {
  const std::lock_guard lock(mutex_);
  std::vector<Stacks::Node> frames;
  for (; own != kBottom; own = machine_.stacks().node(own).below) {
    frames.push_back(machine_.stacks().node(own));
  }
  for (auto frame = frames.rbegin(); frame != frames.rend(); ++frame) {
    base = to.pushed(base, frame->state, frame->count);
  }
  return base;
}

}  // namespace weft::grammar
