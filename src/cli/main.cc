// SPDX-License-Identifier: Apache-2.0
#include "cli/options.h"

int main(int argc, char** argv) { return weft::cli::run_command_line(argc, argv); }
