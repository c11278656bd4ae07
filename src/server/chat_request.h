// SPDX-License-Identifier: Apache-2.0
//
// A request to /v1/chat/completions, from JSON to what a backend takes. Pure. Every field that
// clients are known to send is either understood, known to change nothing here, or refused by
// name: none is ignored because nobody thought of it.
//
// Fields that say whether and how long to think are chat/thinking's.
#pragma once

#include <string>

#include "backend/backend.h"
#include "base/error.h"
#include "base/json.h"
#include "server/fields.h"

namespace weft::server {

// Without max_tokens. Long enough for any answer of the models here, and a bound all the same.
constexpr int64_t kDefaultMaxTokens = 4096;
constexpr int64_t kChoicesMax = 32;

struct StreamOptions {
  bool stream = false;
  bool include_usage = false;  // one more chunk with the counts of tokens
  bool usage_so_far = false;   // with it: the counts in every chunk, as vLLM has it
};

struct ChatParameters {
  backend::ChatRequest request;   // of choice 0; without a seed unless `seeded`
  bool seeded = false;
  int choices = 1;
  bool include_reasoning = true;
  StreamOptions streaming;
  std::string form;               // which member gives the answer's form; empty: none
  std::string warning;            // for a Warning header; empty: none
};

// E0750 wrong or unknown field, E0751 not supported, E0743 contradictory thinking.
Result<ChatParameters> parse_chat_request(const json::Object& body);

// What chat and bare completion share: max_tokens, sampling, seed, stop. True: a seed was given.
Result<bool> read_sampling(Fields& fields, backend::ChatRequest& request);
Result<StreamOptions> read_stream_options(Fields& fields);
// Fields that clients send and that change nothing: `user`, `metadata` and the like. E0750.
Status ignore_harmless(Fields& fields);
// Refuses those of OpenAI's and other servers' fields that would change the answer, unless they
// have the value that changes nothing.
Status refuse_unsupported(Fields& fields);

}  // namespace weft::server
