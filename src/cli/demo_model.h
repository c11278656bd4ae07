// SPDX-License-Identifier: Apache-2.0
//
// What the embedded model is for, said where somebody is about to ask more of it. weft-mini knows
// one job, triage of customer messages with simple tool calls (models/weft-mini/README.md); every
// other request gets an answer of the right form without sense.
//
// Words and warnings only: nothing here refuses a request.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/config_models.h"
#include "workflow/definition.h"
#include "workflow/problem.h"

namespace weft::cli {

// For people, one line.
inline constexpr std::string_view kDemoModelLine =
    "weft-mini is a demo model for triage of customer messages and simple tool calls; other work "
    "wants a larger one (docs/models.md)";

// Whether requests that name `model` are for weft-mini, as far as the configuration alone says. A
// model whose name rules choose ("auto") is not.
bool is_demo_model(const ModelsConfig& config, const std::string& model);

// One (E0433) for each llm step, fallbacks included, whose model `is_demo` and whose output schema
// asks for none of the fields that weft-mini was trained to write; at the step's place. Schemas and
// names with {{ }} are known when the step runs, and are let pass.
std::vector<workflow::Problem> demo_model_warnings(
    const workflow::Workflow& workflow, const backend::RoutingConfig& rules,
    const std::function<bool(const std::string&)>& is_demo);

}  // namespace weft::cli
