// SPDX-License-Identifier: Apache-2.0
#include "worker/liveness.h"

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <optional>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "base/strings.h"

namespace weft::worker {
namespace {

// The start time of a process in clock ticks since boot: field 22 of /proc/PID/stat. The command
// name, field 2, may hold spaces and parentheses, so counting begins behind the last ')'. Empty for
// a zombie: it has ended, whatever its parent does. Nothing: it cannot be read.
std::optional<std::string> start_time(const std::string& pid) {
  const auto text = read_file("/proc/" + pid + "/stat", 4096);
  if (!text.ok()) return std::nullopt;
  const size_t behind = text->rfind(')');
  if (behind == std::string::npos) return std::nullopt;
  const auto fields = split(std::string_view(*text).substr(behind + 1), ' ');
  constexpr size_t kStart = 20;  // field 22; fields[1] is field 3
  if (fields.size() <= kStart) return std::nullopt;
  if (fields[1] == "Z" || fields[1] == "X") return "";
  return std::string(fields[kStart]);
}

// Boot and process namespace: the world in which process ids mean the same.
std::string world() {
  const auto boot = read_file("/proc/sys/kernel/random/boot_id", 4096);
  char space[256];
  const ssize_t length = ::readlink("/proc/self/ns/pid", space, sizeof(space));
  if (!boot.ok() || length <= 0) return "";
  return fmt::format("{} {}", trim(*boot), std::string_view(space, static_cast<size_t>(length)));
}

std::string_view text_of(const json::Object& object, std::string_view name) {
  const json::Value* value = object.if_contains(name);
  return value != nullptr && value->is_string() ? std::string_view(value->as_string())
                                                : std::string_view();
}

}  // namespace

std::string process_labels() {
  const std::string pid = fmt::format("{}", ::getpid());
  json::Object labels{{"pid", pid}};
  const auto start = start_time(pid);
  const std::string here = world();
  if (start && !here.empty()) {
    labels["start"] = *start;
    labels["world"] = here;
  }
  return json::dump(json::Value(std::move(labels)));
}

bool known_dead(std::string_view labels) {
  const auto value = json::parse(labels);
  if (!value.ok() || !value->is_object()) return false;
  const json::Object& object = value->as_object();
  const std::string pid(text_of(object, "pid"));
  const std::string_view start = text_of(object, "start");
  const std::string here = world();
  if (pid.empty() || start.empty() || here.empty() || text_of(object, "world") != here) {
    return false;
  }
  if (pid.find_first_not_of("0123456789") != std::string::npos) return false;
  if (const auto now = start_time(pid)) return *now != start;
  // Too many open files, or a /proc that hides the processes of others: ask the kernel itself.
  pid_t number = 0;
  const auto read = std::from_chars(pid.data(), pid.data() + pid.size(), number);
  return read.ec == std::errc() && ::kill(number, 0) != 0 && errno == ESRCH;
}

}  // namespace weft::worker
