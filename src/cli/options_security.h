// SPDX-License-Identifier: Apache-2.0
//
// The options of commands about who may do what and what was done: `weft keys`, `weft audit`. Apart
// from options.cc only for its length; with it, one of the units that know CLI11.
#pragma once

#include "cli/options_tools.h"

namespace weft::cli {

void add_keys(CLI::App& app, Action& action);
void add_audit(CLI::App& app, Action& action);

}  // namespace weft::cli
