// SPDX-License-Identifier: Apache-2.0
#include "worker/openapi_operation.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "base/strings.h"
#include "schema/schema.h"

namespace weft::worker {
namespace {

struct OpenapiParameter {
  std::string name, in, style, argument;
  json::Value schema;
  bool explode = false, required = false;
  bool as_json = false;  // its value is sent as JSON text
};

std::string lower_case(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return out;
}

bool may_be(const json::Value& schema, std::string_view type) {
  const json::Value* said = openapi_member(schema, "type");
  if (said == nullptr) return false;
  if (said->is_string()) return said->get_string() == type;
  return said->is_array() &&
         std::ranges::find(said->get_array(), json::Value(type)) != said->get_array().end();
}

bool is_json_media(std::string_view type) {
  return type == "application/json" || type == "*/*" || type == "application/*" ||
         type.ends_with("+json");
}

// Without parameters such as charset.
std::string media_of(std::string_view given) {
  return lower_case(trim(given.substr(0, given.find(';'))));
}

// An expression that is null, and so sends nothing, where the argument was not given.
std::string if_given(const std::string& argument, std::string_view value) {
  return fmt::format("{{{{ {} if '{}' in args else none }}}}", value, argument);
}

class OperationTool {
 public:
  OperationTool(OpenapiSchemas& schemas, const OpenapiPlace& place)
      : schemas_(schemas), place_(place) {}

  Result<OpenapiTool> tool(const std::string& name) {
    schemas_.begin();
    TRY(read_parameters());
    for (OpenapiParameter& parameter : parameters_) TRY(take(parameter));
    http_["method"] = upper_method();
    http_["url"] = TRY(url());
    if (!query_.empty()) http_["query"] = std::move(query_);
    TRY(take_body());
    if (!headers_.empty()) http_["headers"] = std::move(headers_);
    tell_security();
    json::Object arguments{{"type", "object"}, {"additionalProperties", false}};
    if (!required_.empty()) arguments["required"] = std::move(required_);
    arguments["properties"] = std::move(properties_);
    json::Object definitions = TRY(schemas_.definitions());
    if (!definitions.empty()) arguments["$defs"] = std::move(definitions);
    if (auto checked = schema::Schema::parse(arguments); !checked.ok()) {
      return openapi_error("its arguments have no valid schema: " + checked.error().message);
    }
    std::string said = openapi_text(place_.operation, "summary");
    if (said.empty()) said = openapi_text(place_.operation, "description");
    json::Object step{{"type", "http"}, {"parameters", std::move(http_)},
                      {"output_as", "{{ output.body }}"}};
    return OpenapiTool{{{"name", name}, {"description", said},
                        {"parameters", std::move(arguments)}, {"step", std::move(step)}},
                       std::move(notes_)};
  }

 private:
  std::string upper_method() const {
    std::string out = place_.method;
    for (char& c : out) c = static_cast<char>(c - 'a' + 'A');
    return out;
  }

  // Those of the path, then those of the operation, which replace them.
  Status read_parameters() {
    for (const json::Value* list : {openapi_member(place_.item, "parameters"),
                                    openapi_member(place_.operation, "parameters")}) {
      if (list == nullptr || !list->is_array()) continue;
      for (const json::Value& given : list->get_array()) {
        OpenapiParameter one = TRY(read_parameter(*TRY(schemas_.followed(given))));
        const auto same = std::ranges::find_if(parameters_, [&](const OpenapiParameter& other) {
          return other.name == one.name && other.in == one.in;
        });
        if (same == parameters_.end()) {
          parameters_.push_back(std::move(one));
        } else {
          *same = std::move(one);
        }
      }
    }
    return ok_status();
  }

