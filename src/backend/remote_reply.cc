// SPDX-License-Identifier: Apache-2.0
#include "backend/remote_reply.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/strings.h"

namespace weft::backend {
namespace {

constexpr size_t kAnswerBytesMax = size_t{64} << 20;
constexpr size_t kCallsMax = 256;
constexpr size_t kReasonBytesMax = 64;
constexpr std::string_view kOpen = "<think>";
constexpr std::string_view kClose = "</think>";

Error broken(std::string_view what) {
  return make_error("E0772", fmt::format("the answer of the remote model is broken: {}", what),
                    "look at the server's log; the request can be made again");
}

std::string_view text_member(const json::Object& object, std::string_view name) {
  const json::Value* value = object.if_contains(name);
  return value != nullptr && value->is_string() ? std::string_view(value->get_string())
                                                : std::string_view();
}

const json::Object* object_member(const json::Object& object, std::string_view name) {
  const json::Value* value = object.if_contains(name);
  return value != nullptr && value->is_object() ? &value->get_object() : nullptr;
}

int64_t count_member(const json::Object* object, std::string_view name) {
  if (object == nullptr) return 0;
  const json::Value* value = object->if_contains(name);
  if (value == nullptr || !value->is_int64()) return 0;
  return std::max<int64_t>(0, value->get_int64());
}

// Every server's words for why it stopped.
std::string plain_finish(std::string_view said) {
  if (said == "length" || said == "max_tokens" || said == "model_length") return "length";
  if (said == "tool_calls" || said == "function_call" || said == "tool_use") return "tool_calls";
  if (said == "content_filter" || said == "abort" || said == "cancelled" || said == "error") {
    return std::string(said);
  }
  return "stop";  // stop, eos, eos_token, stop_sequence, end_turn
}

// How much of the end of `text` could be the beginning of `tag`.
size_t possible_tag(std::string_view text, std::string_view tag) {
  for (size_t length = std::min(text.size(), tag.size() - 1); length > 0; --length) {
    if (text.substr(text.size() - length) == tag.substr(0, length)) return length;
  }
  return 0;
}

std::string bytes_of(const json::Object& token) {
  const json::Value* bytes = token.if_contains("bytes");
  if (bytes == nullptr || !bytes->is_array()) return std::string(text_member(token, "token"));
  std::string out;
  for (const json::Value& byte : bytes->get_array()) {
    if (byte.is_int64()) out += static_cast<char>(byte.get_int64() & 0xff);
  }
  return out;
}

}  // namespace

Status RemoteReply::feed(std::string_view bytes, ChatDelta& delta) {
  bytes_ += bytes.size();
  if (bytes_ > kAnswerBytesMax) {
    return broken(fmt::format("longer than {} bytes", kAnswerBytesMax));
  }
  size_t from = buffer_.size();  // what was there has no line end
  buffer_.append(bytes);
  if (first_) {
    const size_t at = buffer_.find_first_not_of(" \t\r\n");
    if (at == std::string::npos) return ok_status();
    first_ = false;
    from = 0;
    events_ = buffer_[at] != '{';
  }
  if (!events_) return ok_status();  // read when it is whole
  size_t begin = 0;
  for (;;) {
    const size_t end = buffer_.find('\n', std::max(begin, from));
    if (end == std::string::npos) break;
    TRY(line(std::string_view(buffer_).substr(begin, end - begin), delta));
    begin = end + 1;
  }
  buffer_.erase(0, begin);
  delta.tokens = result_.tokens;
  return ok_status();
}

Status RemoteReply::line(std::string_view text, ChatDelta& delta) {
  if (text.ends_with('\r')) text.remove_suffix(1);
  if (text.empty()) {
    const std::string data = std::exchange(data_, {});
    return data.empty() ? ok_status() : event(data, delta);
  }
  if (!text.starts_with("data:")) return ok_status();  // comments, event names
  text.remove_prefix(5);
  if (text.starts_with(' ')) text.remove_prefix(1);
  if (!data_.empty()) data_ += '\n';
  data_ += text;
  return ok_status();
}

Status RemoteReply::event(std::string_view data, ChatDelta& delta) {
  if (trim(data) == "[DONE]") {
    ended_ = true;
    return ok_status();
  }
  auto value = json::parse(data);
  if (!value.ok() || !value->is_object()) {
    return broken(fmt::format("an event that is no JSON object: {}", quoted(data, 120)));
  }
  return document(value->get_object(), delta);
}

Status RemoteReply::document(const json::Object& object, ChatDelta& delta) {
  if (const json::Value* error = object.if_contains("error"); error && !error->is_null()) {
    const std::string message =
        error->is_object() ? std::string(text_member(error->get_object(), "message"))
                           : json::dump(*error);
    return broken("the server says: " + (message.empty() ? json::dump(*error) : message));
  }
  if (id_.empty()) id_ = text_member(object, "id");
  if (model_.empty()) model_ = text_member(object, "model");
  if (fingerprint_.empty()) fingerprint_ = text_member(object, "system_fingerprint");
  if (const json::Object* counts = object_member(object, "usage")) usage(*counts);
  const json::Value* choices = object.if_contains("choices");
  if (choices == nullptr || !choices->is_array()) return ok_status();
  for (const json::Value& one : choices->get_array()) {
    if (!one.is_object()) return broken("a choice that is no object");
    const json::Object& chosen = one.get_object();
    if (count_member(&chosen, "index") > 0) continue;  // one was asked for
    TRY(choice(chosen, delta));
  }
  return ok_status();
}

Status RemoteReply::choice(const json::Object& choice, ChatDelta& delta) {
  for (const std::string_view name : {"delta", "message"}) {
    if (const json::Object* message = object_member(choice, name)) TRY(piece(*message, delta));
  }
  if (const json::Value* probabilities = choice.if_contains("logprobs")) {
    logprobs(*probabilities, delta);
  }
  const std::string_view finish = text_member(choice, "finish_reason");
  if (!finish.empty()) finish_ = plain_finish(finish);
  const std::string_view reason = text_member(choice, "stop_reason");
  if (!reason.empty() && reason.size() <= kReasonBytesMax) stop_reason_ = reason;
  return ok_status();
}

Status RemoteReply::piece(const json::Object& message, ChatDelta& delta) {
  // Some servers write both names with the same text.
  std::string_view thought = text_member(message, "reasoning_content");
  if (thought.empty()) thought = text_member(message, "reasoning");
  if (!thought.empty()) reasoning(thought, delta);
  const std::string_view refusal = text_member(message, "refusal");
  if (!refusal.empty()) {
    return make_error("E0771", fmt::format("the remote model refuses: {}", quoted(refusal, 200)));
  }
  const std::string_view text = text_member(message, "content");
  if (!text.empty()) content(text, delta);
  const json::Value* pieces = message.if_contains("tool_calls");
  if (pieces != nullptr && pieces->is_array()) return calls(pieces->get_array());
  return ok_status();
}

void RemoteReply::reasoning(std::string_view text, ChatDelta& delta) {
  begun_ = true;
  result_.reasoning += text;
  delta.reasoning += text;
}

// Where a server leaves the tags in, they stand at the beginning of the text.
void RemoteReply::content(std::string_view text, ChatDelta& delta) {
  begun_ = true;
  held_ += text;
  if (tag_ == Tag::kUnknown) {
    const std::string_view begin = trim(held_);
    if (begin.size() < kOpen.size() && kOpen.starts_with(begin)) return;
    tag_ = begin.starts_with(kOpen) ? Tag::kInside : Tag::kAfter;
    if (tag_ == Tag::kInside) held_.erase(0, held_.find(kOpen) + kOpen.size());
  }
  if (tag_ == Tag::kInside) {
    const size_t close = held_.find(kClose);
    const size_t keep = close == std::string::npos ? possible_tag(held_, kClose) : 0;
    const size_t end = close == std::string::npos ? held_.size() - keep : close;
    reasoning(std::string_view(held_).substr(0, end), delta);
    held_.erase(0, close == std::string::npos ? end : end + kClose.size());
    if (close == std::string::npos) return;
    tag_ = Tag::kAfter;
  }
  result_.content += held_;
  delta.content += held_;
  held_.clear();
}

Status RemoteReply::calls(const json::Array& pieces) {
  for (size_t i = 0; i < pieces.size(); ++i) {
    if (!pieces[i].is_object()) return broken("a tool call that is no object");
    const json::Object& one = pieces[i].get_object();
    const json::Value* given = one.if_contains("index");
    const size_t index = given != nullptr && given->is_int64() && given->get_int64() >= 0
                             ? static_cast<size_t>(given->get_int64())
                             : (one.contains("id") ? calls_.size() : i);
    if (index >= kCallsMax) return broken(fmt::format("more than {} tool calls", kCallsMax));
    if (calls_.size() <= index) calls_.resize(index + 1);
    Call& call = calls_[index];
    if (call.id.empty()) call.id = text_member(one, "id");
    const json::Object* function = object_member(one, "function");
    if (function == nullptr) continue;
    if (call.name.empty()) call.name = text_member(*function, "name");
    const json::Value* arguments = function->if_contains("arguments");
    if (arguments != nullptr && arguments->is_string()) call.arguments += arguments->get_string();
    if (arguments != nullptr && arguments->is_object()) call.arguments = json::dump(*arguments);
    begun_ = true;
  }
  return ok_status();
}

void RemoteReply::usage(const json::Object& object) {
  has_usage_ = true;
  TokenCounts& tokens = result_.tokens;
  tokens.prompt = count_member(&object, "prompt_tokens");
  tokens.cached = count_member(object_member(object, "prompt_tokens_details"), "cached_tokens");
  const int64_t all = count_member(&object, "completion_tokens");
  int64_t thought = count_member(object_member(object, "completion_tokens_details"),
                                 "reasoning_tokens");
  if (thought == 0) thought = count_member(&object, "reasoning_tokens");  // SGLang's place
  tokens.reasoning = std::min(all, thought);
  tokens.answer = all - tokens.reasoning;
}

void RemoteReply::logprobs(const json::Value& value, ChatDelta& delta) {
  const json::Object* object = value.is_object() ? &value.get_object() : nullptr;
  const json::Value* content = object ? object->if_contains("content") : nullptr;
  if (content == nullptr || !content->is_array()) return;
  for (const json::Value& one : content->get_array()) {
    if (!one.is_object()) continue;
    const json::Value* logprob = one.get_object().if_contains("logprob");
    GeneratedToken token;
    token.bytes = bytes_of(one.get_object());
    if (logprob != nullptr && logprob->is_number()) {
      token.logprob = static_cast<float>(logprob->to_number<double>());
    }
    const json::Value* top = one.get_object().if_contains("top_logprobs");
    for (const json::Value& other : top && top->is_array() ? top->get_array() : json::Array()) {
      if (!other.is_object()) continue;
      const json::Value* p = other.get_object().if_contains("logprob");
      token.top.push_back({bytes_of(other.get_object()),
                           p && p->is_number() ? static_cast<float>(p->to_number<double>()) : 0});
    }
    delta.generated.push_back(token);
    result_.generated.push_back(std::move(token));
  }
}

// What has no room to end is told as far as it came, and is no call.
Status RemoteReply::read_calls() {
  for (const Call& call : calls_) {
    const std::string_view written = trim(call.arguments);
    const std::string_view text = written.empty() ? "{}" : written;
    auto arguments = json::parse(text);
    chat::CallPiece shown{.index = static_cast<int>(result_.calls.size()),
                          .id = call.id,
                          .name = call.name,
                          .arguments = std::string(text),
                          .done = arguments.ok() && arguments->is_object()};
    if (call.name.empty() || !shown.done) {
      if (finish_ != "length") {
        return broken(fmt::format("a call of {} whose arguments are no JSON object: {}",
                                  quoted(call.name), quoted(call.arguments, 120)));
      }
      if (call.name.empty()) continue;
      shown.arguments = written;
      shown.done = false;
    } else {
      json::Object one;
      if (!call.id.empty()) one["id"] = call.id;
      one["type"] = "function";
      one["function"] = json::Object{{"name", call.name}, {"arguments", std::move(*arguments)}};
      result_.tool_calls.push_back(std::move(one));
    }
    result_.calls.push_back(std::move(shown));
  }
  return ok_status();
}

void RemoteReply::estimate_usage(ChatResult& result) const {
  if (has_usage_) return;
  size_t answer = result.content.size() + held_.size();
  for (const Call& call : calls_) answer += call.name.size() + call.arguments.size();
  result.tokens.reasoning = estimated_tokens(result.reasoning.size());
  result.tokens.answer = estimated_tokens(answer);
}

ChatResult RemoteReply::so_far() const {
  ChatResult out = result_;
  out.finish_reason = finish_.empty() ? "cancelled" : finish_;
  estimate_usage(out);
  return out;
}

Result<ChatResult> RemoteReply::finish(ChatDelta& late) {
  if (!events_) {
    auto value = json::parse(buffer_);
    if (!value.ok() || !value->is_object()) {
      return broken("it is neither events nor one JSON object");
    }
    TRY(document(value->get_object(), late));
  } else {
    if (!buffer_.empty()) TRY(line(std::exchange(buffer_, {}), late));
    if (!data_.empty()) TRY(event(std::exchange(data_, {}), late));
  }
  if (finish_.empty()) return broken("it broke off before its end");
  if (finish_ == "content_filter") {
    return make_error("E0771", "the remote server's filter has ended the answer");
  }
  if (finish_ == "abort" || finish_ == "cancelled" || finish_ == "error") {
    return broken("the server gave it up: " + finish_);
  }
  // What looked like the beginning of a tag was text; a template that opened the tag in the prompt
  // leaves only its end.
  (tag_ == Tag::kInside ? late.reasoning : late.content) += held_;
  (tag_ == Tag::kInside ? result_.reasoning : result_.content) += std::exchange(held_, {});
  const size_t close = result_.content.find(kClose);
  if (result_.reasoning.empty() && close != std::string::npos) {
    result_.reasoning = result_.content.substr(0, close);
    result_.content.erase(0, close + kClose.size());
  }
  if (!result_.reasoning.empty()) result_.content = std::string(trim(result_.content));
  result_.reasoning = std::string(trim(result_.reasoning));
  TRY(read_calls());
  late.calls = result_.calls;
  result_.finish_reason = finish_ == "stop" && !calls_.empty() ? "tool_calls" : finish_;
  if (finish_ == "length") result_.stop_reason = stop_reason_;
  estimate_usage(result_);
  ended_ = true;
  return std::move(result_);
}

std::string remote_refusal(std::string_view body) {
  const auto value = json::parse(body);
  if (value.ok() && value->is_object()) {
    const json::Object& object = value->get_object();
    const json::Object* error = object_member(object, "error");
    for (const std::string_view name : {"message", "detail", "error"}) {
      if (error != nullptr && !text_member(*error, name).empty()) {
        return std::string(text_member(*error, name));
      }
      if (!text_member(object, name).empty()) return std::string(text_member(object, name));
    }
  }
  return quoted(body, 200);
}

}  // namespace weft::backend
