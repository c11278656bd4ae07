// SPDX-License-Identifier: Apache-2.0
//
// apply_defaults() of validator.h.
#include "base/strings.h"
#include "schema/pointer.h"
#include "schema/validator.h"
#include "schema/value.h"

// NOLINTBEGIN(misc-no-recursion): bounded by kDepthMax
namespace weft::schema {
namespace {

constexpr size_t kDepthMax = 256;
constexpr size_t kWorkMax = 1'000'000;  // places looked at, and 64 bytes each of what is copied
constexpr size_t kBytesPerWork = 64;
constexpr size_t kSearchStepsMax = 40'000'000;  // two seconds

class Filler {
 public:
  explicit Filler(const Schema& schema) : schema_(schema) {}

  Status fill(NodeId id, json::Value& value) {
    if (id == kNone) return ok_status();
    if (depth_ >= kDepthMax) return endless(id);
    TRY(pay(id, 1));
    ++depth_;
    const Node& node = schema_.node(id);
    TRY(fill(node.ref, value));
    for (const NodeId one : node.all_of) TRY(fill(one, value));
    if (auto* object = value.if_object()) TRY(fill_object(node, *object));
    if (auto* array = value.if_array()) TRY(fill_array(node, *array));
    --depth_;
    return ok_status();
  }

 private:
  Error endless(NodeId id) const {
    return make_error("E0306",
                      fmt::format("{}: defaults nest deeper than {} levels or grow without end",
                                  schema_.pointer(id), kDepthMax),
                      "a recursive schema must not put itself into its own default, nor a list "
                      "of items a large default into each");
  }
  Status pay(NodeId id, size_t work) {
    work_ += work;
    return work_ > kWorkMax ? Status(endless(id)) : ok_status();
  }

  // The default of a property may stand beside its $ref or behind it.
  const json::Value* default_of(NodeId id) const {
    for (size_t i = 0; i < kDepthMax && id != kNone; ++i) {
      const Node& node = schema_.node(id);
      if (node.default_value) return &*node.default_value;
      id = node.ref;
    }
    return nullptr;
  }

  Status fill_object(const Node& node, json::Object& object) {
    for (const Property& property : node.properties) {
      json::Value* member = object.if_contains(property.name);
      if (!member) {
        const json::Value* filling = default_of(property.node);
        if (!filling) continue;
        TRY(pay(property.node, weight(*filling) / kBytesPerWork));
        member = &object.emplace(property.name, *filling).first->value();
      }
      TRY(fill(property.node, *member));
    }
    if (node.pattern_properties.empty() && node.additional_properties == kNone) {
      return ok_status();
    }
    for (auto& member : object) {
      bool known = false;
      for (const Property& property : node.properties) {
        known = known || property.name == std::string_view(member.key());
      }
      for (const PatternProperty& entry : node.pattern_properties) {
        const auto [match, steps] = entry.pattern.searched(member.key());
        steps_ += steps;
        if (steps_ > kSearchStepsMax) {
          return make_error("E0306",
                            fmt::format("the pattern {} takes too long to be searched in the names "
                                        "of members", quoted(entry.pattern.source())),
                            "write a pattern without repetitions inside repetitions");
        }
        if (match != Regex::Match::kYes) continue;
        known = true;
        TRY(fill(entry.node, member.value()));
      }
      if (!known) TRY(fill(node.additional_properties, member.value()));
    }
    return ok_status();
  }

  Status fill_array(const Node& node, json::Array& array) {
    const size_t prefix = node.prefix_items.size();
    for (size_t i = 0; i < array.size(); ++i) {
      TRY(fill(i < prefix ? node.prefix_items[i] : node.items, array[i]));
    }
    return ok_status();
  }

  const Schema& schema_;
  size_t depth_ = 0;
  size_t work_ = 0;
  size_t steps_ = 0;
};

}  // namespace

Status apply_defaults(const Schema& schema, json::Value& value) {
  if (deeper_than(value, kDepthMax)) {
    return make_error("E0306", fmt::format("the value nests deeper than {} levels", kDepthMax),
                      "flatten the value");
  }
  return Filler(schema).fill(schema.root(), value);
}

}  // namespace weft::schema
// NOLINTEND(misc-no-recursion)
