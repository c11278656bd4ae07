// SPDX-License-Identifier: Apache-2.0
#include "cli/temporary_directory.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

namespace weft::cli {

Result<std::unique_ptr<TemporaryDirectory>> TemporaryDirectory::create() {
  std::error_code failed;
  std::string path = (std::filesystem::temp_directory_path(failed) / "weft-XXXXXX").string();
  if (failed || ::mkdtemp(path.data()) == nullptr) {
    return make_error("E0022", fmt::format("cannot create a temporary directory {}", path),
                      "set TMPDIR to a directory that you may write");
  }
  return std::unique_ptr<TemporaryDirectory>(new TemporaryDirectory(path));
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace weft::cli
