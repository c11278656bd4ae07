// SPDX-License-Identifier: Apache-2.0
//
// The rows of the journal as plain data, and Change: everything one transaction of one run writes.
// The executor fills a Change, the journal writes it whole or not at all. Columns are described in
// schema.cc; times are microseconds of the store's clock, 0 where there is none.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace weft::worker {

struct EventRow {
  std::string kind = {};
  std::string path = {};
  std::string body = {};  // workflow::to_json of the event, as text
  int64_t at_us = 0;
};

// A new run, with the definition that it is pinned to.
struct RunRow {
  std::string id = {};
  std::string definition_hash = {};
  std::string definition = {};       // canonical JSON of the document
  std::string workflow = {};         // its id, for lists
  std::string input = {};            // JSON
  std::string context = {};          // JSON: allowed roots, model (run_context.h)
  int32_t priority = 1;
  int64_t created_us = 0;
  std::string idem_key = {};    // of the client that asked for the run; empty: none
  bool claimed = true;          // false: left for any worker to claim
  std::string parent = {};      // of a sub-workflow
  std::string origin = {};      // the run it was made from by a retry or a fork
  std::string callback_url = {};  // empty: none
  std::string tenant = {};
  std::vector<std::pair<std::string, std::string>> more_definitions = {};  // hash, document
};

// The run's row after the change.
struct RunState {
  std::string status = "queued";
  std::string error = {};            // JSON of the failure; empty: none
  int64_t deadline_us = 0;
  int64_t started_us = 0;
  int64_t finished_us = 0;      // not 0: terminal, and the row never changes again
};

struct StepRow {
  std::string path = {};
  uint32_t attempt = 0;
  std::string status = {};
  std::string in_hash = {};          // sha256 of the rendered parameters; empty: not started
  std::string out_ref = {};          // "event:SEQ" that holds the output; empty: none
  std::string error = {};            // JSON of the failure; empty: none
  int64_t started_us = 0;
  int64_t finished_us = 0;
};

struct TimerRow {
  std::string path = {};             // empty: of the run
  std::string kind = {};
  int64_t fire_at_us = 0;       // 0: the timer is dropped
};

// What a run asks people for, while it waits: an approval, a signal, a decision about an effect
// that was cut off.
struct ActionRow {
  std::string path = {};
  std::string kind = {};             // "approval", "signal", "resolve"; empty: nothing any more
  std::string body = {};             // JSON: what the step shows
  int64_t since_us = 0;
  int64_t deadline_us = 0;
};

// Something that other processes, people or runs say to a run: an event of workflow/events.h that
// its owner will apply. Whoever applies it says so in the same transaction.
struct MessageRow {
  std::string id = {};               // the same id again is the same message
  std::string run = {};
  std::string body = {};             // the event, as text
};
struct TakenRow {
  std::string id = {};
  std::string outcome = {};          // "applied", "too late", "refused"
};

struct EffectRow {
  std::string key = {};
  std::string path = {};
  uint32_t attempt = 0;
  std::string state = {};            // "intent", "done", "failed"
  std::string req_hash = {};
  std::string response = {};         // JSON; empty: none
};

// Evidence of one answer of a model: enough to make the same decision again.
struct AiCallRow {
  std::string path = {};
  uint32_t attempt = 0;
  uint32_t n = 0;               // of this attempt, from 0
  std::string model = {};
  std::string model_hash = {};
  std::string template_hash = {};
  std::string fingerprint = {};
  std::string prompt_hash = {};      // sha256 over prompt_ids as little-endian int32
  std::string sampler = {};          // JSON, with the seed
  std::string prompt_ids = {};       // little-endian int32
  std::string output_ids = {};
  std::string reasoning = {};        // text before the answer; may be empty
  std::string finish_reason = {};
  int64_t tokens_prompt = 0;
  int64_t tokens_reasoning = 0;
  int64_t tokens_answer = 0;
  int64_t prefill_us = 0;
  int64_t decode_us = 0;
  std::string grammar = {};          // that held the answer, "json-schema:sha256…"; or empty
  std::string chosen = {};           // JSON: {"/kind": {"value": "billing", "probability": 0.9}}
  int64_t tokens_resumed = 0;        // that a process before this one had generated
  std::string tenant = {};           // for the audit: whose run, and who asked for it
  std::string by = {};
  // JSON {"remote": …, "route": …, "mode", "mode_why"}: who answered instead of this process, what
  // a router chose and why (backend::Evidence), whether thinking was asked for; may be empty.
  std::string route = {};
};

// Something that was done outside, or refused (acts.h): for the audit alone.
struct ActRow {
  std::string path = {};
  uint32_t attempt = 0;
  std::string tool = {};             // what an agent called; empty: the step itself acted
  std::string type = {};             // of the step behind it; empty: there is no such tool
  std::string target = {};           // "POST https://host", "crm": whom it reached
  std::string arguments_hash = {};   // sha256 of what it was given, as canonical JSON
  std::string outcome = "ok";        // ok, refused, failed, unknown
  std::string code = {};             // of the error
  std::string reason = {};           // of a refusal that is no error
  std::string tenant = {};           // whose run, and who asked for it
  std::string by = {};
};

// A piece of an answer that is not complete; `draw` tells the answers of a path apart.
struct PartialRow {
  std::string path = {};
  std::string draw = {};             // "ALTERNATIVE/FAILURES"
  int64_t first = 0;                 // place of its first token, from 0
  std::string request = {};          // hash of all that decides the tokens
  std::string ids = {};              // little-endian int32
  std::string logprobs = {};         // little-endian float32
};

// One transaction of one run. Several changes of one run may reach the disk in one commit, never
// in another order.
struct Change {
  std::string run = {};
  std::optional<RunRow> insert;
  RunState state;
  bool may_call_back = true;    // false: nobody asked to be told of its end
  int64_t first_seq = 0;        // of `events` within the run, from 1
  std::vector<EventRow> events;
  std::vector<StepRow> steps;
  std::vector<TimerRow> timers;
  std::vector<EffectRow> effects;
  std::vector<AiCallRow> ai_calls;
  std::vector<ActRow> acts;
  std::vector<PartialRow> partials;
  std::vector<std::string> partials_done;  // paths whose answers are complete, or given up
  std::vector<ActionRow> actions;
  std::vector<TakenRow> taken;
  std::vector<MessageRow> messages;  // to other runs
  std::vector<Change> children;      // new runs that exist if and only if this change does
};

}  // namespace weft::worker
