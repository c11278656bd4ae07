// SPDX-License-Identifier: Apache-2.0
//
// What a process that answers others (serve, mcp) starts by name: its workflow files, each with the
// documents that its `workflow` steps mean, the directory of their file steps, and the store.
// Files are read once, at the start.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "cli/config_encryption.h"
#include "server/runs.h"

namespace weft::cli {

// `store`: empty: the user's own. `files`: empty: file steps are refused. Errors as the loader's
// and sub_workflows'.
Result<server::RunsOptions> offered_runs(const StoreFlags& store, const std::string& files,
                                         const std::vector<std::string>& workflows);

}  // namespace weft::cli
