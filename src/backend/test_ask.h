// SPDX-License-Identifier: Apache-2.0
//
// For tests: asks a backend and waits for its answer, and the inquiry that most of them ask with.
// Not part of the product.
#pragma once

#include <future>
#include <string>
#include <utility>

#include "backend/backend.h"

namespace weft::backend {

// `streamed` gets the content as it comes.
inline Result<ChatResult> ask(Backend& backend, ChatRequest request,
                              std::string* streamed = nullptr) {
  std::promise<Result<ChatResult>> promise;
  ChatCallbacks callbacks;
  if (streamed != nullptr) {
    callbacks.on_delta = [streamed](const ChatDelta& delta) { *streamed += delta.content; };
  }
  callbacks.on_done = [&promise](Result<ChatResult> result) {
    promise.set_value(std::move(result));
  };
  const auto call = backend.chat(std::move(request), std::move(callbacks));
  return promise.get_future().get();
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
