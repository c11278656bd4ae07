// SPDX-License-Identifier: Apache-2.0
#include "server/prompts.h"

#include <fmt/format.h>

namespace weft::server {
namespace {

constexpr size_t kPromptsMax = 2048;

}  // namespace

Result<std::vector<int32_t>> read_ids(const json::Array& list, std::string_view name) {
  std::vector<int32_t> ids;
  for (size_t i = 0; i < list.size(); ++i) {
    const json::Value& id = list[i];
    if (!id.is_int64() || id.get_int64() < 0 || id.get_int64() > INT32_MAX) {
      return wrong_field(fmt::format("{}[{}]", name, i), "a token id",
                         id.is_int64() ? json::dump(id) : std::string(json::kind_name(id)));
    }
    ids.push_back(static_cast<int32_t>(id.get_int64()));
  }
  return ids;
}

Result<std::vector<Prompt>> read_prompts(Fields& fields, std::string_view name) {
  constexpr std::string_view kExpected =
      "a text, a list of texts, a list of token ids, or a list of such lists";
  const json::Value* value = fields.any(name);
  if (value == nullptr) return wrong_field(name, kExpected, "nothing");
  std::vector<Prompt> out;
  if (value->is_string()) {
    out.push_back({std::string(value->get_string()), {}});
  } else if (!value->is_array()) {
    return wrong_field(name, kExpected, json::kind_name(*value));
  } else if (!value->get_array().empty() && value->get_array().front().is_number()) {
    out.push_back({{}, TRY(read_ids(value->get_array(), name))});
  } else {
    for (const json::Value& entry : value->get_array()) {
      const std::string place = fmt::format("{}[{}]", name, out.size());
      if (out.size() == kPromptsMax) {
        return wrong_field(name, fmt::format("at most {} entries", kPromptsMax), "more");
      }
      if (entry.is_string()) {
        out.push_back({std::string(entry.get_string()), {}});
      } else if (entry.is_array() && !entry.get_array().empty()) {
        out.push_back({{}, TRY(read_ids(entry.get_array(), place))});
      } else {
        return wrong_field(place, "a text or a list of token ids", json::kind_name(entry));
      }
    }
  }
  if (out.empty()) return wrong_field(name, kExpected, "an empty list");
  return out;
}

}  // namespace weft::server
