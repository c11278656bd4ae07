// SPDX-License-Identifier: Apache-2.0
#include "grammar/json_schema.h"

#include <algorithm>
#include <map>

#include "base/strings.h"

namespace weft::grammar {
namespace {

constexpr size_t kRulesMax = 50'000;
constexpr int kDisjointDepth = 4;
constexpr int64_t kDisjointWork = 100'000;  // states of automata, seconds at worst
constexpr size_t kBranchesMax = 256;  // of one oneOf: pairs are compared
constexpr uint32_t kUnrolledMax = 64;
constexpr size_t kListMax = 3000;  // values or members of one schema: they are compared in pairs

class Compiler {
 public:
  Compiler(const schema::Schema& schema, const SchemaOptions& options, schema::NodeId part)
      : schema_(schema), options_(options), part_(part), facts_(schema, options) {}

  Result<Rules> run() {
    for (schema::NodeId id = 0; id < schema_.nodes().size(); ++id) {
      const schema::Node& n = schema_.node(id);
      const size_t values = n.enumeration ? n.enumeration->size() : 0;
      if (std::max({values, n.properties.size(), n.required.size()}) <= kListMax) continue;
      return make_error("E0323",
                        fmt::format("{}: more than {} values or members", schema_.pointer(id),
                                    kListMax),
                        "use shorter lists");
    }
    const RuleId root = rule_of({part_ << 2});
    for (size_t done = 0; done < queue_.size(); ++done) {
      if (rules_.too_large() || queue_.size() > kRulesMax) {
        return make_error("E0323",
                          fmt::format("{}: the schema needs too large a grammar, and this part "
                                      "most of it", largest_part()),
                          "fewer alternatives inside alternatives, or smaller bounds");
      }
      const auto [set, rule] = queue_[done];
      const size_t before = rules_.state_count() + queue_.size();
      TRY(build(set, rule));
      sizes_[node_of(set)] += rules_.state_count() + queue_.size() - before;
    }
    Status finished = rules_.finish(root);
    if (finished.ok()) return std::move(rules_);
    const std::string& code = finished.error().code;
    if (code == "E0324") return in_context(std::move(finished).error(), rules_.impossible_part());
    if (code != "E0323") return std::move(finished).error();
    return in_context(std::move(finished).error(),
                      rules_.too_large() ? largest_part() : longest_part(root));
  }

 private:
  schema::NodeId node_of(const Conjunction& set) const {
    return set.empty() ? part_ : set[0] >> 2;
  }
  // The part of the schema that has needed most so far.
  std::string largest_part() const {
    const auto most = std::ranges::max_element(sizes_, {}, [](const auto& one) {
      return one.second;
    });
    return schema_.pointer(most == sizes_.end() ? part_ : most->first);
  }
  // The innermost part whose shortest text is more than half of the whole.
  std::string longest_part(RuleId root) const {
    const uint32_t whole = rules_.rule_cost(root);
    schema::NodeId out = part_;
    uint32_t least = whole;
    for (const auto& [set, rule] : queue_) {
      const uint32_t cost = rules_.rule_cost(rule);
      if (cost > whole / 2 && cost < least) {
        out = node_of(set);
        least = cost;
      }
    }
    return schema_.pointer(out);
  }

  // A rule that never ends. A member whose name is forbidden may have no node that says so: then
  // the rule has no name, and the object around it is the part that nothing fits.
  RuleId nothing_at(const Conjunction& set) {
    const auto says = std::ranges::find_if(set, [](uint32_t key) { return key != kNothingFits; });
    const schema::NodeId place = says == set.end() ? schema::kNone : *says >> 2;
    const auto [none, added] = nothing_.try_emplace(place, kNoRule);
    if (added) {
      none->second = rules_.add_rule(place == schema::kNone ? "" : schema_.pointer(place));
    }
    return none->second;
  }

  // The rule of a set, to be built later. Of `false`, a rule that never ends.
  RuleId rule_of(const Conjunction& unexpanded) {
    const auto set = facts_.expanded(unexpanded);
    if (!set) return nothing_at(unexpanded);
    const Conjunction key = facts_.is_anything(*set) ? Conjunction{} : *set;
    const auto [found, fresh] = known_.try_emplace(key, kNoRule);
    if (fresh) {
      found->second = rules_.add_rule(key.empty() ? "any value" : schema_.pointer(key[0] >> 2));
      queue_.emplace_back(key, found->second);
    }
    return found->second;
  }

