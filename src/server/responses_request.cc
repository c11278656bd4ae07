// SPDX-License-Identifier: Apache-2.0
#include "server/responses_request.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/strings.h"
#include "text/thinking.h"

namespace weft::server {
namespace {

constexpr size_t kItemsMax = 10'000;

// The text of a message's content, or of a call's output: a text, or parts of text.
Result<std::string> text_of(const json::Value& content, const std::string& where) {
  if (content.is_string()) return std::string(content.get_string());
  if (!content.is_array()) {
    return wrong_field(where, "a text or a list of parts", json::kind_name(content));
  }
  std::string out;
  for (size_t i = 0; i < content.get_array().size(); ++i) {
    const json::Value& part = content.get_array()[i];
    const std::string place = fmt::format("{}[{}]", where, i);
    if (!part.is_object()) return wrong_field(place, "an object", json::kind_name(part));
    Fields fields(part.get_object(), place + ".");
    const std::string type = TRY(fields.required_text("type"));
    if (type != "input_text" && type != "output_text" && type != "text" &&
        type != "reasoning_text" && type != "summary_text") {
      return unsupported_field(place + ".type", fmt::format("{}: only text", quoted(type)));
    }
    if (!out.empty()) out += '\n';
    out += TRY(fields.required_text("text"));
  }
  return out;
}

// Items become messages one by one; calls and reasoning join the assistant's message.
class Conversation {
 public:
  explicit Conversation(json::Array messages) : messages_(std::move(messages)) {}

  Status add(const json::Object& item, const std::string& where) {
    Fields fields(item, where + ".");
    const std::string type = TRY(fields.text("type")).value_or("message");
    if (type == "message") return add_message(fields, where);
    if (type == "function_call") return add_call(fields);
    if (type == "function_call_output") return add_output(fields, where);
    if (type == "reasoning") return add_reasoning(fields, where);
    return unsupported_field(where + ".type",
                             fmt::format("{}: this server knows message, function_call, "
                                         "function_call_output and reasoning", quoted(type)));
  }
  json::Array take() { return std::move(messages_); }

 private:
  Status add_message(Fields& fields, const std::string& where) {
    const std::string role = TRY(fields.required_text("role"));
    const json::Value* content = fields.any("content");
    fields.known({"id", "status", "phase", "parsed", "cache_control"});
    TRY(fields.finish());
    if (content == nullptr) return wrong_field(where + ".content", "a text or parts", "nothing");
    std::string text = TRY(text_of(*content, where + ".content"));
    if (role == "assistant") {
      json::Object& message = assistant(!open_has_text_);
      message["content"] = std::move(text);
      open_has_text_ = true;
      return ok_status();
    }
    if (role != "user" && role != "system" && role != "developer") {
      return wrong_field(where + ".role", "user, assistant, system or developer", quoted(role));
    }
    push({{"role", role}, {"content", std::move(text)}});
    return ok_status();
  }
  Status add_call(Fields& fields) {
    json::Object function{{"name", TRY(fields.required_text("name"))},
                          {"arguments", TRY(fields.required_text("arguments"))}};
    json::Object call{{"id", TRY(fields.required_text("call_id"))},
                      {"type", "function"},
                      {"function", std::move(function)}};
    fields.known({"id", "status", "namespace", "created_by", "parsed_arguments"});  // of clients
    TRY(fields.finish());
    json::Object& message = assistant(true);
    if (!message.contains("tool_calls")) message["tool_calls"] = json::Array();
    message["tool_calls"].as_array().push_back(std::move(call));
    return ok_status();
  }
  Status add_output(Fields& fields, const std::string& where) {
    const std::string call = TRY(fields.required_text("call_id"));
    if (!has_call(call)) {
      return wrong_field(where + ".call_id", "the call_id of a function_call before it",
                         quoted(call, 60));
    }
    const json::Value* output = fields.any("output");
    fields.known({"id", "status", "created_by"});
    TRY(fields.finish());
    if (output == nullptr) return wrong_field(where + ".output", "the output", "nothing");
    push({{"role", "tool"},
          {"tool_call_id", call},
          {"content", TRY(text_of(*output, where + ".output"))}});
    return ok_status();
  }
  Status add_reasoning(Fields& fields, const std::string& where) {
    const json::Value* content = fields.any("content");
    if (content == nullptr || !content->is_array() || content->get_array().empty()) {
      return ok_status();  // hidden reasoning of another server says nothing here
    }
    std::string text = TRY(text_of(*content, where + ".content"));
    assistant(false)["reasoning_content"] = std::move(text);
    return ok_status();
  }

