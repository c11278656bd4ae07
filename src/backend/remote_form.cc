// SPDX-License-Identifier: Apache-2.0
#include "backend/remote_form.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/strings.h"
#include "chat/verbatim.h"

namespace weft::backend {
namespace {

struct KindName {
  RemoteKind kind;
  std::string_view name;
};
constexpr KindName kKindNames[] = {{RemoteKind::kOpenAi, "openai"},
                                   {RemoteKind::kVllm, "vllm"},
                                   {RemoteKind::kSglang, "sglang"},
                                   {RemoteKind::kLlamaCpp, "llama.cpp"},
                                   {RemoteKind::kWeft, "weft"}};

constexpr int kSchemaDepth = 64;

// OpenAI's strict mode takes only objects that are closed and require all their members.
bool is_strict(const json::Value& schema, int depth = 0) {
  if (depth > kSchemaDepth) return false;
  if (schema.is_array()) {
    return std::ranges::all_of(schema.get_array(), [&](const json::Value& one) {
      return is_strict(one, depth + 1);
    });
  }
  if (!schema.is_object()) return true;
  const json::Object& keywords = schema.get_object();
  if (const json::Value* properties = keywords.if_contains("properties")) {
    const json::Value* more = keywords.if_contains("additionalProperties");
    const json::Value* required = keywords.if_contains("required");
    if (!properties->is_object() || more == nullptr || *more != false || required == nullptr ||
        !required->is_array() ||
        required->get_array().size() != properties->get_object().size()) {
      return false;
    }
  }
  return std::ranges::all_of(keywords, [&](const auto& member) {
    return is_strict(member.value(), depth + 1);
  });
}

// Our messages keep the arguments of calls as objects; others expect their text.
json::Array spelled_messages(const json::Array& messages) {
  json::Array out = messages;
  for (json::Value& message : out) {
    if (!message.is_object()) continue;
    json::Value* calls = message.get_object().if_contains("tool_calls");
    if (calls == nullptr || !calls->is_array()) continue;
    for (json::Value& call : calls->get_array()) {
      if (!call.is_object()) continue;
      json::Value* function = call.get_object().if_contains("function");
      if (function == nullptr || !function->is_object()) continue;
      json::Value* arguments = function->get_object().if_contains("arguments");
      if (arguments != nullptr && !arguments->is_string()) *arguments = json::dump(*arguments);
    }
  }
  return out;
}

// As the engine of this process tells it (chat/message.h).
void tell_schema(json::Array& messages, const json::Value& schema) {
  const std::string line =
      "Answer with JSON that matches this schema:\n" + json::dump(schema, {.spaces = true});
  for (json::Value& message : messages) {
    if (!message.is_object()) continue;
    json::Object& object = message.get_object();
    const json::Value* role = object.if_contains("role");
    json::Value* content = object.if_contains("content");
    if (role == nullptr || *role != "system" || content == nullptr || !content->is_string()) {
      continue;
    }
    const std::string said(trim(content->get_string()));
    *content = said.empty() ? line : said + "\n\n" + line;
    return;
  }
  messages.insert(messages.begin(), json::Object{{"role", "system"}, {"content", line}});
}

Error cannot_hold(RemoteKind kind, std::string_view what) {
  return make_error("E0770", fmt::format("{} servers cannot hold an answer to {}", name_of(kind),
                                         what),
                    "say the form as a JSON Schema, or use a model of this process");
}

class Form {
 public:
  Form(RemoteKind kind, const ChatRequest& request) : kind_(kind), request_(request) {}

  Result<RemoteForm> make(const std::string& model) {
    body()["model"] = model;
    body()["messages"] = spelled_messages(request_.messages);
    body()["stream"] = true;
    body()["stream_options"] = json::Object{{"include_usage", true}};
    const bool openai = kind_ == RemoteKind::kOpenAi;
    body()[openai ? "max_completion_tokens" : "max_tokens"] = request_.max_tokens;
    add_sampling();
    add_tools();
    add_thinking();
    TRY(add_answer());
    return std::move(out_);
  }

 private:
  json::Object& body() { return out_.body; }
  void not_held(std::string_view what) {
    out_.not_held.push_back(fmt::format("{}: {} has no such parameter", what, name_of(kind_)));
  }
  template <class T>
  void set(std::string_view name, const std::optional<T>& value) {
    if (value) body()[name] = *value;
  }
  // Samplers that OpenAI's API does not have and the open servers do.
  template <class T>
  void set_open(std::string_view name, const std::optional<T>& value) {
    if (!value) return;
    if (kind_ == RemoteKind::kOpenAi) return not_held(name);
    body()[name] = *value;
  }

