// SPDX-License-Identifier: Apache-2.0
//
// Internal to schema/: one validation in progress. `visit` applies a node to a value; keywords of
// scalars are checked in validator.cc, those that apply further schemas in applicators.cc.
//
// What `unevaluatedProperties` and `unevaluatedItems` need, the members and items that some
// keyword at the same place has looked at, travels in Seen, and only where a schema uses them.
// The list of violations is null wherever only the verdict counts (not, if, contains).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "schema/validator.h"

namespace weft::schema {

struct Seen {
  size_t items_before = 0;  // items [0, items_before) are evaluated
  std::vector<bool> items;
  std::vector<bool> members;  // by their order in the object

  void merge(const Seen& other);
  void see_item(size_t index) {
    if (items.size() <= index) items.resize(index + 1);
    items[index] = true;
  }
  void see_member(size_t index) {
    if (members.size() <= index) members.resize(index + 1);
    members[index] = true;
  }
  bool has_item(size_t index) const {
    return index < items_before || (index < items.size() && items[index]);
  }
  bool has_member(size_t index) const { return index < members.size() && members[index]; }
};

class Evaluation {
 public:
  Evaluation(const Schema& schema, const Limits& limits, std::vector<Violation>* violations)
      : schema_(schema), limits_(limits), violations_(violations) {}

  void run(const json::Value& value) { run_at(schema_.root(), value); }
  void run_at(NodeId id, const json::Value& value);
  bool valid() const { return valid_; }

 private:
  // Frames of visit() on top of one another: values 256 deep, each below a few in-place schemas.
  static constexpr size_t kDepthMax = 1000;
  static constexpr size_t kStepsOfWork = 2;  // of a search, for one of work

  // The way to a value, as a list on the stack.
  struct Place {
    const Place* parent = nullptr;
    std::string_view name;
    size_t index = 0;
    bool is_index = false;

    Place member(std::string_view key) const { return {this, key, 0, false}; }
    Place item(size_t at) const { return {this, {}, at, true}; }
    std::string text() const;
  };
  struct Site {
    NodeId id;
    const Node& node;
    const json::Value& value;
    const Place& place;
  };
  struct Described {
    std::string expected, found;
  };
  // A non-owning callable: texts are made only if a violation is recorded.
  class Describe {
   public:
    template <class F>
    Describe(const F& make)  // NOLINT
        : object_(&make), call_([](const void* f) { return (*static_cast<const F*>(f))(); }) {}
    Described operator()() const { return call_(object_); }

   private:
    const void* object_;
    Described (*call_)(const void*);
  };
  struct Count {
    size_t count;
    std::optional<uint64_t> min, max;
    std::string_view keyword, unit;
  };

  bool visit(NodeId id, const json::Value& value, const Place& place, Seen* outer);
  // visit() of which only the verdict counts.
  bool holds(NodeId id, const json::Value& value, const Place& place, Seen* outer);

  bool check_value(const Site& site);
  bool check_number(const Site& site);
  bool check_string(const Site& site);
  bool check_count(const Site& site, const Count& count);
  bool equal_at(const json::Value& a, const json::Value& b, const Place& place);
  static std::string enum_text(const Node& node);

  // $ref, allOf, anyOf, oneOf, not, if: schemas for the same place
  bool check_applicators(const Site& site, Seen* seen);
  bool check_any_of(const Site& site, Seen* seen);
  bool check_one_of(const Site& site, Seen* seen);
  bool check_condition(const Site& site, Seen* seen);
  bool none_fits(const Site& site, std::string_view keyword, const std::vector<NodeId>& branches);
  NodeId dynamic_target(const Node& node) const;

  // items and members
  bool check_children(const Site& site, Seen* seen);
  bool check_array(const Site& site, Seen* seen);
  bool check_contains(const Site& site, Seen* seen);
  bool check_unique(const Site& site);
  bool check_object(const Site& site, Seen* seen);
  bool check_required(const Site& site);
  bool check_members(const Site& site, Seen* seen);
  bool check_member(const Site& site, const boost::json::key_value_pair& member, bool known,
                    bool& evaluated);
  bool check_unevaluated(const Site& site, Seen& seen);

  bool spend(size_t work, const Place& place);
  void give_up(const Place& place, std::string expected);
  // Records a violation and returns false.
  bool fail(const Site& site, std::string_view keyword, const Describe& describe);

  const Schema& schema_;
  const Limits& limits_;
  std::vector<Violation>* violations_;
  bool valid_ = false;
  size_t work_ = 0;
  size_t depth_ = 0;
  std::vector<uint32_t> scope_;  // the dynamic scope: resources entered, outermost first
  std::optional<Violation> aborted_;
};

}  // namespace weft::schema