  // Read once: what was there before, and each call as it comes.
  bool has_call(const std::string& id) {
    for (; known_ < messages_.size(); ++known_) add_call_ids(messages_[known_]);
    if (!messages_.empty()) add_call_ids(messages_.back());  // calls join an open message
    return call_ids_.contains(id);
  }
  void add_call_ids(const json::Value& message) {
    const json::Value* calls = message.as_object().if_contains("tool_calls");
    if (calls == nullptr || !calls->is_array()) return;
    for (const json::Value& call : calls->get_array()) {
      const json::Value* its = call.as_object().if_contains("id");
      if (its != nullptr && its->is_string()) call_ids_.emplace(its->get_string());
    }
  }
  // The assistant's message that is being put together, or (also if `join` is false) a new one.
  json::Object& assistant(bool join) {
    if (!join || !open_) push({{"role", "assistant"}, {"content", nullptr}});
    open_ = true;
    return messages_.back().as_object();
  }
  void push(json::Object message) {
    messages_.push_back(std::move(message));
    open_ = false;
    open_has_text_ = false;
  }

  json::Array messages_;
  size_t known_ = 0;                // of messages_, whose calls stand in call_ids_
  std::set<std::string> call_ids_;
  bool open_ = false;
  bool open_has_text_ = false;
};

Result<json::Array> items_of(Fields& fields) {
  const json::Value* input = fields.any("input");
  if (input == nullptr) return wrong_field("input", "a text or a list of items", "nothing");
  if (input->is_string()) {
    return json::Array{json::Object{
        {"type", "message"}, {"role", "user"}, {"content", input->get_string()}}};
  }
  if (!input->is_array()) {
    return wrong_field("input", "a text or a list of items", json::kind_name(*input));
  }
  if (input->get_array().empty() || input->get_array().size() > kItemsMax) {
    return wrong_field("input", fmt::format("1 to {} items", kItemsMax),
                       std::to_string(input->get_array().size()));
  }
  for (size_t i = 0; i < input->get_array().size(); ++i) {
    if (input->get_array()[i].is_object()) continue;
    return wrong_field(fmt::format("input[{}]", i), "an object",
                       json::kind_name(input->get_array()[i]));
  }
  return input->get_array();
}

// {type: function, name, parameters, …} -> {type: function, function: {…}}.
Status translate_tools(Fields& fields, json::Object& chat) {
  const json::Array* tools = TRY(fields.list("tools"));
  if (tools == nullptr) return ok_status();
  json::Array out;
  for (size_t i = 0; i < tools->size(); ++i) {
    const std::string where = fmt::format("tools[{}]", i);
    const json::Object* tool = (*tools)[i].if_object();
    if (tool == nullptr) return wrong_field(where, "an object", json::kind_name((*tools)[i]));
    const json::Value* type = tool->if_contains("type");
    if (type == nullptr || *type != "function") {
      return unsupported_field(where + ".type", "only functions: no tools run at this server");
    }
    if (tool->contains("function")) {
      out.push_back(*tool);
      continue;
    }
    json::Object function;
    for (const auto& [name, value] : *tool) {
      if (name != "type") function[name] = value;
    }
    out.push_back(json::Object{{"type", "function"}, {"function", std::move(function)}});
  }
  chat["tools"] = std::move(out);
  return ok_status();
}

// text: {format: {type, name, schema, strict}} -> response_format.
Status translate_format(Fields& fields, json::Object& chat) {
  const json::Object* text = TRY(fields.object("text"));
  if (text == nullptr) return ok_status();
  Fields inner(*text, "text.");
  const json::Object* format = TRY(inner.object("format"));
  inner.known({"verbosity"});
  TRY(inner.finish());
  if (format == nullptr) return ok_status();
  Fields members(*format, "text.format.");
  const std::string type = TRY(members.required_text("type"));
  if (type != "json_schema") {
    chat["response_format"] = *format;
    return ok_status();
  }
  const json::Value* schema = members.any("schema");
  if (schema == nullptr) return wrong_field("text.format.schema", "a JSON Schema", "nothing");
  members.known({"name", "strict", "description"});
  TRY(members.finish());
  json::Object named{{"schema", *schema}};
  named["name"] = TRY(members.text("name")).value_or("answer");
  chat["response_format"] =
      json::Object{{"type", "json_schema"}, {"json_schema", std::move(named)}};
  return ok_status();
}

// Errors name the member that the client wrote.
Error in_own_words(Error error) {
  constexpr std::string_view kChats = "response_format";
  if (error.message.starts_with(kChats)) error.message.replace(0, kChats.size(), "text.format");
  return error;
}

// What else the answer should hold. Those of OpenAI's own tools are never there, and reasoning is
// not encrypted here.
Status translate_include(Fields& fields, json::Object& chat) {
  static const std::vector<std::string> kIncludes = {
      "message.output_text.logprobs",          "reasoning.encrypted_content",
      "file_search_call.results",              "web_search_call.results",
      "web_search_call.action.sources",        "message.input_image.image_url",
      "computer_call_output.output.image_url", "code_interpreter_call.outputs"};
  for (const std::string& name : TRY(fields.texts("include", 100))) {
    if (std::ranges::find(kIncludes, name) == kIncludes.end()) {
      return make_error("E0750", fmt::format("include: {} is not known here", quoted(name, 60)),
                        name_hint(name, kIncludes));
    }
    if (name == kIncludes.front()) chat["logprobs"] = true;
  }
  if (TRY(fields.integer("top_logprobs", 0, 20)).value_or(0) > 0) chat["logprobs"] = true;
  return ok_status();
}

// What only a service with other means can do; the values that ask for nothing are welcome.
Status refuse_elsewhere(Fields& fields) {
  if (TRY(fields.boolean("background")).value_or(false)) {
    return unsupported_field("background", "answers are given at once");
  }
  for (const std::string_view name : {"conversation", "prompt"}) {
    if (fields.any(name) == nullptr) continue;
    return unsupported_field(name, "nothing of the kind is stored here; use previous_response_id");
  }
  if (const auto cut = TRY(fields.text("truncation")); cut && *cut != "disabled") {
    return unsupported_field("truncation", "a conversation that does not fit is an error");
  }
  fields.known({"max_tool_calls", "stream_options", "moderation"});
  return ok_status();
}

constexpr std::string_view kSameInChat[] = {
    "model",       "stream",           "temperature",      "top_p",
    "top_k",       "min_p",            "seed",             "stop",
    "tool_choice", "presence_penalty", "parallel_tool_calls", "frequency_penalty",
    "repetition_penalty", "chat_template_kwargs", "top_logprobs"};

constexpr std::string_view kEchoed[] = {
    "instructions", "max_output_tokens", "metadata",    "model", "parallel_tool_calls", "reasoning",
    "temperature",  "text",              "tool_choice", "tools", "top_p",               "user"};

}  // namespace

Result<std::string> previous_response_of(const json::Object& body) {
  Fields fields(body);
  return TRY(fields.text("previous_response_id")).value_or("");
}

Result<ResponsesParameters> parse_responses_request(const json::Object& body,
                                                    const json::Array& history) {
  ResponsesParameters out;
  Fields fields(body);
  json::Object chat;
  for (const std::string_view name : kSameInChat) {
    if (const json::Value* value = fields.any(name)) chat[name] = *value;
  }
  if (const auto tokens = TRY(fields.integer("max_output_tokens", 1, int64_t{1} << 30))) {
    chat["max_tokens"] = *tokens;
  }
  TRY(translate_include(fields, chat));
  TRY(translate_tools(fields, chat));
  TRY(translate_format(fields, chat));
  for (const std::string_view name : text::thinking_fields()) {
    if (const json::Value* value = fields.any(name)) chat[name] = *value;
  }
  TRY(refuse_elsewhere(fields));
  out.previous = TRY(previous_response_of(body));
  out.store = TRY(fields.boolean("store")).value_or(true);
  out.input = TRY(items_of(fields));
  Conversation conversation(history);
  for (size_t i = 0; i < out.input.size(); ++i) {
    json::Object& item = out.input[i].as_object();
    TRY(conversation.add(item, fmt::format("input[{}]", i)));
    if (!item.contains("type")) item["type"] = "message";
  }
  out.conversation = conversation.take();
  json::Array messages = out.conversation;
  if (const auto instructions = TRY(fields.text("instructions"))) {
    messages.insert(messages.begin(),
                    json::Object{{"role", "system"}, {"content", *instructions}});
  }
  chat["messages"] = std::move(messages);
  fields.known({"previous_response_id"});
  TRY(ignore_harmless(fields));
  TRY(fields.finish());
  auto parsed = parse_chat_request(chat);
  if (!parsed.ok()) return in_own_words(std::move(parsed).error());
  out.chat = *std::move(parsed);
  if (!out.chat.include_reasoning) {
    return unsupported_field("reasoning.exclude", "reasoning is an item of its own here");
  }
  if (out.chat.form == "response_format") out.chat.form = "text.format";
  for (const std::string_view name : kEchoed) {
    if (const json::Value* value = fields.any(name)) out.echo[name] = *value;
  }
  return out;
}

}  // namespace weft::server
