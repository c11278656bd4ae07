// SPDX-License-Identifier: Apache-2.0
#include "worker/openapi.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/strings.h"

namespace weft::worker {
namespace {

constexpr int kReferenceDepthMax = 32;
constexpr size_t kNodesMax = 200'000;  // of all that references write out
constexpr size_t kToolsMax = 256;
constexpr std::string_view kMethods[] = {"get", "post", "put", "patch", "delete"};

Error wrong(std::string message, std::string hint = {}) {
  return make_error("E0629", std::move(message), std::move(hint));
}

const json::Value* json_member(const json::Value& value, std::string_view name) {
  const json::Object* object = value.if_object();
  return object != nullptr ? object->if_contains(name) : nullptr;
}

std::string json_text_of(const json::Value& value, std::string_view name) {
  const json::Value* found = json_member(value, name);
  return found != nullptr && found->is_string() ? std::string(found->get_string()) : std::string();
}

class Importer {
 public:
  explicit Importer(const json::Value& document) : document_(document) {}

  Result<json::Array> import(const OpenapiOptions& options) {
    if (!json_text_of(document_, "openapi").starts_with("3.")) {
      return wrong("expected an OpenAPI document of version 3, found none",
                   "its first member is   openapi: 3.x.y");
    }
    server_ = options.server.empty() ? first_server() : options.server;
    while (server_.ends_with('/')) server_.pop_back();
    if (!server_.starts_with("http://") && !server_.starts_with("https://")) {
      return wrong("the document names no server", "--server https://…");
    }
    const json::Value* paths = json_member(document_, "paths");
    if (paths == nullptr || !paths->is_object()) return wrong("expected `paths`, found none");
    for (const auto& path : paths->get_object()) {
      for (const std::string_view method : kMethods) {
        const json::Value* operation = json_member(path.value(), method);
        if (operation == nullptr || !operation->is_object()) continue;
        TRY(add(std::string(path.key()), std::string(method), path.value(), *operation, options));
      }
    }
    for (const std::string& name : options.operations) {
      if (std::ranges::find(names_, name) == names_.end()) {
        return wrong(fmt::format("the API has no operation {}", quoted(name)),
                     name_hint(name, names_));
      }
    }
    return std::move(tools_);
  }

 private:
  std::string first_server() const {
    const json::Value* servers = json_member(document_, "servers");
    const json::Array* list = servers != nullptr ? servers->if_array() : nullptr;
    return list != nullptr && !list->empty() ? json_text_of(list->front(), "url") : std::string();
  }

  // With every reference replaced by what it names.  NOLINTNEXTLINE(misc-no-recursion):
  // kReferenceDepthMax
  Result<json::Value> resolved(const json::Value& value, int depth = 0) {
    if (depth > kReferenceDepthMax) return wrong("references lead in circles, or too deep");
    if (++nodes_ > kNodesMax) return wrong("the document grows too large when written out");
    if (value.is_array()) {
      json::Array out;
      for (const json::Value& item : value.get_array()) {
        out.push_back(TRY(resolved(item, depth + 1)));
      }
      return json::Value(std::move(out));
    }
    if (!value.is_object()) return value;
    if (const std::string reference = json_text_of(value, "$ref"); !reference.empty()) {
      const json::Value* target = &document_;
      if (!reference.starts_with("#/")) {
        return wrong(fmt::format("the reference {} leads out of the document", quoted(reference)));
      }
      for (std::string_view part : split(std::string_view(reference).substr(2), '/')) {
        std::string name(part);
        for (const auto& [code, sign] : {std::pair("~1", "/"), std::pair("~0", "~")}) {
          for (size_t at = name.find(code); at != std::string::npos; at = name.find(code, at + 1)) {
            name.replace(at, 2, sign);
          }
        }
        target = target != nullptr ? json_member(*target, name) : nullptr;
      }
      if (target == nullptr) return wrong(fmt::format("{} leads nowhere", quoted(reference)));
      return resolved(*target, depth + 1);
    }
    json::Object out;
    for (const auto& entry : value.get_object()) {
      if (entry.key() == "example" || entry.key() == "examples" || entry.key() == "xml") continue;
      out[entry.key()] = TRY(resolved(entry.value(), depth + 1));
    }
    return json::Value(std::move(out));
  }

  // operationId, or method and path; only what may stand in the name of a function.
  static std::string name_of(const json::Value& operation, const std::string& method,
                             const std::string& path) {
    std::string given = json_text_of(operation, "operationId");
    if (given.empty()) given = method + path;
    std::string out;
    for (const char c : given) {
      const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                         (c >= '0' && c <= '9') || c == '_' || c == '-';
      if (plain) out += c;
      if (!plain && !out.empty() && out.back() != '_') out += '_';
    }
    while (out.ends_with('_')) out.pop_back();
    return out.substr(0, 64);
  }

