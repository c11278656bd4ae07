// SPDX-License-Identifier: Apache-2.0
//
// A chat request in the words of other servers. They all speak OpenAI's API, and each has its own
// names for what that leaves out: thinking, budgets, grammars, samplers. What a server cannot be
// told is listed, never dropped in silence; a form of the answer that it cannot hold is refused.
//
// Pure: bodies in and out, no sockets (remote.h), no reading of answers (remote_reply.h).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "backend/backend.h"

namespace weft::backend {

enum class RemoteKind : uint8_t { kOpenAi, kVllm, kSglang, kLlamaCpp, kWeft };
// "openai", "vllm", "sglang", "llama.cpp", "weft". E0773 for another word.
Result<RemoteKind> remote_kind_of(std::string_view name);
std::string_view name_of(RemoteKind kind);

struct RemoteForm {
  json::Object body;                    // of POST /chat/completions; always a stream
  std::vector<std::string> not_held;    // "top_k: openai has no such parameter"
};
// `model`: the name that the server knows it by. E0770: the form of the answer cannot be held
// there. E0712: more than one form.
Result<RemoteForm> remote_form(RemoteKind kind, const std::string& model,
                               const ChatRequest& request);

// A regular expression that matches these texts and nothing else.
std::string regex_of_choices(const std::vector<std::string>& choices);

}  // namespace weft::backend
