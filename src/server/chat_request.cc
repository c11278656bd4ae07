// SPDX-License-Identifier: Apache-2.0
#include "server/chat_request.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>

#include "base/strings.h"
#include "text/thinking.h"

namespace weft::server {
namespace {

constexpr size_t kStopsMax = 16;
constexpr size_t kChoiceTextsMax = 4096;
constexpr size_t kMessagesMax = 10'000;
constexpr int64_t kPriorityMax = 1'000'000;
constexpr int64_t kDeadlineMax = int64_t{1000} * 3600 * 24;
constexpr int64_t kTokensMax = int64_t{1} << 30;

// A literal `extra_body` is what people paste out of examples for OpenAI's Python client, which
// unwraps it before sending. Said in a header, because elsewhere it is ignored without a word.
Result<json::Object> unwrapped(const json::Object& body, std::string& warning) {
  const json::Value* extra = body.if_contains("extra_body");
  if (extra == nullptr) return body;
  if (!extra->is_object()) return wrong_field("extra_body", "an object", json::kind_name(*extra));
  json::Object out = body;
  out.stable_erase(out.find("extra_body"));
  for (const auto& [name, value] : extra->get_object()) {
    if (out.contains(name)) {
      return make_error("E0750", fmt::format("extra_body.{}: stands in the request too",
                                             std::string_view(name)));
    }
    out[name] = value;
  }
  warning = "extra_body belongs to the Python client; its members were read as the request's own";
  return out;
}

// Template variables other than those of thinking would change the prompt behind the API's back.
Status check_template_kwargs(Fields& fields) {
  const json::Object* kwargs = TRY(fields.object("chat_template_kwargs"));
  if (kwargs == nullptr) return ok_status();
  const auto variables = text::thinking_variables();
  for (const auto& [name, value] : *kwargs) {
    if (std::ranges::find(variables, std::string_view(name)) == variables.end()) {
      return unsupported_field(fmt::format("chat_template_kwargs.{}", std::string_view(name)),
                               "only variables about thinking are passed on to the template");
    }
  }
  return ok_status();
}

// {type: "json_schema", json_schema: {name, schema}}; llama.cpp's form has the schema beside type.
Status read_response_format(Fields& fields, backend::ChatRequest& request) {
  const json::Object* format = TRY(fields.object("response_format"));
  if (format == nullptr) return ok_status();
  Fields inner(*format, "response_format.");
  const std::string type = TRY(inner.required_text("type"));
  const json::Value* schema = inner.any("schema");
  const json::Object* named = TRY(inner.object("json_schema"));
  TRY(inner.finish());
  if (named != nullptr) {
    Fields more(*named, "response_format.json_schema.");
    if (schema != nullptr && more.any("schema") != nullptr) {
      return make_error("E0750", "response_format.schema: the schema is given by "
                                 "response_format.json_schema.schema already");
    }
    if (schema == nullptr) schema = more.any("schema");
    TRY(more.text("name"));
    TRY(more.text("description"));
    TRY(more.boolean("strict"));
    TRY(more.finish());
  }
  if (type == "text") {
    if (schema == nullptr && named == nullptr) return ok_status();
    return unsupported_field(named ? "response_format.json_schema" : "response_format.schema",
                             "the type text has no schema; json_schema has one");
  }
  if (type == "json_object") {
    request.output_schema = json::Object{{"type", "object"}};
    if (schema != nullptr) request.output_schema = *schema;
    return ok_status();
  }
  if (type != "json_schema") {
    return wrong_field("response_format.type", "text, json_object or json_schema", quoted(type));
  }
  if (schema == nullptr) {
    return wrong_field("response_format.json_schema.schema", "a JSON Schema", "nothing");
  }
  request.output_schema = *schema;
  return ok_status();
}

// A form of the answer under one of its names. Which of several binds is not guessed.
class AnswerForms {
 public:
  explicit AnswerForms(backend::ChatRequest& request) : request_(request) {
    if (!request.output_schema.is_null()) first_ = "response_format";
  }
  // Names of one family of members; `where` stands before them, as in "structured_outputs.".
  struct Names {
    std::string_view schema, regex, choice, ebnf, where = {};
  };
  Status read(Fields& fields, const Names& names) {
    if (const json::Value* schema = fields.any(names.schema)) {
      TRY(claim(names.where, names.schema));
      request_.output_schema = *schema;
      if (schema->is_string()) {  // some clients send the schema as JSON text
        auto parsed = json::parse(schema->get_string());
        if (!parsed.ok()) return in_context(std::move(parsed).error(), first_);
        request_.output_schema = *std::move(parsed);
      }
    }
    if (const auto pattern = TRY(fields.text(names.regex))) {
      TRY(claim(names.where, names.regex));
      request_.regex = *pattern;
    }
    if (const json::Array* list = TRY(fields.list(names.choice)); list && !list->empty()) {
      TRY(claim(names.where, names.choice));
      request_.choice = TRY(fields.texts(names.choice, kChoiceTextsMax));
    }
    if (const auto grammar = TRY(fields.text(names.ebnf)); grammar && !grammar->empty()) {
      TRY(claim(names.where, names.ebnf));
      request_.ebnf = *grammar;
    }
    return ok_status();
  }
  const std::string& given() const { return first_; }

