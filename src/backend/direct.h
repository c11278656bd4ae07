// SPDX-License-Identifier: Apache-2.0
//
// A local model without a conversation: what it is, its tokens, and bare completion of text. What
// is asked here runs as chats do (loading on the backend's own thread, generation in the engine's),
// so that a server can offer both from one engine.
//
// No templates but where messages are tokenised, no tools, no thinking: text is continued as it is.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "backend/backend.h"
#include "base/json.h"

namespace weft::backend {

class LocalBackend;

// A loaded model and its engine, as of the last tick.
struct ModelFacts {
  std::string source;       // directory or "weft-mini (embedded)"
  std::string fingerprint;  // what outputs depend on besides the request
  int64_t context = 0;      // most tokens of one request, prompt and answer
  int64_t requests = 0;     // so far, as the next two
  int64_t prompt_tokens = 0;     // computed
  int64_t cached_tokens = 0;     // of prompts, not computed
  int64_t generated_tokens = 0;
  int64_t drafted_tokens = 0;    // guessed ahead and verified
  int64_t accepted_tokens = 0;   // of these, that proved true
  int64_t preemptions = 0;
  int64_t loops = 0;             // texts ended because they went round in circles
  int64_t deadlines = 0;         // texts whose time was up
  int64_t evicted_blocks = 0;    // of the KV cache
  int64_t spilled_blocks = 0;    // of these, kept in the file
  int64_t restored_blocks = 0;
  int64_t damaged_blocks = 0;    // not as they were written; computed again
  double busy_seconds = 0;
  uint64_t memory_bytes = 0;  // weights as packed, and the most that its cache may take
  int running = 0;          // sequences
  int waiting = 0;
  int blocks_used = 0;      // of the KV cache, by sequences
  int blocks_cached = 0;    // kept for texts that begin alike
  int blocks = 0;
};
// Loads the model if nobody has. `done` comes on a thread of the backend.
void model_facts(LocalBackend& backend, std::string model,
                 std::function<void(Result<ModelFacts>)> done);
// Nothing unless the model is loaded. From any thread; never loads, never waits for a load.
std::optional<ModelFacts> facts_if_loaded(LocalBackend& backend, const std::string& model);
// Of all models loaded so far, in no order. From any thread; never waits for a load.
std::vector<ModelFacts> loaded_models(LocalBackend& backend);

// The model leaves memory if it is there (true) and nobody uses it (else E0715); the next request
// loads it again.
void unload_model(LocalBackend& backend, std::string model,
                  std::function<void(Result<bool>)> done);

// Every name of a model with what it means, as Models::names().
std::vector<std::pair<std::string, std::string>> model_names(LocalBackend& backend);

struct TokenizeRequest {
  std::string model = "default";
  std::string text;              // encoded as a user's: no control token comes out of it
  json::Array messages;          // not empty: rendered through the model's template instead
  bool generation_prompt = true; // with messages: open the assistant's turn
  bool pieces = false;           // the text of each token too
};
struct Tokens {
  std::vector<int32_t> ids;
  std::vector<std::string> pieces;
  int64_t context = 0;
};
void tokenize(LocalBackend& backend, TokenizeRequest request,
              std::function<void(Result<Tokens>)> done);
// E0730: an id outside the vocabulary.
void detokenize(LocalBackend& backend, std::string model, std::vector<int32_t> ids,
                std::function<void(Result<std::string>)> done);

struct CompletionRequest {
  ChatRequest options;  // sampling, limits, stop, logprobs; no messages, tools or thinking
  std::string text;     // as a user's; or, if not empty,
  std::vector<int32_t> ids;
};
// As Backend::chat: the continuation is the content; errors through on_done.
std::shared_ptr<ChatCall> complete(LocalBackend& backend, CompletionRequest request,
                                   ChatCallbacks callbacks);

}  // namespace weft::backend
