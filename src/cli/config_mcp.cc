// SPDX-License-Identifier: Apache-2.0
#include "cli/config_mcp.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/file.h"
#include "base/strings.h"
#include "cli/config_file.h"
#include "cli/grants.h"

namespace weft::cli {
namespace {

using workflow::Fields;
using workflow::YamlTree;

void read_resource(const ConfigMember& member, const ConfigScope& scope, Fields& section,
                   McpConfig& out) {
  Fields fields(member.second, fmt::format("resource '{}'", member.first), section.problems());
  server::McpResource resource;
  resource.name = member.first;
  resource.uri = fields.text("uri").value_or("");
  resource.description = fields.text("description").value_or("");
  if (auto mime = fields.text("mime")) resource.mime = std::move(*mime);
  const auto file = fields.text("file");
  const auto text = fields.text("text");
  fields.finish();
  if (resource.uri.find(':') == std::string::npos) {
    const auto given = fields.any("uri");
    fields.wrong(given.ok() ? given : member.second, "uri", "an address with a scheme",
                 "docs://handbook");
  }
  if (file.has_value() == text.has_value()) {
    fields.wrong(member.second, "file", "one of file and text");
  }
  if (file) resource.file = scope.path(*file);
  if (file && !file_exists(resource.file)) {
    fields.wrong(fields.any("file"), "file", "a file that exists",
                 fmt::format("{} is not there", quoted(resource.file, 300)));
  }
  resource.text = text.value_or("");
  out.resources.push_back(std::move(resource));
}

void read_prompt(const ConfigMember& member, Fields& section, McpConfig& out) {
  Fields fields(member.second, fmt::format("prompt '{}'", member.first), section.problems());
  server::McpPrompt prompt;
  prompt.name = member.first;
  prompt.title = fields.text("title").value_or("");
  prompt.description = fields.text("description").value_or("");
  for (const auto& [name, node] : members(fields, "arguments")) {
    Fields inner(node, fmt::format("argument '{}'", name), section.problems());
    server::McpPrompt::Argument argument{.name = name, .description = {}};
    argument.description = inner.text("description").value_or("");
    argument.required = inner.boolean("required").value_or(true);
    inner.finish();
    prompt.arguments.push_back(std::move(argument));
  }
  const auto text = fields.text("text");
  const YamlTree::Node messages = fields.any("messages");
  fields.finish();
  if (text.has_value() == messages.ok() || (messages.ok() && !messages.is_list())) {
    fields.wrong(member.second, "messages", "one of text and a list of messages");
  } else if (text) {
    prompt.messages.push_back(json::Object{
        {"role", "user"}, {"content", json::Object{{"type", "text"}, {"text", *text}}}});
  } else {
    prompt.messages = messages.to_json().as_array();
  }
  out.prompts.push_back(std::move(prompt));
}

void read_mcp_server(const ConfigMember& member, const ConfigScope& scope, Fields& section,
                     McpConfig& out) {
  Fields fields(member.second, fmt::format("MCP server '{}'", member.first), section.problems());
  worker::McpServerSettings server;
  server.command = texts(fields, "command");
  server.url = fields.text("url").value_or("");
  server.environment = program_environment();
  const auto pairs = [&](std::string_view key, std::map<std::string, std::string>& into) {
    const YamlTree::Node node = fields.any(key);
    if (!node.ok()) return;
    Fields inner(node, fmt::format("{} of MCP server '{}'", key, member.first),
                 section.problems());
    for (const YamlTree::Node name : node) {
      into[std::string(name.text())] = secret(inner, name.text(), scope);
    }
  };
  pairs("env", server.environment);
  pairs("headers", server.headers);
  if (fields.any("tenants").ok()) server.tenants = texts(fields, "tenants");
  if (const auto us = fields.duration_us("start_timeout")) server.start_timeout_ms = *us / 1000;
  fields.finish();
  const bool http = server.url.starts_with("http://") || server.url.starts_with("https://");
  if (server.command.empty() == server.url.empty() || (!server.url.empty() && !http)) {
    fields.wrong(member.second, "command",
                 "one of command: [program, words…] and url: http(s)://…");
  }
  out.servers[member.first] = std::move(server);
}

}  // namespace

void read_mcp(Fields& fields, const ConfigScope& scope, McpConfig& out) {
  for (const ConfigMember& member : members(fields, "resources")) {
    read_resource(member, scope, fields, out);
  }
  for (const ConfigMember& member : members(fields, "prompts")) read_prompt(member, fields, out);
  for (const ConfigMember& member : members(fields, "servers")) {
    read_mcp_server(member, scope, fields, out);
  }
}

}  // namespace weft::cli