  StateId end_of(RuleId rule) {
    const StateId end = rules_.add_state(rule);
    rules_.set_final(end);
    return end;
  }

  Status build(const Conjunction& set, RuleId rule) {
    if (const auto values = facts_.values(set)) return build_values(*values, rule);
    if (const auto choice = facts_.choice(set)) return build_choice(set, *choice, rule);
    const uint8_t types = TRY(facts_.types(set));
    const StateId end = end_of(rule);
    const auto part = [&](RuleId called) { rules_.call(rules_.rule(rule).start, called, end); };
    std::vector<std::string_view> words;
    if ((types & schema::kNull) != 0) words.insert(words.end(), {"null"});
    if ((types & schema::kBoolean) != 0) words.insert(words.end(), {"true", "false"});
    if (!words.empty()) {
      const RuleId literal = rules_.add_rule();
      rules_.embed(literal, literals(words));
      part(literal);
    }
    if ((types & schema::kInteger) != 0) {
      const bool integers_only = (types & schema::kNumber) == 0;
      const RuleId number = rules_.add_rule();
      rules_.embed(number, TRY(facts_.numbers(set, integers_only)));
      part(number);
    }
    if ((types & schema::kString) != 0) part(TRY(string_rule(set)));
    if ((types & schema::kArray) != 0) part(TRY(array_rule(set)));
    if ((types & schema::kObject) != 0) part(TRY(object_rule(set)));
    return ok_status();
  }

  Status build_values(const std::vector<const json::Value*>& values, RuleId rule) {
    json::DumpOptions style;
    style.spaces = options_.spacing == SchemaOptions::Spacing::kSpaced;
    std::vector<std::string> texts;
    for (const json::Value* value : values) {
      texts.push_back(json::dump(*value, style));
      // 2.0 may be written as the integer that it is
      if (value->is_double() && texts.back().ends_with(".0")) {
        texts.push_back(texts.back().substr(0, texts.back().size() - 2));
      }
    }
    rules_.embed(rule, literals({texts.begin(), texts.end()}));
    return ok_status();
  }

  Status build_choice(const Conjunction& set, const Facts::Choice& choice, RuleId rule) {
    if (choice.one_of) TRY(check_disjoint(set, choice));
    const StateId end = end_of(rule);
    for (const schema::NodeId branch : choice.branches) {
      const RuleId called = rule_of(Facts::chosen(set, choice, branch));
      rules_.call(rules_.rule(rule).start, called, end);
    }
    return ok_status();
  }

  Status check_disjoint(const Conjunction& set, const Facts::Choice& choice) {
    const auto refused = [&](std::string hint) {
      return facts_.refused(choice.key >> 2, "oneOf", std::move(hint));
    };
    if (choice.branches.size() > kBranchesMax) {
      return refused(fmt::format("at most {} branches", kBranchesMax));
    }
    std::vector<bool> listed;  // these are judged one by one, and in no branch if in two
    for (const schema::NodeId branch : choice.branches) {
      listed.push_back(facts_.lists_values(Facts::chosen(set, choice, branch)));
    }
    for (size_t i = 0; i < choice.branches.size(); ++i) {
      for (size_t j = i + 1; j < choice.branches.size(); ++j) {
        Conjunction both = Facts::chosen(set, choice, choice.branches[i]);
        both.push_back(choice.branches[j] << 2);
        if (TRY(facts_.surely_empty(both, kDisjointDepth, disjoint_work_))) continue;
        if (listed[i] && listed[j]) continue;
        return refused(fmt::format(
            "branches {} and {} may fit the same value: use anyOf, or tell them apart by type or "
            "by the const of a required member", i, j));
      }
    }
    return ok_status();
  }

  Result<RuleId> string_rule(const Conjunction& set) {
    const Strings text = TRY(facts_.strings(set));
    if (text.content) {
      const RuleId rule = rules_.add_rule();
      rules_.embed(rule, quoted_text(*text.content));
      return rule;
    }
    if (text.characters) {
      const RuleId rule = rules_.add_rule();
      Status made = repeated_string(rules_, rule, {*text.characters, text.min, text.max});
      if (!made.ok()) return in_context(std::move(made).error(), schema_.pointer(node_of(set)));
      return rule;
    }
    const auto [found, fresh] = free_strings_.try_emplace({text.min, text.max}, kNoRule);
    if (fresh) {
      found->second = rules_.add_rule();
      free_string(rules_, found->second, text.min, text.max);
    }
    return found->second;
  }

