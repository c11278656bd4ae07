// SPDX-License-Identifier: Apache-2.0
//
// Which steps name a `class` that nothing knows: neither the document's mode_selection nor the
// rules of routing say anything about it, so that the step runs as if it stood nowhere. Mostly a
// slip of the pen; but a document may be written for another machine's configuration, so that it
// is a warning. The workflow module cannot know: it has no configuration.
#pragma once

#include <vector>

#include "backend/routing.h"
#include "workflow/definition.h"
#include "workflow/problem.h"

namespace weft::cli {

// One (E0432) for each step concerned, those of tools and fallbacks included; at the step's place.
std::vector<workflow::Problem> class_warnings(const workflow::Workflow& workflow,
                                              const backend::RoutingConfig& rules);

}  // namespace weft::cli
