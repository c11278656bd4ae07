// SPDX-License-Identifier: Apache-2.0
//
// The only place that reads the process environment. Everything else takes what it needs as an
// argument.
#pragma once

#include <optional>
#include <string>

#include "base/error.h"

namespace weft::cli {

// The value of an environment variable, or nothing if it is unset or empty.
std::optional<std::string> environment(const std::string& name);

// The socket that systemd's socket activation (LISTEN_PID, LISTEN_FDS) hands to this process,
// closed in its children; nothing if it hands none. E0821: several.
Result<std::optional<int>> activated_socket();

// Where this user's weft keeps its data: $WEFT_HOME, else $XDG_DATA_HOME/weft, else
// ~/.local/share/weft, else ./.weft.
std::string data_directory();

// Where packed weights are kept: $WEFT_HOME/cache, else $XDG_CACHE_HOME/weft, else ~/.cache/weft,
// else nowhere (empty).
std::string cache_directory();

// The embedded store's file: data_directory()/weft.db.
std::string default_store_path();

}  // namespace weft::cli