  void add_sampling() {
    set("temperature", request_.temperature);
    set("top_p", request_.top_p);
    set("presence_penalty", request_.presence_penalty);
    set("frequency_penalty", request_.frequency_penalty);
    set_open("top_k", request_.top_k);
    set_open("min_p", request_.min_p);
    set_open(kind_ == RemoteKind::kLlamaCpp ? "repeat_penalty" : "repetition_penalty",
             request_.repetition_penalty);
    if (request_.seed != 0) body()["seed"] = static_cast<int64_t>(request_.seed >> 1);
    if (!request_.stop.empty()) {
      json::Array stop;
      for (const std::string& text : request_.stop) stop.emplace_back(text);
      body()["stop"] = std::move(stop);
    }
    // Probabilities of chosen values mean something only where they are those of allowed tokens.
    const bool chosen = kind_ == RemoteKind::kWeft && !request_.output_schema.is_null();
    if (request_.logprobs || chosen) body()["logprobs"] = true;
    if (request_.logprobs && request_.top_logprobs > 0) {
      body()["top_logprobs"] = request_.top_logprobs;
    }
    if (kind_ == RemoteKind::kWeft) {
      set("deadline_ms", request_.deadline_ms);
      if (request_.priority != 0) body()["priority"] = request_.priority;
    }
    if (kind_ == RemoteKind::kWeft || kind_ == RemoteKind::kVllm) {
      if (!request_.cache_salt.empty()) body()["cache_salt"] = request_.cache_salt;
    }
  }

  void add_tools() {
    if (request_.tools.empty()) return;
    body()["tools"] = kind_ == RemoteKind::kWeft ? request_.tools
                                                 : chat::tools_without_verbatim(request_.tools);
    if (!request_.tool_choice.is_null()) body()["tool_choice"] = request_.tool_choice;
    if (!request_.parallel_tool_calls) body()["parallel_tool_calls"] = false;
  }

  void add_thinking() {
    const auto budget = request_.thinking_budget_tokens;
    const bool off = request_.thinking == Thinking::kOff || budget == 0;
    const bool on = !off && request_.thinking == Thinking::kOn;
    if (kind_ == RemoteKind::kOpenAi) return add_effort(off, on);
    if (off || on) {
      body()["chat_template_kwargs"] = json::Object{{"enable_thinking", on}};
    }
    if (kind_ == RemoteKind::kLlamaCpp) body()["reasoning_format"] = "deepseek";
    if (kind_ == RemoteKind::kSglang) body()["separate_reasoning"] = true;
    if (off || !budget) return;
    switch (kind_) {
      case RemoteKind::kVllm:
      case RemoteKind::kWeft:
        body()["thinking_token_budget"] = *budget;
        return;
      case RemoteKind::kLlamaCpp:  // its trees differ in the name
        body()["thinking_budget_tokens"] = *budget;
        body()["reasoning_budget_tokens"] = *budget;
        return;
      case RemoteKind::kOpenAi:
      case RemoteKind::kSglang:
        return not_held("thinking_budget_tokens");
    }
  }

  // Efforts are all that can be said there: a budget chooses the one that is usually enough.
  void add_effort(bool off, bool on) {
    const auto budget = request_.thinking_budget_tokens;
    if (off) {
      body()["reasoning_effort"] = "none";
    } else if (on || budget) {
      const int64_t tokens = budget.value_or(4096);
      body()["reasoning_effort"] = tokens <= 1024 ? "low" : tokens <= 8192 ? "medium" : "high";
      if (budget) not_held("thinking_budget_tokens");
    }
  }

  Status add_answer() {
    const int forms = (request_.output_schema.is_null() ? 0 : 1) + (request_.regex ? 1 : 0) +
                      (request_.choice.empty() ? 0 : 1) + (request_.ebnf ? 1 : 0);
    if (forms > 1) {
      return make_error("E0712", "the form of the answer is given more than once",
                        "one of output, regex, choice and grammar");
    }
    if (!request_.output_schema.is_null()) TRY(add_schema());
    if (request_.regex) return add_regex(*request_.regex);
    if (request_.ebnf) return add_grammar(*request_.ebnf);
    if (!request_.choice.empty()) return add_choice();
    return ok_status();
  }

