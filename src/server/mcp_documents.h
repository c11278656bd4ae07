// SPDX-License-Identifier: Apache-2.0
//
// What an operator publishes to MCP clients beside the workflows: resources (a file or a text under
// an address, or a text made from parts of the address) and prompts (messages with places for
// arguments). Templates are those of workflows; what a client sends is data in them, never a
// template.
//
// Reading files is all it does; the protocol is mcp.h, the configuration cli/config_mcp.h.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/json.h"

namespace weft::server {

struct McpResource {
  std::string uri;          // or, with {name} in it, a template of addresses
  std::string name;
  std::string description;
  std::string mime = "text/plain";
  std::string file;         // read whenever it is asked for; or
  std::string text;         // itself; a template where the address is one: {{ args.name }}
  bool is_template() const { return uri.find('{') != std::string::npos; }
};

struct McpPrompt {
  struct Argument {
    std::string name, description;
    bool required = true;
  };
  std::string name, title, description;
  std::vector<Argument> arguments;
  json::Array messages;     // {role, content}: templates of {{ args.NAME }}
};

class McpDocuments {
 public:
  McpDocuments() = default;
  McpDocuments(std::vector<McpResource> resources, std::vector<McpPrompt> prompts)
      : resources_(std::move(resources)), prompts_(std::move(prompts)) {}

  json::Array resources() const;   // as resources/list shows them
  json::Array templates() const;
  json::Array prompts() const;

  // {uri, mimeType, text | blob}; nothing: none has that address. Blocks on the file.
  Result<std::optional<json::Object>> read(const std::string& uri) const;
  bool has(const std::string& uri) const;
  // {description, messages}. E0775: no such prompt, an argument is missing or unknown.
  Result<json::Object> prompt(std::string_view name, const json::Object& arguments) const;

 private:
  std::vector<McpResource> resources_;
  std::vector<McpPrompt> prompts_;
};

// The parts of `uri` that stand where `pattern` has {name}; a part holds no slash.
std::optional<std::map<std::string, std::string>> match_uri(std::string_view pattern,
                                                            std::string_view uri);

}  // namespace weft::server
