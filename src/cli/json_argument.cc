// SPDX-License-Identifier: Apache-2.0
#include "cli/json_argument.h"

#include <fmt/format.h>

#include "base/file.h"
#include "base/strings.h"

namespace weft::cli {
namespace {

Error unreadable_argument(std::string_view flag, const Error& why) {
  return make_error("E0904", fmt::format("{} cannot be read: {}", flag, why.message), why.hint);
}

}  // namespace

Result<json::Value> json_of_file(std::string_view flag, const std::string& file) {
  auto value = json::parse(TRY(read_file(file)));
  if (value.ok()) return value;
  return unreadable_argument(fmt::format("{} {}", flag, quoted(file, 200)), value.error());
}

Result<json::Array> json_list(std::string_view flag, const std::string& argument) {
  auto value = argument.starts_with('@') ? json_of_file(flag, argument.substr(1))
                                         : json::parse(argument);
  if (!value.ok()) {
    if (argument.starts_with('@')) return std::move(value).error();
    return unreadable_argument(flag, value.error());
  }
  if (value->is_array()) return std::move(value->as_array());
  return make_error("E0904",
                    fmt::format("{} should be a JSON list, found {}", flag,
                                json::kind_name(*value)),
                    "e.g. [{\"role\": \"user\", \"content\": \"Hello\"}]");
}

}  // namespace weft::cli
