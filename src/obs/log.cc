// SPDX-License-Identifier: Apache-2.0
#include "obs/log.h"

#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <memory>
#include <string>

#include "base/json.h"

namespace weft::obs {
namespace {

spdlog::level::level_enum level_of(Level level) {
  switch (level) {
    case Level::kDebug: return spdlog::level::debug;
    case Level::kInfo: return spdlog::level::info;
    case Level::kWarning: return spdlog::level::warn;
    case Level::kError: return spdlog::level::err;
    case Level::kOff: return spdlog::level::off;
  }
  return spdlog::level::off;
}

// Warnings and worse until somebody configures more: a library that is silent about trouble hides
// it, one that chats spoils the output of commands.
struct Log {
  std::shared_ptr<spdlog::logger> logger;
  bool json = false;

  Log() {
    logger = std::make_shared<spdlog::logger>(
        "weft", std::make_shared<spdlog::sinks::stderr_color_sink_mt>());
    logger->set_level(spdlog::level::warn);
    logger->set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %^%l%$ %v", spdlog::pattern_time_type::utc);
  }
};

Log& log_of_process() {
  static Log log;
  return log;
}

}  // namespace

void configure_log(const LogOptions& options) {
  Log& log = log_of_process();
  log.json = options.json;
  log.logger->set_level(level_of(options.level));
  if (options.json) {
    log.logger->set_pattern(R"({"ts":"%Y-%m-%dT%H:%M:%S.%eZ","level":"%l",%v})",
                            spdlog::pattern_time_type::utc);
  }
}

bool log_enabled(Level level) { return log_of_process().logger->should_log(level_of(level)); }

void log_line(Level level, std::string_view component, std::string_view message) {
  log_fields(level, component, message, {});
}

void log_fields(Level level, std::string_view component, std::string_view message,
                std::initializer_list<LogField> fields) {
  const Log& log = log_of_process();
  if (!log.logger->should_log(level_of(level))) return;
  std::string line;
  if (log.json) {
    line = "\"component\":";
    json::append_quoted(line, component);
    line += ",\"message\":";
    json::append_quoted(line, message);
    for (const auto& [name, value] : fields) {
      line += ',';
      json::append_quoted(line, name);
      line += ':';
      json::append_quoted(line, value);
    }
  } else {
    line = fmt::format("{}: {}", component, message);
    for (const auto& [name, value] : fields) line += fmt::format(" {}={}", name, value);
  }
  log.logger->log(level_of(level), "{}", line);
}

}  // namespace weft::obs
