// SPDX-License-Identifier: Apache-2.0
//
// Keywords that apply further schemas: to the same value, to its items, to its members.
#include <algorithm>
#include <unordered_map>

#include "base/strings.h"
#include "schema/evaluation.h"
#include "schema/value.h"

// Mutual recursion with visit(), which bounds the depth.
// NOLINTBEGIN(misc-no-recursion)
namespace weft::schema {

bool Evaluation::holds(NodeId id, const json::Value& value, const Place& place, Seen* outer) {
  std::vector<Violation>* kept = std::exchange(violations_, nullptr);
  const bool valid = visit(id, value, place, outer);
  violations_ = kept;
  return valid;
}

// The outermost resource of the dynamic scope that has the anchor decides.
NodeId Evaluation::dynamic_target(const Node& node) const {
  if (node.dynamic_name.empty()) return node.dynamic_ref;
  for (const uint32_t resource : scope_) {
    const NodeId target = schema_.dynamic_anchor(resource, node.dynamic_name);
    if (target != kNone) return target;
  }
  return node.dynamic_ref;
}

bool Evaluation::check_applicators(const Site& site, Seen* seen) {
  const auto& [id, node, value, place] = site;
  bool valid = true;
  const auto apply = [&](NodeId target) {
    if (target == kNone || !(valid || violations_)) return;
    valid = visit(target, value, place, seen) && valid;
  };
  apply(node.ref);
  if (node.dynamic_ref != kNone) apply(dynamic_target(node));
  for (const NodeId one : node.all_of) apply(one);
  if (const auto* object = value.if_object()) {
    for (const Property& entry : node.dependent_schemas) {
      if (object->contains(entry.name)) apply(entry.node);
    }
  }
  if (!valid && !violations_) return false;
  if (!node.any_of.empty()) valid = check_any_of(site, seen) && valid;
  if (!node.one_of.empty()) valid = check_one_of(site, seen) && valid;
  if (node.not_ != kNone && holds(node.not_, value, place, nullptr)) {
    valid = fail(site, "not", [&] {
      return Described{"a value that does not fit this schema", brief(value)};
    });
  }
  if (node.if_ != kNone) valid = check_condition(site, seen) && valid;
  return valid;
}

bool Evaluation::check_any_of(const Site& site, Seen* seen) {
  bool any = false;
  for (const NodeId branch : site.node.any_of) {
    any = holds(branch, site.value, site.place, seen) || any;
    if (any && !seen) return true;  // else every branch that fits counts as evaluated
    if (aborted_) return false;
  }
  return any || none_fits(site, "anyOf", site.node.any_of);
}

bool Evaluation::check_one_of(const Site& site, Seen* seen) {
  std::vector<size_t> fitting;
  for (size_t i = 0; i < site.node.one_of.size(); ++i) {
    if (holds(site.node.one_of[i], site.value, site.place, seen)) fitting.push_back(i);
    if (aborted_ || fitting.size() > 1) break;
  }
  if (aborted_) return false;
  if (fitting.size() == 1) return true;
  if (fitting.empty()) return none_fits(site, "oneOf", site.node.one_of);
  return fail(site, "oneOf", [&] {
    return Described{"exactly one of the alternatives to fit",
                     fmt::format("{}, which fits alternatives {} and {}", brief(site.value),
                                 fitting[0], fitting[1])};
  });
}

// Records that no branch fits, then what is wrong with the branch that came nearest: the one whose
// first violation lies deepest in the value, and has the fewest of them.
bool Evaluation::none_fits(const Site& site, std::string_view keyword,
                           const std::vector<NodeId>& branches) {
  fail(site, keyword, [&] {
    return Described{fmt::format("a value that fits one of {} alternatives", branches.size()),
                     brief(site.value)};
  });
  constexpr size_t kBranchesTried = 16;
  if (!violations_ || violations_->size() >= limits_.violations_max) return false;
  std::vector<Violation>* kept = violations_;
  std::vector<Violation> nearest;
  size_t best_depth = 0;
  for (size_t i = 0; i < std::min(branches.size(), kBranchesTried) && !aborted_; ++i) {
    std::vector<Violation> found;
    violations_ = &found;
    visit(branches[i], site.value, site.place, nullptr);
    if (found.empty()) continue;
    const std::string& path = found[0].instance_path;
    const auto depth = static_cast<size_t>(std::count(path.begin(), path.end(), '/'));
    const bool better = nearest.empty() || depth > best_depth ||
                        (depth == best_depth && found.size() < nearest.size());
    if (!better) continue;
    best_depth = depth;
    nearest = std::move(found);
  }
  violations_ = kept;
  for (Violation& one : nearest) {
    if (violations_->size() < limits_.violations_max) violations_->push_back(std::move(one));
  }
  return false;
}

bool Evaluation::check_condition(const Site& site, Seen* seen) {
  const bool condition = holds(site.node.if_, site.value, site.place, seen);
  if (aborted_) return false;
  const NodeId branch = condition ? site.node.then_ : site.node.else_;
  return branch == kNone || visit(branch, site.value, site.place, seen);
}

bool Evaluation::check_children(const Site& site, Seen* seen) {
  if (site.value.is_array()) return check_array(site, seen);
  if (site.value.is_object()) return check_object(site, seen);
  return true;
}

bool Evaluation::check_array(const Site& site, Seen* seen) {
  const auto& [id, node, value, place] = site;
  const json::Array& array = value.get_array();
  bool valid = check_count(site, {array.size(), node.min_items, node.max_items, "Items", "items"});
  const size_t prefix = std::min(node.prefix_items.size(), array.size());
  for (size_t i = 0; i < array.size() && (valid || violations_) && !aborted_; ++i) {
    const NodeId child = i < prefix ? node.prefix_items[i] : node.items;
    if (child == kNone) break;
    valid = visit(child, array[i], place.item(i), nullptr) && valid;
  }
  if (seen) seen->items_before = std::max(seen->items_before,
                                          node.items != kNone ? array.size() : prefix);
  if (node.contains != kNone) valid = check_contains(site, seen) && valid;
  if (node.unique_items) valid = check_unique(site) && valid;
  return valid;
}

bool Evaluation::check_contains(const Site& site, Seen* seen) {
  const auto& [id, node, value, place] = site;
  const json::Array& array = value.get_array();
  size_t count = 0;
  for (size_t i = 0; i < array.size() && !aborted_; ++i) {
    if (!holds(node.contains, array[i], place.item(i), nullptr)) continue;
    ++count;
    if (seen) seen->see_item(i);
  }
  if (aborted_) return false;
  const uint64_t least = node.min_contains.value_or(1);
  if (count < least) {
    return fail(site, node.min_contains ? "minContains" : "contains", [&] {
      return Described{fmt::format("at least {} items that fit `contains`", least),
                       fmt::format("{} of {}", count, array.size())};
    });
  }
  if (!node.max_contains || count <= *node.max_contains) return true;
  return fail(site, "maxContains", [&] {
    return Described{fmt::format("at most {} items that fit `contains`", *node.max_contains),
                     std::to_string(count)};
  });
}

bool Evaluation::check_unique(const Site& site) {
  const json::Array& array = site.value.get_array();
  std::unordered_multimap<size_t, size_t> by_hash;
  for (size_t i = 0; i < array.size(); ++i) {
    if (!spend(1, site.place)) return false;
    const size_t hash = hash_of(array[i]);
    const auto [begin, end] = by_hash.equal_range(hash);
    for (auto twin = begin; twin != end; ++twin) {
      if (!spend(1, site.place)) return false;
      if (!equal(array[i], array[twin->second])) continue;
      return fail(site, "uniqueItems", [&] {
        return Described{"items that differ", fmt::format("items {} and {} are both {}",
                                                          twin->second, i, brief(array[i]))};
      });
    }
    by_hash.emplace(hash, i);
  }
  return true;
}

bool Evaluation::check_object(const Site& site, Seen* seen) {
  const auto& [id, node, value, place] = site;
  const size_t size = value.get_object().size();
  bool valid = check_count(site, {size, node.min_properties, node.max_properties, "Properties",
                                  "members"});
  valid = check_required(site) && valid;
  return check_members(site, seen) && valid;
}

bool Evaluation::check_required(const Site& site) {
  const json::Object& object = site.value.get_object();
  bool valid = true;
  const auto require = [&](const std::string& name, std::string_view keyword,
                           std::string_view because) {
    if (object.contains(name)) return;
    valid = fail(site, keyword, [&] {
      std::vector<std::string> names;
      for (const auto& member : object) {
        const bool known = std::any_of(
            site.node.properties.begin(), site.node.properties.end(),
            [&](const Property& one) { return one.name == std::string_view(member.key()); });
        if (!known) names.emplace_back(member.key());
      }
      const auto nearest = nearest_name(name, names);
      std::string found = nearest ? fmt::format("none, but {}", quoted(*nearest)) : "none";
      return Described{fmt::format("a member {}{}", quoted(name), because), std::move(found)};
    });
  };
  for (const std::string& name : site.node.required) require(name, "required", "");
  for (const DependentRequired& entry : site.node.dependent_required) {
    if (!object.contains(entry.name)) continue;
    const std::string because = fmt::format(" beside {}", quoted(entry.name));
    for (const std::string& name : entry.required) require(name, "dependentRequired", because);
  }
  return valid;
}

bool Evaluation::check_members(const Site& site, Seen* seen) {
  const auto& [id, node, value, place] = site;
  const bool others = node.additional_properties != kNone || node.property_names != kNone ||
                      !node.pattern_properties.empty();
  if (node.properties.empty() && !others) return true;
  const json::Object& object = value.get_object();
  std::vector<bool> known(object.size());
  bool valid = true;
  for (const Property& property : node.properties) {
    const auto member = object.find(property.name);
    if (member == object.end()) continue;
    const auto index = static_cast<size_t>(member - object.begin());
    known[index] = true;
    if (seen) seen->see_member(index);
    valid = visit(property.node, member->value(), place.member(property.name), nullptr) && valid;
    if ((!valid && !violations_) || aborted_) return false;
  }
  if (!others) return valid;
  size_t index = 0;
  for (const auto& member : object) {
    bool evaluated = false;
    valid = check_member(site, member, known[index], evaluated) && valid;
    if ((!valid && !violations_) || aborted_) return false;
    if (seen && evaluated) seen->see_member(index);
    ++index;
  }
  return valid;
}

// propertyNames, patternProperties and additionalProperties on one member.
bool Evaluation::check_member(const Site& site, const boost::json::key_value_pair& member,
                              bool known, bool& evaluated) {
  const Node& node = site.node;
  const std::string_view name = member.key();
  const Place place = site.place.member(name);
  bool valid = true;
  if (node.property_names != kNone) {
    valid = visit(node.property_names, json::Value(name), place, nullptr) && valid;
  }
  for (const PatternProperty& entry : node.pattern_properties) {
    const auto [match, steps] = entry.pattern.searched(name);
    if (!spend(1 + name.size() / 64 + steps / kStepsOfWork, place)) return false;
    if (match == Regex::Match::kTooMuchWork) {
      give_up(place, fmt::format("a name that the pattern {} can be searched in with bounded work",
                                 quoted(entry.pattern.source())));
      return false;
    }
    if (match == Regex::Match::kNo) continue;
    known = evaluated = true;
    valid = visit(entry.node, member.value(), place, nullptr) && valid;
  }
  if (known || node.additional_properties == kNone) return valid;
  evaluated = true;
  if (schema_.node(node.additional_properties).kind != Node::Kind::kFalse) {
    return visit(node.additional_properties, member.value(), place, nullptr) && valid;
  }
  return fail({site.id, node, member.value(), place}, "additionalProperties", [&] {
    std::vector<std::string> names;
    for (const Property& property : node.properties) names.push_back(property.name);
    const auto nearest = nearest_name(name, names);
    return Described{"only the members that the schema names",
                     fmt::format("{}{}", quoted(name),
                                 nearest ? fmt::format(", did you mean '{}'?", *nearest) : "")};
  });
}

bool Evaluation::check_unevaluated(const Site& site, Seen& seen) {
  const auto& [id, node, value, place] = site;
  bool valid = true;
  if (node.unevaluated_items != kNone && value.is_array()) {
    const json::Array& array = value.get_array();
    for (size_t i = 0; i < array.size() && !aborted_; ++i) {
      if (seen.has_item(i)) continue;
      valid = visit(node.unevaluated_items, array[i], place.item(i), nullptr) && valid;
    }
    seen.items_before = array.size();
  }
  if (node.unevaluated_properties != kNone && value.is_object()) {
    size_t index = 0;
    for (const auto& member : value.get_object()) {
      if (aborted_) break;
      if (!seen.has_member(index)) {
        valid = visit(node.unevaluated_properties, member.value(), place.member(member.key()),
                      nullptr) && valid;
        seen.see_member(index);
      }
      ++index;
    }
  }
  return valid;
}

}  // namespace weft::schema
// NOLINTEND(misc-no-recursion)
