// SPDX-License-Identifier: Apache-2.0
#include "chat/message.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "base/strings.h"

namespace weft::chat {
namespace {

// Places are paths into the request ("messages[2].tool_calls[0].function"): a client sees many
// messages and one error.
Error wrong_member(const std::string& where, std::string_view expected, const json::Value& found) {
  return make_error(
      "E0740", fmt::format("{}: expected {}, found {}", where, expected, json::kind_name(found)));
}

// A text, a list of text parts, or null. Parts become lines: templates print the content as one
// text, and two parts that ran together would read as one sentence.
Result<std::optional<std::string>> content_of(const json::Value& value, const std::string& where) {
  if (value.is_null()) return std::optional<std::string>();
  if (value.is_string()) return std::optional<std::string>(std::string(value.get_string()));
  if (!value.is_array()) return wrong_member(where, "a text, a list of parts or null", value);
  std::string text;
  bool first = true;
  for (size_t i = 0; i < value.get_array().size(); ++i) {
    const json::Value& part = value.get_array()[i];
    const std::string place = fmt::format("{}[{}]", where, i);
    if (!part.is_object()) return wrong_member(place, "an object", part);
    const json::Value* type = part.get_object().if_contains("type");
    const json::Value* body = part.get_object().if_contains("text");
    const bool is_text = body && body->is_string() && (!type || *type == "text");
    if (!is_text && type && *type == "text") {
      return make_error("E0740", fmt::format("{}.text: expected a text, found {}", place,
                                             body ? json::kind_name(*body) : "nothing"),
                        "a part is {\"type\": \"text\", \"text\": \"…\"}");
    }
    if (!is_text) {
      return make_error("E0740", fmt::format("{}: not a text part", place),
                        "the models here read text only; leave images and sound out");
    }
    if (!first) text += '\n';
    first = false;
    text += std::string_view(body->get_string());
  }
  return std::optional<std::string>(std::move(text));
}

Result<std::string> text_field(const json::Object& object, std::string_view field,
                               const std::string& where) {
  const json::Value* value = object.if_contains(field);
  if (value == nullptr || value->is_null()) return std::string();
  if (!value->is_string())
    return wrong_member(fmt::format("{}.{}", where, field), "a text", *value);
  return std::string(value->get_string());
}

// Both forms that clients send: {id, type, function: {name, arguments}} and the bare {name,
// arguments}. The id stays what it was, for the answer names it.
Result<ToolCall> tool_call_of(const json::Value& value, const std::string& where) {
  if (!value.is_object()) return wrong_member(where, "an object", value);
  const json::Object* call = &value.get_object();
  ToolCall out;
  out.id = TRY(text_field(*call, "id", where));
  std::string place = where;
  if (const json::Value* function = call->if_contains("function")) {
    place += ".function";
    if (!function->is_object()) return wrong_member(place, "an object", *function);
    call = &function->get_object();
  }
  out.name = TRY(text_field(*call, "name", place));
  if (out.name.empty()) {
    return make_error("E0740", fmt::format("{}.name: expected a name, found nothing", place));
  }
  const json::Value* arguments = call->if_contains("arguments");
  if (arguments == nullptr) {
    out.arguments = json::Object();
  } else if (arguments->is_string()) {
    // OpenAI's form has JSON inside a string; templates want the value. Text that is no JSON is
    // what a model once wrote: it goes back to the model as it was, not as an error.
    auto parsed = json::parse(arguments->get_string());
    out.arguments = parsed.ok() ? std::move(parsed).value() : *arguments;
  } else {
    out.arguments = *arguments;
  }
  return out;
}

Result<Message> message_of(const json::Value& value, const std::string& where) {
  if (!value.is_object()) return wrong_member(where, "an object", value);
  const json::Object& object = value.get_object();
  Message out;
  out.role = TRY(text_field(object, "role", where));
  if (out.role == "developer") out.role = "system";
  static const std::vector<std::string> kRoles = {"system", "user", "assistant", "tool"};
  if (std::find(kRoles.begin(), kRoles.end(), out.role) == kRoles.end()) {
    return make_error("E0740", fmt::format("{}.role: {} is no role", where, quoted(out.role)),
                      name_hint(out.role, kRoles));
  }
  if (const json::Value* content = object.if_contains("content")) {
    out.content = TRY(content_of(*content, where + ".content"));
  }
  for (const std::string_view field : {"reasoning_content", "reasoning"}) {
    const json::Value* reasoning = object.if_contains(field);
    if (reasoning && !reasoning->is_null() && !out.reasoning) {
      out.reasoning = TRY(text_field(object, field, where));
    }
  }
  if (const json::Value* calls = object.if_contains("tool_calls"); calls && !calls->is_null()) {
    if (!calls->is_array()) return wrong_member(where + ".tool_calls", "a list", *calls);
    for (size_t i = 0; i < calls->get_array().size(); ++i) {
      out.tool_calls.push_back(
          TRY(tool_call_of(calls->get_array()[i], fmt::format("{}.tool_calls[{}]", where, i))));
    }
  }
  out.tool_call_id = TRY(text_field(object, "tool_call_id", where));
  out.name = TRY(text_field(object, "name", where));
  if (!out.content && out.role != "assistant") {
    return make_error("E0740", fmt::format("{}.content: expected a text for role {}, found nothing",
                                           where, out.role));
  }
  return out;
}

}  // namespace

Result<std::vector<Message>> parse_messages(const json::Array& messages) {
  std::vector<Message> out;
  for (size_t i = 0; i < messages.size(); ++i) {
    out.push_back(TRY(message_of(messages[i], fmt::format("messages[{}]", i))));
  }
  if (out.empty()) {
    return make_error("E0740", "messages: expected at least one, found none",
                      "give at least one message");
  }
  return out;
}

void add_schema(std::vector<Message>& messages, const json::Value& schema) {
  const std::string line =
      "Answer with JSON that matches this schema:\n" + json::dump(schema, {.spaces = true});
  const auto system = std::find_if(messages.begin(), messages.end(),
                                   [](const Message& m) { return m.role == "system"; });
  if (system == messages.end()) {
    Message message{.role = "system", .content = line};
    messages.insert(messages.begin(), std::move(message));
    return;
  }
  std::string content(trim(system->content.value_or("")));
  system->content = content.empty() ? line : content + "\n\n" + line;
}

json::Value openai_form(const ToolCall& call) {
  json::Object function{{"name", call.name}, {"arguments", call.arguments}};
  json::Object out;
  if (!call.id.empty()) out["id"] = call.id;
  out["type"] = "function";
  out["function"] = std::move(function);
  return out;
}

json::Value template_form(const Message& message) {
  json::Object out{{"role", message.role}};
  // A template that tests `content is string` before anything else must see a text.
  out["content"] = message.content.value_or("");
  if (message.reasoning) out["reasoning_content"] = *message.reasoning;
  if (!message.tool_calls.empty()) {
    json::Array calls;
    for (const ToolCall& call : message.tool_calls) calls.push_back(openai_form(call));
    out["tool_calls"] = std::move(calls);
  }
  if (!message.tool_call_id.empty()) out["tool_call_id"] = message.tool_call_id;
  if (!message.name.empty()) out["name"] = message.name;
  return out;
}

}  // namespace weft::chat
