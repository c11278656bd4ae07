// SPDX-License-Identifier: Apache-2.0
//
// What stands at the end of each command's --help: an example of that very command. All of them
// stand in one table, so that it is seen at a glance which command has none; the longer footers of
// a few commands stand with their flags, and get their example behind them.
#pragma once

namespace CLI {
class App;
}

namespace weft::cli {

// After all commands have been added.
void add_examples(CLI::App& app);

}  // namespace weft::cli
