// SPDX-License-Identifier: Apache-2.0
#include "grammar/rules.h"

#include <algorithm>
#include <queue>
#include <set>
#include <tuple>

#include "base/strings.h"

namespace weft::grammar {
namespace {

// The shortest answer itself must be sayable; longer ones come from absurd minLength or minItems.
constexpr uint32_t kShortestMax = 200'000;

uint32_t sum(uint32_t a, uint32_t b) { return std::min(kNever, a + b); }
uint32_t product(uint32_t a, uint32_t b) {
  return static_cast<uint32_t>(std::min<uint64_t>(kNever, uint64_t{a} * b));
}

}  // namespace

RuleId Rules::add_rule(std::string name) {
  rules_.emplace_back();
  rules_.back().name = std::move(name);
  const auto id = static_cast<RuleId>(rules_.size() - 1);
  rules_[id].start = add_state(id);
  return id;
}

StateId Rules::add_state(RuleId rule) {
  states_.emplace_back();
  states_.back().rule = rule;
  return static_cast<StateId>(states_.size() - 1);
}

void Rules::byte(StateId from, uint8_t low, uint8_t high, StateId to, Guard guard) {
  states_[from].bytes.push_back({low, high, guard, to});
}
void Rules::jump(StateId from, StateId to) { states_[from].calls.push_back({kNoRule, to}); }
void Rules::call(StateId from, RuleId rule, StateId to) {
  states_[from].calls.push_back({rule, to});
}

void Rules::text(StateId from, std::string_view bytes, StateId to) {
  CHECK(!bytes.empty());
  for (size_t i = 0; i < bytes.size(); ++i) {
    const StateId next = i + 1 == bytes.size() ? to : add_state(states_[from].rule);
    byte(from, static_cast<uint8_t>(bytes[i]), static_cast<uint8_t>(bytes[i]), next);
    from = next;
  }
}

void Rules::embed(RuleId rule, const Dfa& dfa, uint32_t characters_max) {
  const bool counts = characters_max != kNoMax;
  rules_[rule].max = characters_max;
  rules_[rule].counts = counts;
  rules_[rule].unit_bytes = counts ? 1 : 0;
  std::vector<StateId> ids = {rules_[rule].start};
  for (size_t s = 1; s < dfa.states.size(); ++s) ids.push_back(add_state(rule));
  for (size_t s = 0; s < dfa.states.size(); ++s) {
    states_[ids[s]].final = dfa.states[s].accepting;
    for (const Edge& edge : dfa.states[s].edges) {
      const auto part = [&](uint8_t low, uint8_t high, Guard guard) {
        low = std::max(low, edge.low);
        high = std::min(high, edge.high);
        if (low <= high) byte(ids[s], low, high, ids[edge.to], guard);
      };
      if (!counts) {
        part(0x00, 0xFF, Guard::kNone);
        continue;
      }
      part(0x00, 0x7F, Guard::kBelowMax);
      part(0x80, 0xBF, Guard::kNone);  // within a character
      part(0xC0, 0xFF, Guard::kBelowMax);
    }
  }
}

RuleId Rules::include(const Rules& other) {
  CHECK(other.root_ != kNoRule, "an unfinished grammar");
  const auto rules = static_cast<RuleId>(rules_.size());
  const auto states = static_cast<StateId>(states_.size());
  for (Rule rule : other.rules_) {
    rule.start += states;
    rule.included = true;
    if (rule.unit_rule != kNoRule) rule.unit_rule += rules;
    rules_.push_back(std::move(rule));
  }
  for (RuleState state : other.states_) {
    state.rule += rules;
    for (ByteEdge& edge : state.bytes) edge.to += states;
    for (CallEdge& edge : state.calls) {
      edge.to += states;
      if (edge.rule != kNoRule) edge.rule += rules;
    }
    states_.push_back(std::move(state));
  }
  raise_key_slack(other.key_slack_);
  has_included_ = true;
  return other.root_ + rules;
}

// Knuth's algorithm over states and rules: each is settled once, the cheapest first; a call is
// worth looking at when both the rule and what follows are settled.
class ShortestTexts {
 public:
  explicit ShortestTexts(Rules& rules) : r_(rules) {}

