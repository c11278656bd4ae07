// SPDX-License-Identifier: Apache-2.0
//
// Which documents the `workflow` steps of a file mean: NAME, NAME.yaml, NAME.yml or NAME.json next
// to the file that names them, and so on for those. Found when the run is accepted; from then on
// the run is pinned to what was found.
#pragma once

#include <string>

#include "base/error.h"
#include "worker/new_run.h"

namespace weft::cli {

// E0616: a name that no file has, or two files that use one name for different documents; else what
// is wrong with the document.
Result<worker::Definitions> sub_workflows(const workflow::Workflow& workflow,
                                          const std::string& file);

}  // namespace weft::cli
