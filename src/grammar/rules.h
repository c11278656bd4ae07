// SPDX-License-Identifier: Apache-2.0
//
// A grammar as a recursive transition network over bytes: rules are small automata whose edges
// read a byte, call another rule, or jump. Every frame has one counter, which edges may guard and
// raise, so that lengths and numbers of items need no unrolling:
//
//   string with 2 to 5 characters:   0 --"--> 1 --"[count >= 2]--> (2)
//                                    1 --character[count < 5, +1]--> 1
//
// A rule that counts must be able to go on counting from wherever it is, and each further count
// costs the same (`unit`); so the counter never leads into a dead end, and the fewest bytes that
// finish a state are cost(state) + unit * (min - count).
//
// finish() removes what can never end, so that every state and call that is left can be finished;
// refuses left recursion (E0322) and grammars without any text (E0324); and finds for each state
// the shortest text to its rule's end, by Knuth's generalisation of Dijkstra's algorithm
// (Information Processing Letters 6, 1977).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "grammar/automaton.h"

namespace weft::grammar {

using RuleId = uint32_t;
using StateId = uint32_t;
inline constexpr uint32_t kNoRule = UINT32_MAX;
inline constexpr uint32_t kNoMax = UINT32_MAX;
inline constexpr uint32_t kNever = UINT32_MAX / 4;  // a cost: cannot be finished
inline constexpr size_t kRuleStatesMax = 600'000;

enum class Guard : uint8_t {
  kNone,
  kBelowMax,  // only if count < max; then count + 1
  kFromMin,   // only if count >= min
};
struct ByteEdge {
  uint8_t low = 0;
  uint8_t high = 0;
  Guard guard = Guard::kNone;
  StateId to = 0;
};
struct CallEdge {
  RuleId rule = kNoRule;  // kNoRule: a jump
  StateId to = 0;
};
struct RuleState {
  std::vector<ByteEdge> bytes;
  std::vector<CallEdge> calls;
  RuleId rule = kNoRule;
  bool final = false;
};
struct Rule {
  StateId start = 0;
  uint32_t min = 0;
  uint32_t max = kNoMax;
  bool counts = false;
  uint32_t unit_bytes = 0;        // what one more count costs: so many bytes …
  RuleId unit_rule = kNoRule;     // … and this rule once
  bool leaf = false;              // deterministic, no calls
  bool free_string = false;       // made by free_string(): its states follow the start
  bool free_key = false;          // an object's key that may be any of infinitely many
  bool included = false;          // of a value of JSON within other text (see include())
  std::string name;               // for errors
};

class Rules {
 public:
  // -- building
  RuleId add_rule(std::string name = {});
  StateId add_state(RuleId rule);
  Rule& rule(RuleId id) { return rules_[id]; }
  void byte(StateId from, uint8_t low, uint8_t high, StateId to, Guard guard = Guard::kNone);
  void jump(StateId from, StateId to);
  void call(StateId from, RuleId rule, StateId to);
  void text(StateId from, std::string_view bytes, StateId to);  // `bytes` not empty
  void set_final(StateId state) { states_[state].final = true; }
  // The rule's body is an automaton. With `characters_max` it counts the characters of its text,
  // which the automaton must be able to end behind each of the last ones.
  void embed(RuleId rule, const Dfa& dfa, uint32_t characters_max = kNoMax);
  // A finished grammar of a JSON value becomes a part of this one; its root, to be called. Only
  // in such parts keys are kept from repeating: what is around them need not be JSON.
  RuleId include(const Rules& other);
  void raise_key_slack(uint32_t bytes) {
    if (bytes > key_slack_) key_slack_ = bytes;
  }
  bool too_large() const { return states_.size() > kRuleStatesMax; }
  // E0322, E0323, E0324.
  Status finish(RuleId root);
  // Behind E0324, the name of a rule that no text fits, the innermost that has a name.
  std::string impossible_part() const;

  // -- reading
  RuleId root() const { return root_; }
  const Rule& rule(RuleId id) const { return rules_[id]; }
  const RuleState& state(StateId id) const { return states_[id]; }
  size_t state_count() const { return states_.size(); }
  size_t rule_count() const { return rules_.size(); }
  bool has_free_keys() const { return has_free_keys_; }
  bool has_included() const { return has_included_; }
  // From anywhere in a free key, so many bytes end it as one that the object does not have yet.
  uint32_t key_slack() const { return key_slack_; }

  uint32_t need(StateId state, uint32_t count) const {
    const Rule& rule = rules_[states_[state].rule];
    return rule.min > count ? rule.min - count : 0;
  }
  // Fewest bytes from `state` to the end of its rule.
  uint32_t cost(StateId state, uint32_t count) const;
  // The part of cost() that is due to counts still needed.
  uint32_t need_cost(StateId state, uint32_t count) const {
    return cost(state, count) - cost_[state];
  }
  // Frames that the shortest text opens on top of this one.
  uint32_t depth(StateId state) const { return depth_[state]; }
  uint32_t rule_cost(RuleId rule) const { return rule_cost_[rule]; }
  // That shortest text.
  std::string shortest(StateId state, uint32_t need) const;

 private:
  friend class ShortestTexts;
  struct Choice {
    enum class Kind : uint8_t { kNone, kEnd, kByte, kCall } kind = Kind::kNone;
    uint32_t edge = 0;
  };
  RuleId impossible_call(RuleId rule) const;
  Status check_left_recursion() const;
  std::vector<std::vector<StateId>> jumps_of_nullables(const std::vector<bool>& nullable) const;
  std::vector<bool> nullable_states() const;
  void remove_endless();
  void mark_leaves();

  std::vector<Rule> rules_;
  std::vector<RuleState> states_;
  RuleId root_ = kNoRule;
  bool has_free_keys_ = false;
  bool has_included_ = false;
  uint32_t key_slack_ = 0;
  std::vector<uint32_t> cost_, depth_;            // by state, no count needed
  std::vector<uint32_t> rule_cost_, rule_depth_;  // by rule, from its start with count 0
  std::vector<uint32_t> unit_;                    // by rule
  std::vector<Choice> choice_;                    // by state
};

}  // namespace weft::grammar