  struct Shape {
    std::string url;
    json::Object query = {}, properties = {};
    json::Array required = {};
    bool body = false;
  };

  Status add_parameter(const json::Value& given, Shape& shape) {
    const json::Value parameter = TRY(resolved(given));
    const std::string name = json_text_of(parameter, "name");
    const std::string in = json_text_of(parameter, "in");
    if (name.empty() || (in != "path" && in != "query")) return ok_status();
    json::Value schema = json::Object{{"type", "string"}};
    if (const json::Value* found = json_member(parameter, "schema")) schema = *found;
    if (const std::string said = json_text_of(parameter, "description");
        !said.empty() && schema.is_object()) {
      schema.as_object()["description"] = said;
    }
    shape.properties[name] = std::move(schema);
    const json::Value* needed = json_member(parameter, "required");
    const bool required = in == "path" || (needed != nullptr && *needed == json::Value(true));
    if (required) shape.required.emplace_back(name);
    if (in == "query") {
      shape.query[name] = fmt::format("{{{{ args['{0}'] if '{0}' in args else none }}}}", name);
      return ok_status();
    }
    const std::string place = fmt::format("{{{}}}", name);
    const size_t at = shape.url.find(place);
    if (at == std::string::npos) return wrong(fmt::format("the path has no {}", place));
    shape.url.replace(at, place.size(), fmt::format("{{{{ args['{}'] | urlencode }}}}", name));
    return ok_status();
  }

  Status add_body(const json::Value& operation, Shape& shape) {
    const json::Value* given = json_member(operation, "requestBody");
    if (given == nullptr) return ok_status();
    const json::Value body = TRY(resolved(*given));
    const json::Value* content = json_member(body, "content");
    const json::Value* json_body =
        content != nullptr ? json_member(*content, "application/json") : nullptr;
    const json::Value* schema = json_body != nullptr ? json_member(*json_body, "schema") : nullptr;
    if (schema == nullptr) return ok_status();
    shape.body = true;
    shape.properties["body"] = *schema;
    const json::Value* needed = json_member(body, "required");
    if (needed != nullptr && *needed == json::Value(true)) shape.required.emplace_back("body");
    return ok_status();
  }

  Status add(const std::string& path, const std::string& method, const json::Value& item,
             const json::Value& operation, const OpenapiOptions& options) {
    const std::string name = name_of(operation, method, path);
    names_.push_back(name);
    const bool wanted = options.operations.empty() ||
                        std::ranges::find(options.operations, name) != options.operations.end();
    if (!wanted) return ok_status();
    if (tools_.size() == kToolsMax) {
      return wrong(fmt::format("the API has more than {} operations", kToolsMax),
                   "name those that are needed: --operation NAME");
    }
    Shape shape{.url = server_ + path};
    for (const json::Value* list :
         {json_member(item, "parameters"), json_member(operation, "parameters")}) {
      if (list == nullptr || !list->is_array()) continue;
      for (const json::Value& one : list->get_array()) TRY(add_parameter(one, shape));
    }
    TRY(add_body(operation, shape));
    tools_.push_back(declaration(name, method, operation, std::move(shape)));
    return ok_status();
  }

  static json::Object declaration(const std::string& name, std::string method,
                                  const json::Value& operation, Shape shape) {
    for (char& c : method) c = static_cast<char>(c - 'a' + 'A');
    json::Object http{{"method", method}, {"url", shape.url}};
    if (!shape.query.empty()) http["query"] = std::move(shape.query);
    if (shape.body) http["json"] = "{{ args.body if 'body' in args else none }}";
    json::Object schema{{"type", "object"}, {"additionalProperties", false}};
    if (!shape.required.empty()) schema["required"] = std::move(shape.required);
    schema["properties"] = std::move(shape.properties);
    std::string said = json_text_of(operation, "description");
    if (const std::string summary = json_text_of(operation, "summary"); !summary.empty())
      said = summary;
    json::Object step{{"type", "http"}, {"parameters", std::move(http)},
                      {"output_as", "{{ output.body }}"}};
    return {{"name", name}, {"description", said}, {"parameters", std::move(schema)},
            {"step", std::move(step)}};
  }

  const json::Value& document_;
  std::string server_;
  json::Array tools_;
  std::vector<std::string> names_;
  size_t nodes_ = 0;
};

}  // namespace

Result<json::Array> tools_of_openapi(const json::Value& document, const OpenapiOptions& options) {
  return Importer(document).import(options);
}

}  // namespace weft::worker