  Result<OpenapiParameter> read_parameter(const json::Value& given) {
    OpenapiParameter out;
    out.name = openapi_text(given, "name");
    out.in = openapi_text(given, "in");
    out.required = out.in == "path" || openapi_flag(given, "required");
    out.style = openapi_text(given, "style");
    if (out.style.empty()) out.style = out.in == "query" || out.in == "cookie" ? "form" : "simple";
    const json::Value* explode = openapi_member(given, "explode");
    out.explode = explode != nullptr ? *explode == json::Value(true) : out.style == "form";
    out.schema = json::Object{{"type", "string"}};
    const json::Value* schema = openapi_member(given, "schema");
    const json::Value* content = openapi_member(given, "content");
    if (content != nullptr && content->is_object() && content->get_object().size() == 1) {
      const auto& media = *content->get_object().begin();
      out.as_json = is_json_media(media_of(media.key()));
      schema = openapi_member(media.value(), "schema");
    }
    if (schema != nullptr) out.schema = TRY(schemas_.converted(*schema));
    if (const std::string said = openapi_text(given, "description");
        !said.empty() && out.schema.is_object()) {
      out.schema.as_object()["description"] = said;
    }
    return out;
  }

  // A name for templates: no quotes and braces, and nobody else's.
  std::string argument_of(std::string name, std::string_view in) const {
    for (char& c : name) {
      const bool odd = std::string_view("'\"\\{}%#").find(c) != std::string_view::npos;
      if (odd || static_cast<unsigned char>(c) < 0x20) c = '_';
    }
    if (properties_.contains(name)) name += fmt::format("_{}", in);
    while (properties_.contains(name)) name += '_';
    return name;
  }

  Status take(OpenapiParameter& parameter) {
    if (parameter.name.empty()) return ok_status();
    const std::string why = TRY(sent(parameter));
    if (why.empty()) return ok_status();
    if (parameter.required) {
      return openapi_error(fmt::format("it needs the parameter {}: {}", quoted(parameter.name),
                                       why));
    }
    notes_.push_back(fmt::format("its parameter {} is left out: {}", quoted(parameter.name), why));
    return ok_status();
  }

  void declare(OpenapiParameter& parameter) {
    parameter.argument = argument_of(parameter.name, parameter.in);
    if (parameter.required) required_.emplace_back(parameter.argument);
    properties_[parameter.argument] = parameter.schema;
  }

  // Puts it where it is sent. Why it cannot be; "": it is.
  Result<std::string> sent(OpenapiParameter& parameter) {
    if (parameter.in == "query") return sent_in_query(parameter);
    if (parameter.in == "header") return sent_in_header(parameter);
    if (parameter.in != "path") {
      return fmt::format("in {}, where http steps send nothing", quoted(parameter.in));
    }
    if (parameter.style != "simple") return "the style " + quoted(parameter.style);
    if (may_be(parameter.schema, "object")) return std::string("an object in a path");
    json::Object* schema = parameter.schema.if_object();
    if (may_be(parameter.schema, "string") && !schema->contains("enum") &&
        !schema->contains("minLength")) {
      (*schema)["minLength"] = 1;  // without it the address of something else
    }
    declare(parameter);
    return std::string();
  }

  Result<std::string> sent_in_query(OpenapiParameter& parameter) {
    if (!parameter.as_json && may_be(parameter.schema, "object")) {
      return sent_by_members(parameter);
    }
    const json::Value& schema = parameter.schema;
    declare(parameter);
    std::string value = fmt::format("args['{}']", parameter.argument);
    if (parameter.as_json) {
      value += " | tojson";
    } else if (may_be(schema, "array") && !parameter.explode) {
      const std::string_view separator = parameter.style == "spaceDelimited"  ? " "
                                         : parameter.style == "pipeDelimited" ? "|"
                                                                              : ",";
      value += fmt::format(" | join('{}')", separator);
    }
    query_[parameter.name] = if_given(parameter.argument, value);
    return std::string();
  }

