// SPDX-License-Identifier: Apache-2.0
//
// plan: steps that are not known before the run. Either a list of them comes out of the data
// (`steps`), or a model proposes them (`goal`), held by a grammar to the form of steps of the
// allowed `types`. Either way they are checked as any document is, every name and every {{ }}, and
// only then become a workflow that runs in place of this step: a run of its own, pinned in the
// journal to what was proposed, so that a crash, a deployment or another model changes nothing.
//
// What is proposed decides what happens, so it may use only types that `types` lists; without it
// only those that touch nothing outside.
#include <algorithm>

#include "base/code_fence.h"
#include "base/strings.h"
#include "worker/llm_request.h"
#include "worker/step_types.h"
#include "workflow/loader.h"

namespace weft::worker {
namespace {

constexpr int64_t kStepsDefault = 20;
constexpr int64_t kStepsMax = 1'000;
constexpr int64_t kProposedMax = 32;  // by a model
constexpr size_t kProblemsShown = 5;
constexpr std::string_view kId = "^[a-z][a-z0-9_]{0,15}$";

struct Terms {
  std::vector<std::string> types;
  int64_t steps_max = kStepsDefault;
  json::Object input;
};

Result<Terms> terms_of(const json::Object& parameters) {
  Terms terms;
  if (const json::Value* steps_max = parameters.if_contains("max_steps")) {
    if (!steps_max->is_int64() || steps_max->get_int64() < 1 ||
        steps_max->get_int64() > kStepsMax) {
      return wrong_parameter("max_steps", fmt::format("1 to {}", kStepsMax),
                             json::dump(*steps_max));
    }
    terms.steps_max = steps_max->get_int64();
  }
  if (const json::Value* input = parameters.if_contains("input"); input && !input->is_null()) {
    if (!input->is_object()) {
      return wrong_parameter("input", "a mapping", std::string(json::kind_name(*input)));
    }
    terms.input = input->get_object();
  }
  const json::Value* types = parameters.if_contains("types");
  if (types == nullptr) {
    terms.types = {"set", "validate", "llm"};
    return terms;
  }
  if (!types->is_array()) {
    return wrong_parameter("types", "a list of step types", std::string(json::kind_name(*types)));
  }
  for (const json::Value& type : types->get_array()) {
    const std::string word = type.is_string() ? std::string(type.get_string()) : json::dump(type);
    if (word == "plan" || find_step_type(word) == nullptr) {
      return wrong_parameter("types", "step types other than plan", quoted(word),
                             name_hint(word, step_type_names()));
    }
    terms.types.push_back(word);
  }
  return terms;
}

Error bad_plan(std::string message, std::string hint = "") {
  return make_error("E0619", "the proposed steps: " + std::move(message), std::move(hint));
}

Status check_types(const workflow::Workflow& plan, const Terms& terms) {
  const auto check = [&](const workflow::Step& step) -> Status {
    if (std::find(terms.types.begin(), terms.types.end(), step.type) != terms.types.end()) {
      return ok_status();
    }
    return bad_plan(fmt::format("{} is of type {}", quoted(step.id), quoted(step.type)),
                    "`types` of the plan step allows: " + join(terms.types, ", "));
  };
  for (const workflow::Step& step : plan.steps) {
    TRY(check(step));
    for (const workflow::Step& fallback : step.fallback()) TRY(check(fallback));
  }
  return ok_status();
}

std::string plan_id(std::string_view workflow) {
  return std::string(workflow.substr(0, 59)) + "-plan";
}

// The document around the proposed steps, checked as every other.
Result<StepChild> child_of(const StepContext& context, const Terms& terms,
                           const json::Value& steps) {
  if (!steps.is_array() || steps.get_array().empty()) {
    return bad_plan(fmt::format("expected a list of steps, found {}", json::kind_name(steps)));
  }
  if (static_cast<int64_t>(steps.get_array().size()) > terms.steps_max) {
    return bad_plan(fmt::format("expected at most {}, found {}", terms.steps_max,
                                steps.get_array().size()), "max_steps allows more");
  }
  json::Object properties;
  for (const auto& member : terms.input) properties[member.key()] = json::Object();
  const json::Object document{
      {"weft", "1"},
      {"id", plan_id(context.workflow->id)},
      {"title", fmt::format("proposed in step {}", context.path)},
      {"input", json::Object{{"type", "object"}, {"properties", std::move(properties)}}},
      {"steps", steps}};
  const workflow::Loaded loaded = workflow::load(json::dump(json::Value(document)));
  if (loaded.workflow == nullptr) {
    std::string said;
    for (size_t i = 0; i < std::min(loaded.errors.size(), kProblemsShown); ++i) {
      said += (i == 0 ? "" : "; ") + loaded.errors[i].message;
    }
    return bad_plan(std::move(said), "they are checked as the steps of any document are");
  }
  TRY(check_types(*loaded.workflow, terms));
  StepChild child;
  child.workflow = loaded.workflow;
  child.input = terms.input;
  return child;
}

// ---- what a model may propose ------------------------------------------------------------------

json::Value text_of_at_most(int64_t characters) {
  return json::Object{{"type", "string"}, {"maxLength", characters}};
}

json::Object closed_object(json::Object properties) {
  json::Array required;
  for (const auto& property : properties) required.emplace_back(property.key());
  return {{"type", "object"},
          {"additionalProperties", false},
          {"required", std::move(required)},
          {"properties", std::move(properties)}};
}

// The parameters that a model can be asked for; nothing for types whose parameters it cannot know.
std::optional<json::Object> parameters_schema(std::string_view type) {
  if (type == "set") return closed_object({{"value", text_of_at_most(200)}});
  if (type == "llm") return closed_object({{"prompt", text_of_at_most(400)}});
  if (type == "wait") {
    return closed_object({{"for", json::Object{{"type", "string"},
                                               {"pattern", "^[1-9][0-9]{0,2}[smh]$"}}}});
  }
  if (type == "approval") {
    return closed_object({{"role", text_of_at_most(40)}, {"title", text_of_at_most(120)}});
  }
  if (type == "signal") return closed_object({{"name", text_of_at_most(40)}});
  if (type == "http") {
    return closed_object({{"method", json::Object{{"enum", json::Array{"GET", "HEAD"}}}},
                          {"url", text_of_at_most(200)}});
  }
  if (type == "file") {
    return closed_object({{"action", json::Object{{"enum", json::Array{"read", "list"}}}},
                          {"path", text_of_at_most(120)}});
  }
  return std::nullopt;
}

Result<json::Value> proposal_schema(const Terms& terms) {
  const int64_t steps_max = std::min(terms.steps_max, kProposedMax);
  const json::Object id{{"type", "string"}, {"pattern", kId}};
  json::Array forms;
  for (const std::string& type : terms.types) {
    const auto parameters = parameters_schema(type);
    if (!parameters) continue;
    forms.emplace_back(closed_object(
        {{"id", id},
         {"type", json::Object{{"const", type}}},
         {"dependencies", json::Object{{"type", "array"},
                                       {"items", id},
                                       {"maxItems", std::min<int64_t>(steps_max - 1, 4)}}},
         {"parameters", *parameters}}));
  }
  if (forms.empty()) {
    return wrong_parameter("types", "a type that a model can fill in",
                           quoted(join(terms.types, ", ")),
                           "set, llm, wait, approval, signal, http or file; or give `steps`");
  }
  json::Value step = forms.size() == 1 ? forms[0]
                                       : json::Value(json::Object{{"anyOf", std::move(forms)}});
  return json::Value(closed_object(
      {{"steps", json::Object{{"type", "array"},
                              {"minItems", 1},
                              {"maxItems", steps_max},
                              {"items", std::move(step)}}}}));
}

std::string instructions(const Terms& terms) {
  std::string names;
  for (const auto& member : terms.input) names += fmt::format(" input.{}", member.key());
  return fmt::format(
      "Propose the steps of a workflow that reaches the goal, as JSON. Each step has an id, a type "
      "({}), the ids of the steps that it depends on, and parameters. A step may insert the result "
      "of one that it depends on as {{{{ steps.ID }}}}{}. At most {} steps.",
      join(terms.types, ", "),
      names.empty() ? std::string() : " and these inputs as {{ input.NAME }}:" + names,
      std::min(terms.steps_max, kProposedMax));
}

// What a proposal becomes; the evidence goes along whether it is good or not.
StepOutcome plan_outcome(const StepContext& context, const Terms& terms,
                         Result<backend::ChatResult> result) {
  if (!result.ok()) return StepFailure{std::move(result).error(), false, 0};
  const auto answer = json::parse(without_code_fence(result->content));
  const json::Object* object = answer.ok() ? answer->if_object() : nullptr;
  const json::Value* steps = object != nullptr ? object->if_contains("steps") : nullptr;
  auto child = steps != nullptr ? child_of(context, terms, *steps)
                                : Result<StepChild>(bad_plan("the model gave no list of steps"));
  AiCallRow evidence = evidence_of(*result, asked_mode(context, true).value());
  if (!child.ok()) {
    StepFailure failure{std::move(child).error(), true, 0};
    failure.ai_calls.push_back(std::move(evidence));
    return failure;
  }
  child->ai_calls.push_back(std::move(evidence));
  return std::move(*child);
}

class PlanStep final : public StepType {
 public:
  std::string_view name() const override { return "plan"; }
  bool asks_models() const override { return true; }
  // The proposed steps have effects of their own.
  EffectClass effect(const json::Object&, const workflow::Step&) const override {
    return EffectClass::kPure;
  }
  Started start(StepContext context, StepDone done) const override {
    auto terms = terms_of(context.parameters);
    if (!terms.ok()) return failed(std::move(terms).error(), false);
    const json::Value* steps = context.parameters.if_contains("steps");
    if ((steps == nullptr) == !context.parameters.contains("goal")) {
      return failed(make_error("E0603", "a plan step needs either 'goal' or 'steps'",
                               "goal: what a model shall plan; steps: \"{{ … }}\", a list"),
                    false);
    }
    if (steps == nullptr) return ask(std::move(context), std::move(*terms), std::move(done));
    auto child = child_of(context, *terms, *steps);
    if (!child.ok()) return failed(std::move(child).error(), false);
    return finished(std::move(child).value());
  }
  Started resume(StepContext context, StepDone) const override { return end_of_child(context); }