  void run() {
    const size_t states = r_.states_.size();
    const size_t rules = r_.rules_.size();
    r_.cost_.assign(states, kNever);
    r_.depth_.assign(states, 0);
    r_.choice_.assign(states, {});
    r_.rule_cost_.assign(rules, kNever);
    r_.rule_depth_.assign(rules, 0);
    r_.unit_.assign(rules, 0);
    settled_.assign(states, false);
    rule_settled_.assign(rules, false);
    index_edges();
    for (StateId s = 0; s < states; ++s) {
      if (r_.states_[s].final) offer(s, 0, 0, {Rules::Choice::Kind::kEnd, 0});
    }
    while (!queue_.empty()) {
      const auto [cost, is_rule, id] = queue_.top();
      queue_.pop();
      if (is_rule) {
        if (!rule_settled_[id] && cost == r_.rule_cost_[id]) settle_rule(id);
      } else if (!settled_[id] && cost == r_.cost_[id]) {
        settle_state(id);
      }
    }
    for (RuleId rule = 0; rule < rules; ++rule) {
      r_.unit_[rule] = r_.rules_[rule].counts ? unit(rule) : 0;
    }
  }

 private:
  struct Source {
    StateId from;
    Rules::Choice choice;
  };

  void index_edges() {
    into_.resize(r_.states_.size());
    calls_of_.resize(r_.rules_.size());
    unit_of_.resize(r_.rules_.size());
    for (StateId s = 0; s < r_.states_.size(); ++s) {
      const RuleState& state = r_.states_[s];
      for (uint32_t i = 0; i < state.bytes.size(); ++i) {
        into_[state.bytes[i].to].push_back({s, {Rules::Choice::Kind::kByte, i}});
      }
      for (uint32_t i = 0; i < state.calls.size(); ++i) {
        const Source source{s, {Rules::Choice::Kind::kCall, i}};
        into_[state.calls[i].to].push_back(source);
        if (state.calls[i].rule != kNoRule) calls_of_[state.calls[i].rule].push_back(source);
      }
    }
    for (RuleId rule = 0; rule < r_.rules_.size(); ++rule) {
      const RuleId unit_rule = r_.rules_[rule].unit_rule;
      if (unit_rule != kNoRule) unit_of_[unit_rule].push_back(rule);
    }
  }

  void offer(StateId s, uint32_t cost, uint32_t depth, Rules::Choice choice) {
    if (cost >= r_.cost_[s]) return;
    r_.cost_[s] = cost;
    r_.depth_[s] = depth;
    r_.choice_[s] = choice;
    queue_.push({cost, false, s});
  }

  void look_at(const Source& source) {
    const RuleState& state = r_.states_[source.from];
    if (source.choice.kind == Rules::Choice::Kind::kByte) {
      const StateId to = state.bytes[source.choice.edge].to;
      offer(source.from, sum(1, r_.cost_[to]), r_.depth_[to], source.choice);
      return;
    }
    const CallEdge& edge = state.calls[source.choice.edge];
    if (!settled_[edge.to]) return;
    if (edge.rule == kNoRule) {
      offer(source.from, r_.cost_[edge.to], r_.depth_[edge.to], source.choice);
    } else if (rule_settled_[edge.rule]) {
      offer(source.from, sum(r_.rule_cost_[edge.rule], r_.cost_[edge.to]),
            std::max(r_.rule_depth_[edge.rule] + 1, r_.depth_[edge.to]), source.choice);
    }
  }

  uint32_t unit(RuleId rule) const {
    const Rule& one = r_.rules_[rule];
    const uint32_t called = one.unit_rule == kNoRule ? 0 : r_.rule_cost_[one.unit_rule];
    return sum(one.unit_bytes, called);
  }

  void offer_rule(RuleId rule) {
    const Rule& one = r_.rules_[rule];
    if (!settled_[one.start]) return;
    uint32_t cost = r_.cost_[one.start];
    uint32_t depth = r_.depth_[one.start];
    if (one.min > 0) {
      if (one.unit_rule != kNoRule) {
        if (!rule_settled_[one.unit_rule]) return;
        depth = std::max(depth, r_.rule_depth_[one.unit_rule] + 1);
      }
      cost = sum(cost, product(one.min, unit(rule)));
    }
    if (cost >= r_.rule_cost_[rule]) return;
    r_.rule_cost_[rule] = cost;
    r_.rule_depth_[rule] = depth;
    queue_.push({cost, true, rule});
  }

  void settle_state(StateId s) {
    settled_[s] = true;
    for (const Source& source : into_[s]) look_at(source);
    const RuleId rule = r_.states_[s].rule;
    if (r_.rules_[rule].start == s) offer_rule(rule);
  }
  void settle_rule(RuleId rule) {
    rule_settled_[rule] = true;
    for (const Source& source : calls_of_[rule]) look_at(source);
    for (const RuleId counting : unit_of_[rule]) offer_rule(counting);
  }

