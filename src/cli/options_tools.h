// SPDX-License-Identifier: Apache-2.0
//
// Groups of options that stand apart from options.cc only for its length: flags that several
// commands share, and the commands about tools. Includes of CLI11 stay in these two units.
#pragma once

#include <cstdint>
#include <functional>

#include "cli/config_encryption.h"
#include "cli/grants.h"
#include "cli/run.h"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace weft::cli {

using Action = std::function<int()>;

// What CLI11's own checks say badly or let pass: numbers that no integer holds, "nan".
void check_seed(CLI::Option* option, uint64_t max = UINT64_MAX);
void check_number(CLI::Option* option, double low, double high);
void check_threads(CLI::Option* option);

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
