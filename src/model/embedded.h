// SPDX-License-Identifier: Apache-2.0
//
// The default model, weft-mini, lies inside the program: cmake/embed.cmake puts the files of
// models/weft-mini there and writes the function that lists them. Nothing is unpacked to disk.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace weft::model {

struct EmbeddedFile {
  std::string name;        // as in the directory: "config.json"
  std::string_view bytes;  // lives as long as the program
};

// The files of the embedded model; empty if the program was built without one.
const std::vector<EmbeddedFile>& embedded_weft_mini();

}  // namespace weft::model