 private:
  static Started ask(StepContext context, Terms terms, StepDone done) {
    if (context.services->backend == nullptr) {
      return failed(make_error("E0610", "this process runs no models"), false);
    }
    auto goal = text_parameter(context.parameters, "goal");
    auto schema = proposal_schema(terms);
    auto system = text_parameter_or(context.parameters, "system", "");
    for (const Error* error : {goal.ok() ? nullptr : &goal.error(),
                               schema.ok() ? nullptr : &schema.error(),
                               system.ok() ? nullptr : &system.error()}) {
      if (error != nullptr) return failed(*error, false);
    }
    context.parameters["system"] = *system + (system->empty() ? "" : "\n") + instructions(terms);
    context.parameters["prompt"] = *goal;
    context.parameters["output"] = std::move(schema).value();
    if (!context.parameters.contains("max_tokens")) context.parameters["max_tokens"] = 1'024;
    auto request = chat_request_of(context);
    if (!request.ok()) return failed(std::move(request).error(), false);
    request->route.adaptive = false;
    request->route.one_answer = true;  // one plan
    backend::Backend& backend = *context.services->backend;
    backend::ChatCallbacks callbacks;
    callbacks.on_delta = [report = context.on_progress](const backend::ChatDelta& d) {
      report({d.reasoning, d.content, d.tokens.prompt, d.tokens.reasoning, d.tokens.answer});
    };
    keep_partials(context, *request, callbacks);
    count_lost(context, callbacks);
    auto shared = std::make_shared<const StepContext>(std::move(context));
    callbacks.on_done = [done = std::move(done), shared,
                         terms = std::move(terms)](Result<backend::ChatResult> result) {
      done(plan_outcome(*shared, terms, std::move(result)));
    };
    return {std::nullopt, chat_activity(backend.chat(std::move(*request), std::move(callbacks)))};
  }
};

}  // namespace

const StepType& plan_step() {
  static const PlanStep step;
  return step;
}

}  // namespace weft::worker
