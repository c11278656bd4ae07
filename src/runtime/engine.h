// SPDX-License-Identifier: Apache-2.0
//
// The engine of one model: requests come in from any thread, one engine thread computes them
// together, tick by tick: plan which tokens go through the model, run it once, choose the next
// token of every sequence that is due, tell whoever listens.
//
// Promise: a request's tokens depend on the request and the model only. Other requests, threads,
// tokens_per_tick, what is cached, preemption, guesses and the moment of arrival change when they
// come, never which. (A deadline is the exception: where it hurries a text, the clock says. The
// places are told, and a request that brings them gets the same tokens again.)
//
// It knows Guides (what steers a sequence), not dialects, grammars, templates or text.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/env.h"
#include "base/error.h"
#include "grammar/guide.h"
#include "runtime/model_instance.h"
#include "runtime/sampler.h"
#include "runtime/side_jobs.h"
#include "text/token.h"

namespace weft::runtime {

class SpillSeal;  // kv_spill.h

struct EngineOptions {
  int threads = 0;                          // of the compute pool; 0 = all usable cores
  std::string table = {};                   // kernel table; empty = the fastest
  int tokens_per_tick = 256;                // rows of one forward pass
  int sequences_max = 64;                   // computed at once; more wait their turn
  size_t kv_bytes_max = size_t{1} << 30;    // memory of the KV cache, touched as it is used
  bool share_prefixes = true;               // off by itself for models with recurrent layers
  bool speculate = true;                    // as above: guesses, verified in one pass
  std::string spill_directory = {};         // for evicted blocks of the cache; empty = dropped
  uint64_t spill_bytes_max = uint64_t{8} << 30;
  std::shared_ptr<SpillSeal> spill_seal = {};  // null: plain, in a file without a name
};

// kDeadline and kLoop: cut off, because nothing said how to end it properly.
enum class Finish { kStop, kLength, kCancelled, kError, kDeadline, kLoop };

struct Usage {
  int prompt_tokens = 0;
  int cached_tokens = 0;     // of the prompt, found in the cache
  int generated_tokens = 0;  // forced ones included
  int drafted_tokens = 0;    // guessed ahead and verified
  int accepted_tokens = 0;   // of these, that proved true
  double queue_seconds = 0;    // from submit to the first tick with this request
  double prefill_seconds = 0;  // from there to the first token that the model chose
  double decode_seconds = 0;   // from there to the end
};

// When a deadline made a text hurry: behind so many of its generated tokens.
struct Hurry {
  int at = 0;
  grammar::Haste haste = grammar::Haste::kGoOn;
  bool operator==(const Hurry&) const = default;
};

struct Completion {
  Finish finish = Finish::kStop;
  std::vector<text::TokenId> tokens;  // all generated ones, the one that ended it included
  std::vector<float> logprobs;        // of each token, if asked for; 0 for forced ones
  Usage usage;
  std::vector<Hurry> hurries;         // what Request::hurries needs for the same tokens again
  std::optional<Error> error;         // with kError
};

struct Request {
  std::vector<text::TokenId> prompt;         // at least one token
  Sampling sampling;
  int max_tokens = 512;                      // cut to what the context leaves
  std::vector<text::TokenId> stop_tokens;    // end the generation and belong to its tokens
  std::shared_ptr<grammar::Guide> guide;     // may be null; used by the engine thread only
  int priority = 0;                          // higher is served sooner; who waits catches up
  std::string cache_salt;                    // prefixes are shared within one salt
  // By Env::mono_ns(); 0 = none. The guide is hurried as soon as ending any later, at the speed
  // of the last ticks, might take beyond it; text without a form is cut off there.
  int64_t deadline_ns = 0;
  std::vector<Hurry> hurries;                // of a text that is made again: instead of a deadline
  bool end_loops = false;                    // wraps up when the text repeats itself
  bool logprobs = false;
  int top_logprobs = 0;  // with logprobs: of how many alternatives on_token hears
  // What an earlier process generated of this very request before it ended. It is taken as if it
  // came now (guide, on_token, on_done hear all of it) and computed together; generation goes on
  // behind it, to the same tokens as without the interruption. A token that the guide does not
  // allow there, and what follows it, is generated anew.
  std::vector<Sampled> resumed;
  // Called on the engine thread, in order; they must not block, throw or call the engine's
  // destructor. on_token comes after the guide has heard of the token; on_done exactly once for
  // every request that submit() accepted.
  std::function<void(const Sampled&)> on_token;
  std::function<void(Completion)> on_done;
};

// A request in progress. Cheap to copy; dropping it does not cancel.
class Handle {
 public:
  Handle() = default;
  // From any thread, any number of times, also while the prompt is being computed: on_done comes
  // after the tick in progress, with what was generated.
  void cancel() const {
    if (cancelled_) cancelled_->store(true, std::memory_order_relaxed);
  }

 private:
  friend class Engine;
  explicit Handle(std::shared_ptr<std::atomic<bool>> flag) : cancelled_(std::move(flag)) {}
  std::shared_ptr<std::atomic<bool>> cancelled_;
};

struct EngineStats {
  int64_t ticks = 0;
  int64_t requests = 0;          // accepted so far
  int64_t prompt_tokens = 0;     // computed so far; what was recomputed counts again
  int64_t cached_tokens = 0;     // of prompts, not computed
  int64_t generated_tokens = 0;
  int64_t drafted_tokens = 0;
  int64_t accepted_tokens = 0;
  int64_t loops = 0;             // ended because they repeated themselves
  int64_t deadlines = 0;         // ended because their time was up
  int64_t preemptions = 0;
  int64_t copied_blocks = 0;     // of texts that begin alike
  int64_t evicted_blocks = 0;
  int64_t spilled_blocks = 0;    // so far, as the next two
  int64_t restored_blocks = 0;
  int64_t damaged_blocks = 0;    // lost in the file, computed again
  double busy_seconds = 0;       // inside ticks
  int running = 0;               // sequences
  int waiting = 0;
  int blocks_used = 0;           // of the KV cache, by sequences
  int blocks_cached = 0;         // kept for texts that begin alike
  int blocks = 0;
};

class Engine {
 public:
  // The engine is the only caller of the model's forward pass from now on. E0290 and E0291 as
  // tensor::Ops.
  static Result<std::unique_ptr<Engine>> create(std::shared_ptr<ModelInstance> model,
                                                const EngineOptions& options = {},
                                                Env& env = real_env());
  // Ends the tick in progress and completes what is left as cancelled.
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // From any thread. E0730: a value out of range. E0731: the prompt does not fit into the context
  // or the cache, both numbers in the message. Then no callback is called.
  Result<Handle> submit(Request request);

  // From any thread: see side_jobs.h. The model's forward pass is the job's while it runs.
  void run_beside(SideJob job);

  const ModelInstance& model() const;
  // The most tokens (prompt and generated) that one request may have here.
  int context() const;
  EngineStats stats() const;  // from any thread, as of the last tick
  // Requests accepted whose on_done has not returned. From any thread.
  int outstanding() const;

 private:
  struct Impl;
  explicit Engine(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace weft::runtime
