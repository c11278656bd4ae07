// SPDX-License-Identifier: Apache-2.0
//
// From a document (YAML or JSON) to a checked Workflow, or to the list of everything that is wrong
// with it. Three passes over the tree: the shape (keys, kinds, ids, durations, schemas), the graph
// (dependencies, cycles), the expressions (syntax, names against inputs and the steps upstream).
// A pass runs only over what the ones before it left meaningful, so that no problem is a mere
// consequence of another.
//
// What it refuses: E0401-E0404 by yaml.h; E0410 unknown key, E0411 missing key, E0412 wrong kind
// or value, E0413 bad or duplicate id, E0414 unknown dependency, E0415 cycle, E0416 unknown step
// type, E0417 expression, E0418 unknown name in an expression, E0419 schema, E0420 not this
// format; E0440 duration; E0625 an agent names a tool that there is not.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "workflow/definition.h"
#include "workflow/problem.h"

namespace weft::workflow {

struct Loaded {
  std::shared_ptr<const Workflow> workflow;  // null if there are errors
  std::vector<Problem> errors;               // by place
  std::vector<Problem> warnings;             // what is allowed but probably not meant
  size_t errors_left_out = 0;                // beyond Problems::kProblemsMax
};

struct LoadOptions {
  // It was accepted before, perhaps by a weft that knew fewer rules: those that only find early
  // what would fail later are left out, so that its runs and definitions can be read.
  bool stored = false;
};

Loaded load(std::string_view text, const LoadOptions& options = {});

// For callers that want one result: the first problem, with the others as its causes. `file`
// names the document in messages.
Result<std::shared_ptr<const Workflow>> load_or_error(std::string_view text, std::string_view file,
                                                      const LoadOptions& options = {});

}  // namespace weft::workflow
