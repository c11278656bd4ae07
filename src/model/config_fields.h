// SPDX-License-Identifier: Apache-2.0
//
// Typed access to the members of one JSON object of a model's configuration. The one idea: every
// read states type, range and what absence means, so that a wrong field is refused at once, by
// name, with what was expected and what was found. null counts as absent, as in transformers.
//
// Not here: which fields a model has (config_families.h).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/json.h"

namespace weft::model {

// E0211, the code of everything a configuration can do wrong.
Error config_error(std::string message, std::string hint = {});

// `object` outlives the view. Ranges are closed; without `absent` a field must be there.
class Fields {
 public:
  Fields(const json::Object& object, std::string where)
      : object_(object), where_(std::move(where)) {}

  // nullptr: absent or null.
  const json::Value* find(std::string_view name) const;

  Result<int> integer(std::string_view name, int low, int high,
                      std::optional<int> absent = std::nullopt) const;
  // A field of two names; both may stand there if they agree.
  Result<int> integer_of(std::string_view name, std::string_view other, int low, int high) const;
  Result<double> number(std::string_view name, double low, double high,
                        std::optional<double> absent = std::nullopt) const;
  Result<bool> boolean(std::string_view name, bool absent) const;
  Result<std::string> string(std::string_view name, std::string_view absent) const;
  // A list of `size` strings, each one of `known`; empty if absent.
  Result<std::vector<std::string>> kinds(std::string_view name, size_t size,
                                         const std::vector<std::string>& known) const;
  // The field, if present, must be `expected`: the model is computed for that value alone.
  Status only(std::string_view name, std::string_view expected) const;

  Error missing(std::string_view name) const;
  Error wrong(std::string_view name, std::string_view expected, const json::Value& found) const;
  // "config.json", for messages.
  const std::string& where() const { return where_; }

 private:
  const json::Object& object_;
  std::string where_;
};

}  // namespace weft::model