  // A separator and what may stand behind it.
  void separator(StateId from, std::string_view sign, StateId to, Guard guard = Guard::kNone) {
    const StateId behind = rules_.add_state(rules_.state(from).rule);
    const auto byte = static_cast<uint8_t>(sign[0]);
    rules_.byte(from, byte, byte, behind, guard);
    if (options_.spacing != SchemaOptions::Spacing::kCompact) rules_.byte(behind, ' ', ' ', to);
    if (options_.spacing != SchemaOptions::Spacing::kSpaced) rules_.jump(behind, to);
  }
  uint32_t separator_bytes() const {
    return options_.spacing == SchemaOptions::Spacing::kSpaced ? 2 : 1;
  }

  // [ prefix , prefix , item , item … ]; the counter counts the commas between the last prefix item
  // (or the first item) and what follows, so it starts at 0 and each count costs a comma and item.
  Result<RuleId> array_rule(const Conjunction& set) {
    const Facts::Items items = TRY(facts_.items(set));
    const RuleId rule = rules_.add_rule();
    if (items.min > items.max) return rule;
    if (items.prefix.size() > kRuleStatesMax / 4) {
      return facts_.refused(set[0] >> 2, "prefixItems", "fewer of them");
    }
    const StateId end = end_of(rule);
    const StateId open = rules_.add_state(rule);
    rules_.byte(rules_.rule(rule).start, '[', '[', open);
    if (items.min == 0) rules_.byte(open, ']', ']', end);
    if (items.max == 0) return rule;
    const auto single = std::min<size_t>(std::max<size_t>(1, items.prefix.size()), items.max);
    StateId before = open;
    StateId after = open;
    for (size_t i = 0; i < single; ++i) {
      const Conjunction& value = i < items.prefix.size() ? items.prefix[i] : items.rest;
      after = rules_.add_state(rule);
      rules_.call(before, rule_of(value), after);
      if (i + 1 == single) break;
      if (i + 1 >= items.min) rules_.byte(after, ']', ']', end);
      before = rules_.add_state(rule);
      separator(after, ",", before);
    }
    const auto singles = static_cast<uint32_t>(single);
    const RuleId item = rule_of(items.rest);
    Rule& self = rules_.rule(rule);
    self.min = items.min > singles ? items.min - singles : 0;
    self.max = items.max == kNoMax ? kNoMax : items.max - singles;
    self.counts = self.min > 0 || self.max != kNoMax;
    self.unit_bytes = separator_bytes();
    self.unit_rule = item;
    const bool counts = self.counts;
    const StateId next = rules_.add_state(rule);
    rules_.byte(after, ']', ']', end, counts ? Guard::kFromMin : Guard::kNone);
    separator(after, ",", next, counts ? Guard::kBelowMax : Guard::kNone);
    rules_.call(next, item, after);
    return rule;
  }

