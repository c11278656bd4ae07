// SPDX-License-Identifier: Apache-2.0
//
// The options of operators' commands: `weft keys`, `weft users`, `weft secrets`, `weft audit`,
// `weft backup`, `weft store`, `weft runs delete` and `prune`. Apart from options.cc only for its
// length; with it, one of the units that know CLI11.
#pragma once

#include "cli/options_tools.h"

namespace weft::cli {

// All of them but those of runs.
void add_operators_commands(CLI::App& app, Action& action);
void add_runs_removal(CLI::App& runs, Action& action);

}  // namespace weft::cli
