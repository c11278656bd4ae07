// SPDX-License-Identifier: Apache-2.0
//
// `weft mcp`: the workflows of some files as tools of the Model Context Protocol, over standard
// input and output: what desktop programs and editors start. The same protocol over HTTP is /mcp of
// `weft serve`.
//
// Messages are lines of JSON on stdout; everything for people goes to stderr.
#pragma once

#include <string>
#include <vector>

#include "cli/config_encryption.h"
#include "cli/grants.h"

namespace weft::cli {

struct McpOptions {
  std::vector<std::string> workflows;  // files: each is a tool
  std::string config;                  // weft.yaml: its section `mcp`; empty: none
  std::string files;                   // directory that file steps may use; empty: none
  StoreFlags store;
  Grants grants;
};

int run_mcp(const McpOptions& options);

}  // namespace weft::cli