  // Grid of states: before member i, with c members written. Members stand in order, so a state
  // says all there is to know; what cannot be finished (too many left, too few) is removed later.
  Result<RuleId> object_rule(const Conjunction& set) {
    Facts::Members members = TRY(facts_.members(set));
    const RuleId rule = rules_.add_rule();
    if (members.min > members.max) return rule;
    std::erase_if(members.named, [&](const Facts::Member& one) {
      return !one.required && !facts_.expanded(one.value);
    });
    const auto named = static_cast<uint32_t>(members.named.size());
    if (members.free.empty() && members.max >= named) members.max = kNoMax;
    if (members.free.empty() && members.min > named) return rule;
    if (!members.free.empty()) TRY(check_counts(set, members, named));
    const uint32_t top =
        std::max({1u, members.min, members.max == kNoMax ? 0 : members.max});
    const StateId end = end_of(rule);
    std::vector<std::vector<StateId>> grid(named + 1, std::vector<StateId>(top + 1));
    for (auto& row : grid) {
      for (StateId& state : row) state = rules_.add_state(rule);
    }
    rules_.byte(rules_.rule(rule).start, '{', '{', grid[0][0]);
    for (uint32_t i = 0; i < named; ++i) {
      const Facts::Member& member = members.named[i];
      const RuleId value = rule_of(member.value);
      for (uint32_t c = 0; c <= std::min(i, top); ++c) {
        if (!member.required) rules_.jump(grid[i][c], grid[i + 1][c]);
        if (members.max != kNoMax && c >= members.max) continue;
        write_member(grid[i][c], c > 0, member.name, value, grid[i + 1][std::min(c + 1, top)]);
        if (rules_.too_large()) return rule;
      }
    }
    const std::vector<RuleId> keys = key_rules(members);
    for (uint32_t c = 0; c <= top; ++c) {
      const StateId last = grid[named][c];
      if (c >= members.min) rules_.byte(last, '}', '}', end);
      if (members.max != kNoMax && c >= members.max) continue;
      // Of keys that must come only one may be open: two could only be told apart by looking back.
      if (c + 1 < members.min) continue;
      for (size_t i = 0; i < keys.size(); ++i) {
        const RuleId value = rule_of(members.free[i].value);
        write_free(last, c > 0, {keys[i], value}, grid[named][std::min(c + 1, top)]);
      }
    }
    return rule;
  }

  Status check_counts(const Conjunction& set, const Facts::Members& members, uint32_t named) {
    if (members.min > named + 1) {
      return facts_.refused(set[0] >> 2, "minProperties",
                            "at most one more than the members that the schema names");
    }
    if (members.max != kNoMax && members.max > named + kUnrolledMax) {
      return facts_.refused(set[0] >> 2, "maxProperties",
                            fmt::format("at most {} more than the members that the schema names",
                                        kUnrolledMax));
    }
    return ok_status();
  }

  StateId begin_member(StateId from, bool follows) {
    if (!follows) return from;
    const StateId behind = rules_.add_state(rules_.state(from).rule);
    separator(from, ",", behind);
    return behind;
  }
  void write_member(StateId from, bool follows, std::string_view name, RuleId value, StateId to) {
    const RuleId rule = rules_.state(from).rule;
    std::string key;
    json::append_quoted(key, name);
    const StateId colon = rules_.add_state(rule);
    const StateId before = rules_.add_state(rule);
    rules_.text(begin_member(from, follows), key, colon);
    separator(colon, ":", before);
    rules_.call(before, value, to);
  }
  std::vector<RuleId> key_rules(const Facts::Members& members) {
    std::vector<RuleId> keys;
    for (const Facts::Members::Free& free : members.free) {
      const Dfa key_text = quoted_text(free.names);
      keys.push_back(rules_.add_rule());
      rules_.embed(keys.back(), key_text);
      rules_.rule(keys.back()).free_key = true;
      rules_.raise_key_slack(key_slack(key_text).value());
    }
    return keys;
  }
  struct FreeMember {
    RuleId key, value;
  };
  void write_free(StateId from, bool follows, const FreeMember& member, StateId to) {
    const RuleId rule = rules_.state(from).rule;
    const StateId colon = rules_.add_state(rule);
    const StateId before = rules_.add_state(rule);
    rules_.call(begin_member(from, follows), member.key, colon);
    separator(colon, ":", before);
    rules_.call(before, member.value, to);
  }

  const schema::Schema& schema_;
  const SchemaOptions& options_;
  const schema::NodeId part_;
  Facts facts_;
  Rules rules_;
  std::map<schema::NodeId, RuleId> nothing_;  // of parts that no value fits
  int64_t disjoint_work_ = kDisjointWork;
  std::map<Conjunction, RuleId> known_;
  std::vector<std::pair<Conjunction, RuleId>> queue_;
  std::map<schema::NodeId, size_t> sizes_;  // states and further rules, by the node built
  std::map<std::pair<uint32_t, uint32_t>, RuleId> free_strings_;
};

}  // namespace

Result<Rules> schema_rules(const schema::Schema& schema, const SchemaOptions& options) {
  return schema_rules(schema, options, schema.root());
}

Result<Rules> schema_rules(const schema::Schema& schema, const SchemaOptions& options,
                           schema::NodeId part) {
  return Compiler(schema, options, part).run();
}

}  // namespace weft::grammar
