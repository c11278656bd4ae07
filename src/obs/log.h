// SPDX-License-Identifier: Apache-2.0
//
// The log: one line an event on stderr, by spdlog, as text for people or as JSON for collectors.
// Quiet by default (warnings and errors), because the command line talks to people on the same
// stream. Logging is for operators; whatever a user must know is an Error or a journal event.
//
// Thread-safe. Secrets never reach it: their type has no formatter.
#pragma once

#include <fmt/core.h>

#include <initializer_list>
#include <string_view>
#include <utility>

namespace weft::obs {

enum class Level { kDebug, kInfo, kWarning, kError, kOff };

struct LogOptions {
  Level level = Level::kWarning;
  bool json = false;
};
void configure_log(const LogOptions& options);

bool log_enabled(Level level);
void log_line(Level level, std::string_view component, std::string_view message);
// With names and values beside the message: members of the JSON object, "name=value" for people.
using LogField = std::pair<std::string_view, std::string_view>;
void log_fields(Level level, std::string_view component, std::string_view message,
                std::initializer_list<LogField> fields);

// log(Level::kInfo, "executor", "run {} resumed", id): nothing is formatted below the level.
template <class... Args>
void log(Level level, std::string_view component, fmt::format_string<Args...> format,
         Args&&... args) {
  if (log_enabled(level)) {
    log_line(level, component, fmt::format(format, std::forward<Args>(args)...));
  }
}

}  // namespace weft::obs
