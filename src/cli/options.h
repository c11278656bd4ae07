// SPDX-License-Identifier: Apache-2.0
//
// The command line: every command, its flags and its help. This is the only unit that knows CLI11;
// a command is a function in a unit of its own that takes a plain struct. To add one: declare
// struct and function in cli/NAME.h, and describe it in an add_… function here.
#pragma once

namespace weft::cli {

// Parses, runs the command, and returns the exit code (cli/exit.h).
int run_command_line(int argc, char** argv);

}  // namespace weft::cli
