// SPDX-License-Identifier: Apache-2.0
#include "worker/run_report.h"
#include "workflow/explain.h"

#include <algorithm>

#include "base/env.h"
#include "base/strings.h"

namespace weft::worker {
namespace {

using workflow::Execution;

// Calls of a step, its loop items included.
bool belongs(const AiCallRow& call, std::string_view step) {
  const std::string_view path = call.path;
  return path.starts_with(step) && (path.size() == step.size() || path[step.size()] == '[');
}

void add_tokens(json::Object& out, std::string_view step, std::span<const AiCallRow> calls) {
  int64_t prompt = 0;
  int64_t reasoning = 0;
  int64_t answer = 0;
  const AiCallRow* last = nullptr;
  for (const AiCallRow& call : calls) {
    if (!belongs(call, step)) continue;
    prompt += call.tokens_prompt;
    reasoning += call.tokens_reasoning;
    answer += call.tokens_answer;
    last = &call;
  }
  if (last == nullptr) return;
  out["model"] = last->model;
  out["tokens"] = json::Object{{"prompt", prompt}, {"reasoning", reasoning}, {"answer", answer}};
}

int64_t duration_ms(const Execution& execution, int64_t now_us) {
  if (execution.started_us == 0) return 0;
  const int64_t end = execution.ended_us != 0 ? execution.ended_us : now_us;
  return std::max<int64_t>(0, (end - execution.started_us) / 1000);
}

json::Object step_document(const workflow::StepState& step, std::string_view id,
                           const FoldedRun& run, std::span<const AiCallRow> calls) {
  const Execution& execution = step.execution;
  json::Object out;
  out["status"] = workflow::name(status(execution));
  out["output"] = execution.output;
  int64_t attempts = execution.attempt;
  json::Array items;
  for (const Execution& item : step.item_executions) {
    attempts += item.attempt;
    items.emplace_back(workflow::name(status(item)));
  }
  out["attempts"] = attempts;
  out["ms"] = duration_ms(execution, run.state.now_us);
  add_tokens(out, id, calls);
  if (!items.empty()) out["items"] = std::move(items);
  if (execution.failure) out["error"] = workflow::to_json(*execution.failure);
  return out;
}

Result<const workflow::Step*> explained_step(const FoldedRun& run, std::string_view id) {
  std::vector<std::string> names;
  for (const workflow::Step& step : run.workflow->steps) {
    if (step.id == id) return &step;
    names.push_back(step.id);
  }
  return make_error("E0601", fmt::format("run {} has no step {}", run.state.run, quoted(id)),
                    name_hint(id, names));
}

// The mode that the answer was made in: what rules of routing chose counts more than what the step
// asked for.
void add_routed_mode(json::Object& call) {
  const json::Value* route = call.if_contains("route");
  if (route == nullptr || !route->is_object()) return;
  const json::Value* thinking = route->get_object().if_contains("thinking");
  if (thinking == nullptr || !thinking->is_string()) return;
  const std::string_view mode = *thinking == "off"  ? "non_reasoning"
                                : *thinking == "on" ? "reasoning"
                                                    : "auto";
  const json::Value* asked = call.if_contains("mode");
  const bool same = asked != nullptr && asked->is_string() && asked->get_string() == mode;
  if (same) return;
  call["mode"] = mode;
  call["mode_why"] = route->get_object().contains("adaptive") ? "adaptive: see the route"
                                                              : "the rules of routing";
}

json::Object call_document(const AiCallRow& call) {
  json::Object out;
  out["attempt"] = int64_t{call.attempt};
  out["model"] = call.model;
  out["model_hash"] = call.model_hash;
  out["prompt_hash"] = call.prompt_hash;
  if (auto sampler = json::parse(call.sampler); sampler.ok()) {
    out["sampler"] = std::move(sampler).value();
  }
  if (!call.grammar.empty()) out["grammar"] = call.grammar;
  if (auto chosen = json::parse(call.chosen); !call.chosen.empty() && chosen.ok()) {
    out["chosen"] = std::move(chosen).value();
  }
  if (auto route = json::parse(call.route); !call.route.empty() && route.ok()) {
    for (auto& [name, value] : route->as_object()) out[name] = value;
  }
  add_routed_mode(out);
  out["finish_reason"] = call.finish_reason;
  out["tokens"] = json::Object{{"prompt", call.tokens_prompt},
                               {"reasoning", call.tokens_reasoning},
                               {"answer", call.tokens_answer}};
  if (call.tokens_resumed > 0) out["tokens_resumed"] = call.tokens_resumed;
  out["prefill_ms"] = call.prefill_us / 1000;
  out["decode_ms"] = call.decode_us / 1000;
  return out;
}

json::Object explain_step(const FoldedRun& run, const workflow::Step& step,
                          const StoredRun& stored, std::span<const AiCallRow> calls) {
  json::Object out;
  out["type"] = step.type;
  json::Array dependencies;
  for (const uint32_t index : step.dependencies) {
    dependencies.emplace_back(run.workflow->steps[index].id);
  }
  out["dependencies"] = std::move(dependencies);
  out["join"] = workflow::name(step.join);
  if (!step.when().empty()) out["when"] = step.when();
  json::Array history;
  for (const Happening& happening : run.happenings) {
    const std::string_view path = happening.change.path;
    const bool own = path.starts_with(step.id) &&
                     (path.size() == step.id.size() || path[step.id.size()] == '[');
    if (!own) continue;
    json::Object entry;
    entry["at"] = iso8601(happening.at_us);
    if (path.size() != step.id.size()) entry["path"] = path;
    entry["status"] = workflow::name(happening.change.step);
    if (happening.change.attempt > 0) entry["attempt"] = int64_t{happening.change.attempt};
    if (!happening.change.why.empty()) entry["why"] = happening.change.why;
    history.push_back(std::move(entry));
  }
  out["history"] = std::move(history);
  json::Array answers;
  for (const AiCallRow& call : calls) {
    if (belongs(call, step.id)) answers.push_back(call_document(call));
  }
  if (!answers.empty()) out["calls"] = std::move(answers);
  json::Array why;
  const workflow::Planner planner(run.workflow);
  for (std::string& line : workflow::explain(planner, run.state, step.id)) {
    why.emplace_back(std::move(line));
  }
  out["why"] = std::move(why);
  for (const EffectRow& effect : stored.effects) {
    if (effect.path == step.id) {
      out["effect"] = json::Object{{"key", effect.key}, {"state", effect.state}};
    }
  }
  return out;
}

}  // namespace

json::Object run_document(const FoldedRun& run, std::span<const AiCallRow> calls) {
  const workflow::State& state = run.state;
  CHECK(state.steps.size() <= run.workflow->steps.size(), "a state of another workflow");
  json::Object out;
  out["run"] = state.run;
  out["workflow"] = run.workflow->id;
  out["status"] = workflow::name(state.status);
  out["output"] = state.output;
  json::Object steps;
  for (size_t i = 0; i < state.steps.size(); ++i) {
    const std::string& id = run.workflow->steps[i].id;
    steps[id] = step_document(state.steps[i], id, run, calls);
  }
  out["steps"] = std::move(steps);
  if (state.failure) out["error"] = workflow::to_json(*state.failure);
  return out;
}

Result<json::Object> read_run_document(store::Db& db, std::string_view run) {
  const StoredRun stored = TRY(load_run(db, run));
  const FoldedRun folded = TRY(fold_run(stored));
  const std::vector<AiCallRow> calls = TRY(ai_calls(db, run));
  return run_document(folded, calls);
}

Result<json::Object> explain_run(store::Db& db, std::string_view run, std::string_view step) {
  const StoredRun stored = TRY(load_run(db, run));
  const FoldedRun folded = TRY(fold_run(stored, {.happenings = true}));
  const std::vector<AiCallRow> calls = TRY(ai_calls(db, run));
  json::Object out;
  out["run"] = folded.state.run;
  out["workflow"] = folded.workflow->id;
  out["status"] = workflow::name(folded.state.status);
  json::Object steps;
  if (step.empty()) {
    for (const workflow::Step& each : folded.workflow->steps) {
      steps[each.id] = explain_step(folded, each, stored, calls);
    }
  } else {
    const workflow::Step* one = TRY(explained_step(folded, step));
    steps[one->id] = explain_step(folded, *one, stored, calls);
  }
  out["steps"] = std::move(steps);
  json::Array why;
  const workflow::Planner planner(folded.workflow);
  for (std::string& line : workflow::explain_run(planner, folded.state)) {
    why.emplace_back(std::move(line));
  }
  const bool asleep = folded.state.status == workflow::RunStatus::kWaiting;
  if (!terminal(folded.state.status) && stored.summary.worker.empty() && !asleep) {
    why.emplace_back("No process works on it: `weft worker` takes it, or `weft runs resume`.");
  }
  out["why"] = std::move(why);
  if (folded.state.failure) out["error"] = workflow::to_json(*folded.state.failure);
  return out;
}

}  // namespace weft::worker
