// SPDX-License-Identifier: Apache-2.0
#include "server/mcp_documents.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/base64.h"
#include "base/file.h"
#include "base/strings.h"
#include "workflow/render.h"

namespace weft::server {
namespace {

constexpr size_t kFileBytesMax = size_t{16} << 20;

Result<json::Value> rendered(const json::Value& value, std::string_view what,
                             const json::Object& arguments) {
  const json::Value args = arguments;
  const json::Value none = json::Object();
  return workflow::render_tool(value, what, {args, none, none});
}

json::Object described_resource(const McpResource& resource, std::string_view key) {
  json::Object out{{key, resource.uri},
                   {"name", resource.name},
                   {"description", resource.description}};
  if (!resource.mime.empty()) out["mimeType"] = resource.mime;
  return out;
}

json::Object contents(const McpResource& resource, const std::string& uri, std::string text) {
  json::Object out{{"uri", uri}, {"mimeType", resource.mime}};
  if (invalid_utf8_at(text)) {
    out["blob"] = base64(text);
  } else {
    out["text"] = std::move(text);
  }
  return out;
}

}  // namespace

std::optional<std::map<std::string, std::string>> match_uri(std::string_view pattern,
                                                            std::string_view uri) {
  std::map<std::string, std::string> parts;
  for (;;) {
    const size_t open = pattern.find('{');
    if (open == std::string_view::npos) {
      if (pattern != uri) return std::nullopt;
      return parts;
    }
    const size_t close = pattern.find('}', open);
    if (close == std::string_view::npos || !uri.starts_with(pattern.substr(0, open))) {
      return std::nullopt;
    }
    uri.remove_prefix(open);
    const std::string name(pattern.substr(open + 1, close - open - 1));
    pattern.remove_prefix(close + 1);
    const size_t end = pattern.empty() ? uri.size() : uri.find(pattern[0]);
    if (end == std::string_view::npos || end == 0) return std::nullopt;
    const std::string_view part = uri.substr(0, end);
    if (part.find('/') != std::string_view::npos) return std::nullopt;
    parts[name] = part;
    uri.remove_prefix(end);
  }
}

json::Array McpDocuments::resources() const {
  json::Array out;
  for (const McpResource& one : resources_) {
    if (!one.is_template()) out.push_back(described_resource(one, "uri"));
  }
  return out;
}

json::Array McpDocuments::templates() const {
  json::Array out;
  for (const McpResource& one : resources_) {
    if (one.is_template()) out.push_back(described_resource(one, "uriTemplate"));
  }
  return out;
}

bool McpDocuments::has(const std::string& uri) const {
  return std::ranges::any_of(resources_, [&](const McpResource& one) {
    return match_uri(one.uri, uri).has_value();
  });
}

Result<std::optional<json::Object>> McpDocuments::read(const std::string& uri) const {
  for (const McpResource& one : resources_) {
    const auto parts = match_uri(one.uri, uri);
    if (!parts) continue;
    if (!one.file.empty()) {
      return std::optional(contents(one, uri, TRY(read_file(one.file, kFileBytesMax))));
    }
    if (!one.is_template()) return std::optional(contents(one, uri, one.text));
    json::Object arguments;
    for (const auto& [name, value] : *parts) arguments[name] = value;
    const json::Value text = TRY(rendered(json::Value(one.text), one.uri, arguments));
    return std::optional(contents(
        one, uri, text.is_string() ? std::string(text.get_string()) : json::dump(text)));
  }
  return std::optional<json::Object>();
}

json::Array McpDocuments::prompts() const {
  json::Array out;
  for (const McpPrompt& prompt : prompts_) {
    json::Array arguments;
    for (const McpPrompt::Argument& one : prompt.arguments) {
      arguments.push_back(json::Object{{"name", one.name},
                                       {"description", one.description},
                                       {"required", one.required}});
    }
    json::Object shown{{"name", prompt.name}, {"description", prompt.description}};
    if (!prompt.title.empty()) shown["title"] = prompt.title;
    if (!arguments.empty()) shown["arguments"] = std::move(arguments);
    out.push_back(std::move(shown));
  }
  return out;
}

Result<json::Object> McpDocuments::prompt(std::string_view name,
                                          const json::Object& given) const {
  const auto found = std::ranges::find(prompts_, name, &McpPrompt::name);
  if (found == prompts_.end()) {
    std::vector<std::string> names;
    for (const McpPrompt& prompt : prompts_) names.push_back(prompt.name);
    return make_error("E0775", fmt::format("there is no prompt {}", quoted(name)),
                      name_hint(name, names));
  }
  json::Object arguments;
  std::vector<std::string> known;
  for (const McpPrompt::Argument& one : found->arguments) {
    known.push_back(one.name);
    const json::Value* value = given.if_contains(one.name);
    if (value != nullptr && !value->is_string()) {
      return make_error("E0775", fmt::format("the argument {} of the prompt {} should be text",
                                             quoted(one.name), quoted(name)));
    }
    if (value == nullptr && one.required) {
      return make_error("E0775", fmt::format("the prompt {} needs the argument {}", quoted(name),
                                             quoted(one.name)));
    }
    arguments[one.name] = value != nullptr ? *value : json::Value("");
  }
  for (const auto& [key, value] : given) {
    if (arguments.contains(key)) continue;
    return make_error("E0775", fmt::format("the prompt {} has no argument {}", quoted(name),
                                           quoted(key)), name_hint(key, known));
  }
  json::Value messages = TRY(rendered(json::Value(found->messages), found->name, arguments));
  return json::Object{{"description", found->description}, {"messages", std::move(messages)}};
}

}  // namespace weft::server
