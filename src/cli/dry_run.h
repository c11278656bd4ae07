// SPDX-License-Identifier: Apache-2.0
//
// `weft run --dry-run`, and what `weft new` shows of its draft: the workflow is run once in a store
// of its own that nobody keeps, with nothing sent, changed or waited for (worker/rehearsal.h), and
// what would have happened is the report:
//
//   {dry_run: true, workflow, status, input, output?, error?, steps: {…},
//    would: [{step, type, tool?, approval?, parameters, answered, given?}]}
//
// Models are asked for real.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "cli/grants.h"
#include "worker/new_run.h"
#include "workflow/definition.h"

namespace weft::cli {

struct DryRunOptions {
  std::shared_ptr<const workflow::Workflow> workflow;
  json::Value input;
  worker::Definitions definitions = {};
  std::vector<std::string> answers = {};  // STEP=JSON, TOOL=JSON, or =@file.json
  std::string model = {};                 // replaces that of every step
  Grants grants = {};
  uint64_t seed = 0;
};

// E0902: an answer that is no NAME=JSON; else what keeps a run from beginning.
Result<json::Object> dry_run(DryRunOptions options);
// Of the command: 0 if the run has succeeded.
int dry_run_exit(const json::Object& report);
// For people.
std::string dry_run_text(const json::Object& report);

}  // namespace weft::cli
