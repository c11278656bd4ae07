// SPDX-License-Identifier: Apache-2.0
#include "server/responses_reply.h"

#include <fmt/format.h>

#include "server/openai_error.h"

namespace weft::server {
namespace {

using backend::ChatDelta;
using backend::ChatResult;

json::Object text_part(std::string_view text, json::Array logprobs) {
  return {{"type", "output_text"}, {"text", text}, {"annotations", json::Array()},
          {"logprobs", std::move(logprobs)}};
}

json::Object reasoning_part(std::string_view text) {
  return {{"type", "reasoning_text"}, {"text", text}};
}

// Text before a call is whole.
std::string_view text_status(const ChatResult& result) {
  const bool cut = result.finish_reason == "length" && result.calls.empty();
  return cut ? "incomplete" : "completed";
}

json::Object usage_form(const ChatResult& result) {
  const int64_t output = result.tokens.reasoning + result.tokens.answer;
  return {{"input_tokens", result.tokens.prompt},
          {"input_tokens_details", json::Object{{"cached_tokens", result.tokens.cached}}},
          {"output_tokens", output},
          {"output_tokens_details", json::Object{{"reasoning_tokens", result.tokens.reasoning}}},
          {"total_tokens", result.tokens.prompt + output}};
}

}  // namespace

ResponsesForm::ResponsesForm(ReplyHead head, json::Object echo, Finished finished,
                             int top_logprobs)
    : head_(std::move(head)), echo_(std::move(echo)), finished_(std::move(finished)),
      top_logprobs_(top_logprobs), seed_(head_.id.substr(head_.id.find('_') + 1)) {}

void ResponsesForm::set_facts(const backend::ModelFacts& facts) {
  head_.fingerprint = facts.fingerprint;
}

json::Object ResponsesForm::response(std::string_view status) const {
  json::Object out{{"id", head_.id}, {"object", "response"}, {"created_at", head_.created},
                   {"status", status}};
  out["background"] = false;
  out["error"] = nullptr;
  out["incomplete_details"] = nullptr;
  for (const char* name : {"instructions", "max_output_tokens", "previous_response_id", "user"}) {
    out[name] = nullptr;
  }
  out["metadata"] = json::Object();
  out["model"] = head_.model;
  out["output"] = json::Array();
  out["parallel_tool_calls"] = true;
  out["reasoning"] = json::Object{{"effort", nullptr}, {"summary", nullptr}};
  out["temperature"] = nullptr;
  out["text"] = json::Object{{"format", json::Object{{"type", "text"}}}};
  out["tool_choice"] = "auto";
  out["tools"] = json::Array();
  out["top_p"] = nullptr;
  out["truncation"] = "disabled";
  out["usage"] = nullptr;
  for (const auto& [name, value] : echo_) out[name] = value;
  if (!head_.fingerprint.empty()) out["system_fingerprint"] = head_.fingerprint;
  return out;
}

json::Object ResponsesForm::reasoning_item(std::string_view text, std::string_view status) const {
  json::Array content;
  if (!text.empty()) content.push_back(reasoning_part(text));
  return {{"id", "rs_" + seed_}, {"type", "reasoning"}, {"status", status},
          {"summary", json::Array()}, {"content", std::move(content)}};
}

json::Array ResponsesForm::logprobs_of(std::span<const backend::GeneratedToken> tokens) const {
  return top_logprobs_ < 0 ? json::Array() : content_logprobs(tokens, top_logprobs_);
}

json::Object ResponsesForm::message_item(std::string_view text, std::string_view status,
                                         json::Array logprobs) const {
  json::Array content;
  if (status != "in_progress") content.push_back(text_part(text, std::move(logprobs)));
  return {{"id", "msg_" + seed_}, {"type", "message"}, {"status", status},
          {"role", "assistant"}, {"content", std::move(content)}};
}

json::Object ResponsesForm::call_item(const chat::CallPiece& call) const {
  const json::Object shown = reply_tool_call(call, "call_" + seed_);
  return {{"id", fmt::format("fc_{}_{}", seed_, call.index)},
          {"type", "function_call"},
          {"status", call.done ? "completed" : "incomplete"},
          {"call_id", shown.at("id")},
          {"name", call.name},
          {"arguments", call.arguments}};
}

json::Array ResponsesForm::output_of(const ChatResult& result) const {
  json::Array out;
  if (!result.reasoning.empty()) out.push_back(reasoning_item(result.reasoning, "completed"));
  if (!result.content.empty() || result.calls.empty()) {
    out.push_back(message_item(result.content, text_status(result),
                               logprobs_of(result.generated)));
  }
  for (const chat::CallPiece& call : result.calls) out.push_back(call_item(call));
  return out;
}

json::Object ResponsesForm::message_of(const ChatResult& result) const {
  json::Object message{{"role", "assistant"}};
  message["content"] = result.content.empty() ? json::Value() : json::Value(result.content);
  if (!result.reasoning.empty()) message["reasoning_content"] = result.reasoning;
  json::Array calls;
  for (const chat::CallPiece& call : result.calls) {
    if (call.done) calls.push_back(reply_tool_call(call, "call_" + seed_));
  }
  if (!calls.empty()) message["tool_calls"] = std::move(calls);
  return message;
}

json::Object ResponsesForm::finished_response(const ChatResult& result) {
  const bool cut = result.finish_reason == "length";
  json::Object out = response(cut ? "incomplete" : "completed");
  // OpenAI knows two reasons, and clients no others: ours stands beside them.
  if (cut) out["incomplete_details"] = json::Object{{"reason", "max_output_tokens"}};
  if (!result.stop_reason.empty()) out["stop_reason"] = result.stop_reason;
  out["output"] = output_of(result);
  out["usage"] = usage_form(result);
  if (finished_) finished_(out, result);
  return out;
}

json::Value ResponsesForm::whole(std::span<const ChatResult> results) {
  return finished_response(results.front());
}

// ---- as a stream ------------------------------------------------------------------------------

std::string ResponsesForm::typed(std::string_view type, json::Object members) {
  json::Object data{{"type", type}, {"sequence_number", sequence_++}};
  for (auto& [name, value] : members) data[name] = std::move(value);
  return named_event(type, data);
}

std::string ResponsesForm::opening(int) {
  const json::Object begun = response("in_progress");
  const std::string created = typed("response.created", {{"response", begun}});
  return created + typed("response.in_progress", {{"response", begun}});
}

std::string ResponsesForm::open_part(Part part) {
  if (part == part_) return {};
  std::string out = close_part();
  part_ = part;
  const bool text = part == Part::kText;
  json::Object item = text ? message_item("", "in_progress") : reasoning_item("", "in_progress");
  const json::Value id = item.at("id");
  out += typed("response.output_item.added",
               {{"output_index", output_index_}, {"item", std::move(item)}});
  return out + typed("response.content_part.added",
                     {{"item_id", id},
                      {"output_index", output_index_},
                      {"content_index", 0},
                      {"part", text ? text_part("", {}) : reasoning_part("")}});
}

std::string ResponsesForm::close_part(std::string_view status) {
  if (part_ == Part::kNone) return {};
  const bool text = std::exchange(part_, Part::kNone) == Part::kText;
  const std::string all = std::exchange(part_text_, {});
  const json::Array logprobs = std::exchange(part_logprobs_, {});
  json::Object item = text ? message_item(all, status, logprobs)
                           : reasoning_item(all, "completed");
  json::Object place{{"item_id", item.at("id")},
                     {"output_index", output_index_},
                     {"content_index", 0}};
  json::Object done = place;
  done["text"] = all;
  if (text) done["logprobs"] = logprobs;
  place["part"] = text ? text_part(all, logprobs) : reasoning_part(all);
  std::string out = typed(text ? "response.output_text.done" : "response.reasoning_text.done",
                          std::move(done));
  out += typed("response.content_part.done", std::move(place));
  return out + typed("response.output_item.done",
                     {{"output_index", output_index_++}, {"item", std::move(item)}});
}

std::string ResponsesForm::text_delta(Part part, const std::string& text, json::Array logprobs) {
  if (text.empty()) return {};
  std::string out = open_part(part);
  part_text_ += text;
  const bool answer = part == Part::kText;
  json::Object data{{"item_id", (answer ? "msg_" : "rs_") + seed_},
                    {"output_index", output_index_},
                    {"content_index", 0},
                    {"delta", text}};
  for (const json::Value& one : logprobs) part_logprobs_.push_back(one);
  if (answer) data["logprobs"] = std::move(logprobs);
  return out + typed(answer ? "response.output_text.delta" : "response.reasoning_text.delta",
                     std::move(data));
}

std::string ResponsesForm::call_delta(const chat::CallPiece& piece) {
  std::string out;
  if (!piece.name.empty()) {
    out += close_part() + close_call();
    chat::CallPiece begun = piece;
    begun.arguments.clear();
    begun.done = false;
    json::Object item = call_item(begun);
    item["status"] = "in_progress";
    out += typed("response.output_item.added",
                 {{"output_index", output_index_}, {"item", std::move(item)}});
    call_ = std::move(begun);
  }
  CHECK(call_ && call_->index == piece.index, "a piece of no call that has begun");
  call_->arguments += piece.arguments;
  call_->done = piece.done;
  if (!piece.arguments.empty()) {
    out += typed("response.function_call_arguments.delta",
                 {{"item_id", fmt::format("fc_{}_{}", seed_, piece.index)},
                  {"output_index", output_index_},
                  {"delta", piece.arguments}});
  }
  return piece.done ? out + close_call() : out;
}

std::string ResponsesForm::close_call() {
  if (!call_) return {};
  const json::Object item = call_item(*std::exchange(call_, std::nullopt));
  std::string out;
  if (item.at("status") == "completed") {
    out += typed("response.function_call_arguments.done",
                 {{"item_id", item.at("id")},
                  {"output_index", output_index_},
                  {"arguments", item.at("arguments")},
                  {"name", item.at("name")}});
  }
  return out + typed("response.output_item.done",
                     {{"output_index", output_index_++}, {"item", item}});
}

std::string ResponsesForm::delta(int, const ChatDelta& delta) {
  std::string out = text_delta(Part::kReasoning, delta.reasoning);
  out += text_delta(Part::kText, delta.content, logprobs_of(delta.generated));
  for (const chat::CallPiece& piece : delta.calls) out += call_delta(piece);
  return out;
}

std::string ResponsesForm::closing(int, const ChatResult& result) {
  return close_part(text_status(result)) + close_call();
}

std::string ResponsesForm::ending(std::span<const ChatResult> results) {
  const json::Object out = finished_response(results.front());
  const bool cut = out.at("status") == "incomplete";
  return typed(cut ? "response.incomplete" : "response.completed", {{"response", out}});
}

std::string ResponsesForm::failure(const Error& error) {
  json::Object out = response("failed");
  const json::Object body = openai_error_body(error);
  const json::Object& said = body.at("error").as_object();
  out["error"] = json::Object{{"code", said.at("code")}, {"message", said.at("message")}};
  return typed("response.failed", {{"response", std::move(out)}});
}

}  // namespace weft::server
