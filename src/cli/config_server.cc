// SPDX-License-Identifier: Apache-2.0
#include "cli/config_server.h"

#include "cli/config_file.h"

namespace weft::cli {
namespace {

// A URL of a database stays as it is.
std::optional<std::string> store_path(workflow::Fields& fields, const ConfigScope& scope) {
  const auto given = fields.text("store");
  if (!given || given->find("://") != std::string::npos) return given;
  return scope.path(*given);
}

}  // namespace

void read_server(workflow::Fields& fields, const ConfigScope& scope, ServerConfig& out) {
  out.host = fields.text("host");
  if (const auto port = fields.integer("port", 0, 65535)) out.port = static_cast<uint16_t>(*port);
  out.store = store_path(fields, scope);
  for (const std::string& file : texts(fields, "workflows")) {
    out.workflows.push_back(scope.path(file));
  }
  if (const auto files = fields.text("files")) out.files = scope.path(*files);
  out.origins = texts(fields, "allow_origins");
  if (const auto file = fields.text("api_key_file")) out.api_key_file = scope.path(*file);
  out.connections = fields.integer("connections", 1, 1'000'000);
  out.preload = fields.boolean("preload");
  if (const auto drain_us = fields.duration_us("drain")) out.drain_s = *drain_us / 1'000'000;
}

void read_log(workflow::Fields& fields, const ConfigScope&, LogConfig& out) {
  if (const auto level = fields.word("level", {"debug", "info", "warning", "error"})) {
    constexpr const char* kLevels[] = {"debug", "info", "warning", "error"};
    out.level = kLevels[*level];
  }
  if (const auto format = fields.word("format", {"text", "json"})) out.json = *format == 1;
}

}  // namespace weft::cli
