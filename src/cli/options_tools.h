// SPDX-License-Identifier: Apache-2.0
//
// Groups of options that stand apart from options.cc only for its length: flags that several
// commands share, and the commands about tools. Includes of CLI11 stay in these two units.
#pragma once

#include <functional>

#include "cli/config_encryption.h"
#include "cli/grants.h"
#include "cli/run.h"

namespace CLI {
class App;
}

namespace weft::cli {

using Action = std::function<int()>;

void add_grants(CLI::App& command, Grants& grants);
void add_model_flags(CLI::App& command, ModelFlags& flags);
void add_store(CLI::App& command, StoreFlags& store, const char* help);
void add_run_grants(CLI::App& command, Grants& grants);  // and --config, model flags
void add_dry_run(CLI::App& command, RunOptions& options);
void add_tools(CLI::App& app, Action& action);
void add_mcp(CLI::App& app, Action& action);
void add_plan(CLI::App& app, Action& action);
void add_new(CLI::App& app, Action& action);

}  // namespace weft::cli