  // An object in a query: its members as parameters of their own, or as name[member].
  Result<std::string> sent_by_members(OpenapiParameter& parameter) {
    const bool deep = parameter.style == "deepObject";
    const json::Value* members = openapi_member(parameter.schema, "properties");
    if (members == nullptr || !members->is_object() || (!deep && !parameter.explode)) {
      return std::string("an object in a query that is not written by its members");
    }
    for (const auto& member : members->get_object()) {
      const std::string_view name = member.key();
      if (name.find_first_of("'\\{}") != name.npos || may_be(member.value(), "object")) {
        return std::string("an object within an object, in a query");
      }
    }
    declare(parameter);
    const std::string& argument = parameter.argument;
    for (const auto& member : members->get_object()) {
      const std::string name(member.key());
      const std::string sent = deep ? fmt::format("{}[{}]", parameter.name, name) : name;
      query_[sent] = fmt::format(
          "{{{{ args['{0}']['{1}'] if '{0}' in args and '{1}' in args['{0}'] else none }}}}",
          argument, name);
    }
    return std::string();
  }

  Result<std::string> sent_in_header(OpenapiParameter& parameter) {
    const std::string name = lower_case(parameter.name);
    // By the specification parameters of these names are ignored.
    if (name == "accept" || name == "content-type" || name == "authorization") {
      return std::string();
    }
    if (!parameter.as_json && may_be(parameter.schema, "object")) {
      return std::string("an object in a header");
    }
    declare(parameter);
    std::string value = fmt::format("args['{}']", parameter.argument);
    if (parameter.as_json) value += " | tojson";
    if (!parameter.as_json && may_be(parameter.schema, "array")) value += " | join(',')";
    headers_[parameter.name] = if_given(parameter.argument, value);
    return std::string();
  }

  Result<std::string> url() const {
    std::string out = place_.server;
    std::string_view rest = place_.path;
    while (!rest.empty()) {
      const size_t open = rest.find('{');
      out += rest.substr(0, open);
      if (open == rest.npos) break;
      const size_t close = rest.find('}', open);
      const std::string_view name = rest.substr(open + 1, close - open - 1);
      const auto found = std::ranges::find_if(parameters_, [&](const OpenapiParameter& one) {
        return one.in == "path" && one.name == name;
      });
      if (close == rest.npos || found == parameters_.end()) {
        return openapi_error(fmt::format("nothing describes {{{}}} in its path", name));
      }
      const std::string_view filter =
          may_be(found->schema, "array") ? "map('urlencode') | join(',')" : "urlencode";
      out += fmt::format("{{{{ args['{}'] | {} }}}}", found->argument, filter);
      rest.remove_prefix(close + 1);
    }
    return out;
  }

  Status take_body() {
    const json::Value* given = openapi_member(place_.operation, "requestBody");
    if (given == nullptr) return ok_status();
    const json::Value& body = *TRY(schemas_.followed(*given));
    const bool required = openapi_flag(body, "required");
    const json::Value* content = openapi_member(body, "content");
    std::vector<std::string> kinds;
    if (content != nullptr && content->is_object()) {
      for (const auto& media : content->get_object()) kinds.emplace_back(media.key());
    }
    const auto kind = std::ranges::min_element(kinds, {}, [](const std::string& one) {
      const std::string media = media_of(one);
      if (one.find_first_of("{}") != one.npos) return 4;
      if (media == "application/json") return 0;
      if (is_json_media(media)) return 1;
      if (media == "application/x-www-form-urlencoded") return 2;
      return media.starts_with("text/") ? 3 : 4;
    });
    const std::string media = kind == kinds.end() ? "" : media_of(*kind);
    const bool form = media == "application/x-www-form-urlencoded";
    if (!is_json_media(media) && !form && !media.starts_with("text/")) {
      const std::string why = "a body of " + (kinds.empty() ? "no type" : join(kinds, ", "));
      if (required) return openapi_error("it needs " + why + ", which http steps do not send");
      notes_.push_back(why + " is left out: http steps do not send it");
      return ok_status();
    }
    OpenapiParameter parameter{.name = "body", .in = "request", .style = {}, .argument = {},
                               .schema = json::Object(), .required = required};
    const json::Value& chosen = content->get_object().at(*kind);
    if (const json::Value* schema = openapi_member(chosen, "schema")) {
      parameter.schema = TRY(schemas_.converted(*schema));
    }
    if (media.starts_with("text/")) parameter.schema = json::Object{{"type", "string"}};
    declare(parameter);
    send_body(parameter, *kind);
    return ok_status();
  }

