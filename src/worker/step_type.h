// SPDX-License-Identifier: Apache-2.0
//
// What a step does, as the executor sees it: a StepType per word in `type:`, registered by name.
// start() gets rendered parameters and either answers at once (what only computes) or returns an
// Activity and calls `done` later, exactly once, from any thread.
//
// A step type never touches the journal. It says which class of effect it would have with these
// parameters, before anything happens; the executor then makes the promises of that class:
//   pure      may start on inputs not yet on disk; after a crash it is computed again
//   keyed     starts only on durable inputs; repeated under the same key
//   unsafe    starts only when its intent is durable; cut off, it becomes `unknown`
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/env.h"
#include "base/error.h"
#include "base/json.h"
#include "worker/loop.h"
#include "worker/new_run.h"
#include "worker/records.h"
#include "workflow/definition.h"
#include "workflow/events.h"
#include "workflow/state.h"

namespace weft::backend {
class Backend;
}
namespace weft::net {
class Client;
}

namespace weft::worker {

class McpClient;
class Rehearsal;
class SecretValues;
struct SecretUse;
struct ToolSettings;

enum class EffectClass : uint8_t { kPure, kKeyed, kUnsafe };
std::string_view name(EffectClass effect);

// Threads of steps, by what they wait for: commands and databases may take all of theirs for
// minutes, and hold up no step of another kind.
struct StepPools {
  StepPools(Pool& all) : StepPools(all, all, all) {}  // NOLINT: one that does everything
  StepPools(Pool& of_files, Pool& of_commands, Pool& of_peers)
      : files(of_files), commands(of_commands), peers(of_peers) {}
  Pool& files;
  Pool& commands;  // in the sandbox
  Pool& peers;     // databases, mail servers
};

// What steps work with. Owned by the composition root, outlives every activity.
struct Services {
  Env& env;
  Loop& loop;
  StepPools pools;                      // of steps alone: requests have others
  backend::Backend* backend = nullptr;  // null: no models in this process
  net::Client* http = nullptr;          // null: no outbound calls
  const ToolSettings* tools = nullptr;  // null: nothing is granted
  McpClient* mcp = nullptr;             // null: no MCP servers
  Rehearsal* rehearsal = nullptr;       // not null: a dry run, nothing is sent or changed
};

struct StepProgress {
  std::string reasoning;        // new text
  std::string answer;           // new text
  int64_t tokens_prompt = 0;    // so far
  int64_t tokens_reasoning = 0;
  int64_t tokens_answer = 0;
};

// What an attempt wants kept before it goes on (workflow::AttemptNoted). `then` is called on the
// loop once it is on disk, unless the attempt was stopped meanwhile.
struct StepNote {
  json::Value note;
  std::vector<AiCallRow> ai_calls = {};
  std::function<void()> then = {};
  std::vector<ActRow> acts = {};
};

struct StepContext {
  std::string run;
  std::string path;
  uint32_t attempt = 1;
  uint64_t seed = 0;                  // of the run
  uint16_t alternative = 0;           // 0: the step itself; n: its n-th fallback
  uint32_t failures = 0;              // attempts of it that failed; a cut-off attempt is none
  int64_t timeout_us = 0;             // of the step as written; 0: none
  workflow::Wake wake = workflow::Wake::kNo;  // resume(): why
  json::Value answer = {};            // resume() after kAnswer
  const Definitions* definitions = nullptr;   // pinned sub-workflows; outlives start()
  EffectClass effect = EffectClass::kPure;
  std::string effect_key;             // the same for every attempt
  int64_t now_us = 0;                 // the store's clock
  int64_t deadline_us = 0;            // of the step; 0: none
  json::Object parameters;            // rendered; with the values of secrets only in start()
  std::shared_ptr<const SecretUse> secret_use = {};    // begin_step() puts them in; null: none
  std::shared_ptr<const SecretValues> secrets = {};    // those that are in; null: none
  const json::Object* pinned = nullptr;  // replay(): the route that was taken then; null: none
  const json::Array* notes = nullptr; // of this execution so far; null: none; outlives start()
  const json::Value* input = nullptr; // of the run; these two outlive start(), too
  const json::Value* env = nullptr;
  std::shared_ptr<const workflow::Workflow> workflow;
  const json::Object* run_context = nullptr;  // roots, model: see run_context.h; outlives start()
  Services* services = nullptr;
  std::function<void(StepProgress)> on_progress;  // from any thread, until done
  std::function<void(StepNote)> note;             // as on_progress; in order
  // For types that ask a model: what an answer cut off by a crash had come to (no ids: nothing),
  // and where to keep this one as it comes. path and draw are the executor's. From any thread.
  PartialRow resume = {};
  std::function<void(PartialRow)> on_partial = {};  // may be empty
  // Tokens of a model's answer that broke off, which no evidence counts. From any thread.
  std::function<void(int64_t tokens)> on_lost = {};  // may be empty
};

struct StepResult {
  json::Value output;
  std::vector<AiCallRow> ai_calls;    // path and attempt are filled in by the executor
};
struct StepFailure {
  Error error;
  bool retryable = true;
  int64_t retry_after_us = 0;
  std::vector<AiCallRow> ai_calls = {};  // a model's answer that was not good enough
};
// Nothing to do until `until_us` of the store's clock (0: no such time), or until a person or a
// signal answers; then resume() is called.
struct StepWait {
  workflow::WaitReason reason = workflow::WaitReason::kTime;
  int64_t until_us = 0;
  std::string name = {};     // of the signal
  json::Value ask = {};      // what people are shown: an object, or null
};
// A run of its own does the work; resume() is called with its end as the answer.
struct StepChild {
  std::shared_ptr<const workflow::Workflow> workflow;
  json::Value input;         // checked and completed
  std::vector<AiCallRow> ai_calls = {};  // of the models that proposed it
};
// An unsafe effect without an answer: nobody knows whether it acted. Only from attempts of that
// class, and from those that have left a note of what they were about to do.
struct StepUnknown {
  Error error;
  json::Array notes = {};         // what the attempt goes on behind, if a person says: again
  std::vector<ActRow> acts = {};  // that no note has told
};
using StepOutcome = std::variant<StepResult, StepFailure, StepWait, StepUnknown, StepChild>;
using StepDone = std::function<void(StepOutcome)>;

// Work in progress. Destroying it lets the work end unheard.
class Activity {
 public:
  virtual ~Activity() = default;
  // Stop soon. `done` may still come and is then ignored. Any number of times, loop's thread.
  virtual void cancel() = 0;
  // As cancel(), at the attempt's time limit. Of an attempt that is unsafe or has left notes: may
  // it have acted, so that nobody begins it anew unasked; and what is to be noted about that.
  struct Stopped {
    bool maybe_acted = true;
    json::Array notes = {};
  };
  virtual Stopped stop_at_limit() {
    cancel();
    return {};
  }
  // Acts that had begun and whose end nobody will hear, once `done` was called or it was stopped.
  virtual std::vector<ActRow> under_way() const { return {}; }
};

// Whom an act outside would reach (acts.h).
struct ActTarget {
  std::string name;
  bool recorded = true;  // in the audit, when a step does it; what a model calls always is
};

// What a step gives in a dry run; nothing: it begins as in any run.
using Rehearsed = std::optional<Result<json::Value>>;

// Exactly one of the two is set.
struct Started {
  std::optional<StepOutcome> outcome;
  std::unique_ptr<Activity> activity;
};
inline Started finished(StepOutcome outcome) { return {std::move(outcome), nullptr}; }
inline Started succeeded(json::Value output) {
  return finished(StepResult{std::move(output), {}});
}
inline Started failed(Error error, bool retryable) {
  return finished(StepFailure{std::move(error), retryable, 0});
}

class StepType {
 public:
  virtual ~StepType() = default;
  virtual std::string_view name() const = 0;
  virtual bool asks_models() const { return false; }  // its answers are kept as they come
  // It sends what its parameters say to a model, which may be one of another server.
  virtual bool tells_models() const { return asks_models(); }
  virtual EffectClass effect(const json::Object& parameters,
                             const workflow::Step& step) const = 0;
  // Nothing: what these parameters say stays in this process.
  virtual std::optional<ActTarget> target(const json::Object& parameters) const;
  // On the loop's thread; must not block.
  virtual Started start(StepContext context, StepDone done) const = 0;
  // In place of start() in a dry run (rehearsal.h), by who reaches outside of this process or
  // changes something: its parameters are checked as start() checks them, nothing is done, and the
  // answer has the form of a real one.
  virtual Rehearsed rehearse(const StepContext& context) const;
  // Its models' decisions made again, for their evidence; on no loop. As start() unless it says
  // otherwise.
  virtual Started replay(StepContext context, StepDone done) const;
  // What a StepWait or StepChild waited for has come: context.wake says what.
  virtual Started resume(StepContext context, StepDone done) const;
};

// Null for a word that is no step type of this edition.
const StepType* find_step_type(std::string_view name);
std::vector<std::string> step_type_names();
// E0602: the step type is not one of this edition; the hint lists those that are.
Error unknown_step_type(std::string_view name);
Status check_step_types(const workflow::Workflow& workflow);

}  // namespace weft::worker
