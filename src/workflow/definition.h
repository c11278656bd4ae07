// SPDX-License-Identifier: Apache-2.0
//
// A workflow as the rest of the program sees it: the checked internal tree that both document
// forms become. Whoever holds a Workflow may rely on it: ids are unique and well formed,
// dependencies exist and have no cycle, durations are in range, expressions parse and refer only
// to names that can exist there. parse.h builds it from a document and reports what is wrong.
//
// Immutable once built; shared between threads. Text that may hold {{ }} is kept as written;
// workflow/render evaluates it. Durations are microseconds.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/strings.h"

namespace weft::workflow {

// When the predecessors of a step let it run; the table is at planner.h.
enum class Join : uint8_t { kAllOk, kNoneFailed, kAnyOk, kAllDone };
enum class OnError : uint8_t { kFail, kContinue };
enum class OnUnknown : uint8_t { kAsk, kRetry, kFail };
enum class Backoff : uint8_t { kFixed, kLinear, kExponential };

constexpr int64_t kSecondUs = 1'000'000;
constexpr int64_t kStepTimeoutUs = 300 * kSecondUs;
constexpr int64_t kDurationMaxUs = 3660 * 24 * 3600 * kSecondUs;  // ten years

struct Retry {
  uint32_t attempts = 1;                 // in all, the first included; 1..1000
  Backoff backoff = Backoff::kExponential;
  bool jitter = true;                    // pauses between half and all of the computed one
  int64_t initial_us = 1 * kSecondUs;    // pause after the first failure
  int64_t max_us = 30 * kSecondUs;       // no pause is longer
  int64_t attempt_timeout_us = 0;        // of one attempt; 0: only the step's timeout bounds it
};

struct StepExtras;
struct ScheduleSpec;  // timetable.h

struct Step {
  std::string id;                        // [a-z][a-z0-9_]{0,63}, unique, fallbacks included
  std::string type;                      // canonical name: "http", never "api_client"
  std::vector<uint32_t> dependencies;    // indices into Workflow::steps, as written, no duplicates
  json::Value parameters;                // an object; strings in it may hold {{ }}
  std::shared_ptr<const StepExtras> extras;  // null: none of them; read through what follows
  int64_t timeout_us = kStepTimeoutUs;   // all attempts and pauses; 0: none
  uint32_t concurrency = 0;              // items of for_each at a time; 0: all
  int32_t priority = 0;                  // added to the run's for the step's claims
  Join join = Join::kAllOk;
  OnError on_error = OnError::kFail;
  OnUnknown on_unknown = OnUnknown::kAsk;
  bool attempt_timeout_by_default = false;  // of a step that waits: it does not bound the waiting
  Place place;                           // of the step in its document

  const std::string& when() const;
  const json::Value& for_each() const;
  const json::Value& output_as() const;
  const std::string& idempotency_key() const;
  const std::vector<Step>& fallback() const;
  const Retry& retry() const;
  StepExtras& edit();                    // while the step is built: its own extras
};

// What few steps have, apart from the rest: in a workflow of 100,000 steps these fields would take
// 16 of 31 MB and be empty.
struct StepExtras {
  std::string when;                      // exactly one {{ }}, or empty: always
  json::Value for_each;                  // null: no loop; a list, or text that is one {{ }}
  json::Value output_as;                 // null: as it is; else a template over the name `output`
  std::string idempotency_key;           // a template, or empty: run/path
  std::vector<Step> fallback;            // tried in order; without dependencies, loops or fallbacks
  Retry retry;                           // shared by all steps that have the document's default
};

// Something that agents may call, in the form of OpenAI's functions; what happens then is a step
// without dependencies, loops or fallbacks whose templates see `args`.
struct ToolDefinition {
  std::string name;                      // [a-zA-Z_][a-zA-Z0-9_-]{0,63}
  std::string description;
  json::Value parameters;                // JSON Schema of an object
  Step step;                             // its id is the tool's name
  bool global_key = false;               // its idempotency_key is one for all runs
};

struct WorkflowConfig {
  // class of a thinking step -> "non_reasoning" | "reasoning" | "adaptive"
  std::vector<std::pair<std::string, std::string>> mode_selection;
  double speed = 0.7;                    // optimization_targets, each 0..1
  double accuracy = 0.9;
  double resource = 0.6;
};

struct Workflow {
  std::string id;                        // [a-z][a-z0-9_-]{0,63}
  std::string version;                   // as written; may be empty
  std::string title;
  int32_t priority = 1;
  int64_t timeout_us = 0;                // of the run; 0: none
  json::Value input_schema;              // null: no input is described, any object is accepted
  WorkflowConfig config;
  std::vector<Step> steps;               // in document order
  std::vector<ToolDefinition> tools;     // by name, each once
  json::Value output;                    // template; null: the outputs of the last steps, by id
  std::shared_ptr<const ScheduleSpec> schedule;  // when it runs by itself; null: never
  std::string canonical;                 // the document as JSON, in its order; loads to the same
  std::string hash;                      // sha256 of `canonical`, 64 hex digits
};

std::string_view name(Join join);            // "all_ok"
std::string_view name(OnError on_error);     // "fail"
std::string_view name(OnUnknown on_unknown); // "ask"
std::string_view name(Backoff backoff);      // "fixed"

// approval, signal, wait and workflow: their `timeout` limits the waiting itself, so that no clock
// stands still for them, and there is none unless given.
bool timeout_limits_waiting(const Step& step);

}  // namespace weft::workflow