  // Another weft fills fields that must be copied itself. Servers with a grammar of their own are
  // given what can be chosen from; the others are told nothing, and the step judges the answer.
  Result<json::Value> held_schema() {
    const json::Value& schema = request_.output_schema;
    if (kind_ == RemoteKind::kWeft || !chat::asks_verbatim(schema)) return schema;
    if (kind_ != RemoteKind::kOpenAi) return chat::bound_to(schema, request_.messages);
    out_.not_held.push_back(fmt::format("output: {} is judged afterwards", chat::kVerbatim));
    return chat::without_verbatim(schema);
  }

  Status add_schema() {
    const json::Value schema = TRY(held_schema());
    json::Object named{{"name", "answer"}, {"schema", schema}};
    if (kind_ == RemoteKind::kOpenAi) {
      const bool strict = is_strict(schema);
      named["strict"] = strict;
      if (!strict) {
        out_.not_held.push_back("output: the schema is only told, since strict mode needs closed "
                                "objects whose members are all required");
      }
    }
    body()["response_format"] =
        json::Object{{"type", "json_schema"}, {"json_schema", std::move(named)}};
    // OpenAI's server and weft tell the model themselves.
    if (kind_ != RemoteKind::kOpenAi && kind_ != RemoteKind::kWeft) {
      tell_schema(body()["messages"].as_array(), chat::without_verbatim(request_.output_schema));
    }
    return ok_status();
  }

  Status add_regex(const std::string& regex) {
    switch (kind_) {
      case RemoteKind::kVllm:
      case RemoteKind::kWeft:
        body()["structured_outputs"] = json::Object{{"regex", regex}};
        return ok_status();
      case RemoteKind::kSglang:
        body()["regex"] = regex;
        return ok_status();
      case RemoteKind::kOpenAi:
      case RemoteKind::kLlamaCpp:
        break;
    }
    return cannot_hold(kind_, "a regular expression");
  }

  Status add_grammar(const std::string& grammar) {
    switch (kind_) {
      case RemoteKind::kVllm:
      case RemoteKind::kWeft:
        body()["structured_outputs"] = json::Object{{"grammar", grammar}};
        return ok_status();
      case RemoteKind::kSglang:
        body()["ebnf"] = grammar;
        return ok_status();
      case RemoteKind::kLlamaCpp:
        body()["grammar"] = grammar;
        return ok_status();
      case RemoteKind::kOpenAi:
        break;
    }
    return cannot_hold(kind_, "a grammar");
  }

  Status add_choice() {
    json::Array choices;
    for (const std::string& one : request_.choice) choices.emplace_back(one);
    switch (kind_) {
      case RemoteKind::kVllm:
      case RemoteKind::kWeft:
        body()["structured_outputs"] = json::Object{{"choice", std::move(choices)}};
        return ok_status();
      case RemoteKind::kSglang:
        body()["regex"] = regex_of_choices(request_.choice);
        return ok_status();
      case RemoteKind::kLlamaCpp: {
        std::string grammar = "root ::= ";
        for (size_t i = 0; i < choices.size(); ++i) {
          grammar += (i == 0 ? "" : " | ") + json::dump(choices[i]);
        }
        body()["grammar"] = std::move(grammar);
        return ok_status();
      }
      case RemoteKind::kOpenAi:
        break;
    }
    return cannot_hold(kind_, "a list of choices");
  }

  const RemoteKind kind_;
  const ChatRequest& request_;
  RemoteForm out_;
};

}  // namespace

Result<RemoteKind> remote_kind_of(std::string_view name) {
  std::vector<std::string> names;
  for (const KindName& one : kKindNames) {
    if (one.name == name) return one.kind;
    names.emplace_back(one.name);
  }
  return make_error("E0773", fmt::format("{} is no kind of server; there are {}", quoted(name),
                                         join(names, ", ")),
                    name_hint(name, names));
}

std::string_view name_of(RemoteKind kind) {
  for (const KindName& one : kKindNames) {
    if (one.kind == kind) return one.name;
  }
  CHECK(false, "a kind without a name");
  return {};
}

Result<RemoteForm> remote_form(RemoteKind kind, const std::string& model,
                               const ChatRequest& request) {
  if (request.max_tokens < 1) {
    return make_error("E0712", fmt::format("max_tokens: expected at least 1, found {}",
                                           request.max_tokens));
  }
  return Form(kind, request).make(model);
}

std::string regex_of_choices(const std::vector<std::string>& choices) {
  std::string out = "(";
  for (size_t i = 0; i < choices.size(); ++i) {
    if (i > 0) out += '|';
    for (const char c : choices[i]) {
      if (std::string_view("\\.^$|?*+()[]{}-").find(c) != std::string_view::npos) out += '\\';
      out += c;
    }
  }
  return out + ")";
}

}  // namespace weft::backend
