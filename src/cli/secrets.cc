// SPDX-License-Identifier: Apache-2.0
#include "cli/secrets.h"

#include <fmt/format.h>

#include "base/json.h"
#include "base/strings.h"
#include "cli/config_file.h"
#include "cli/exit.h"
#include "cli/terminal.h"
#include "worker/secrets.h"

namespace weft::cli {
namespace {

json::Value list_of(const std::optional<std::vector<std::string>>& names) {
  if (!names) return nullptr;
  json::Array out;
  for (const std::string& name : *names) out.emplace_back(name);
  return out;
}

std::string words_of_list(const std::optional<std::vector<std::string>>& names,
                          std::string_view all) {
  return names ? join(*names, ", ") : std::string(all);
}

}  // namespace

int list_secrets(const SecretsListOptions& options) {
  const auto config = load_config(options.config);
  if (!config.ok()) {
    say_error(config.error());
    return kExitConfiguration;
  }
  int code = kExitOk;
  json::Array list;
  for (const auto& [name, source] : config->secrets) {
    const auto value = worker::secret_value(name, source);
    if (!value.ok()) code = kExitFailed;
    const std::string problem = value.ok() ? "" : value.error().message;
    if (options.json) {
      list.push_back(json::Object{{"name", name},
                                  {"from", source.origin},
                                  {"hosts", list_of(source.hosts)},
                                  {"tenants", list_of(source.tenants)},
                                  {"ok", value.ok()},
                                  {"problem", problem}});
    } else {
      print_data(fmt::format("{:<20}  {:<28}  {:<24}  {:<16}  {}", name, source.origin,
                             words_of_list(source.hosts, "any host"),
                             words_of_list(source.tenants, "all tenants"),
                             value.ok() ? "ok" : problem));
    }
  }
  if (options.json) print_data(json::dump(list, {.spaces = true, .indent = 2}));
  return code;
}

}  // namespace weft::cli
