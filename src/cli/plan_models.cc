// SPDX-License-Identifier: Apache-2.0
#include "cli/plan_models.h"

#include <algorithm>

namespace weft::cli {
namespace {

// A text of the document; `sure` is false where a template will make it.
std::string planned_text(const json::Object& parameters, std::string_view name, bool& sure) {
  const json::Value* value = parameters.if_contains(name);
  if (value == nullptr || !value->is_string()) return {};
  std::string text(value->get_string());
  sure = text.find("{{") == std::string::npos;
  return sure ? text : std::string();
}

std::string planned_mode(const workflow::Workflow& workflow, const json::Object& parameters,
                         const std::string& kind, bool& sure) {
  const std::string mode = planned_text(parameters, "mode", sure);
  if (!mode.empty() || !sure) return mode;
  for (const auto& [name, selected] : workflow.config.mode_selection) {
    if (name == kind) return selected;
  }
  return {};
}

void planned_wish(const workflow::Workflow& workflow, const workflow::Step& step,
                  backend::RouteQuery& query) {
  query.wish.speed = workflow.config.speed;
  query.wish.accuracy = workflow.config.accuracy;
  query.wish.resource = workflow.config.resource;
  query.wish.one_answer = step.type != "llm";
}

}  // namespace

PlannedModel planned_model(const workflow::Workflow& workflow, const workflow::Step& step,
                           const workflow::StepForecast& tokens,
                           const backend::RoutingConfig& rules,
                           const std::map<std::string, backend::Measured>& measured) {
  static const json::Object kNone;
  const json::Object* given = step.parameters.if_object();
  const json::Object& parameters = given != nullptr ? *given : kNone;
  backend::RouteQuery query;
  bool model_sure = true, class_sure = true, mode_sure = true;
  query.model = planned_text(parameters, "model", model_sure);
  if (!model_sure) return {.note = "its model is known when it runs"};
  if (query.model.empty()) query.model = "default";
  query.wish.task_class = planned_text(parameters, "class", class_sure);
  const std::string mode = planned_mode(workflow, parameters, query.wish.task_class, mode_sure);
  if (mode == "non_reasoning") query.thinking = backend::Thinking::kOff;
  if (mode == "reasoning") query.thinking = backend::Thinking::kOn;
  planned_wish(workflow, step, query);
  query.wish.adaptive = mode == "adaptive" && !query.wish.one_answer;
  query.prompt_tokens = tokens.prompt;
  query.max_tokens = tokens.generated;
  query.measured = measured;
  PlannedModel out;
  if (!class_sure) out.note = "its class is known when it runs";
  if (!mode_sure) out.note = "its mode is known when it runs";
  if (const json::Value* complexity = parameters.if_contains("complexity")) {
    if (complexity->is_number()) query.wish.complexity = complexity->to_number<double>();
    const bool both = !rules.general.empty() && !rules.deep.empty() && rules.general != rules.deep;
    if (!complexity->is_number() && query.model == "auto" && both) {
      return {.models = {rules.general, rules.deep},
              .note = "its complexity, and so which of them, is known when it runs"};
    }
  }
  if (!backend::wants_route(rules, query.model, query.wish)) {
    out.models = {query.model};
    return out;
  }
  const auto route = backend::choose_route(rules, query);
  if (!route.ok()) return {.note = route.error().message};
  out.models = {route->model};
  out.adaptive = !route->escalate_to.empty();
  if (out.adaptive) out.models.push_back(route->escalate_to);
  out.max_tokens = route->max_tokens;
  return out;
}

double planned_price(const PlannedModel& planned, const workflow::StepForecast& step,
                     const backend::RoutingConfig& rules) {
  // From limits, tokens are those of both answers; of earlier runs nobody knows which were whose.
  const bool both = planned.adaptive && !step.measured;
  const int64_t share = both ? 2 : 1;
  backend::TokenCounts tokens;
  tokens.prompt = step.prompt / share;
  tokens.answer = step.generated / share;
  double sum = 0, most = 0;
  for (const std::string& model : planned.models) {
    const auto found = rules.models.find(model);
    if (found == rules.models.end()) continue;
    const double one = backend::price_of(found->second.price, tokens,
                                         step.seconds / static_cast<double>(share));
    sum += one;
    most = std::max(most, one);
  }
  return both ? sum : most;
}

}  // namespace weft::cli
