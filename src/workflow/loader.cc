// SPDX-License-Identifier: Apache-2.0
#include "workflow/loader.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/digest.h"
#include "workflow/graph.h"
#include "workflow/names.h"
#include "workflow/reading.h"
#include "workflow/yaml.h"

namespace weft::workflow {
namespace {

using Node = YamlTree::Node;
using Kind = YamlTree::Kind;

class Loader {
 public:
  explicit Loader(bool stored) : reading_(problems_, warnings_, stored) {}
  Loaded load(std::string_view text);

 private:
  bool is_native(Node root);
  void read_workflow(Node root);
  void read_input(Fields& fields);
  void index_ids();
  std::vector<std::string> other_steps(std::string_view id) const;
  bool resolve_dependencies(uint32_t step, Node node);
  template <class Do> void each_step(Do&& do_with) const;
  bool check_cycles();
  void check_expressions(Node root, bool graph_is_sound);
  void check_canonical();

  Problems problems_;
  Problems warnings_;
  Reading reading_;
  std::shared_ptr<Workflow> workflow_ = std::make_shared<Workflow>();
  Node steps_;  // the list in the document: its mappings are Workflow::steps
  std::optional<StepIds> ids_;
  Names::Fallbacks fallback_ids_;
};

bool Loader::is_native(Node root) {
  if (!root.is_mapping()) {
    problems_.add("E0420", root.place(), "expected a workflow (a mapping), found " + root.found(),
                  "a workflow begins with   weft: \"1\"");
    return false;
  }
  const Node version = root.find("weft");
  if (!version.ok() && root.find("document").ok()) {
    problems_.add("E0420", root.place(),
                  "this is a document of the Open Workflow Specification, which this edition "
                  "does not read", "write it in the native form, which begins with   weft: \"1\"");
    return false;
  }
  if (!version.ok()) {
    problems_.add("E0411", root.place(), "expected the key 'weft', found none",
                  "the first line of a workflow is   weft: \"1\"");
    return true;
  }
  const bool scalar = version.is_text() || version.kind() == Kind::kInteger;
  if (!scalar || version.text() != "1") {
    problems_.add("E0420", version.place(), "expected weft: \"1\", found " + version.found(),
                  "this edition reads version 1 of the format");
  }
  return true;
}

void Loader::read_workflow(Node root) {
  Workflow& w = *workflow_;
  Fields fields(root, "workflow", problems_);
  fields.any("weft");
  if (const Node id = fields.required("id", "the name under which it is stored"); id.ok()) {
    if (reading_.check_id(id, "workflow", true)) w.id = id.text();
  }
  if (const Node version = fields.any("version"); version.ok()) {
    if (version.is_list() || version.is_mapping() || version.kind() == Kind::kNull) {
      fields.wrong(version, "version", "text such as 1.0.0");
    } else {
      w.version = version.text();
    }
  }
  w.title = fields.text("title").value_or("");
  w.priority = static_cast<int32_t>(fields.integer("priority", -1000, 1000).value_or(1));
  w.timeout_us = fields.duration_us("timeout").value_or(0);
  read_input(fields);
  w.config = reading_.read_config(fields.any("workflow_config"));
  w.tools = reading_.read_tools(fields.any("tools"));
  const StepDefaults defaults = reading_.read_defaults(fields.any("defaults"));
  w.schedule = reading_.read_schedule(fields.any("schedule"));
  const Node steps = fields.required("steps", "a list of steps");
  if (const Node output = fields.any("output"); output.ok()) w.output = output.to_json();
  fields.finish();
  if (!steps.ok()) return;
  if (!steps.is_list() || steps.size() == 0) {
    return fields.wrong(steps, "steps", "a list of at least one step",
                        steps.is_mapping() ? "each step begins with a dash:   - id: classify" : "");
  }
  steps_ = steps;
  w.steps.reserve(steps.size());
  for (const Node node : steps) {
    if (!node.is_mapping()) {
      fields.wrong(node, "steps", "a mapping for each step");
      continue;
    }
    w.steps.push_back(reading_.read_step(node, defaults, false));
  }
}

void Loader::read_input(Fields& fields) {
  const Node node = fields.any("input");
  if (!node.ok()) return;
  if (!node.is_mapping()) return fields.wrong(node, "input", "a JSON Schema of an object");
  workflow_->input_schema = reading_.read_schema(node, "input");
  const Node type = node.find("type");
  if (type.ok() && !(type.is_text() && type.text() == "object")) {
    fields.wrong(type, "input.type", "object", "the input of a run is an object of named values");
  }
  const Node properties = node.find("properties");
  if (!properties.ok() || !properties.is_mapping()) return;
  for (const Node key : properties) reading_.check_id(key, "input", false);
}

// Every id once, those of fallbacks included.
void Loader::index_ids() {
  const auto twice = [&](const Step& step) {
    if (step.id.empty()) return;  // that is a problem of its own
    problems_.add("E0413", step.place, fmt::format("two steps are called {}", quoted(step.id)),
                  "ids are unique in a workflow, those of fallbacks included");
  };
  const auto& steps = workflow_->steps;
  ids_.emplace(steps);
  for (const uint32_t i : ids_->repeated()) twice(steps[i]);
  for (uint32_t i = 0; i < steps.size(); ++i) {
    for (const Step& f : steps[i].fallback()) {
      const bool fresh =
          !f.id.empty() && !ids_->find(f.id) && fallback_ids_.emplace(f.id, i).second;
      if (!fresh) twice(f);
    }
  }
}

// do_with(index, node) for every step.
template <class Do> void Loader::each_step(Do&& do_with) const {
  if (!steps_.ok()) return;
  uint32_t i = 0;
  for (const Node node : steps_) {
    if (node.is_mapping()) do_with(i++, node);
  }
  CHECK(i == workflow_->steps.size(), "{} of {} steps", i, workflow_->steps.size());
}

// Candidates for a hint, not all of 100,000.
std::vector<std::string> Loader::other_steps(std::string_view id) const {
  std::vector<std::string> names;
  for (const Step& other : workflow_->steps) {
    if (names.size() < 1'000 && other.id != id) names.push_back(other.id);
  }
  return names;
}

// Dependencies as indices. False if a name was wrong.
bool Loader::resolve_dependencies(uint32_t step, Node node) {
  Step& s = workflow_->steps[step];
  const Node list = node.find("dependencies");
  if (!list.ok() || list.kind() == Kind::kNull) return true;
  const std::string what = fmt::format("step {}: dependencies", quoted(s.id, 64));
  if (!list.is_list()) {
    problems_.add("E0412", list.place(), what + ": expected a list of ids, found " + list.found(),
                  list.is_text() ? fmt::format("write [{}]", list.text()) : "");
    return false;
  }
  bool good = true;
  s.dependencies.reserve(list.size());
  for (const Node item : list) {
    if (!item.is_text()) {
      problems_.add("E0412", item.place(), what + ": expected an id, found " + item.found());
      good = false;
      continue;
    }
    if (const auto found = ids_->find(item.text())) {
      s.dependencies.push_back(*found);
      continue;
    }
    good = false;
    const auto fallback = fallback_ids_.find(item.text());
    if (fallback != fallback_ids_.end()) {
      problems_.add("E0414", item.place(),
                    fmt::format("{}: {} is a fallback", what, quoted(item.text())),
                    "depend on its step: " + workflow_->steps[fallback->second].id);
      continue;
    }
    problems_.add("E0414", item.place(), fmt::format("{}: there is no step {}", what,
                                                     quoted(item.text())),
                  problems_.hint_for(item.text(), [&] { return other_steps(s.id); }));
  }
  // A dependency named twice is one; few enough to compare, except in a wide join.
  auto sorted = s.dependencies;
  std::sort(sorted.begin(), sorted.end());
  if (std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end()) {
    problems_.add("E0412", list.place(), what + ": a step is named twice", "remove one of the two");
  }
  return good;
}

bool Loader::check_cycles() {
  const std::vector<uint32_t> cycle = find_cycle(workflow_->steps);
  if (cycle.empty()) return true;
  std::string path;
  for (size_t i = 0; i < cycle.size(); ++i) {
    if (cycle.size() > 24 && i == 12) {
      path += fmt::format(" → … {} more", cycle.size() - 24);
      i = cycle.size() - 13;
      continue;
    }
    if (!path.empty()) path += " → ";
    path += workflow_->steps[cycle[i]].id;
  }
  problems_.add("E0415", workflow_->steps[cycle[0]].place,
                "the steps wait for each other in a circle: " + path,
                "remove one of these dependencies");
  return false;
}

void Loader::check_expressions(Node root, bool graph_is_sound) {
  std::optional<Graph> graph;
  if (graph_is_sound) graph.emplace(workflow_->steps);
  Names names(*workflow_, graph ? &*graph : nullptr, {*ids_, fallback_ids_},
              {problems_, warnings_});
  each_step([&](uint32_t i, Node node) { names.check_step(i, node); });
  if (const Node output = root.find("output"); output.ok()) names.check_output(output);
}

// Runs read their definition back from the canonical form: what could not be read is not accepted.
void Loader::check_canonical() {
  const size_t size = workflow_->canonical.size();
  constexpr size_t kMax = YamlLimits().bytes_max;
  if (size <= kMax) return;
  problems_.add("E0404", {}, fmt::format("expected at most {} bytes in the form that is stored "
                                         "(JSON, aliases expanded), found {}", kMax, size),
                "put data into files that steps read");
}

Loaded Loader::load(std::string_view text) {
  Loaded loaded;
  YamlTree tree;
  if (YamlTree::parse(text, tree, problems_) && is_native(tree.root())) {
    read_workflow(tree.root());
    Workflow& w = *workflow_;
    bool sound = true;
    index_ids();
    each_step([&](uint32_t i, Node node) { sound = resolve_dependencies(i, node) && sound; });
    sound = check_cycles() && sound;
    check_expressions(tree.root(), sound);
    w.canonical = tree.canonical();
    check_canonical();
    w.hash = sha256_hex(w.canonical);
  }
  loaded.errors_left_out = problems_.left_out();
  loaded.errors = problems_.take();
  loaded.warnings = warnings_.take();
  if (loaded.errors.empty()) loaded.workflow = std::move(workflow_);
  return loaded;
}

}  // namespace

Loaded load(std::string_view text, const LoadOptions& options) {
  Loader loader(options.stored);
  return loader.load(text);
}

Result<std::shared_ptr<const Workflow>> load_or_error(std::string_view text,
                                                      std::string_view file,
                                                      const LoadOptions& options) {
  Loaded loaded = load(text, options);
  if (loaded.workflow != nullptr) return std::move(loaded.workflow);
  return to_error(loaded.errors, file);
}

}  // namespace weft::workflow