 private:
  Status claim(std::string_view where, std::string_view name) {
    const std::string place = std::string(where) + std::string(name);
    if (!first_.empty()) {
      return make_error("E0750", fmt::format("{}: the form of the answer is given by {} already",
                                             place, first_));
    }
    first_ = place;
    return ok_status();
  }
  backend::ChatRequest& request_;
  std::string first_;
};

// The member that gives the form; empty: there is none.
Result<std::string> read_answer_form(Fields& fields, backend::ChatRequest& request) {
  TRY(read_response_format(fields, request));
  AnswerForms forms(request);
  TRY(forms.read(fields, {"guided_json", "guided_regex", "guided_choice", "guided_grammar"}));
  TRY(forms.read(fields, {"json_schema", "regex", "choice", "grammar"}));
  const json::Object* structured = TRY(fields.object("structured_outputs"));
  if (structured == nullptr) return forms.given();
  Fields inner(*structured, "structured_outputs.");
  TRY(forms.read(inner, {"json", "regex", "choice", "grammar", "structured_outputs."}));
  TRY(inner.finish());
  return forms.given();
}

// Whether somebody asks for a tool in it.
bool has_calls(const json::Object& message) {
  const json::Value* calls = message.if_contains("tool_calls");
  return calls != nullptr && calls->is_array() && !calls->get_array().empty();
}

// Members of a message. What answers have and clients give back says nothing to a model; what is
// inside those that do is the prompt's to read.
Status check_messages(const json::Array& messages) {
  bool called = false;
  for (size_t i = 0; i < messages.size(); ++i) {
    const json::Object* message = messages[i].if_object();
    if (message == nullptr) continue;
    const std::string where = fmt::format("messages[{}].", i);
    Fields fields(*message, where);
    fields.known({"role", "content", "name", "tool_calls", "tool_call_id", "reasoning",
                  "reasoning_content", "reasoning_details", "thinking_blocks",
                  "provider_specific_fields", "extra_content", "refusal", "annotations", "parsed",
                  "id", "type", "status", "cache_control"});
    for (const std::string_view name : {"function_call", "audio"}) {
      if (fields.any(name) == nullptr) continue;
      return unsupported_field(where + std::string(name),
                               name == "audio" ? "only text" : "tool_calls replace it");
    }
    TRY(fields.finish());
    const json::Value* role = message->if_contains("role");
    called = called || has_calls(*message);
    if (called || role == nullptr || *role != "tool") continue;
    return make_error("E0740", fmt::format("messages[{}]: expected an assistant message with "
                                           "tool_calls before a tool message, found none", i),
                      "send the whole conversation: what was asked, the answer with its calls, "
                      "then what the tools returned");
  }
  return ok_status();
}

Status read_tools(Fields& fields, backend::ChatRequest& request) {
  if (const json::Array* tools = TRY(fields.list("tools"))) request.tools = *tools;
  if (const json::Value* choice = fields.any("tool_choice")) request.tool_choice = *choice;
  request.parallel_tool_calls = TRY(fields.boolean("parallel_tool_calls")).value_or(true);
  // What these replaced is OpenAI's first form of tools.
  for (const std::string_view old : {"functions", "function_call"}) {
    if (fields.any(old) == nullptr) continue;
    return unsupported_field(old, "tools and tool_choice replace it");
  }
  return ok_status();
}

Status read_logprobs(Fields& fields, backend::ChatRequest& request) {
  request.logprobs = TRY(fields.boolean("logprobs")).value_or(false);
  const auto top = TRY(fields.integer("top_logprobs", 0, 20));
  if (top.value_or(0) > 0 && !request.logprobs) {
    return wrong_field("top_logprobs", "logprobs: true beside it", "no logprobs");
  }
  request.top_logprobs = static_cast<int>(top.value_or(0));
  return ok_status();
}

Status read_thinking(const json::Object& body, Fields& fields, backend::ChatRequest& request) {
  const text::ThinkingRequest thinking = TRY(text::parse_thinking(body));
  fields.known(text::thinking_fields());
  request.thinking = thinking.mode;
  request.thinking_budget_tokens = thinking.budget_tokens;
  return check_template_kwargs(fields);
}

// Whether the reply shows what was thought; all of its names must agree to that.
Result<bool> shows_reasoning(const json::Object& body, Fields& fields) {
  const bool included = TRY(fields.boolean("include_reasoning")).value_or(true);
  const bool separate = TRY(fields.boolean("separate_reasoning")).value_or(true);
  const json::Value* reasoning = body.if_contains("reasoning");
  if (reasoning == nullptr || !reasoning->is_object()) return included && separate;
  Fields inner(reasoning->get_object(), "reasoning.");
  return included && separate && !TRY(inner.boolean("exclude")).value_or(false);
}

// A field that is supported with one value only.
struct Fixed {
  std::string_view name;
  json::Value value;
};

bool changes_nothing(const json::Value& found, const json::Value& fixed) {
  if (found == fixed) return true;
  if (found.is_structured()) {
    return found.is_array() ? found.get_array().empty() : found.get_object().empty();
  }
  const bool numbers = found.is_number() && fixed.is_number();
  return numbers && found.to_number<double>() == fixed.to_number<double>();
}

}  // namespace

Result<bool> read_sampling(Fields& fields, backend::ChatRequest& request) {
  const auto tokens = TRY(fields.integer("max_tokens", 1, kTokensMax));
  const auto completion = TRY(fields.integer("max_completion_tokens", 1, kTokensMax));
  if (tokens && completion && *tokens != *completion) {
    return wrong_field("max_completion_tokens", fmt::format("{}, as max_tokens says", *tokens),
                       std::to_string(*completion));
  }
  request.max_tokens = completion.value_or(tokens.value_or(kDefaultMaxTokens));
  request.temperature = TRY(fields.number("temperature", 0, 2));
  request.top_p = TRY(fields.number("top_p", 0, 1));
  // 0 means "the most probable only" where it is accepted at all.
  if (request.top_p) request.top_p = std::max(*request.top_p, 1e-6);
  request.top_k = TRY(fields.integer("top_k", -1, kTokensMax));
  if (request.top_k == -1) request.top_k = 0;  // as vLLM writes "all"
  request.min_p = TRY(fields.number("min_p", 0, 1));
  request.repetition_penalty = TRY(fields.number("repetition_penalty", 0.01, 100));
  request.presence_penalty = TRY(fields.number("presence_penalty", -2, 2));
  request.frequency_penalty = TRY(fields.number("frequency_penalty", -2, 2));
  request.stop = TRY(fields.texts("stop", kStopsMax));
  constexpr int64_t kSeedMax = std::numeric_limits<int64_t>::max();
  const auto seed = TRY(fields.integer("seed", -kSeedMax, kSeedMax));
  request.seed = static_cast<uint64_t>(seed.value_or(0));
  // vLLM's names: there, lower comes first.
  request.priority = -static_cast<int>(
      TRY(fields.integer("priority", -kPriorityMax, kPriorityMax)).value_or(0));
  request.cache_salt = TRY(fields.text("cache_salt")).value_or("");
  request.deadline_ms = TRY(fields.integer("deadline_ms", 1, kDeadlineMax));
  return seed.has_value();
}

Result<StreamOptions> read_stream_options(Fields& fields) {
  StreamOptions out;
  out.stream = TRY(fields.boolean("stream")).value_or(false);
  const json::Object* options = TRY(fields.object("stream_options"));
  if (options == nullptr) return out;
  if (!out.stream) return wrong_field("stream_options", "stream: true beside it", "no stream");
  Fields inner(*options, "stream_options.");
  out.include_usage = TRY(inner.boolean("include_usage")).value_or(false);
  out.usage_so_far = TRY(inner.boolean("continuous_usage_stats")).value_or(false);
  if (out.usage_so_far && !out.include_usage) {
    return wrong_field("stream_options.continuous_usage_stats", "include_usage: true beside it",
                       "none");
  }
  TRY(inner.boolean("include_obfuscation"));
  TRY(inner.finish());
  return out;
}

Status ignore_harmless(Fields& fields) {
  TRY(fields.text("user"));
  TRY(fields.object("metadata"));
  // About whom, why, and how the server should go about it; none changes which tokens are right.
  fields.known({"store", "service_tier", "safety_identifier",
                "prompt_cache_key", "prompt_cache_retention", "prediction", "request_id",
                "session_id", "cache_salt", "cache_prompt", "priority", "stream_interval",
                "sse_ping_interval", "id_slot", "return_progress", "timings_per_token",
                "spaces_between_special_tokens"});
  return ok_status();
}

Status refuse_unsupported(Fields& fields) {
  static const std::array kFixed = {
      Fixed{"logit_bias", json::Object()},       Fixed{"min_tokens", 0},
      Fixed{"ignore_eos", false},                Fixed{"bad_words", json::Array()},
      Fixed{"stop_token_ids", json::Array()},    Fixed{"allowed_token_ids", json::Array()},
      Fixed{"include_stop_str_in_output", false}, Fixed{"use_beam_search", false},
      Fixed{"best_of", 1},                       Fixed{"prompt_logprobs", 0},
      Fixed{"truncate_prompt_tokens", -1},       Fixed{"return_token_ids", false},
      Fixed{"return_tokens_as_token_ids", false}, Fixed{"logprob_token_ids", json::Array()},
      Fixed{"repetition_detection", nullptr},    Fixed{"length_penalty", 1.0},
      Fixed{"typical_p", 1.0},                   Fixed{"lora", json::Array()},
      Fixed{"reasoning_format", "deepseek"},     Fixed{"echo", false},
      Fixed{"mirostat", 0},                      Fixed{"skip_special_tokens", true},
  };
  for (const Fixed& fixed : kFixed) {
    const json::Value* found = fields.any(fixed.name);
    if (found != nullptr && !changes_nothing(*found, fixed.value)) {
      return unsupported_field(fixed.name, "not supported by this server");
    }
  }
  return ok_status();
}

Result<ChatParameters> parse_chat_request(const json::Object& given) {
  ChatParameters out;
  const json::Object body = TRY(unwrapped(given, out.warning));
  Fields fields(body);
  out.request.model = TRY(fields.required_text("model"));
  const json::Array* messages = TRY(fields.list("messages"));
  if (messages == nullptr) return wrong_field("messages", "a list of messages", "nothing");
  if (messages->empty() || messages->size() > kMessagesMax) {
    return wrong_field("messages", fmt::format("1 to {} messages", kMessagesMax),
                       std::to_string(messages->size()));
  }
  TRY(check_messages(*messages));
  out.request.messages = *messages;
  out.seeded = TRY(read_sampling(fields, out.request));
  out.choices = static_cast<int>(TRY(fields.integer("n", 1, kChoicesMax)).value_or(1));
  TRY(read_logprobs(fields, out.request));
  out.streaming = TRY(read_stream_options(fields));
  TRY(read_thinking(body, fields, out.request));
  out.include_reasoning = TRY(shows_reasoning(body, fields));
  out.form = TRY(read_answer_form(fields, out.request));
  TRY(read_tools(fields, out.request));
  if (const json::Array* modalities = TRY(fields.list("modalities"))) {
    for (const json::Value& kind : *modalities) {
      if (kind != "text") return unsupported_field("modalities", "only text");
    }
  }
  if (!TRY(fields.boolean("add_generation_prompt")).value_or(true) ||
      TRY(fields.boolean("continue_final_message")).value_or(false)) {
    return unsupported_field("continue_final_message", "an answer is a message of its own here");
  }
  fields.known({"verbosity"});
  TRY(ignore_harmless(fields));
  TRY(refuse_unsupported(fields));
  TRY(fields.finish());
  return out;
}

}  // namespace weft::server
