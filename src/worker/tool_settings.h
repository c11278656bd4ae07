// SPDX-License-Identifier: Apache-2.0
//
// What the operator of this process grants to steps and tools that reach outside: databases by
// name, a mail server, the sandbox for commands. Workflows name these things and never hold them.
#pragma once

#include <map>
#include <string>

namespace weft::worker {

struct DatabaseGrant {
  std::string url;       // sqlite:PATH, postgres://…
  bool writes = false;   // else every statement is run read-only
};

struct ToolSettings {
  std::map<std::string, DatabaseGrant> databases = {};  // by the name that steps give
  bool shell = false;           // commands may run in the sandbox
  std::string smtp_url = {};    // smtp://host:port; empty: no mail
  std::string smtp_user = {};   // empty: without
  std::string smtp_password = {};
  std::string mail_from = {};   // address
};

}  // namespace weft::worker
