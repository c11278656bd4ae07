// SPDX-License-Identifier: Apache-2.0
//
// Which secrets a workflow cannot do without, as far as its templates say it in words: for whoever
// knows which there are and wants to say at the start what would fail in the middle. A name that
// the step itself asks about (`secrets.X is defined`, in its `when` or beside it) may be missing.
//
// Pure; any thread.
#pragma once

#include <string>
#include <vector>

#include "workflow/definition.h"
#include "workflow/problem.h"

namespace weft::workflow {

struct SecretName {
  std::string where;  // "step 'push'", "tool 'refund'"
  Place place;        // of the step or tool in its document
  std::string name;
};
// In the order of the document, each name once a step.
std::vector<SecretName> secret_names(const Workflow& workflow);

}  // namespace weft::workflow
