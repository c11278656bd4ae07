// SPDX-License-Identifier: Apache-2.0
#include "worker/openapi.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "base/strings.h"
#include "net/url.h"
#include "worker/openapi_operation.h"
#include "worker/openapi_schema.h"

namespace weft::worker {
namespace {

constexpr size_t kToolsMax = 256;
constexpr size_t kNameMax = 64;  // of a tool
constexpr std::string_view kMethods[] = {"get", "post", "put", "patch", "delete"};

bool is_web_address(std::string_view url) {
  return url.starts_with("http://") || url.starts_with("https://");
}

// A note is a line, whatever the document's texts hold.
std::string one_line(std::string text) {
  for (char& c : text) c = static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  return text;
}

class Importer {
 public:
  Importer(const json::Value& document, const OpenapiOptions& options)
      : document_(document), options_(options), schemas_(document) {}

  Result<OpenapiTools> import() {
    if (!openapi_text(document_, "openapi").starts_with("3.")) {
      return openapi_error("expected an OpenAPI document of version 3, found none",
                           "its first member is   openapi: 3.x.y");
    }
    const json::Value* paths = openapi_member(document_, "paths");
    if (paths == nullptr || !paths->is_object()) {
      return openapi_error("expected `paths`, found none");
    }
    for (const auto& path : paths->get_object()) TRY(add_path(path.key(), path.value()));
    for (const std::string& name : options_.operations) {
      if (std::ranges::find(names_, name) == names_.end()) {
        return openapi_error(fmt::format("the API has no operation {}", quoted(name)),
                             name_hint(name, names_));
      }
    }
    if (out_.tools.empty() && failure_) return std::move(*failure_);
    return std::move(out_);
  }

 private:
  Status add_path(std::string_view path, const json::Value& given) {
    const auto item = schemas_.followed(given);
    if (!item.ok()) return left_out(std::string(path), item.error());
    for (const std::string_view method : kMethods) {
      const json::Value* operation = openapi_member(**item, method);
      if (operation == nullptr || !operation->is_object()) continue;
      TRY(add({document_, **item, *operation, std::string(path), std::string(method), {}}));
    }
    return ok_status();
  }

  Status add(OpenapiPlace place) {
    const std::string wanted_name = name_of(place);
    const std::string name = unique(wanted_name);
    names_.push_back(name);
    const auto& wanted = options_.operations;
    if (!wanted.empty() && std::ranges::find(wanted, name) == wanted.end()) return ok_status();
    if (out_.tools.size() == kToolsMax) {
      return openapi_error(fmt::format("the API has more than {} operations", kToolsMax),
                           "name those that are needed: --operation NAME");
    }
    auto server = server_of(place);
    if (!server.ok()) return left_out(name, server.error());
    place.server = std::move(*server);
    auto tool = tool_of_operation(schemas_, place, name);
    if (!tool.ok()) return left_out(name, tool.error());
    out_.tools.push_back(std::move(tool->declaration));
    if (name != wanted_name) {
      note(name, fmt::format("{} {}; another operation is called {}, too",
                             place.method, place.path, wanted_name));
    }
    for (const std::string& one : tool->notes) note(name, one);
    return ok_status();
  }

  // Who asked for it by name is told by an error.
  Status left_out(const std::string& name, const Error& error) {
    Error told = in_context(error, name);
    if (std::ranges::find(options_.operations, name) != options_.operations.end()) return told;
    note(name, "left out: " + error.message);
    if (!failure_) failure_ = std::move(told);
    return ok_status();
  }

  void note(const std::string& name, const std::string& text) {
    out_.notes.push_back(one_line(name + ": " + text));
  }

  // operationId, or method and path; only what may stand in the name of a function.
  static std::string name_of(const OpenapiPlace& place) {
    const auto cleaned = [](std::string_view given) {
      std::string out;
      for (const char c : given) {
        const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                           (c >= '0' && c <= '9') || c == '_' || c == '-';
        if (plain) out += c;
        if (!plain && !out.empty() && out.back() != '_') out += '_';
      }
      while (out.ends_with('_')) out.pop_back();
      return out.substr(0, kNameMax);
    };
    std::string out = cleaned(openapi_text(place.operation, "operationId"));
    if (out.empty()) out = cleaned(place.method + place.path);
    const bool begins = out[0] == '_' || (out[0] | 0x20) >= 'a';
    return begins ? out : ("op_" + out).substr(0, kNameMax);
  }

  std::string unique(const std::string& wanted) const {
    std::string name = wanted;
    for (int i = 2; std::ranges::find(names_, name) != names_.end(); ++i) {
      const std::string suffix = fmt::format("_{}", i);
      name = wanted.substr(0, kNameMax - suffix.size()) + suffix;
    }
    return name;
  }

  // The first one of the operation, the path or the document, with the defaults of its variables.
  Result<std::string> server_of(const OpenapiPlace& place) const {
    std::string url = options_.server;
    for (const json::Value* holder : {&place.operation, &place.item, &document_}) {
      const json::Value* servers = openapi_member(*holder, "servers");
      const json::Array* list = servers != nullptr ? servers->if_array() : nullptr;
      if (url.empty() && list != nullptr && !list->empty()) url = with_variables(list->front());
    }
    if (url.empty()) url = "/";  // as the specification has it
    if (!is_web_address(url) && !options_.base_url.empty()) {
      url = TRY(net::resolve_url(TRY(net::parse_url(options_.base_url)), url)).text;
    }
    while (url.ends_with('/')) url.pop_back();
    if (url.find_first_of("{}") != url.npos) {
      return openapi_error(fmt::format("the server {} has a variable without a default",
                                       quoted(url)),
                           "--server https://…");
    }
    if (!is_web_address(url)) {
      return openapi_error(fmt::format("the document's server is {}, relative to where the "
                                       "document comes from", quoted(url.empty() ? "/" : url)),
                           "--base-url https://HOST, or --server with the whole address");
    }
    return url;
  }

  static std::string with_variables(const json::Value& server) {
    std::string url = openapi_text(server, "url");
    const json::Value* variables = openapi_member(server, "variables");
    if (variables == nullptr || !variables->is_object()) return url;
    for (const auto& variable : variables->get_object()) {
      const std::string place = fmt::format("{{{}}}", std::string_view(variable.key()));
      const size_t at = url.find(place);
      const std::string value = openapi_text(variable.value(), "default");
      if (at != url.npos && !value.empty()) url.replace(at, place.size(), value);
    }
    return url;
  }

  const json::Value& document_;
  const OpenapiOptions& options_;
  OpenapiSchemas schemas_;
  OpenapiTools out_;
  std::vector<std::string> names_;
  std::optional<Error> failure_;  // the first
};

}  // namespace

Result<OpenapiTools> tools_of_openapi(const json::Value& document, const OpenapiOptions& options) {
  return Importer(document, options).import();
}

}  // namespace weft::worker
