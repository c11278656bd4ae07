// SPDX-License-Identifier: Apache-2.0
//
// The answer of another server, put together from its stream: server-sent events of OpenAI's API as
// vLLM, SGLang, llama.cpp, weft and others write them. Reasoning comes under any of its names, or
// as <think> inside the text; calls come in pieces; usage where they like. A server that was asked
// for a stream and sends one document is understood, too.
//
// Nothing a server sends is trusted: sizes are bounded, and an answer that breaks off is an error,
// never half an answer. Pure: bytes in, no sockets.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "backend/backend.h"

namespace weft::backend {

// About four bytes a token: better than nothing where it is paid for.
inline int64_t estimated_tokens(size_t bytes) { return static_cast<int64_t>(bytes + 3) / 4; }

class RemoteReply {
 public:
  // Bytes of the body as they come. What is new of the text is appended to `delta`. E0772: not
  // what the API says, or the server says that it failed; E0771: the server refuses.
  Status feed(std::string_view bytes, ChatDelta& delta);
  // The whole answer, once the server has closed the stream, and in `late` what feed() has not told
  // of it: the calls, and all of an answer that was no stream. Its stop_reason is the server's own
  // word beside "length". E0772: it broke off.
  Result<ChatResult> finish(ChatDelta& late);

  bool begun() const { return begun_; }       // something of the answer is there
  bool ended() const { return ended_; }       // the server has said that it is whole
  const std::string& id() const { return id_; }
  const std::string& served_model() const { return model_; }
  const std::string& fingerprint() const { return fingerprint_; }
  bool has_usage() const { return has_usage_; }
  // What there is of it, for calls that are cancelled and answers that broke off; what the server
  // did not count is estimated.
  ChatResult so_far() const;

 private:
  struct Call {
    std::string id, name, arguments;
  };
  Status line(std::string_view text, ChatDelta& delta);
  Status event(std::string_view data, ChatDelta& delta);
  Status document(const json::Object& object, ChatDelta& delta);
  Status choice(const json::Object& choice, ChatDelta& delta);
  Status piece(const json::Object& message, ChatDelta& delta);
  Status calls(const json::Array& pieces);
  void content(std::string_view text, ChatDelta& delta);
  void reasoning(std::string_view text, ChatDelta& delta);
  void usage(const json::Object& object);
  void logprobs(const json::Value& value, ChatDelta& delta);
  Status read_calls();
  void estimate_usage(ChatResult& result) const;

  enum class Tag : uint8_t { kUnknown, kInside, kAfter };

  std::string buffer_;         // of a line that is not complete
  std::string data_;           // of an event that is not complete
  bool events_ = true;         // else one document
  bool first_ = true;
  Tag tag_ = Tag::kUnknown;    // of <think> in the text
  std::string held_;           // text that may be the beginning of a tag
  size_t bytes_ = 0;
  bool begun_ = false, ended_ = false, has_usage_ = false;
  std::string id_, model_, fingerprint_, finish_, stop_reason_;
  ChatResult result_;
  std::vector<Call> calls_;
};

// What a server says in an answer that is no 200: its message, or the beginning of its text.
std::string remote_refusal(std::string_view body);

}  // namespace weft::backend