  Rules& r_;
  std::vector<bool> settled_, rule_settled_;
  std::vector<std::vector<Source>> into_, calls_of_;
  std::vector<std::vector<RuleId>> unit_of_;
  using Item = std::tuple<uint32_t, bool, uint32_t>;  // cost, is a rule, id
  std::priority_queue<Item, std::vector<Item>, std::greater<Item>> queue_;
};

Status Rules::finish(RuleId root) {
  CHECK(root < rules_.size());
  root_ = root;
  if (too_large()) {
    return make_error("E0323",
                      fmt::format("a grammar of more than {} states", kRuleStatesMax),
                      "make the schema smaller, or its bounds");
  }
  for (RuleState& state : states_) {
    std::sort(state.bytes.begin(), state.bytes.end(),
              [](const ByteEdge& a, const ByteEdge& b) { return a.low < b.low; });
  }
  ShortestTexts(*this).run();
  if (rule_cost_[root] >= kNever) {
    return make_error("E0324",
                      "no text fits the grammar: its parts contradict each other, or demand more "
                      "than any answer can hold",
                      "look for types, bounds or patterns that exclude each other, for parts that "
                      "need themselves again, and for smallest numbers of items beyond reason");
  }
  if (rule_cost_[root] > kShortestMax) {
    return make_error("E0323", fmt::format("the shortest answer has {} bytes, more than {}",
                                           rule_cost_[root], kShortestMax),
                      "lower the smallest lengths and numbers of items");
  }
  remove_endless();
  TRY(check_left_recursion());
  mark_leaves();
  for (const Rule& rule : rules_) has_free_keys_ = has_free_keys_ || rule.free_key;
  return ok_status();
}

// Of a rule that cannot be finished, a rule it calls that cannot either: where there is no other
// way on, if that is anywhere, as a member may be one of several that are not demanded.
RuleId Rules::impossible_call(RuleId rule) const {
  RuleId found = kNoRule;
  size_t ways = SIZE_MAX;
  std::vector<StateId> open = {rules_[rule].start};
  std::set<StateId> seen = {rules_[rule].start};
  const auto go = [&](StateId to) {
    if (seen.insert(to).second) open.push_back(to);
  };
  while (!open.empty()) {
    const RuleState& state = states_[open.back()];
    open.pop_back();
    for (const ByteEdge& edge : state.bytes) go(edge.to);
    for (const CallEdge& edge : state.calls) {
      if (edge.rule == kNoRule || rule_cost_[edge.rule] < kNever) {
        go(edge.to);
      } else if (state.bytes.size() + state.calls.size() < ways) {
        ways = state.bytes.size() + state.calls.size();
        found = edge.rule;
      }
    }
  }
  return found;
}

std::string Rules::impossible_part() const {
  std::string name;
  std::set<RuleId> seen;
  for (RuleId at = root_; at != kNoRule && seen.insert(at).second; at = impossible_call(at)) {
    if (!rules_[at].name.empty()) name = rules_[at].name;
  }
  return name;
}

// Choices name edges by index, so they move along.
void Rules::remove_endless() {
  for (StateId s = 0; s < states_.size(); ++s) {
    RuleState& state = states_[s];
    std::vector<ByteEdge> bytes;
    std::vector<CallEdge> calls;
    Choice choice = choice_[s];
    for (uint32_t i = 0; i < state.bytes.size(); ++i) {
      if (cost_[state.bytes[i].to] >= kNever) continue;
      if (choice.kind == Choice::Kind::kByte && choice.edge == i) {
        choice_[s].edge = static_cast<uint32_t>(bytes.size());
      }
      bytes.push_back(state.bytes[i]);
    }
    for (uint32_t i = 0; i < state.calls.size(); ++i) {
      const CallEdge& edge = state.calls[i];
      const bool endless = edge.rule != kNoRule && rule_cost_[edge.rule] >= kNever;
      if (endless || cost_[edge.to] >= kNever) continue;
      if (choice.kind == Choice::Kind::kCall && choice.edge == i) {
        choice_[s].edge = static_cast<uint32_t>(calls.size());
      }
      calls.push_back(edge);
    }
    state.bytes = std::move(bytes);
    state.calls = std::move(calls);
  }
}

// States from which the end of their rule is reached without a byte. (Costs tell: only zero.)
std::vector<bool> Rules::nullable_states() const {
  std::vector<bool> nullable(states_.size());
  for (StateId s = 0; s < states_.size(); ++s) nullable[s] = cost_[s] == 0;
  return nullable;
}

std::vector<std::vector<StateId>> Rules::jumps_of_nullables(
    const std::vector<bool>& nullable) const {
  std::vector<std::vector<StateId>> out(states_.size());
  for (StateId s = 0; s < states_.size(); ++s) {
    for (const CallEdge& edge : states_[s].calls) {
      if (edge.rule == kNoRule || nullable[rules_[edge.rule].start]) out[s].push_back(edge.to);
      if (edge.rule != kNoRule) out[s].push_back(rules_[edge.rule].start);
    }
  }
  return out;
}

// A call on a cycle that reads nothing would push frames for ever. Strongly connected components
// (Tarjan, without recursion) of the edges that read nothing; a call inside one is the offence.
Status Rules::check_left_recursion() const {
  const auto edges = jumps_of_nullables(nullable_states());
  const auto count = static_cast<StateId>(states_.size());
  std::vector<uint32_t> order(count, 0), low(count, 0), component(count, UINT32_MAX), stack;
  std::vector<std::pair<StateId, size_t>> path;
  uint32_t next_order = 1;
  uint32_t components = 0;
  for (StateId first = 0; first < count; ++first) {
    if (order[first] != 0 || edges[first].empty()) continue;
    path.emplace_back(first, 0);
    while (!path.empty()) {
      auto& [s, at] = path.back();
      if (at == 0) {
        order[s] = low[s] = next_order++;
        stack.push_back(s);
      }
      if (at < edges[s].size()) {
        const StateId to = edges[s][at++];
        if (order[to] == 0) {
          path.emplace_back(to, 0);
        } else if (component[to] == UINT32_MAX) {
          low[s] = std::min(low[s], order[to]);
        }
        continue;
      }
      const StateId done = s;
      if (at == 0) ++at;
      path.pop_back();
      if (!path.empty()) low[path.back().first] = std::min(low[path.back().first], low[done]);
      if (low[done] != order[done]) continue;
      StateId member = kNoRule;
      do {
        member = stack.back();
        stack.pop_back();
        component[member] = components;
      } while (member != done);
      ++components;
    }
  }
  for (StateId s = 0; s < count; ++s) {
    for (const CallEdge& edge : states_[s].calls) {
      if (edge.rule == kNoRule || component[s] == UINT32_MAX) continue;
      if (component[rules_[edge.rule].start] != component[s]) continue;
      return make_error("E0322",
                        fmt::format("rule {} calls itself before it has read anything",
                                    quoted(rules_[edge.rule].name)),
                        "write repetition as x* or with the recursion at the end");
    }
  }
  return ok_status();
}

void Rules::mark_leaves() {
  for (Rule& rule : rules_) rule.leaf = true;
  for (const RuleState& state : states_) {
    bool plain = state.calls.empty();
    for (size_t i = 1; i < state.bytes.size(); ++i) {
      plain = plain && state.bytes[i - 1].high < state.bytes[i].low;
    }
    if (!plain) rules_[state.rule].leaf = false;
  }
}

uint32_t Rules::cost(StateId state, uint32_t count) const {
  return sum(cost_[state], product(need(state, count), unit_[states_[state].rule]));
}

std::string Rules::shortest(StateId state, uint32_t need) const {
  struct Frame {
    StateId state;
    uint32_t need;
  };
  std::string out;
  std::vector<Frame> frames = {{state, need}};
  while (!frames.empty()) {
    CHECK(out.size() <= kShortestMax * 2);
    Frame& top = frames.back();
    const RuleState& at = states_[top.state];
    if (top.need > 0) {  // count on as soon as an edge offers it
      const ByteEdge* best = nullptr;
      for (const ByteEdge& edge : at.bytes) {
        if (edge.guard != Guard::kBelowMax) continue;
        if (!best || cost_[edge.to] < cost_[best->to]) best = &edge;
      }
      if (best) {
        out += static_cast<char>(best->low);
        top.state = best->to;
        --top.need;
        continue;
      }
    }
    const Choice choice = choice_[top.state];
    switch (choice.kind) {
      case Choice::Kind::kEnd: frames.pop_back(); break;
      case Choice::Kind::kByte:
        out += static_cast<char>(at.bytes[choice.edge].low);
        top.state = at.bytes[choice.edge].to;
        break;
      case Choice::Kind::kCall: {
        const CallEdge edge = at.calls[choice.edge];
        top.state = edge.to;
        if (edge.rule == kNoRule) break;
        const Rule& called = rules_[edge.rule];
        frames.push_back({called.start, called.min});
        break;
      }
      case Choice::Kind::kNone: CHECK(false, "state {} cannot be finished", top.state);
    }
  }
  return out;
}

}  // namespace weft::grammar
