// SPDX-License-Identifier: Apache-2.0
//
// JSON that a flag brings, in its own text or in a file it names. What is not JSON is wrong use of
// the flag (E0904), which the message names beside the file; a file that cannot be read keeps its
// own error (E0020).
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "base/json.h"

namespace weft::cli {

// `file`: what `flag` names. E0904, E0020.
Result<json::Value> json_of_file(std::string_view flag, const std::string& file);
// A list; `argument` is its text, or "@FILE". E0904, E0020.
Result<json::Array> json_list(std::string_view flag, const std::string& argument);

}  // namespace weft::cli
