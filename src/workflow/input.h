// SPDX-License-Identifier: Apache-2.0
//
// The input of a run against the `input` schema of its workflow: completed with the schema's
// defaults and checked. Whoever accepts a run (command line, API, sub-workflow, fork) comes through
// here, so that no run begins with an input that its workflow does not describe.
#pragma once

#include "base/error.h"
#include "base/json.h"
#include "workflow/definition.h"

namespace weft::workflow {

// E0310: the value does not fit; the hint names the inputs.
Result<json::Value> completed_input(const Workflow& workflow, json::Value value);

}  // namespace weft::workflow
