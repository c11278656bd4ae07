// SPDX-License-Identifier: Apache-2.0
//
// Which model will answer a step, as far as that is certain before it runs: by the same rules that
// a request follows (backend/routing.h), from what the document says. A template is known when the
// step runs; what cannot be known is said in words. And what the tokens of a forecast cost there.
//
// Pure; speeds come in.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "backend/routing.h"
#include "workflow/forecast.h"

namespace weft::cli {

struct PlannedModel {
  std::vector<std::string> models = {};  // that may answer; none: known when it runs
  bool adaptive = false;   // the second one only where the first is unsure; else one of them
  int64_t max_tokens = 0;  // 0: as the step says
  std::string note = {};   // what nobody knows before, or why nobody will answer
};

PlannedModel planned_model(const workflow::Workflow& workflow, const workflow::Step& step,
                           const workflow::StepForecast& tokens,
                           const backend::RoutingConfig& rules,
                           const std::map<std::string, backend::Measured>& measured);

// At most, by the dearest that may answer; 0 where nobody has set a price.
double planned_price(const PlannedModel& planned, const workflow::StepForecast& step,
                     const backend::RoutingConfig& rules);

}  // namespace weft::cli