  void send_body(const OpenapiParameter& body, const std::string& type) {
    const std::string media = media_of(type);
    const std::string value = fmt::format("args['{}']", body.argument);
    if (media == "application/x-www-form-urlencoded") {
      http_["form"] = body.required ? "{{ " + value + " }}" : if_given(body.argument, value);
      const json::Value* members = openapi_member(body.schema, "properties");
      for (const auto& member : members != nullptr && members->is_object() ? members->get_object()
                                                                           : json::Object()) {
        if (!may_be(member.value(), "object")) continue;
        notes_.push_back(fmt::format("the member {} of its form is an object, which http steps "
                                     "do not send", quoted(member.key())));
      }
      return;
    }
    const bool is_json = is_json_media(media);
    const bool any = media.find('*') != media.npos;
    if (is_json && body.required) {
      http_["json"] = "{{ " + value + " }}";
      if (media != "application/json" && !any) headers_["Content-Type"] = type;
      return;
    }
    http_["body"] = if_given(body.argument, is_json ? value + " | tojson" : value);
    headers_["Content-Type"] = !any ? type : is_json ? "application/json" : "text/plain";
  }

  // What a scheme wants, as the http step is to have it.
  std::string credential_of(const std::string& scheme) const {
    const json::Value* components = openapi_member(place_.document, "components");
    const json::Value* all =
        components != nullptr ? openapi_member(*components, "securitySchemes") : nullptr;
    const json::Value* given = all != nullptr ? openapi_member(*all, scheme) : nullptr;
    const auto followed = given != nullptr ? schemas_.followed(*given)
                                           : Result<const json::Value*>(given);
    if (given == nullptr || !followed.ok()) return "the scheme " + quoted(scheme);
    const std::string type = openapi_text(**followed, "type");
    const std::string name = openapi_text(**followed, "name");
    if (type == "apiKey") {
      const std::string in = openapi_text(**followed, "in");
      if (in == "query") return fmt::format("query: {{ {}: … }}", name);
      if (in == "cookie") return fmt::format("headers: {{ Cookie: \"{}=…\" }}", name);
      return fmt::format("headers: {{ {}: … }}", name);
    }
    if (type == "mutualTLS") return "a certificate of the client, which http steps have none of";
    std::string kind = type == "http" ? openapi_text(**followed, "scheme") : "Bearer";
    if (!kind.empty() && kind[0] >= 'a' && kind[0] <= 'z') {
      kind[0] = static_cast<char>(kind[0] - 'a' + 'A');
    }
    return fmt::format("headers: {{ Authorization: \"{} …\" }}", kind);
  }

  void tell_security() {
    const json::Value* wanted = openapi_member(place_.operation, "security");
    if (wanted == nullptr) wanted = openapi_member(place_.document, "security");
    if (wanted == nullptr || !wanted->is_array() || wanted->get_array().empty()) return;
    std::vector<std::string> ways;
    bool free = false;
    for (const json::Value& way : wanted->get_array()) {
      if (!way.is_object()) continue;
      free = free || way.get_object().empty();
      std::vector<std::string> parts;
      for (const auto& scheme : way.get_object()) {
        parts.push_back(credential_of(std::string(scheme.key())));
      };
      if (!parts.empty()) ways.push_back(join(parts, " and "));
    }
    if (ways.empty()) return;
    notes_.push_back(fmt::format("the API {} a credential, which no argument should hold: add to "
                                 "the parameters of its step   {}",
                                 free ? "takes" : "asks for", join(ways, "   or   ")));
  }

  OpenapiSchemas& schemas_;
  const OpenapiPlace& place_;
  std::vector<OpenapiParameter> parameters_;
  json::Object http_, query_, headers_, properties_;
  json::Array required_;
  std::vector<std::string> notes_;
};

}  // namespace

Result<OpenapiTool> tool_of_operation(OpenapiSchemas& schemas, const OpenapiPlace& place,
                                      const std::string& name) {
  return OperationTool(schemas, place).tool(name);
}

}  // namespace weft::worker
