// SPDX-License-Identifier: Apache-2.0
//
// Checks every expression of a workflow before anything runs: that it parses, that a condition is
// exactly one {{ }}, and that each name in it can exist there. A step sees only what it depends
// on, directly or through others: with a name from elsewhere it would depend on luck whether the
// value is there.
//
// Members are checked as far as schemas close them: input against `input`, the output of a step
// against the `output` schema of its parameters.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "text/jinja.h"
#include "workflow/definition.h"
#include "workflow/graph.h"
#include "workflow/problem.h"
#include "workflow/yaml.h"

namespace weft::workflow {

// Steps by id: their indices in the order of their ids. 4 bytes a step, where a hash table of
// 100,000 would take 5 MB.
class StepIds {
 public:
  explicit StepIds(const std::vector<Step>& steps);
  std::optional<uint32_t> find(std::string_view id) const;  // the first step that is called so
  // Steps that are called as one before them, in document order.
  std::vector<uint32_t> repeated() const;

 private:
  const std::vector<Step>& steps_;
  std::vector<uint32_t> sorted_;
};

class Names {
 public:
  using Fallbacks = std::unordered_map<std::string_view, uint32_t>;  // id -> the step it is of
  struct Index {
    const StepIds& steps;
    const Fallbacks& fallbacks;
  };
  struct Reports {
    Problems& problems;
    Problems& warnings;
  };
  // `graph` may be null (the dependencies are broken): then nothing is said about upstream.
  Names(const Workflow& workflow, const Graph* graph, const Index& index, const Reports& reports)
      : workflow_(workflow),
        graph_(graph),
        index_(index),
        problems_(reports.problems),
        warnings_(reports.warnings) {}

  // The expressions of a step (with its fallbacks), of the run's output.
  void check_step(uint32_t step, YamlTree::Node node);
  void check_output(YamlTree::Node node);

 private:
  static constexpr uint32_t kNoStep = UINT32_MAX;
  // Where an expression stands and which names there are.
  struct Scene {
    std::string where;       // "step 'a': parameters.prompt"
    uint32_t step = kNoStep; // kNoStep: the run's output, which sees all steps
    bool item = false;       // item and index
    bool output = false;     // output
    bool attempt = false;    // run.attempt
    bool statements = false; // {% %}
    bool secrets = false;    // secrets
  };
  void check_alternative(uint32_t step, YamlTree::Node node, const Step& definition,
                         std::string what);
  void check_value(YamlTree::Node node, const Scene& scene);   // text, or what holds text
  void check_text(YamlTree::Node node, const Scene& scene, bool single);
  void check_name(Place place, const Scene& scene, const text::FreeName& name);
  void check_step_name(Place place, const Scene& scene, const text::FreeName& name);
  void check_members(Place place, const Scene& scene, const json::Value& schema,
                     const text::FreeName& name, size_t from, bool closed);
  void never_there(Place place, const Scene& scene, const text::FreeName& name);
  void unknown(Place place, const Scene& scene, std::string what, std::string hint);
  std::vector<std::string> near_steps(const Scene& scene) const;

  const Workflow& workflow_;
  const Graph* graph_;
  const Index index_;
  Problems& problems_;
  Problems& warnings_;
};

}  // namespace weft::workflow
