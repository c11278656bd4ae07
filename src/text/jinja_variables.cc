// SPDX-License-Identifier: Apache-2.0
#include "text/jinja_variables.h"

#include <fmt/core.h>

#include <algorithm>
#include <set>

#include "base/strings.h"

namespace weft::text::jinja {

void VariableTable::set(std::string_view name, Value value) {
  for (auto& [known, content] : entries) {
    if (known != name) continue;
    content = std::move(value);
    return;
  }
  entries.emplace_back(std::string(name), std::move(value));
}

namespace {

// Builds a value from events; one open container a level.
class Builder final : public json::Events {
 public:
  Status object_begin() override { return open(true); }
  Status array_begin() override { return open(false); }
  Status key(std::string_view name) override {
    Level& level = levels_.back();
    if (!level.names.insert(std::string(name)).second) {
      return make_error("E0012", fmt::format("key {} stands twice in one object", quoted(name)));
    }
    level.key = Value::string(from_data(name));
    return ok_status();
  }
  Status object_end() override {
    Value value = TRY(Dict::make(std::move(levels_.back().members)));
    levels_.pop_back();
    return add(std::move(value));
  }
  Status array_end() override {
    Value value = TRY(List::make(std::move(levels_.back().items)));
    levels_.pop_back();
    return add(std::move(value));
  }
  Status string(std::string_view text) override { return add(Value::string(from_data(text))); }
  Status int64(int64_t number) override { return add(Value::integer(number)); }
  Status uint64(uint64_t number) override { return add(Value::big(std::to_string(number))); }
  Status big_integer(std::string_view digits) override {
    return add(Value::big(std::string(digits)));
  }
  Status float64(double number, std::string_view) override { return add(Value::number(number)); }
  Status boolean(bool value) override { return add(Value::boolean(value)); }
  Status null() override { return add(Value()); }

  Value take() { return std::move(result_); }

 private:
  struct Level {
    bool object = false;
    Value key;
    std::set<std::string> names;
    std::vector<Dict::Item> members;
    std::vector<Value> items;
  };

  Status open(bool object) {
    levels_.emplace_back();
    levels_.back().object = object;
    return ok_status();
  }
  Status add(Value value) {
    if (levels_.empty()) {
      result_ = std::move(value);
    } else if (levels_.back().object) {
      levels_.back().members.emplace_back(std::move(levels_.back().key), std::move(value));
    } else {
      levels_.back().items.push_back(std::move(value));
    }
    return ok_status();
  }

  std::vector<Level> levels_;
  Value result_;
};

}  // namespace

Result<Value> value_of_json_text(std::string_view text) {
  Builder builder;
  TRY(json::parse_events(text, builder));
  return builder.take();
}

}  // namespace weft::text::jinja
