// SPDX-License-Identifier: Apache-2.0
//
// Which output schemas of llm steps no grammar can hold a model to: their answers are judged after
// they are written, and steps may have to try again. `weft validate` warns of them, because who
// writes such a keyword pays for it at every run. The workflow module cannot know: it has no
// grammars.
#pragma once

#include <vector>

#include "workflow/definition.h"
#include "workflow/problem.h"

namespace weft::cli {

// One for each step concerned, fallbacks included; at the step's place.
std::vector<workflow::Problem> schema_warnings(const workflow::Workflow& workflow);

}  // namespace weft::cli
