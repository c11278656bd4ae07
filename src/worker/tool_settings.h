// SPDX-License-Identifier: Apache-2.0
//
// What the operator of this process grants to steps and tools that reach outside: databases and MCP
// servers by name, a mail server, the sandbox for commands. Workflows name these things and never
// hold them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace weft::worker {

struct DatabaseGrant {
  std::string url;       // sqlite:PATH, postgres://…
  bool writes = false;   // else every statement is run read-only
};

// A server of the Model Context Protocol: a program, or an address.
struct McpServerSettings {
  std::vector<std::string> command = {};             // with its words; or
  std::string url = {};                              // http(s)://…/mcp
  std::map<std::string, std::string> environment = {};  // of the program: all that it gets
  std::map<std::string, std::string> headers = {};   // of every request: a key
  int64_t start_timeout_ms = 30'000;                 // until it has introduced itself
  // Whose runs may call it, "" those of no tenant; unset: everybody's.
  std::optional<std::vector<std::string>> tenants{};
  bool serves(const std::string& tenant) const {
    return !tenants || std::ranges::find(*tenants, tenant) != tenants->end();
  }
};

// A value that steps may send and that nothing keeps (secrets.h).
struct SecretSource {
  std::optional<std::string> value{};                // read at the start; or
  std::string file = {};                             // read at each use
  std::string origin = {};                           // for people: "env:CRM_TOKEN", "file:/run/…"
  std::optional<std::vector<std::string>> hosts{};   // HOST or HOST:PORT; unset: any
  std::optional<std::vector<std::string>> tenants{};  // as those of MCP servers
  bool serves(const std::string& tenant) const {
    return !tenants || std::ranges::find(*tenants, tenant) != tenants->end();
  }
};

struct ToolSettings {
  std::map<std::string, DatabaseGrant> databases = {};  // by the name that steps give
  std::map<std::string, McpServerSettings> mcp = {};      // by the name that steps give
  std::map<std::string, SecretSource> secrets = {};       // by the name that templates give
  bool shell = false;           // commands may run in the sandbox
  std::string smtp_url = {};    // smtp://host:port; empty: no mail
  std::string smtp_user = {};   // empty: without
  std::string smtp_password = {};
  std::string mail_from = {};   // address
};

}  // namespace weft::worker
