// SPDX-License-Identifier: Apache-2.0
#include "schema/validator.h"

#include <algorithm>
#include <unordered_map>

#include "base/strings.h"
#include "schema/evaluation.h"
#include "schema/format.h"
#include "schema/pointer.h"
#include "schema/value.h"

namespace weft::schema {
namespace {

size_t code_points(std::string_view text) {
  return static_cast<size_t>(std::count_if(
      text.begin(), text.end(), [](char c) { return (static_cast<uint8_t>(c) & 0xC0) != 0x80; }));
}

uint8_t types_of(const json::Value& value) {
  switch (value.kind()) {
    case boost::json::kind::null: return kNull;
    case boost::json::kind::bool_: return kBoolean;
    case boost::json::kind::int64:
    case boost::json::kind::uint64: return kInteger | kNumber;
    case boost::json::kind::double_: return is_integer(value) ? kInteger | kNumber : kNumber;
    case boost::json::kind::string: return kString;
    case boost::json::kind::array: return kArray;
    case boost::json::kind::object: return kObject;
  }
  return 0;
}

}  // namespace

std::string Violation::text() const {
  return fmt::format("{}: expected {}, found {} ({})",
                     instance_path.empty() ? "value" : instance_path, expected, found,
                     schema_path);
}

void Evaluation::run_at(NodeId id, const json::Value& value) {
  const Place root;
  if (deeper_than(value, limits_.depth_max)) {
    give_up(root, fmt::format("at most {} levels of nesting", limits_.depth_max));
  } else {
    valid_ = visit(id, value, root, nullptr);
  }
  if (!aborted_) return;
  valid_ = false;
  if (violations_) violations_->assign(1, *aborted_);
}

bool Evaluation::spend(size_t work, const Place& place) {
  work_ += work;
  if (work_ > limits_.work_max) give_up(place, fmt::format("at most {} checks", limits_.work_max));
  return !aborted_;
}

void Evaluation::give_up(const Place& place, std::string expected) {
  if (aborted_) return;
  aborted_ = Violation{place.text(), schema_.pointer(schema_.root()), "", std::move(expected),
                       "more; the value was not judged", true};
}

bool Evaluation::fail(const Site& site, std::string_view keyword, const Describe& describe) {
  if (!violations_ || violations_->size() >= limits_.violations_max) return false;
  std::string schema_path = schema_.pointer(site.id);
  if (!keyword.empty()) append_step(schema_path, keyword);
  auto [expected, found] = describe();
  violations_->push_back({site.place.text(), std::move(schema_path), std::string(keyword),
                          std::move(expected), std::move(found), false});
  return false;
}

std::string Evaluation::Place::text() const {
  std::vector<const Place*> steps;
  for (const Place* at = this; at->parent; at = at->parent) steps.push_back(at);
  std::string out;
  for (auto step = steps.rbegin(); step != steps.rend(); ++step) {
    append_step(out, (*step)->is_index ? std::to_string((*step)->index)
                                       : std::string((*step)->name));
  }
  return out;
}

void Seen::merge(const Seen& other) {
  items_before = std::max(items_before, other.items_before);
  const auto unite = [](std::vector<bool>& into, const std::vector<bool>& from) {
    if (into.size() < from.size()) into.resize(from.size());
    for (size_t i = 0; i < from.size(); ++i) into[i] = into[i] || from[i];
  };
  unite(items, other.items);
  unite(members, other.members);
}

// One node on one value. `outer` gathers what was evaluated at this place, if it is valid.
bool Evaluation::visit(  // NOLINT(misc-no-recursion): depth_ is bounded
    NodeId id, const json::Value& value, const Place& place, Seen* outer) {
  const Node& node = schema_.node(id);
  const Site site{id, node, value, place};
  if (node.kind == Node::Kind::kTrue) return true;
  if (node.kind == Node::Kind::kFalse) {
    return fail(site, "", [&] { return Described{"nothing here", brief(value)}; });
  }
  if (!spend(1, place)) return false;
  if (depth_ >= kDepthMax) {
    give_up(place, fmt::format("at most {} schemas inside one another", kDepthMax));
    return false;
  }
  ++depth_;
  const bool entered = scope_.empty() || scope_.back() != node.resource;
  if (entered) scope_.push_back(node.resource);
  Seen seen;
  Seen* inner = schema_.uses_unevaluated() ? &seen : nullptr;
  bool valid = check_value(site);
  // without a list of violations the first one decides
  if (valid || violations_) valid = check_applicators(site, inner) && valid;
  if (valid || violations_) valid = check_children(site, inner) && valid;
  if (valid && inner) valid = check_unevaluated(site, *inner);
  if (valid && outer) outer->merge(seen);
  if (entered) scope_.pop_back();
  --depth_;
  return valid && !aborted_;
}

bool Evaluation::check_value(const Site& site) {
  const auto& [id, node, value, place] = site;
  bool valid = true;
  if (node.types != 0 && (node.types & types_of(value)) == 0) {
    valid = fail(site, "type", [&] {
      const std::string kind(json::kind_name(value));
      return Described{types_text(node.types),
                       value.is_structured() ? brief(value) : kind + " " + brief(value)};
    });
  }
  if (node.constant && !equal_at(value, *node.constant, place)) {
    valid = fail(site, "const", [&] { return Described{brief(*node.constant), brief(value)}; });
  }
  if (node.enumeration) {
    const auto same = [&](const json::Value& one) { return equal_at(value, one, place); };
    if (std::none_of(node.enumeration->begin(), node.enumeration->end(), same)) {
      valid = fail(site, "enum", [&] { return Described{enum_text(node), brief(value)}; });
    }
  }
  if (value.is_number()) return check_number(site) && valid;
  if (value.is_string()) return check_string(site) && valid;
  return valid;
}

bool Evaluation::equal_at(const json::Value& a, const json::Value& b, const Place& place) {
  if (a.is_structured() && !spend(a.is_array() ? a.get_array().size() : a.get_object().size(),
                                  place)) {
    return false;
  }
  return equal(a, b);
}

std::string Evaluation::enum_text(const Node& node) {
  constexpr size_t kShown = 12;
  std::vector<std::string> texts;
  for (const json::Value& one : *node.enumeration) {
    if (texts.size() == kShown) {
      texts.emplace_back("…");
      break;
    }
    texts.push_back(brief(one));
  }
  return "one of " + join(texts, ", ");
}

bool Evaluation::check_number(const Site& site) {
  const auto& [id, node, value, place] = site;
  bool valid = true;
  const auto bound = [&](const std::optional<json::Value>& limit, std::string_view keyword,
                         std::string_view words, bool (*fits)(int)) {
    if (!limit || fits(compare_numbers(value, *limit))) return;
    valid = fail(site, keyword, [&] {
      return Described{fmt::format("{} {}", words, brief(*limit)), brief(value)};
    });
  };
  bound(node.minimum, "minimum", "at least", [](int order) { return order >= 0; });
  bound(node.maximum, "maximum", "at most", [](int order) { return order <= 0; });
  bound(node.exclusive_minimum, "exclusiveMinimum", "above", [](int order) { return order > 0; });
  bound(node.exclusive_maximum, "exclusiveMaximum", "below", [](int order) { return order < 0; });
  if (node.multiple_of && !is_multiple(value, *node.multiple_of)) {
    valid = fail(site, "multipleOf", [&] {
      return Described{fmt::format("a multiple of {}", brief(*node.multiple_of)), brief(value)};
    });
  }
  return valid;
}

bool Evaluation::check_string(const Site& site) {
  const auto& [id, node, value, place] = site;
  const std::string_view text(value.get_string());
  bool valid = true;
  if (node.min_length || node.max_length) {
    const size_t length = code_points(text);
    valid = check_count(site, {length, node.min_length, node.max_length, "Length", "characters"});
  }
  if (node.pattern) {
    const auto [match, steps] = node.pattern->searched(text);
    if (!spend(1 + text.size() / 64 + steps / kStepsOfWork, place)) return false;
    if (match == Regex::Match::kTooMuchWork) {
      give_up(place, fmt::format("a text that the pattern {} can be searched in with bounded work",
                                 quoted(node.pattern->source())));
    } else if (match == Regex::Match::kNo) {
      valid = fail(site, "pattern", [&] {
        return Described{fmt::format("a text with the pattern {}", quoted(node.pattern->source())),
                         brief(value)};
      });
    }
  }
  if (!node.format.empty() && schema_.asserts_format(id)) {
    if (!has_format(node.format, text).value_or(true)) {
      valid = fail(site, "format", [&] {
        return Described{fmt::format("a text of format {}", quoted(node.format)), brief(value)};
      });
    }
  }
  return valid;
}

bool Evaluation::check_count(const Site& site, const Count& count) {
  bool valid = true;
  if (count.min && count.count < *count.min) {
    valid = fail(site, "min" + std::string(count.keyword), [&] {
      return Described{fmt::format("at least {} {}", *count.min, count.unit),
                       fmt::format("{} ({})", count.count, brief(site.value))};
    });
  }
  if (count.max && count.count > *count.max) {
    valid = fail(site, "max" + std::string(count.keyword), [&] {
      return Described{fmt::format("at most {} {}", *count.max, count.unit),
                       fmt::format("{} ({})", count.count, brief(site.value))};
    });
  }
  return valid;
}

std::vector<Violation> validate(const Schema& schema, const json::Value& value,
                                const Limits& limits) {
  std::vector<Violation> violations;
  Evaluation evaluation(schema, limits, &violations);
  evaluation.run(value);
  CHECK(evaluation.valid() == violations.empty());
  return violations;
}

bool is_valid(const Schema& schema, const json::Value& value, const Limits& limits) {
  Evaluation evaluation(schema, limits, nullptr);
  evaluation.run(value);
  return evaluation.valid();
}

bool is_valid_at(const Schema& schema, NodeId node, const json::Value& value,
                 const Limits& limits) {
  Evaluation evaluation(schema, limits, nullptr);
  evaluation.run_at(node, value);
  return evaluation.valid();
}

Error violation_error(std::string_view what, std::span<const Violation> violations) {
  CHECK(!violations.empty());
  std::string message = fmt::format("{} does not fit its schema: {}", what, violations[0].text());
  for (const Violation& one : violations.subspan(1)) message += "; " + one.text();
  return make_error("E0310", std::move(message),
                    fmt::format("change the value at {} or the schema at {}",
                                violations[0].instance_path.empty() ? "its root"
                                                                    : violations[0].instance_path,
                                violations[0].schema_path));
}

}  // namespace weft::schema
