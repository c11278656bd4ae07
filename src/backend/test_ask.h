// SPDX-License-Identifier: Apache-2.0
//
// For tests: asks a backend and waits for its answer, and the inquiry that most of them ask with.
// Not part of the product.
#pragma once

#include <future>
#include <string>
#include <utility>
#include <vector>

#include "backend/backend.h"

namespace weft::backend {

// `streamed` gets the content as it comes, `calls` the pieces of calls.
inline Result<ChatResult> ask(Backend& backend, ChatRequest request,
                              std::string* streamed = nullptr,
                              std::vector<chat::CallPiece>* calls = nullptr) {
  std::promise<Result<ChatResult>> promise;
  ChatCallbacks callbacks;
  if (streamed != nullptr) {
    callbacks.on_delta = [streamed, calls](const ChatDelta& delta) {
      *streamed += delta.content;
      if (calls != nullptr) calls->insert(calls->end(), delta.calls.begin(), delta.calls.end());
    };
  }
  callbacks.on_done = [&promise](Result<ChatResult> result) {
    promise.set_value(std::move(result));
  };
  const auto call = backend.chat(std::move(request), std::move(callbacks));
  return promise.get_future().get();
}

inline ChatRequest request_for(const std::string& text) {
  ChatRequest request;
  request.messages.push_back(json::Object{{"role", "user"}, {"content", text}});
  request.thinking = Thinking::kOff;
  request.max_tokens = 48;
  return request;
}

// The likeliest answer to an inquiry, with the model's own way of thinking.
inline ChatRequest charged_twice() {
  ChatRequest request;
  request.messages.push_back(json::Object{{"role", "user"}, {"content", "I was charged twice"}});
  request.max_tokens = 120;
  request.temperature = 0.0;
  return request;
}

}  // namespace weft::backend
