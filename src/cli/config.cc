// SPDX-License-Identifier: Apache-2.0
#include "cli/config.h"

#include <cstdlib>

namespace weft::cli {

std::optional<std::string> environment(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  if (value == nullptr || *value == '\0') return std::nullopt;
  return std::string(value);
}

std::string data_directory() {
  if (const auto home = environment("WEFT_HOME")) return *home;
  if (const auto data = environment("XDG_DATA_HOME")) return *data + "/weft";
  if (const auto home = environment("HOME")) return *home + "/.local/share/weft";
  return ".weft";
}

std::string cache_directory() {
  if (const auto home = environment("WEFT_HOME")) return *home + "/cache";
  if (const auto cache = environment("XDG_CACHE_HOME")) return *cache + "/weft";
  if (const auto home = environment("HOME")) return *home + "/.cache/weft";
  return {};
}

std::string default_store_path() { return data_directory() + "/weft.db"; }

}  // namespace weft::cli
