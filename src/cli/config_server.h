// SPDX-License-Identifier: Apache-2.0
//
// The sections `server` and `log` of weft.yaml (config_file.h): where it listens, what it offers,
// what it writes down. Plain data; cli/serve puts it into practice.
//
// A value that is not given stays empty: the flag's usual value holds then.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace weft::workflow {
class Fields;
}

namespace weft::cli {

struct ConfigScope;

struct ServerConfig {
  std::optional<std::string> host;
  std::optional<uint16_t> port;
  std::optional<std::string> store;      // file, or postgres://…
  std::vector<std::string> workflows;    // files
  std::optional<std::string> files;      // directory that file steps may use
  std::vector<std::string> origins;      // web pages that may ask
  std::optional<std::string> api_key_file;
  std::optional<int64_t> drain_s;
  std::optional<int64_t> connections;    // at once
  std::optional<bool> preload;           // the default model, at the start
};
void read_server(workflow::Fields& fields, const ConfigScope& scope, ServerConfig& out);

struct LogConfig {
  std::string level = "warning";  // debug, info, warning, error
  bool json = false;
};
void read_log(workflow::Fields& fields, const ConfigScope& scope, LogConfig& out);

}  // namespace weft::cli
