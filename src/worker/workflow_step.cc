// SPDX-License-Identifier: Apache-2.0
//
// workflow: another workflow as one step. It runs as a run of its own, with its own journal, under
// the deadline of this one; its output becomes the step's. Which definition a name means was
// settled when the outermost run was accepted, so deploying a new one changes no run in flight.
#include "base/strings.h"
#include "worker/step_types.h"
#include "workflow/input.h"

namespace weft::worker {
namespace {

class WorkflowStep final : public StepType {
 public:
  std::string_view name() const override { return "workflow"; }
  // The child's steps have effects of their own; starting it is part of the journal.
  EffectClass effect(const json::Object&, const workflow::Step&) const override {
    return EffectClass::kPure;
  }
  Started start(StepContext context, StepDone) const override {
    auto child = child_of(context);
    if (!child.ok()) return failed(std::move(child).error(), false);
    return finished(std::move(child).value());
  }
  Started resume(StepContext context, StepDone) const override { return end_of_child(context); }

 private:
  static Result<StepChild> child_of(const StepContext& context) {
    const std::string known[] = {"workflow", "input", "version"};
    TRY(only_parameters(context.parameters, known));
    const std::string name = TRY(text_parameter(context.parameters, "workflow"));
    CHECK(context.definitions != nullptr, "a run without a list of sub-workflows");
    const auto found = context.definitions->find(name);
    if (found == context.definitions->end()) {
      std::vector<std::string> names;
      for (const auto& [known_name, definition] : *context.definitions) {
        names.push_back(known_name);
      }
      return make_error("E0616",
                        fmt::format("this run is pinned to no workflow {}", quoted(name)),
                        name_hint(name, names));
    }
    const std::string version = TRY(text_parameter_or(context.parameters, "version", ""));
    if (!version.empty() && version != found->second->version) {
      return make_error("E0616", fmt::format("expected version {} of workflow {}, found {}",
                                             quoted(version), quoted(name),
                                             quoted(found->second->version)));
    }
    const json::Value* given = context.parameters.if_contains("input");
    StepChild child;
    child.workflow = found->second;
    child.input = TRY(workflow::completed_input(
        *child.workflow, given != nullptr ? *given : json::Value(json::Object())));
    return child;
  }
};

}  // namespace

Started end_of_child(const StepContext& context) {
  const json::Object& end = context.answer.as_object();
  const std::string_view status = end.at("status").as_string();
  const std::string_view run = end.at("run").as_string();
  if (status == "succeeded") return succeeded(end.at("output"));
  std::string message = fmt::format("its run {} ended {}", run, status);
  const json::Value* failure = end.if_contains("failure");
  const json::Object* object = failure != nullptr ? failure->if_object() : nullptr;
  const json::Value* said = object != nullptr ? object->if_contains("message") : nullptr;
  if (said != nullptr && said->is_string()) {
    message += fmt::format(": {}", std::string_view(said->get_string()));
  }
  return failed(make_error("E0616", std::move(message), fmt::format("weft explain {}", run)),
                true);
}

const StepType& workflow_step() {
  static const WorkflowStep step;
  return step;
}

}  // namespace weft::worker
