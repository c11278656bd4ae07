// SPDX-License-Identifier: Apache-2.0
//
// The members of a JSON request, read strictly: a wrong type, a value out of range or a member that
// nobody knows is an error that names it. So a client's typing error is never taken for silence.
//
// Reading a member marks it as known; finish() refuses what nobody asked for. null counts as
// absent. Messages begin with the member's path, up to the first colon: that is the `param` of
// OpenAI's error form.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/json.h"

namespace weft::server {

// E0750: "NAME: expected …, found …".
Error wrong_field(std::string_view name, std::string_view expected, std::string_view found);
// E0751: "NAME: …", for what this server does not do.
Error unsupported_field(std::string_view name, std::string_view why);

class Fields {
 public:
  // `where` stands before the names in messages: "stream_options." The object must outlive this.
  explicit Fields(const json::Object& object, std::string where = "")
      : object_(object), where_(std::move(where)) {}

  Result<std::optional<std::string>> text(std::string_view name);
  Result<std::string> required_text(std::string_view name);
  Result<std::optional<bool>> boolean(std::string_view name);
  Result<std::optional<int64_t>> integer(std::string_view name, int64_t min, int64_t max);
  Result<std::optional<double>> number(std::string_view name, double min, double max);
  // Null if absent.
  Result<const json::Array*> list(std::string_view name);
  Result<const json::Object*> object(std::string_view name);
  // A text or a list of texts.
  Result<std::vector<std::string>> texts(std::string_view name, size_t count_max);
  // The member as it is, or null; whatever it is counts as known.
  const json::Value* any(std::string_view name);
  void known(std::span<const std::string_view> names);
  void known(std::initializer_list<std::string_view> names) {
    known(std::span(names.begin(), names.size()));
  }

  // E0750 for members that nobody asked for, with the nearest known name.
  Status finish() const;

 private:
  std::string place(std::string_view name) const { return where_ + std::string(name); }

  const json::Object& object_;
  const std::string where_;
  std::set<std::string, std::less<>> known_;
};

// A parameter of a query that is a whole number within these limits. E0750.
Result<int64_t> whole_number(std::string_view name, const std::string& text, int64_t low,
                             int64_t high);

// The body of a request, whatever it is. E0010 to E0013.
Result<json::Value> parse_any_body(std::string_view body);
// The same as an object. E0750 if it is none, E0010 to E0013 if it is no JSON.
Result<json::Object> parse_body(std::string_view body);

}  // namespace weft::server
