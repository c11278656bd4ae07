// SPDX-License-Identifier: Apache-2.0
//
// A backend answers a chat request: the engine inside this process (local.h), a remote
// OpenAI-compatible server (remote.h), or a router over both (router.h). Whoever asks (an llm step,
// `weft chat`, the HTTP API) sees only this. Messages are in OpenAI's form, so that they mean the
// same to all kinds.
//
// Callbacks come on a thread of the backend, one at a time and in order for one call: zero or more
// deltas, then exactly one done. They must not block and must not throw.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "chat/call_reader.h"
#include "text/thinking.h"

namespace weft::backend {

// What the model may do before it answers (non_reasoning = kOff, reasoning = kOn, not given =
// kAuto, the model's own default).
using Thinking = text::ThinkingMode;

// What has been generated of an answer that is not complete: to be kept outside the process, and
// given back with the same request after a crash.
struct PartialAnswer {
  std::string request;          // hash of all that decides the tokens; another request: no use
  int64_t first = 0;            // place of the first of `ids` in the answer, from 0
  std::vector<int32_t> ids;
  std::vector<float> logprobs;  // of each; 0 where nobody asked
};

// What a router may decide about a request; a backend that is no router ignores it.
struct RouteWish {
  std::string task_class = {};         // "simple_tasks": looked up among the router's classes
  std::optional<double> complexity{};  // 0 … 1, as somebody has measured it
  bool adaptive = false;               // think only where the answer was unsure
  bool one_answer = false;             // never adaptive, whatever class or profile say
  bool auto_budget = false;            // thinking budget from deadline and measured speed
  std::optional<double> speed{}, accuracy{}, resource{};  // what to optimise for, each 0 … 1
  // Whose ceilings hold: a key's name within its tenant, a run; each may be empty.
  std::string account = {}, tenant = {}, run = {};
  // Of a decision that is made again: what was chosen then (Evidence::route), taken as it is.
  json::Object pinned = {};
};

struct ChatRequest {
  std::string model = "default";  // a name, a directory in Hugging Face layout
  json::Array messages;           // {role, content, …} in OpenAI's form
  // The form of the answer: at most one of four, none = any text. A grammar holds the model to it,
  // so that the answer is complete and valid whenever it ends by itself or by max_tokens; what no
  // grammar can hold is refused, and so is a max_tokens below the shortest answer.
  json::Value output_schema;         // JSON Schema; the model is told, too. null: none
  std::optional<std::string> regex;  // the whole answer matches
  std::vector<std::string> choice;   // the answer is one of these
  std::optional<std::string> ebnf;   // src/grammar/ebnf.h
  bool output_best_effort = false;   // a schema that no grammar can hold is only told
  json::Array tools;              // OpenAI function definitions; empty = none
  json::Value tool_choice;        // OpenAI's; null = auto. Only tools on offer can be called, with
                                  // arguments that fit their schemas
  bool parallel_tool_calls = true;
  Thinking thinking = Thinking::kAuto;
  std::optional<int64_t> thinking_budget_tokens;  // at most so many reasoning tokens
  int64_t max_tokens = 512;                       // reasoning and answer together, >= 1
  std::optional<double> temperature;              // unset: the model's generation_config
  std::optional<double> top_p;                    // (0, 1]
  std::optional<int64_t> top_k;                   // 0 = off
  std::optional<double> min_p;                    // [0, 1]
  std::optional<double> repetition_penalty;       // > 0
  std::optional<double> presence_penalty;         // -2 … 2
  std::optional<double> frequency_penalty;        // -2 … 2
  uint64_t seed = 0;                              // same request, same seed: same tokens
  std::vector<std::string> stop;                  // texts that end the answer, not part of it
  uint32_t choice_index = 0;                      // which of several answers to one request
  bool logprobs = false;                          // fill ChatResult::generated
  int top_logprobs = 0;                           // with logprobs: alternatives of each token
  int priority = 0;  // higher is served sooner; who waits catches up, so nobody starves
  // From the call on. In time for the answer, at the speed of the moment, thinking is ended; then
  // the answer is cut short as far as its form allows. Unset: no deadline.
  std::optional<int64_t> deadline_ms;
  json::Array hurries;  // Evidence::hurries of a decision that is made again
  // Cached prefixes are shared only among requests of the same salt (a tenant, a user).
  std::string cache_salt;
  std::optional<PartialAnswer> resume;  // from before a crash; its `first` is 0
  RouteWish route;
};

struct TokenCounts {
  int64_t prompt = 0;
  int64_t reasoning = 0;
  int64_t answer = 0;
  int64_t cached = 0;    // of the prompt, not computed again
  int64_t drafted = 0;   // tokens guessed ahead and verified
  int64_t accepted = 0;  // of these, the ones that the model chose too
};

// Everything needed to make the same decision again, token by token.
struct Evidence {
  std::string model;               // name of the model that answered
  std::string model_hash;          // sha256 of its weights
  std::string template_hash;       // sha256 of its chat template
  std::string system_fingerprint;  // numerics, weight hash, layout
  json::Object sampler;            // parameters and seed as used
  std::string grammar;             // "json-schema:sha256…" that held the answer, or empty
  std::vector<int32_t> prompt_ids;
  std::vector<int32_t> output_ids;
  // Who answered instead of this process: {backend, endpoint, server, id, not_held, …}; such an
  // answer cannot be made again. Empty: the engine of this process.
  json::Object remote = {};
  json::Object route = {};         // what a router chose, why, and the price; empty: none
  // Where the deadline made the answer hurry: [[tokens before, haste], …]; empty: nowhere.
  json::Array hurries = {};
};

// A value that the answer's schema lists (enum, const, boolean) and the model chose.
struct ChosenValue {
  std::string field;       // JSON pointer into the answer
  json::Value value;
  double probability = 0;  // of the tokens that spell it, among those the grammar allowed; (0, 1]
};

struct TokenAlternative {
  std::string bytes;
  float logprob = 0;
};

// One generated token, reasoning and control tokens included.
struct GeneratedToken {
  enum class Part : uint8_t { kReasoning, kAnswer, kControl };
  std::string bytes;  // may be a part of a character
  float logprob = 0;  // ln of its probability among the allowed, at temperature 1; 0 if forced
  Part part = Part::kAnswer;
  std::vector<TokenAlternative> top = {};  // the most probable, best first
};

struct ChatResult {
  std::string content;
  std::string reasoning;
  json::Array tool_calls;     // whole ones, in OpenAI's form; arguments as an object
  std::string finish_reason;  // "stop", "length", "tool_calls", "cancelled"
  TokenCounts tokens;
  // What bound the reasoning: as asked for, or cut to what max_tokens and context leave.
  std::optional<int64_t> thinking_budget;
  bool budget_reached = false;  // the reasoning was closed for it
  double prefill_seconds = 0;
  double decode_seconds = 0;
  std::vector<GeneratedToken> generated;  // all in order, if asked for and the backend knows them
  std::vector<ChosenValue> chosen;        // of an answer that a schema held, in its order
  // Why a best-effort schema did not hold the answer; empty: it did, or there was none.
  std::string not_held;
  int64_t tokens_resumed = 0;             // taken from ChatRequest::resume
  // Answers that a router found not good enough, before this one.
  std::vector<std::shared_ptr<const ChatResult>> earlier = {};
  Evidence evidence;
  // Why an answer has the finish_reason "length" although max_tokens were not reached:
  // "repetition" (it went round in circles), "deadline"; else empty.
  std::string stop_reason = {};
  // All calls as they were written, in order; one that is not done is no member of tool_calls: the
  // answer ended amid it. Its arguments are the beginning of JSON.
  std::vector<chat::CallPiece> calls = {};
};

struct ChatDelta {
  std::string reasoning;  // new text of the reasoning part
  std::string content;    // new text of the answer
  TokenCounts tokens;     // so far
  std::vector<chat::CallPiece> calls = {};     // new, in order; together ChatResult::calls
  std::vector<GeneratedToken> generated = {};  // new, with ChatRequest::logprobs
};

struct ChatCallbacks {
  std::function<void(const ChatDelta&)> on_delta;          // may be empty
  std::function<void(Result<ChatResult>)> on_done;         // required
  // Of an answer of another server that broke off, before on_done: what came of it, which is paid
  // for all the same. Once for each try, whatever comes of the call; no other result counts it. May
  // be empty.
  std::function<void(const ChatResult&)> on_lost = {};
  // What is new since the last call, every 32 tokens or 2 s; what was resumed is not told again.
  // May be empty; backends that cannot resume never call it.
  std::function<void(PartialAnswer)> on_partial = {};
};

// A call in progress. Dropping it does not cancel.
class ChatCall {
 public:
  virtual ~ChatCall() = default;
  // From any thread, any number of times; on_done then comes soon with finish_reason "cancelled"
  // and what was generated, unless the call was already done.
  virtual void cancel() = 0;
};

class Backend {
 public:
  virtual ~Backend() = default;
  // Starts a call. Never blocks on generation; a refusal (unknown model, prompt longer than the
  // context) comes through on_done as an error.
  virtual std::shared_ptr<ChatCall> chat(ChatRequest request, ChatCallbacks callbacks) = 0;
  // Would a chat with that model leave this process, or might it? Then nothing may be asked that
  // is not durable yet.
  virtual bool is_remote(const std::string& model) const {
    (void)model;
    return false;
  }
};

// The same request may succeed a moment later: nobody could be reached, or an answer broke off.
inline bool may_pass(const Error& error) { return error.code == "E0772"; }

}  // namespace weft::backend
