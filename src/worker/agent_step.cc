// SPDX-License-Identifier: Apache-2.0
//
// agent: a model and tools in a loop (agent_run.h) until it answers. What may be called is exactly
// what `tools` lists; other names are not in the grammar that holds the model.
//
//   {goal, tools, approve_tools, approve_role, approve_timeout, max_turns, system, output, model,
//    mode, class, thinking, max_tokens, temperature, …} -> the answer: text, or JSON of `output`
//
// max_tokens and the thinking budget are of all turns together. `tool_errors` errors of a tool (1)
// go back to the model with their message; one more, and the step fails, to its fallback.
#include <algorithm>

#include "base/strings.h"
#include "worker/agent_replay.h"
#include "worker/agent_run.h"
#include "worker/llm_request.h"
#include "worker/step_types.h"
#include "workflow/schedule.h"

namespace weft::worker {
namespace {

constexpr int64_t kTurnsMax = 64;

Result<std::vector<std::string>> names_parameter(const json::Object& parameters,
                                                 std::string_view name) {
  std::vector<std::string> names;
  const json::Value* list = parameters.if_contains(name);
  if (list == nullptr || list->is_null()) return names;
  if (!list->is_array()) {
    return wrong_parameter(name, "a list of names", std::string(json::kind_name(*list)));
  }
  for (const json::Value& one : list->get_array()) {
    if (!one.is_string()) {
      return wrong_parameter(name, "names", std::string(json::kind_name(one)));
    }
    names.emplace_back(one.get_string());
  }
  return names;
}

Result<int64_t> count_parameter(const json::Object& parameters, std::string_view name,
                                int64_t usual, int64_t max, int64_t min = 1) {
  const json::Value* value = parameters.if_contains(name);
  if (value == nullptr || value->is_null()) return usual;
  if (!value->is_int64() || value->get_int64() < min || value->get_int64() > max) {
    return wrong_parameter(name, fmt::format("an integer from {} to {}", min, max),
                           json::dump(*value));
  }
  return value->get_int64();
}

bool offers(const AgentOptions& options, std::string_view name) {
  return std::ranges::any_of(options.tools, [&](const Tool& tool) { return tool.name == name; });
}

Status read_tools(const StepContext& context, AgentOptions& out) {
  for (const std::string& name : TRY(names_parameter(context.parameters, "tools"))) {
    Tool tool = TRY(find_tool(*context.workflow, name));
    if (offers(out, name)) return wrong_parameter("tools", "each tool once", quoted(name));
    out.tools.push_back(std::move(tool));
  }
  for (std::string& name : TRY(names_parameter(context.parameters, "approve_tools"))) {
    if (!offers(out, name)) {
      return wrong_parameter("approve_tools", "names of `tools`", quoted(name));
    }
    out.approve.insert(std::move(name));
  }
  out.approve_role = TRY(text_parameter_or(context.parameters, "approve_role", "approver"));
  if (const json::Value* limit = context.parameters.if_contains("approve_timeout")) {
    const std::string text = limit->is_string() ? std::string(limit->get_string())
                                                : json::dump(*limit);
    out.approve_timeout_us = TRY(workflow::parse_duration(text));
  }
  return ok_status();
}

Result<AgentOptions> options_of(const StepContext& context) {
  const json::Object& parameters = context.parameters;
  AgentOptions out;
  out.request = TRY(chat_request_of(context));
  out.asked = TRY(asked_mode(context, true));
  out.request.route.adaptive = false;
  out.request.route.one_answer = true;  // turns are journalled one by one
  const std::string goal = TRY(text_parameter(parameters, "goal"));
  out.request.messages.push_back(json::Object{{"role", "user"}, {"content", goal}});
  TRY(read_tools(context, out));
  out.max_turns =
      static_cast<int>(TRY(count_parameter(parameters, "max_turns", out.max_turns, kTurnsMax)));
  out.errors_max = static_cast<int>(
      TRY(count_parameter(parameters, "tool_errors", out.errors_max, kTurnsMax, 0)));
  out.tokens_max = TRY(count_parameter(parameters, "max_tokens", out.tokens_max, 1 << 20));
  if (const json::Value* schema = parameters.if_contains("output")) {
    out.output = std::make_shared<const json::Value>(*schema);
  }
  if (context.services->backend == nullptr) {
    return make_error("E0610", "this process runs no models");
  }
  return out;
}

class AgentActivity final : public Activity {
 public:
  explicit AgentActivity(std::shared_ptr<AgentRun> run) : run_(std::move(run)) {}
  ~AgentActivity() override { run_->cancel(); }
  void cancel() override { run_->cancel(); }
  Stopped stop_at_limit() override { return run_->stop_at_limit(); }
  std::vector<ActRow> under_way() const override { return run_->under_way(); }

 private:
  std::shared_ptr<AgentRun> run_;
};

class AgentStep final : public StepType {
 public:
  std::string_view name() const override { return "agent"; }
  bool tells_models() const override { return true; }
  // Of its own it has none; those of its calls are noted before they begin.
  EffectClass effect(const json::Object&, const workflow::Step&) const override {
    return EffectClass::kPure;
  }
  Started start(StepContext context, StepDone done) const override {
    return begin(std::move(context), std::move(done), nullptr);
  }
  // A person has decided about calls, or nobody has in time.
  Started resume(StepContext context, StepDone done) const override {
    json::Object decision{{"decision", "rejected"}, {"by", "timeout"},
                          {"comment", "nobody decided in time"}};
    if (context.wake == workflow::Wake::kAnswer && context.answer.is_object()) {
      decision = context.answer.get_object();
    }
    return begin(std::move(context), std::move(done), &decision);
  }

  Started replay(StepContext context, StepDone done) const override {
    auto options = options_of(context);
    if (!options.ok()) return failed(std::move(options).error(), false);
    return {std::nullopt, replay_agent(std::move(*options), context, std::move(done))};
  }

 private:
  static Started begin(StepContext context, StepDone done, const json::Object* decision) {
    auto options = options_of(context);
    if (!options.ok()) return failed(std::move(options).error(), false);
    Loop& loop = context.services->loop;
    auto run = std::make_shared<AgentRun>(std::move(*options), std::move(context), std::move(done));
    std::shared_ptr<const json::Object> decided;
    if (decision != nullptr) decided = std::make_shared<const json::Object>(*decision);
    loop.post([weak = std::weak_ptr(run), decided] {
      if (const auto self = weak.lock()) self->start(decided.get());
    });
    return {std::nullopt, std::make_unique<AgentActivity>(std::move(run))};
  }
};

}  // namespace

const StepType& agent_step() {
  static const AgentStep step;
  return step;
}

}  // namespace weft::worker
