// SPDX-License-Identifier: Apache-2.0
//
// The section `mcp` of weft.yaml (config_file.h): what MCP clients find beside the workflows, and
// the MCP servers whose tools workflows may call.
//
//   mcp:
//     servers: { crm: { url: "https://crm.example/mcp", headers: { Authorization: "env:CRM" } } }
//     resources: { handbook: { uri: "docs://handbook", file: handbook.md, mime: text/markdown } }
//     prompts: { greet: { arguments: { name: {} }, text: "Greet {{ args.name }}" } }
#pragma once

#include <map>
#include <string>
#include <vector>

#include "server/mcp_documents.h"
#include "worker/tool_settings.h"

namespace weft::workflow {
class Fields;
}

namespace weft::cli {

struct ConfigScope;

struct McpConfig {
  std::vector<server::McpResource> resources;
  std::vector<server::McpPrompt> prompts;
  std::map<std::string, worker::McpServerSettings> servers;  // whose tools steps may call
};
void read_mcp(workflow::Fields& fields, const ConfigScope& scope, McpConfig& out);

}  // namespace weft::cli
