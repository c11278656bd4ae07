// SPDX-License-Identifier: Apache-2.0
#include "cli/config.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>

namespace weft::cli {

std::optional<std::string> environment(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  if (value == nullptr || *value == '\0') return std::nullopt;
  return std::string(value);
}

Result<std::optional<int>> activated_socket() {
  constexpr int kFirst = 3;  // as sd_listen_fds(3) says
  if (environment("LISTEN_PID") != std::to_string(::getpid())) return std::optional<int>();
  const std::string count = environment("LISTEN_FDS").value_or("0");
  if (count == "0") return std::optional<int>();
  if (count != "1") {
    return make_error("E0821", "LISTEN_FDS is " + count + ": one socket can be served, not several",
                      "one ListenStream in the socket unit");
  }
  ::fcntl(kFirst, F_SETFD, FD_CLOEXEC);
  return std::optional<int>(kFirst);
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
