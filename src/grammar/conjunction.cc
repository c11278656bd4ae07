// SPDX-License-Identifier: Apache-2.0
#include "grammar/conjunction.h"

#include <algorithm>
#include <set>

#include "base/strings.h"
#include "grammar/regex.h"
#include "schema/pointer.h"
#include "schema/validator.h"

namespace weft::grammar {

using schema::kNone;
using schema::Node;
using schema::NodeId;

namespace {

constexpr int64_t kAutomatonWork = 20;  // besides its states
// As much work as one state: comparisons of listed values, and of names.
constexpr size_t kValuesOfState = 256;
constexpr size_t kNamesOfState = 8192;

constexpr uint8_t kAllTypes = schema::kNull | schema::kBoolean | schema::kInteger |
                              schema::kNumber | schema::kString | schema::kArray | schema::kObject;

uint8_t with_integers(uint8_t types) {
  return (types & schema::kNumber) != 0 ? static_cast<uint8_t>(types | schema::kInteger) : types;
}

// Keywords that say something about values, each one bit: enough to recognise simple `not`s.
enum Says : uint32_t {
  kSaysType = 1, kSaysValues = 2, kSaysRequired = 4, kSaysMore = 8,
};
uint32_t says(const Node& n) {
  uint32_t out = 0;
  if (n.types != 0) out |= kSaysType;
  if (n.constant || n.enumeration) out |= kSaysValues;
  if (!n.required.empty()) out |= kSaysRequired;
  const bool numbers = n.minimum || n.maximum || n.exclusive_minimum || n.exclusive_maximum ||
                       n.multiple_of;
  const bool strings = n.min_length || n.max_length || n.pattern || !n.format.empty();
  const bool arrays = n.min_items || n.max_items || n.unique_items || !n.prefix_items.empty() ||
                      n.items != kNone || n.contains != kNone || n.unevaluated_items != kNone;
  const bool objects = n.min_properties || n.max_properties || !n.properties.empty() ||
                       !n.pattern_properties.empty() || n.additional_properties != kNone ||
                       n.property_names != kNone || n.unevaluated_properties != kNone ||
                       !n.dependent_required.empty() || !n.dependent_schemas.empty();
  const bool others = !n.all_of.empty() || !n.any_of.empty() || !n.one_of.empty() ||
                      n.not_ != kNone || n.if_ != kNone || n.ref != kNone ||
                      n.dynamic_ref != kNone;
  if (numbers || strings || arrays || objects || others) out |= kSaysMore;
  return out;
}

bool is_true(const Node& n) {
  return n.kind == Node::Kind::kTrue || (n.kind == Node::Kind::kKeywords && says(n) == 0);
}

}  // namespace

Error Facts::refused(NodeId id, std::string_view keyword, std::string hint) const {
  std::string place = schema_.pointer(id);
  schema::append_step(place, keyword);
  return make_error("E0320",
                    fmt::format("{}: a grammar cannot enforce this keyword", place),
                    std::move(hint));
}

Error Facts::placed(Error error, NodeId id, std::string_view keyword) const {
  std::string place = schema_.pointer(id);
  schema::append_step(place, keyword);
  return in_context(std::move(error), place);
}

bool Facts::is_anything(const Conjunction& set) const {
  return std::all_of(set.begin(), set.end(), [&](uint32_t key) {
    // An empty list of members says nothing in JSON Schema, and here that there are none.
    const bool closes = options_.closed_objects && node(key).lists_properties;
    return is_true(node(key)) && !closes;
  });
}

std::optional<Conjunction> Facts::expanded(const Conjunction& set) const {
  Conjunction out;
  std::vector<uint32_t> todo = set;
  std::set<uint32_t> seen;
  for (size_t i = 0; i < todo.size(); ++i) {
    const uint32_t key = todo[i];
    if (key == kNothingFits) return std::nullopt;
    if (!seen.insert(key).second) continue;
    const Node& n = node(key);
    if (n.kind == Node::Kind::kFalse) return std::nullopt;
    if (n.kind == Node::Kind::kTrue) continue;
    out.push_back(key);
    const auto add = [&](NodeId id) { todo.push_back(id << 2); };
    if (n.ref != kNone) add(n.ref);
    if (n.dynamic_ref != kNone && n.dynamic_name.empty()) add(n.dynamic_ref);
    for (const NodeId id : n.all_of) add(id);
    if (n.if_ == kNone) continue;
    if (is_true(schema_.node(n.if_)) && n.then_ != kNone) add(n.then_);
    if (schema_.node(n.if_).kind == Node::Kind::kFalse && n.else_ != kNone) add(n.else_);
  }
  // A node whose choice is made and which is met again says nothing new.
  std::sort(out.begin(), out.end());
  Conjunction merged;
  for (const uint32_t key : out) {
    if (!merged.empty() && merged.back() >> 2 == key >> 2) {
      merged.back() |= key;
    } else {
      merged.push_back(key);
    }
  }
  return merged;
}

// `not` is taken where it is plain: of types, of single values, of one required member.
Result<uint8_t> Facts::without_not(uint32_t key, uint8_t types) const {
  const Node& n = node(key);
  if (n.not_ == kNone) return types;
  const Node& no = schema_.node(n.not_);
  if (no.kind == Node::Kind::kFalse) return types;
  const uint32_t what = says(no);
  if (is_true(no)) return uint8_t{0};
  if (what == kSaysType) {
    const auto left = static_cast<uint8_t>(types & ~with_integers(no.types));
    return left;
  }
  if (what == kSaysRequired && no.required.size() == 1) {
    return static_cast<uint8_t>(types & schema::kObject);  // the member is forbidden, see below
  }
  return refused(key >> 2, "not", "say what is allowed (enum, type, a pattern) instead");
}

Result<uint8_t> Facts::types(const Conjunction& set) const {
  uint8_t types = kAllTypes;
  for (const uint32_t key : set) {
    const Node& n = node(key);
    if (n.types != 0) types &= with_integers(n.types);
  }
  for (const uint32_t key : set) types = TRY(without_not(key, types));
  for (const uint32_t key : set) TRY(check_enforceable(key, types));
  const bool fractions_only = (types & (schema::kNumber | schema::kInteger)) == schema::kNumber;
  if (fractions_only) {
    return refused(set.empty() ? schema_.root() : set[0] >> 2, "not",
                   "numbers that are no integers cannot be told apart by a grammar");
  }
  return types;
}

Status Facts::check_enforceable(uint32_t key, uint8_t types) const {
  const Node& n = node(key);
  const NodeId id = key >> 2;
  const auto trivial = [&](NodeId other) { return other == kNone || is_true(schema_.node(other)); };
  if (n.dynamic_ref != kNone && !n.dynamic_name.empty()) {
    return refused(id, "$dynamicRef", "use $ref");
  }
  const bool says_if = n.if_ != kNone && !(trivial(n.then_) && trivial(n.else_));
  if (says_if && !is_true(schema_.node(n.if_)) &&
      schema_.node(n.if_).kind != Node::Kind::kFalse) {
    return refused(id, "if", "write the cases as anyOf, each with the const that tells it");
  }
  if ((types & schema::kArray) != 0) {
    if (n.unique_items && n.max_items.value_or(2) > 1) {
      return refused(id, "uniqueItems", "leave it out and check the answer with a validate step");
    }
    const bool any_number = n.min_contains == uint64_t{0} && !n.max_contains;
    if (n.contains != kNone && !any_number) {
      return refused(id, "contains", "use prefixItems for items at known places");
    }
    if (!trivial(n.unevaluated_items)) {
      return refused(id, "unevaluatedItems", "use items behind prefixItems");
    }
  }
  if ((types & schema::kObject) != 0) {
    for (const auto& one : n.dependent_required) {
      if (one.required.empty()) continue;
      return refused(id, "dependentRequired", "write the cases as anyOf");
    }
    for (const auto& one : n.dependent_schemas) {
      if (trivial(one.node)) continue;
      return refused(id, "dependentSchemas", "write the cases as anyOf");
    }
    if (!trivial(n.unevaluated_properties)) {
      return refused(id, "unevaluatedProperties", "use additionalProperties: false");
    }
  }
  return ok_status();
}

std::optional<std::vector<const json::Value*>> Facts::values(const Conjunction& set,
                                                             Judged judged) const {
  const auto count = [&](const Node& n) {
    return n.constant ? 1 : n.enumeration ? n.enumeration->size() : SIZE_MAX;
  };
  const Node* best = nullptr;
  for (const uint32_t key : set) {
    const Node& n = node(key);
    if (count(n) != SIZE_MAX && (!best || count(n) < count(*best))) best = &n;
  }
  if (!best) return std::nullopt;
  std::vector<const json::Value*> out;
  const auto take = [&](const json::Value& value) {
    const bool fits = std::all_of(set.begin(), set.end(), [&](uint32_t key) {
      if (judged == Judged::kBesideOneOf && (key & kOneOfChosen) != 0) return true;
      return schema::is_valid_at(schema_, key >> 2, value);
    });
    if (fits) out.push_back(&value);
  };
  if (best->constant) {
    take(*best->constant);
  } else {
    for (const json::Value& value : *best->enumeration) take(value);
  }
  return out;
}

// The one pattern of a set that has no other say about its texts, if it is a mere repetition.
std::optional<Repetition> Facts::only_repetition(const Conjunction& set) const {
  std::optional<Repetition> out;
  for (const uint32_t key : set) {
    const Node& n = node(key);
    if (!n.format.empty() && options_.formats) return std::nullopt;
    if (!n.pattern) continue;
    if (out) return std::nullopt;
    out = as_repetition(n.pattern->source());
    if (!out) return std::nullopt;
  }
  return out;
}

Result<Strings> Facts::strings(const Conjunction& set) const {
  Strings out;
  const auto meet = [&](Result<Dfa> language, uint32_t key, std::string_view keyword) -> Status {
    if (language.ok() && out.content) {
      out.states_made += language->states.size();
      language = combined(*out.content, *language, Combine::kBoth);
    }
    if (!language.ok()) return placed(std::move(language).error(), key >> 2, keyword);
    out.content = std::move(language).value();
    out.states_made += out.content->states.size();
    return ok_status();
  };
  const std::optional<Repetition> repetition = only_repetition(set);
  if (repetition) {
    out.characters = repetition->characters;
    out.min = repetition->min;
    out.max = repetition->max;
  }
  for (const uint32_t key : set) {
    const Node& n = node(key);
    if (n.min_length) out.min = std::max(out.min, clipped_count(*n.min_length));
    if (n.max_length) out.max = std::min(out.max, clipped_count(*n.max_length));
    if (n.pattern && !repetition) {
      TRY(meet(regex_language(n.pattern->source(), Matching::kSearch), key, "pattern"));
    }
    if (!n.format.empty() && options_.formats) {
      auto language = format_language(n.format);
      if (!language.ok()) return placed(std::move(language).error(), key >> 2, "format");
      if (*language) TRY(meet(std::move(**language), key, "format"));
    }
  }
  if (out.min > out.max) {
    out.characters.reset();
    out.content = Dfa{{Dfa::State{}}};
  }
  if (out.content && !out.content->is_empty() && (out.min > 0 || out.max != kNoMax)) {
    const auto max = out.max == kNoMax ? std::nullopt : std::optional<uint64_t>(out.max);
    const auto says = std::ranges::find_if(set, [&](uint32_t key) {
      return max ? node(key).max_length.has_value() : node(key).min_length.has_value();
    });
    CHECK(says != set.end(), "bounds of lengths come from keywords");
    TRY(meet(of_length(out.min, max), *says, max ? "maxLength" : "minLength"));
  }
  return out;
}

Result<Dfa> language_of(const Strings& strings) {
  if (strings.content) return *strings.content;
  Dfa out = all_text();
  if (strings.min > 0 || strings.max != kNoMax) {
    out = TRY(of_length(strings.min, strings.max == kNoMax
                                         ? std::nullopt
                                         : std::optional<uint64_t>(strings.max)));
  }
  if (!strings.characters) return out;
  Nfa nfa;
  const uint32_t loop = nfa.add_state();
  nfa.characters(loop, *strings.characters, loop);
  return combined(out, TRY(nfa.determinised(loop, loop)), Combine::kBoth);
}

Result<Dfa> Facts::numbers(const Conjunction& set, bool integers_only) const {
  NumberLanguage language;
  language.integers_only = integers_only;
  for (const uint32_t key : set) {
    const Node& n = node(key);
    const auto bound = [&](const std::optional<json::Value>& limit, bool lower, bool strict) {
      if (limit) language.bounds.push_back({&*limit, lower, strict});
    };
    bound(n.minimum, true, false);
    bound(n.exclusive_minimum, true, true);
    bound(n.maximum, false, false);
    bound(n.exclusive_maximum, false, true);
    if (n.multiple_of) language.multiples.push_back(&*n.multiple_of);
  }
  auto out = number_text(language);
  if (!out.ok()) return in_context(std::move(out).error(), schema_.pointer(set[0] >> 2));
  return out;
}

Result<Facts::Items> Facts::items(const Conjunction& set) const {
  Items out;
  size_t prefix = 0;
  for (const uint32_t key : set) {
    const Node& n = node(key);
    if (n.min_items) out.min = std::max(out.min, clipped_count(*n.min_items));
    if (n.max_items) out.max = std::min(out.max, clipped_count(*n.max_items));
    prefix = std::max(prefix, n.prefix_items.size());
  }
  out.prefix.resize(prefix);
  for (const uint32_t key : set) {
    const Node& n = node(key);
    const auto add = [](Conjunction& to, NodeId id) { to.push_back(id << 2); };
    for (size_t i = 0; i < prefix; ++i) {
      if (i < n.prefix_items.size()) {
        add(out.prefix[i], n.prefix_items[i]);
      } else if (n.items != kNone) {
        add(out.prefix[i], n.items);
      }
    }
    if (n.items != kNone) add(out.rest, n.items);
  }
  return out;
}

std::optional<Facts::Choice> Facts::choice(const Conjunction& set) const {
  for (const uint32_t key : set) {
    const Node& n = node(key);
    if (!n.any_of.empty() && (key & kAnyOfChosen) == 0) return Choice{key, false, n.any_of};
    if (!n.one_of.empty() && (key & kOneOfChosen) == 0) return Choice{key, true, n.one_of};
  }
  return std::nullopt;
}

Conjunction Facts::chosen(const Conjunction& set, const Choice& choice, NodeId branch) {
  Conjunction out;
  for (const uint32_t key : set) {
    const bool here = key == choice.key;
    out.push_back(here ? key | (choice.one_of ? kOneOfChosen : kAnyOfChosen) : key);
  }
  out.push_back(branch << 2);
  return out;
}

Status Facts::pay(int64_t amount, NodeId where, int64_t& work) const {
  work -= amount;
  if (work >= 0) return ok_status();
  return make_error("E0323",
                    fmt::format("{}: too much work to see that alternatives exclude each other",
                                schema_.pointer(where)),
                    "tell the branches of oneOf apart by the const of a required member, or use "
                    "anyOf");
}

bool Facts::lists_values(const Conjunction& unexpanded) const {
  const auto set = expanded(unexpanded);
  return !set || std::ranges::any_of(*set, [&](uint32_t key) {
    return node(key).constant || node(key).enumeration;
  });
}

// Comparisons that values() makes, at most.
size_t Facts::values_compared(const Conjunction& set) const {
  size_t least = SIZE_MAX;
  size_t all = 0;
  for (const uint32_t key : set) {
    const Node& n = node(key);
    if (!n.constant && !n.enumeration) continue;
    const size_t listed = (n.enumeration ? n.enumeration->size() : 0) + (n.constant ? 1 : 0);
    least = std::min(least, n.constant ? 1 : listed);
    all += listed;
  }
  return all == 0 ? 0 : least * all;
}

// Of objects. Values that are listed tell most alternatives apart and cost little, so they are
// compared first. Names that are open are not looked at: none of them is required.
// NOLINTNEXTLINE(misc-no-recursion): depth counts down
Result<bool> Facts::without_members(const Conjunction& set, int depth, int64_t& work) const {
  const Members all = listed_members(set);
  size_t names = 0;
  for (const uint32_t key : set) names += node(key).properties.size() + 1;
  const auto compared = static_cast<int64_t>(all.named.size() * names / kNamesOfState);
  TRY(pay(compared, set.empty() ? schema_.root() : set[0] >> 2, work));
  const auto required = std::count_if(all.named.begin(), all.named.end(),
                                      [](const Member& one) { return one.required; });
  if (all.min > all.max || static_cast<size_t>(required) > all.max) return true;
  for (const Member& one : all.named) {
    if (one.required && TRY(surely_empty(one.value, 0, work))) return true;
  }
  for (const Member& one : all.named) {
    if (one.required && TRY(surely_empty(one.value, depth, work))) return true;
  }
  return false;
}

// NOLINTNEXTLINE(misc-no-recursion): depth counts down
Result<bool> Facts::surely_empty(const Conjunction& unexpanded, int depth, int64_t& work) const {
  const auto set = expanded(unexpanded);
  if (!set) return true;
  const NodeId where = set->empty() ? schema_.root() : (*set)[0] >> 2;
  TRY(pay(static_cast<int64_t>(values_compared(*set) / kValuesOfState), where, work));
  // A value of two branches is none of their oneOf: just that is asked here.
  if (const auto left = values(*set, Judged::kBesideOneOf)) return left->empty();
  if (depth == 0) return false;
  const uint8_t types = TRY(this->types(*set));
  if (types == 0) return true;
  if ((types & (schema::kNull | schema::kBoolean)) != 0) return false;
  if ((types & schema::kString) != 0) {
    const Strings text = TRY(strings(*set));
    if (!text.content) return false;
    TRY(pay(kAutomatonWork + static_cast<int64_t>(text.states_made), where, work));
    if (!text.content->is_empty()) return false;
  }
  if ((types & schema::kInteger) != 0) {
    const Dfa language = TRY(numbers(*set, (types & schema::kNumber) == 0));
    TRY(pay(kAutomatonWork + static_cast<int64_t>(language.states.size()), where, work));
    if (!language.is_empty()) return false;
  }
  if ((types & schema::kArray) != 0) {
    const Items all = TRY(items(*set));
    bool empty = all.min > all.max;
    for (uint32_t i = 0; i < std::min<size_t>(all.min, all.prefix.size()) && !empty; ++i) {
      empty = TRY(surely_empty(all.prefix[i], depth - 1, work));
    }
    if (!empty && all.min > all.prefix.size()) {
      empty = TRY(surely_empty(all.rest, depth - 1, work));
    }
    if (!empty) return false;
  }
  if ((types & schema::kObject) != 0 && !TRY(without_members(*set, depth - 1, work))) return false;
  return true;
}

}  // namespace weft::grammar
