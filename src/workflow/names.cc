// SPDX-License-Identifier: Apache-2.0
#include "workflow/names.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <unordered_set>
#include <utility>

#include "workflow/catalog.h"
#include "workflow/reading.h"

namespace weft::workflow {
namespace {

using Node = YamlTree::Node;

constexpr std::string_view kRunNames[] = {"id", "started", "deadline", "attempt"};
constexpr size_t kCandidatesMax = 1'000;

std::string dotted(const std::vector<std::string>& path, size_t count) {
  return join(std::span(path).first(std::min(count, path.size())), ".");
}

// Candidates for a hint.
std::vector<std::string> keys(const json::Object& object) {
  std::vector<std::string> names;
  for (const auto& member : object) {
    if (names.size() < kCandidatesMax) names.emplace_back(member.key());
  }
  return names;
}

// The schema of what a step yields, if the document says it; else null.
const json::Value* output_schema(const Step& step) {
  if (!step.for_each().is_null() || !step.output_as().is_null() || !step.fallback().empty()) {
    return nullptr;
  }
  if (step.type != "llm" && step.type != "agent") return nullptr;
  const json::Value* schema = step.parameters.get_object().if_contains("output");
  return schema != nullptr && schema->is_object() ? schema : nullptr;
}

}  // namespace

StepIds::StepIds(const std::vector<Step>& steps) : steps_(steps), sorted_(steps.size()) {
  std::iota(sorted_.begin(), sorted_.end(), 0);
  std::sort(sorted_.begin(), sorted_.end(), [&](uint32_t a, uint32_t b) {
    const int order = steps[a].id.compare(steps[b].id);
    return order != 0 ? order < 0 : a < b;
  });
}

std::optional<uint32_t> StepIds::find(std::string_view id) const {
  const auto at = std::lower_bound(sorted_.begin(), sorted_.end(), id,
                                   [&](uint32_t i, std::string_view x) {
                                     return steps_[i].id < x;
                                   });
  if (at == sorted_.end() || steps_[*at].id != id) return std::nullopt;
  return *at;
}

std::vector<uint32_t> StepIds::repeated() const {
  std::vector<uint32_t> out;
  for (size_t i = 1; i < sorted_.size(); ++i) {
    if (steps_[sorted_[i]].id == steps_[sorted_[i - 1]].id) out.push_back(sorted_[i]);
  }
  std::sort(out.begin(), out.end());
  return out;
}

void Names::check_step(uint32_t step, Node node) {
  const Step& definition = workflow_.steps[step];
  check_alternative(step, node, definition, fmt::format("step {}", quoted(definition.id, 64)));
  const Scene scene{.where = fmt::format("step '{}': for_each", definition.id), .step = step};
  if (const Node each = node.find("for_each"); each.ok() && each.is_text()) {
    check_text(each, scene, true);
  } else if (each.ok() && each.is_list()) {
    check_value(each, scene);
  }
  const Node list = node.find("fallback");
  if (!list.ok() || !list.is_list()) return;
  size_t i = 0;
  for (const Node item : list) {
    if (!item.is_mapping() || i >= definition.fallback().size()) continue;
    const Step& fallback = definition.fallback()[i++];
    check_alternative(step, item, fallback, fmt::format("fallback {}", quoted(fallback.id, 64)));
  }
}

void Names::check_alternative(uint32_t step, Node node, const Step& definition, std::string what) {
  const Step& owner = workflow_.steps[step];
  const bool loop = !owner.for_each().is_null();
  const StepType* type = find_step_type(definition.type);
  Scene scene{.where = "", .step = step, .attempt = type == nullptr || type->effects};
  if (const Node when = node.find("when"); when.ok() && when.is_text()) {
    scene.where = what + ": when";
    scene.item = loop && &owner != &definition;  // a loop's own condition comes before its items
    scene.secrets = true;
    check_text(when, scene, true);
  }
  scene.item = loop;
  scene.secrets = false;
  if (const Node key = node.find("idempotency_key"); key.ok() && key.is_text()) {
    scene.where = what + ": idempotency_key";
    check_value(key, scene);
  }
  if (const Node parameters = node.find("parameters"); parameters.ok() && parameters.is_mapping()) {
    for (const Node key : parameters) {
      scene.where = fmt::format("{}: parameters.{}", what, key.text());
      scene.statements = false;
      scene.secrets = type != nullptr && type->secrets;
      for (const Parameter& p : type == nullptr ? std::span<const Parameter>() : type->parameters) {
        if (p.name == key.text()) scene.statements = p.takes == Takes::kPrompt;
      }
      check_value(key.value(), scene);
    }
  }
  scene.statements = scene.secrets = false;
  if (const Node as = node.find("output_as"); as.ok()) {
    scene.where = what + ": output_as";
    scene.output = true;
    check_value(as, scene);
  }
}

void Names::check_output(Node node) { check_value(node, {.where = "output"}); }

// Recursion is bounded by the depth that YamlTree allows.
void Names::check_value(Node node, const Scene& scene) {
  if (node.is_text()) return check_text(node, scene, false);
  if (node.is_list()) {
    for (const Node item : node) check_value(item, scene);
  } else if (node.is_mapping()) {
    for (const Node key : node) check_value(key.value(), scene);
  }
}

void Names::check_text(Node node, const Scene& scene, bool single) {
  if (!single && !may_hold_expression(node.text())) return;
  const auto parsed = text::Interpolation::parse(node.text(), {.statements = scene.statements});
  if (!parsed.ok()) {
    problems_.add("E0417", node.place(),
                  fmt::format("{}: {}", scene.where, parsed.error().message),
                  parsed.error().hint);
    return;
  }
  if (single && !parsed->is_single()) {
    problems_.add("E0417", node.place(),
                  fmt::format("{}: expected exactly one {{{{ }}}} and nothing around it, found {}",
                              scene.where, node.found()),
                  "write the whole condition or list inside one pair: \"{{ a and b }}\"");
    return;
  }
  for (const text::FreeName& name : parsed->names()) check_name(node.place(), scene, name);
}

void Names::unknown(Place place, const Scene& scene, std::string what, std::string hint) {
  problems_.add("E0418", place, fmt::format("{}: {}", scene.where, what), std::move(hint));
}

// Only a warning: definitions of runs that are stored must load for ever.
void Names::never_there(Place place, const Scene& scene, const text::FreeName& name) {
  if (name.path[0] == "secrets") {
    warnings_.add("E0418", place,
                  fmt::format("{}: there are no secrets here", scene.where),
                  "they are seen by `when`, and by the parameters of http and notification steps, "
                  "which send them and keep them out of the journal and of prompts");
    return;
  }
  warnings_.add("E0418", place,
                fmt::format("{}: '{}' is reserved and always empty in this edition", scene.where,
                            name.path[0]),
                "give it to the run as an input");
}

void Names::check_name(Place place, const Scene& scene, const text::FreeName& name) {
  CHECK(!name.path.empty());
  const std::string& root = name.path[0];
  if (root == "secrets" && scene.secrets) return;  // which there are, the configuration knows
  if (root == "env" || root == "secrets") return never_there(place, scene, name);
  if (root == "steps") return check_step_name(place, scene, name);
  if (root == "input") {
    const bool closed = workflow_.input_schema.is_object();
    return check_members(place, scene, workflow_.input_schema, name, 1, closed);
  }
  if ((root == "item" || root == "index") && scene.item) return;
  if (root == "output" && scene.output) return;
  if (root == "run") {
    if (name.path.size() < 2) return;
    const bool known = std::find(std::begin(kRunNames), std::end(kRunNames), name.path[1]) !=
                       std::end(kRunNames);
    if (known && (name.path[1] != "attempt" || scene.attempt)) return;
    std::vector<std::string> names(std::begin(kRunNames), std::end(kRunNames));
    if (!scene.attempt) names.pop_back();
    return unknown(place, scene, fmt::format("there is no 'run.{}' here", name.path[1]),
                   known ? "only steps with effects see the number of their attempt"
                         : name_hint(name.path[1], names));
  }
  std::vector<std::string> roots = {"input", "steps", "run"};
  if (scene.item) roots.insert(roots.end(), {"item", "index"});
  if (scene.output) roots.emplace_back("output");
  std::string hint = name_hint(root, roots);
  if (index_.steps.find(root)) hint = fmt::format("the output of a step is steps.{}", root);
  if (root == "item" || root == "index") hint = "item and index exist only in steps with for_each";
  if (workflow_.input_schema.is_object()) {
    const json::Value* properties = workflow_.input_schema.get_object().if_contains("properties");
    if (properties != nullptr && properties->is_object() &&
        properties->get_object().contains(root)) {
      hint = fmt::format("an input is input.{}", root);
    }
  }
  unknown(place, scene, fmt::format("unknown name '{}'", root), std::move(hint));
}

// Candidates for a hint: what the step depends on first, then others, not all of 100,000.
std::vector<std::string> Names::near_steps(const Scene& scene) const {
  std::vector<std::string> names;
  std::unordered_set<std::string_view> known;
  const auto add = [&](const Step& step) {
    if (names.size() < kCandidatesMax && known.insert(step.id).second) names.push_back(step.id);
    return names.size() < kCandidatesMax;
  };
  if (scene.step != kNoStep) {
    for (const uint32_t d : workflow_.steps[scene.step].dependencies) add(workflow_.steps[d]);
  }
  for (const Step& step : workflow_.steps) {
    if (!add(step)) break;
  }
  return names;
}

void Names::check_step_name(Place place, const Scene& scene, const text::FreeName& name) {
  if (name.path.size() < 2) return;  // steps[…] with a computed name: judged when it runs
  const std::string& id = name.path[1];
  const auto found = index_.steps.find(id);
  if (!found) {
    const auto fallback = index_.fallbacks.find(id);
    if (fallback != index_.fallbacks.end()) {
      const std::string& owner = workflow_.steps[fallback->second].id;
      return unknown(place, scene, fmt::format("'{}' is a fallback and has no output", id),
                     fmt::format("its result is that of its step: steps.{}", owner));
    }
    return unknown(place, scene, fmt::format("there is no step '{}'", id),
                   problems_.hint_for(id, [&] { return near_steps(scene); }));
  }
  const uint32_t other = *found;
  if (scene.step == other) {
    return unknown(place, scene, "a step cannot see its own output",
                   scene.output ? "here it is called output" : "");
  }
  if (scene.step != kNoStep && graph_ != nullptr && !graph_->depends_on(scene.step, other)) {
    return unknown(place, scene,
                   fmt::format("step '{}' does not depend on '{}', which may not have run yet",
                               workflow_.steps[scene.step].id, id),
                   fmt::format("add {} to its dependencies", id));
  }
  if (const json::Value* schema = output_schema(workflow_.steps[other])) {
    check_members(place, scene, *schema, name, 2, false);
  }
}

// Follows the path through `properties`, as long as a level closes itself by
// additionalProperties: false. `closed` says that the first level counts as closed anyhow.
void Names::check_members(Place place, const Scene& scene, const json::Value& schema,
                          const text::FreeName& name, size_t from, bool closed) {
  const json::Value* level = &schema;
  for (size_t i = from; i < name.path.size(); ++i, closed = false) {
    if (!level->is_object()) return;
    const json::Object& object = level->get_object();
    const json::Value* properties = object.if_contains("properties");
    const json::Value* additional = object.if_contains("additionalProperties");
    if (properties == nullptr || !properties->is_object()) return;
    if (const json::Value* next = properties->get_object().if_contains(name.path[i])) {
      level = next;
      continue;
    }
    const bool shut = additional != nullptr && additional->is_bool() && !additional->get_bool();
    const bool open_anyhow = object.contains("patternProperties") || object.contains("allOf") ||
                             object.contains("anyOf") || object.contains("oneOf") ||
                             object.contains("$ref") || object.contains("if");
    if (open_anyhow || !(shut || (closed && additional == nullptr))) return;
    const auto candidates = [&] { return keys(properties->get_object()); };
    return unknown(place, scene,
                   fmt::format("'{}' has no '{}'", dotted(name.path, i), name.path[i]),
                   problems_.hint_for(name.path[i], candidates));
  }
}

}  // namespace weft::workflow
