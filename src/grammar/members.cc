// SPDX-License-Identifier: Apache-2.0
// Facts about the members of objects: which names there are, in which order, and what each value
// must be. Names that a schema leaves open are split into classes by the patterns they match, so
// that every class has one schema and no name stands in two classes.
#include <algorithm>
#include <map>
#include <set>

#include "grammar/conjunction.h"
#include "grammar/regex.h"
#include "schema/validator.h"

namespace weft::grammar {

using schema::kNone;
using schema::Node;
using schema::NodeId;

namespace {

constexpr size_t kPatternsMax = 4;    // 2^n classes of names
constexpr size_t kFiniteMax = 64;     // as many open names become optional members
constexpr uint32_t kKeysFar = 4096;   // keys that one object may be expected to hold
constexpr uint32_t kSlackMax = 400;

}  // namespace

Conjunction Facts::value_of_member(const Conjunction& set, std::string_view name) const {
  Conjunction out;
  for (const uint32_t key : set) {
    const Node& n = node(key);
    bool covered = false;
    const auto add = [&](NodeId id) {
      out.push_back(id << 2);
      covered = true;
    };
    for (const auto& property : n.properties) {
      if (property.name == name) add(property.node);
    }
    for (const auto& property : n.pattern_properties) {
      if (property.pattern.search(name) == schema::Regex::Match::kYes) add(property.node);
    }
    if (!covered && n.additional_properties != kNone) add(n.additional_properties);
    if (n.property_names != kNone &&
        !schema::is_valid_at(schema_, n.property_names, json::Value(name))) {
      out.push_back(kNothingFits);
    }
    if (n.not_ != kNone) {
      const Node& no = schema_.node(n.not_);
      if (no.required.size() == 1 && no.required[0] == name) out.push_back(kNothingFits);
    }
  }
  return out;
}

void Facts::named_members(const Conjunction& set, Members& members) const {
  std::set<std::string_view> seen;
  const auto add = [&](const std::string& name) {
    if (!seen.insert(name).second) return;
    members.named.push_back({name, value_of_member(set, name), false});
  };
  for (const uint32_t key : set) {
    for (const auto& property : node(key).properties) add(property.name);
  }
  for (const uint32_t key : set) {
    for (const std::string& name : node(key).required) add(name);
  }
  // What `not` forbids is no open name either: a member that has no value.
  for (const uint32_t key : set) {
    if (node(key).not_ == kNone) continue;
    const Node& no = schema_.node(node(key).not_);
    if (no.required.size() == 1) add(no.required[0]);
  }
  std::set<std::string_view> required;
  for (const uint32_t key : set) {
    for (const std::string& name : node(key).required) required.insert(name);
  }
  for (Member& member : members.named) member.required = required.contains(member.name);
}

bool Facts::is_closed(const Conjunction& set) const {
  if (!options_.closed_objects) return false;
  bool listed = false;
  for (const uint32_t key : set) {
    const Node& n = node(key);
    if (n.additional_properties != kNone || !n.pattern_properties.empty()) return false;
    if (n.property_names != kNone) return false;
    // Also an empty list: that of a function without arguments.
    listed = listed || n.lists_properties;
  }
  return listed;
}

Facts::Members Facts::listed_members(const Conjunction& set) const {
  Members out;
  for (const uint32_t key : set) {
    const Node& n = node(key);
    if (n.min_properties) out.min = std::max(out.min, clipped_count(*n.min_properties));
    if (n.max_properties) out.max = std::min(out.max, clipped_count(*n.max_properties));
  }
  named_members(set, out);
  return out;
}

Result<Facts::Members> Facts::members(const Conjunction& set) const {
  Members out = listed_members(set);
  if (!is_closed(set)) TRY(free_members(set, out));
  return out;
}

// All names that are still open, or nothing if a list of names closes the object.
Result<std::optional<Dfa>> Facts::free_names(const Conjunction& set, Members& members) const {
  Conjunction rules;
  for (const uint32_t key : set) {
    if (node(key).property_names != kNone) rules.push_back(node(key).property_names << 2);
  }
  const auto wanted = expanded(rules);
  if (!wanted) return std::optional<Dfa>();
  Dfa names = all_text();
  if (const auto list = values(*wanted)) {
    for (const json::Value* name : *list) {
      if (!name->is_string()) continue;
      const std::string text(name->get_string());
      const bool known = std::any_of(members.named.begin(), members.named.end(),
                                     [&](const Member& one) { return one.name == text; });
      if (!known) members.named.push_back({text, value_of_member(set, text), false});
    }
    return std::optional<Dfa>();
  }
  if (const auto open = choice(*wanted)) {
    return refused(open->key >> 2, open->one_of ? "oneOf" : "anyOf",
                   "names of members are enforced by pattern, enum and lengths only");
  }
  const uint8_t types = TRY(this->types(*wanted));
  if ((types & schema::kString) == 0) return std::optional<Dfa>();
  auto wanted_names = language_of(TRY(strings(*wanted)));
  if (!wanted_names.ok()) {  // of all text the automaton is small
    CHECK(!rules.empty());
    return in_context(std::move(wanted_names).error(), schema_.pointer(rules[0] >> 2));
  }
  names = std::move(wanted_names).value();
  std::vector<std::string_view> taken;
  for (const Member& member : members.named) taken.push_back(member.name);
  if (!taken.empty()) {
    auto others = combined(names, literals(taken), Combine::kFirstWithoutSecond);
    if (!others.ok()) return placed(std::move(others).error(), set[0] >> 2, "properties");
    names = std::move(others).value();
  }
  return std::optional<Dfa>(std::move(names));
}

Status Facts::free_members(const Conjunction& set, Members& members) const {
  const bool none_allowed = std::any_of(set.begin(), set.end(), [&](uint32_t key) {
    const Node& n = node(key);
    return n.additional_properties != kNone && n.pattern_properties.empty() &&
           schema_.node(n.additional_properties).kind == Node::Kind::kFalse;
  });
  if (none_allowed) return ok_status();
  const auto open = TRY(free_names(set, members));
  if (!open) return ok_status();
  std::vector<std::string> patterns;
  NodeId with_patterns = kNone;
  for (const uint32_t key : set) {
    for (const auto& property : node(key).pattern_properties) {
      const std::string& source = property.pattern.source();
      with_patterns = key >> 2;
      if (std::find(patterns.begin(), patterns.end(), source) == patterns.end()) {
        patterns.push_back(source);
      }
    }
  }
  if (patterns.size() > kPatternsMax) {
    return refused(with_patterns, "patternProperties",
                   fmt::format("at most {} patterns for one object", kPatternsMax));
  }
  std::vector<Dfa> languages;
  for (const std::string& pattern : patterns) {
    auto language = regex_language(pattern, Matching::kSearch);
    if (!language.ok()) {
      return placed(std::move(language).error(), with_patterns, "patternProperties");
    }
    languages.push_back(std::move(language).value());
  }
  for (uint32_t mask = 0; mask < 1u << patterns.size(); ++mask) {
    Dfa names = *open;
    for (size_t i = 0; i < patterns.size(); ++i) {
      const bool in = (mask >> i & 1) != 0;
      auto fewer = combined(names, languages[i],
                            in ? Combine::kBoth : Combine::kFirstWithoutSecond);
      if (!fewer.ok()) {
        return placed(std::move(fewer).error(), with_patterns, "patternProperties");
      }
      names = std::move(fewer).value();
    }
    Conjunction value;
    for (const uint32_t key : set) {
      const Node& n = node(key);
      bool covered = false;
      for (const auto& property : n.pattern_properties) {
        const auto at = std::find(patterns.begin(), patterns.end(), property.pattern.source());
        if ((mask >> (at - patterns.begin()) & 1) == 0) continue;
        value.push_back(property.node << 2);
        covered = true;
      }
      if (!covered && n.additional_properties != kNone) {
        value.push_back(n.additional_properties << 2);
      }
    }
    TRY(add_free(set, std::move(value), std::move(names), members));
  }
  return ok_status();
}

Status Facts::add_free(const Conjunction& set, Conjunction value, Dfa names,
                       Members& members) const {
  if (names.is_empty() || !expanded(value)) return ok_status();
  if (const auto few = words(names, kFiniteMax)) {
    for (const std::string& name : *few) members.named.push_back({name, value, false});
    return ok_status();
  }
  if (!key_slack(quoted_text(names))) {
    CHECK(!set.empty());
    uint32_t where = set[0];
    std::string_view keyword = "propertyNames";
    for (const uint32_t key : set) {
      const bool patterns = !node(key).pattern_properties.empty();
      if (!patterns && node(key).property_names == kNone) continue;
      where = key;
      keyword = patterns ? "patternProperties" : "propertyNames";
      if (patterns) break;
    }
    return refused(where >> 2, keyword,
                   "patterns of names must leave room: not of fixed length, or at most 64 names");
  }
  members.free.push_back({std::move(names), std::move(value)});
  return ok_status();
}

// The number of words of each length, by state, until every state has enough of them.
std::optional<uint32_t> key_slack(const Dfa& quoted) {
  const size_t count = quoted.states.size();
  if (count > 4000) return std::nullopt;
  std::vector<uint32_t> exactly(count), total(count);
  for (size_t s = 0; s < count; ++s) exactly[s] = quoted.states[s].accepting ? 1 : 0;
  const auto enough = [&](size_t s) {
    // Behind the closing quotation mark the key is over, one way or the other.
    return total[s] >= kKeysFar || quoted.states[s].edges.empty();
  };
  for (uint32_t length = 0; length < kSlackMax; ++length) {
    std::vector<uint32_t> next(count);
    bool all = true;
    for (size_t s = 0; s < count; ++s) {
      total[s] = std::min(kKeysFar, total[s] + exactly[s]);
      all = all && enough(s);
      uint64_t sum = 0;
      for (const Edge& edge : quoted.states[s].edges) {
        sum += uint64_t{exactly[edge.to]} * (edge.high - edge.low + 1u);
      }
      next[s] = static_cast<uint32_t>(std::min<uint64_t>(sum, kKeysFar));
    }
    if (all) return length;
    exactly = std::move(next);
  }
  return std::nullopt;
}

}  // namespace weft::grammar
