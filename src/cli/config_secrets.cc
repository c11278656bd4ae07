// SPDX-License-Identifier: Apache-2.0
#include "cli/config_secrets.h"

#include <fmt/format.h>

#include <algorithm>

#include "cli/config.h"
#include "cli/config_file.h"

namespace weft::cli {
namespace {

// As templates write it after `secrets.`.
bool is_secret_name(std::string_view name) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  };
  return !name.empty() && name.size() <= 64 && !(name[0] >= '0' && name[0] <= '9') &&
         std::ranges::all_of(name, allowed);
}

std::vector<std::string> lower_case(std::vector<std::string> hosts) {
  for (std::string& host : hosts) {
    for (char& c : host) {
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    }
  }
  return hosts;
}

}  // namespace

void read_secrets(workflow::Fields& section, const ConfigScope& scope, SecretsConfig& out) {
  for (const auto& [name, node] : all_members(section)) {
    workflow::Fields fields(node, fmt::format("secret '{}'", name), section.problems());
    if (!fields.ok()) continue;
    if (!is_secret_name(name)) {
      section.wrong(node, name, "a name of letters, digits and _, no digit first", "CRM_TOKEN");
    }
    worker::SecretSource source;
    const auto variable = fields.text("env");
    const auto file = fields.text("file");
    if (variable.has_value() == file.has_value()) {
      fields.wrong(node, "env", "one of env: VARIABLE and file: PATH",
                   "the value itself does not stand in the configuration");
    } else if (variable) {
      source.value = environment(*variable);
      source.origin = "env:" + *variable;
    } else {
      source.file = scope.path(*file);
      source.origin = "file:" + source.file;
    }
    if (fields.any("hosts").ok()) source.hosts = lower_case(texts(fields, "hosts"));
    if (fields.any("tenants").ok()) source.tenants = texts(fields, "tenants");
    fields.finish();
    out[name] = std::move(source);
  }
}

}  // namespace weft::cli
