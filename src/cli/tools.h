// SPDX-License-Identifier: Apache-2.0
//
// `weft tools list|call|import`: what agents may call, called by hand, and an API's description
// (OpenAPI) as tools of a workflow.
#pragma once

#include <string>
#include <vector>

#include "cli/grants.h"

namespace weft::cli {

struct ToolsListOptions {
  std::string workflow;  // file; empty: only the built-in ones
  bool json = false;
};
int list_tools(const ToolsListOptions& options);

struct ToolsCallOptions {
  std::string name;
  std::string workflow;             // file that declares it; empty: a built-in one
  std::vector<std::string> inputs;  // arguments: key=value, or @file.json
  std::string run_input;            // JSON object: what its templates see as `input`
  std::string files;                // directory of file steps; empty: this one
  int64_t timeout_s = 60;
  Grants grants;
  bool json = false;
};
int call_tool(const ToolsCallOptions& options);

struct ToolsImportOptions {
  std::string file;                     // OpenAPI 3, JSON or YAML; or mcp:NAME
  std::vector<std::string> operations;  // empty: all
  std::string server;                   // where the API is; empty: as the document says
  std::string base_url;                 // what servers of the document are relative to
  Grants grants;                        // for `mcp:NAME`: which server that is
  bool json = false;
};
int import_tools(const ToolsImportOptions& options);

}  // namespace weft::cli
