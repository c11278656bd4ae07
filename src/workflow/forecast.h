// SPDX-License-Identifier: Apache-2.0
//
// What a run of a workflow will take, before it begins: from what its steps took in earlier runs,
// and for thinking steps that have never run from their own limits. Seconds are those of the
// longest chain of steps that wait for each other. Pure.
//
// A loop counts as one item, and every step as if it ran: conditions are not known beforehand.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "workflow/definition.h"

namespace weft::workflow {

// Means over the runs that are known.
struct StepHistory {
  int64_t runs = 0;
  double seconds = 0;
  double prompt = 0, reasoning = 0, answer = 0;  // tokens
};

struct StepForecast {
  std::string id, type;
  bool thinks = false;      // asks a model
  bool measured = false;    // from earlier runs; else from limits
  bool waits = false;       // for people, times or signals: how long, nobody knows
  bool loops = false;       // tokens and seconds are of one item
  bool estimated = false;   // seconds from a speed that nobody has measured
  double seconds = 0;       // 0: not known
  int64_t prompt = 0;       // tokens
  int64_t generated = 0;    // tokens, thinking included; from limits: at most
};
struct Forecast {
  std::vector<StepForecast> steps;
  double seconds = 0;       // of the longest chain, as far as it is known
  int64_t prompt = 0, generated = 0;
  int64_t unknown = 0;      // steps whose seconds nobody knows
};
// What is known of the model that will answer a step; speeds of 0 are not known.
struct StepSpeed {
  double prompt_per_second = 0, tokens_per_second = 0;
  bool estimated = false;   // else measured
  int64_t max_tokens = 0;   // that it gets at most, whatever the step says; 0: what the step says
  int answers = 1;          // at most, where an unsure one is asked for again
};
// Speeds by step; a step that is missing has none.
Forecast forecast(const Workflow& workflow, const std::map<std::string, StepHistory>& history,
                  const std::map<std::string, StepSpeed>& speeds);

}  // namespace weft::workflow
