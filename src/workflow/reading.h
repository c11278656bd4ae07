// SPDX-License-Identifier: Apache-2.0
//
// The parts of the loader that read the shape of a document: from mappings to Step, Retry and so
// on, without looking at other steps. What is wrong goes to the problems; what is returned is then
// half right and good only for finding further problems.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "workflow/definition.h"
#include "workflow/fields.h"
#include "workflow/yaml.h"

namespace weft::workflow {

// What `defaults` of the workflow sets for every step.
struct StepDefaults {
  std::shared_ptr<const StepExtras> extras;  // null, or the retry that steps begin with
  int64_t timeout_us = kStepTimeoutUs;
};

class Reading {
 public:
  // `stored`: LoadOptions::stored.
  Reading(Problems& problems, Problems& warnings, bool stored)
      : problems_(problems), warnings_(warnings), stored_(stored) {}

  StepDefaults read_defaults(YamlTree::Node node);
  WorkflowConfig read_config(YamlTree::Node node);
  std::shared_ptr<const ScheduleSpec> read_schedule(YamlTree::Node node);
  // Everything but the dependencies, which need all ids.
  Step read_step(YamlTree::Node node, const StepDefaults& defaults, bool is_fallback);
  // The list of tools, each checked whole; before the steps, which name them.
  std::vector<ToolDefinition> read_tools(YamlTree::Node list);
  // The document behind a schema; null and a problem if it is none.
  json::Value read_schema(YamlTree::Node node, const std::string& where);
  // Steps and inputs; a workflow's id may also hold '-'.
  bool check_id(YamlTree::Node node, std::string_view what, bool dashes);

 private:
  Retry read_retry(YamlTree::Node node, const std::string& where, Retry retry);
  ToolDefinition read_tool(YamlTree::Node node);
  void read_tool_step(YamlTree::Node node, ToolDefinition& tool);
  void read_type(Fields& fields, Step& step);
  void read_parameters(Fields& fields, Step& step);
  bool check_tool_name(const std::string& where, YamlTree::Node name,
                       const std::set<std::string>& known);
  void check_agent(const std::string& what, YamlTree::Node parameters);
  void read_parameters_thinking(YamlTree::Node parameters, const std::string& what);
  void read_options(Fields& fields, Step& step);
  void read_loop(Fields& fields, Step& step);
  void read_fallbacks(Fields& fields, Step& step, const StepDefaults& defaults);

  Problems& problems_;
  Problems& warnings_;
  const bool stored_;
  std::set<std::string> tool_names_;  // that agents may name: declared, and built in
  std::vector<std::pair<std::string, std::string>> modes_;  // of classes, as the config says
};

// Whether text may hold an expression: cheap, and never wrongly no.
inline bool may_hold_expression(std::string_view text) {
  return text.find("{{") != std::string_view::npos || text.find("{%") != std::string_view::npos ||
         text.find("{#") != std::string_view::npos;
}

}  // namespace weft::workflow
