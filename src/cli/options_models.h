// SPDX-License-Identifier: Apache-2.0
//
// The options of the commands that ask, measure and keep models: generate, chat, eval, logits,
// tokenize, template, models. As in options.cc, a command is a function that adds it with its flags
// and leaves what is to be done in the action; what the flags mean is each command's business.
#pragma once

#include "cli/options_tools.h"

namespace weft::cli {

void add_generate(CLI::App& app, Action& action);
void add_chat(CLI::App& app, Action& action);
void add_logits(CLI::App& app, Action& action);
void add_models(CLI::App& app, Action& action);
void add_eval(CLI::App& app, Action& action);
void add_tokenize(CLI::App& app, Action& action);
void add_template(CLI::App& app, Action& action);

}  // namespace weft::cli
