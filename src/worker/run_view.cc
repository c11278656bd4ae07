// SPDX-License-Identifier: Apache-2.0
#include "worker/run_view.h"

#include <algorithm>

#include "base/strings.h"
#include "worker/folded_run.h"
#include "worker/run_reader.h"
#include "worker/run_report.h"
#include "workflow/explain.h"

namespace weft::worker {
namespace {

constexpr size_t kIdsMax = 32768;  // of a prompt that a page may want to read
constexpr size_t kItemsMax = 500;

int64_t ms(int64_t us) { return us / 1000; }

bool call_of_step(const AiCallRow& call, std::string_view step) {
  const std::string_view path = call.path;
  return path.starts_with(step) && (path.size() == step.size() || path[step.size()] == '[');
}

// Little-endian int32, as the journal keeps them.
json::Array ids_of(std::string_view bytes) {
  json::Array out;
  const size_t count = std::min(bytes.size() / 4, kIdsMax);
  out.reserve(count);
  for (size_t i = 0; i < count; ++i) {
    const auto at = [&](size_t byte) {
      return static_cast<uint32_t>(static_cast<uint8_t>(bytes[i * 4 + byte]));
    };
    out.emplace_back(static_cast<int32_t>(at(0) | at(1) << 8 | at(2) << 16 | at(3) << 24));
  }
  return out;
}

json::Object items_of(const workflow::StepState& step) {
  int64_t ended = 0;
  int64_t failed = 0;
  for (const workflow::Execution& item : step.item_executions) {
    const workflow::StepStatus status = workflow::status(item);
    ended += terminal(status) ? 1 : 0;
    failed += status == workflow::StepStatus::kFailed ||
                      status == workflow::StepStatus::kTimedOut ? 1 : 0;
  }
  return {{"total", step.item_executions.size()}, {"ended", ended}, {"failed", failed}};
}

json::Object node_of(const workflow::Step& step, const workflow::StepState& state) {
  json::Object out;
  out["id"] = step.id;
  out["type"] = step.type;
  out["after"] = json::Array(step.dependencies.begin(), step.dependencies.end());
  if (step.join != workflow::Join::kAllOk) out["join"] = workflow::name(step.join);
  if (!step.when().empty()) out["when"] = step.when();
  const workflow::Execution& execution = state.execution;
  out["status"] = workflow::name(status(execution));
  int64_t attempts = execution.attempt;
  for (const workflow::Execution& item : state.item_executions) attempts += item.attempt;
  out["attempts"] = attempts;
  out["started_ms"] = ms(execution.started_us);
  out["finished_ms"] = ms(execution.ended_us);
  if (!state.item_executions.empty()) out["items"] = items_of(state);
  if (execution.waiting && !execution.waiting->name.empty()) {
    out["waits_for"] = execution.waiting->name;
  }
  if (execution.failure) out["error"] = workflow::to_json(*execution.failure);
  return out;
}

json::Object tokens_of(const std::vector<AiCallRow>& calls) {
  int64_t prompt = 0;
  int64_t reasoning = 0;
  int64_t answer = 0;
  for (const AiCallRow& call : calls) {
    prompt += call.tokens_prompt;
    reasoning += call.tokens_reasoning;
    answer += call.tokens_answer;
  }
  return {{"prompt", prompt}, {"reasoning", reasoning}, {"answer", answer},
          {"calls", calls.size()}};
}

// Adds to each call what the explanation of a step leaves out for its length.
void add_texts(json::Object& step, std::string_view id, const std::vector<AiCallRow>& calls) {
  json::Value* shown = step.if_contains("calls");
  if (shown == nullptr) return;
  size_t index = 0;
  for (const AiCallRow& call : calls) {
    if (!call_of_step(call, id)) continue;
    if (index >= shown->as_array().size()) break;
    json::Object& out = shown->as_array()[index++].as_object();
    out["path"] = call.path;
    out["n"] = int64_t{call.n};
    out["fingerprint"] = call.fingerprint;
    out["reasoning"] = call.reasoning;
    out["prompt_ids"] = ids_of(call.prompt_ids);
    out["output_ids"] = ids_of(call.output_ids);
  }
}

}  // namespace

Result<json::Object> read_run_view(store::Db& db, std::string_view run) {
  const StoredRun stored = TRY(load_run(db, run));
  const FoldedRun folded = TRY(fold_run(stored));
  const std::vector<AiCallRow> calls = TRY(ai_calls(db, run));
  const workflow::State& state = folded.state;
  json::Object out;
  out["task_id"] = run;
  out["workflow_id"] = folded.workflow->id;
  out["title"] = folded.workflow->title;
  out["version"] = folded.workflow->version;
  out["definition"] = stored.definition_hash;
  out["status"] = workflow::name(state.status);
  out["created_ms"] = ms(stored.summary.created_us);
  out["started_ms"] = ms(state.started_us);
  out["finished_ms"] = ms(state.ended_us);
  out["deadline_ms"] = ms(state.deadline_us);
  out["now_ms"] = ms(state.now_us);
  out["sequence"] = stored.events.empty() ? 0 : stored.events.back().seq;
  out["priority"] = state.priority;
  out["parent"] = state.parent;
  out["origin"] = state.origin;
  out["worker"] = stored.summary.worker;
  out["input"] = state.input;
  out["output"] = state.output;
  if (state.failure) out["error"] = workflow::to_json(*state.failure);
  const workflow::Planner planner(folded.workflow);
  json::Array why;
  for (std::string& line : workflow::explain_run(planner, state)) why.emplace_back(std::move(line));
  out["why"] = std::move(why);
  out["tokens"] = tokens_of(calls);
  json::Array steps;
  for (size_t i = 0; i < state.steps.size(); ++i) {
    steps.emplace_back(node_of(folded.workflow->steps[i], state.steps[i]));
  }
  out["steps"] = std::move(steps);
  return out;
}

namespace {

Result<json::Object> step_view(store::Db& db, std::string_view run, std::string_view step) {
  json::Object explained = TRY(explain_run(db, run, step));
  json::Object out = std::move(explained["steps"].as_object()[step].as_object());
  const StoredRun stored = TRY(load_run(db, run));
  const FoldedRun folded = TRY(fold_run(stored));
  add_texts(out, step, TRY(ai_calls(db, run)));
  for (size_t i = 0; i < folded.state.steps.size(); ++i) {
    const workflow::Step& definition = folded.workflow->steps[i];
    if (definition.id != step) continue;
    const workflow::StepState& state = folded.state.steps[i];
    out["id"] = definition.id;
    out["status"] = workflow::name(status(state.execution));
    out["parameters"] = definition.parameters;
    out["output"] = state.execution.output;
    if (state.execution.failure) out["error"] = workflow::to_json(*state.execution.failure);
    if (state.execution.notes) out["notes"] = *state.execution.notes;
    if (state.execution.waiting) out["asked"] = state.execution.waiting->ask;
    json::Array items;
    for (size_t n = 0; n < std::min(kItemsMax, state.item_executions.size()); ++n) {
      const workflow::Execution& item = state.item_executions[n];
      json::Object one{{"status", workflow::name(status(item))}, {"output", item.output}};
      if (n < state.items.size()) one["item"] = state.items[n];
      if (item.failure) one["error"] = workflow::to_json(*item.failure);
      items.emplace_back(std::move(one));
    }
    if (!items.empty()) out["items"] = std::move(items);
  }
  return out;
}

}  // namespace

Result<json::Object> read_step_view(store::Db& db, std::string_view run, std::string_view step) {
  TRY(db.begin_reading());  // a call may end while the others are read
  auto view = step_view(db, run, step);
  db.rollback();
  return view;
}

}  // namespace weft::worker
