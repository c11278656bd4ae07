// SPDX-License-Identifier: Apache-2.0
//
// The input of a run from the command line: `-i key=value` and `-i @file.json`, later ones over
// earlier ones. A value is text where the schema wants text, else JSON if it reads as JSON. The
// result is completed with the schema's defaults and checked.
#pragma once

#include <span>
#include <string>

#include "base/error.h"
#include "base/json.h"
#include "workflow/definition.h"

namespace weft::cli {

// E0902: an argument that is neither form; E0310: the input does not fit the schema; the hint says
// how to give what is missing.
Result<json::Value> input_of(const workflow::Workflow& workflow,
                             std::span<const std::string> arguments);
// Only what the arguments say, neither completed nor checked.
Result<json::Object> input_members(const workflow::Workflow& workflow,
                                   std::span<const std::string> arguments);

// The words of a command as a shell reads them: quoted where they need it.
std::string command_text(std::span<const std::string> words);

}  // namespace weft::cli
