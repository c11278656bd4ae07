// SPDX-License-Identifier: Apache-2.0
#include "base/memory.h"

#include <fmt/core.h>
#include <malloc.h>

#include <algorithm>
#include <charconv>

#include "base/file.h"
#include "base/strings.h"

namespace weft {
namespace {

std::optional<uint64_t> number_in(std::string_view text) {
  text = trim(text);
  uint64_t out = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (error != std::errc() || end == text.data()) return std::nullopt;
  return out;
}

// The number behind `name` at the beginning of a line.
std::optional<uint64_t> number_after(std::string_view text, std::string_view name) {
  for (const std::string_view line : split(text, '\n')) {
    if (line.starts_with(name)) return number_in(line.substr(name.size()));
  }
  return std::nullopt;
}

std::string text_of(const std::string& path) {
  auto text = read_file(path, size_t{1} << 20);
  return text.ok() ? std::move(text).value() : std::string();
}

}  // namespace

std::optional<uint64_t> available_of_meminfo(std::string_view text) {
  const auto kib = number_after(text, "MemAvailable:");
  if (!kib || *kib > UINT64_MAX / 1024) return std::nullopt;
  return *kib * 1024;
}

std::optional<uint64_t> left_of_group(std::string_view limit, std::string_view used,
                                      std::string_view stat) {
  const auto most = number_in(limit);  // "max" is no number: no limit
  const auto taken = number_in(used);
  if (!most || !taken) return std::nullopt;
  const uint64_t held = *taken - std::min(*taken, number_after(stat, "inactive_file ").value_or(0));
  return *most > held ? *most - held : 0;
}

std::optional<uint64_t> available_memory() {
  std::optional<uint64_t> out = available_of_meminfo(text_of("/proc/meminfo"));
  const std::string group = "/sys/fs/cgroup/memory.";
  const auto left =
      left_of_group(text_of(group + "max"), text_of(group + "current"), text_of(group + "stat"));
  if (left) out = std::min(out.value_or(UINT64_MAX), *left);
  return out;
}

void return_freed_memory() { ::malloc_trim(0); }

std::string bytes_text(uint64_t bytes) {
  constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  if (bytes < 1024) return fmt::format("{} B", bytes);
  auto size = static_cast<double>(bytes);
  int unit = 0;
  while (size >= 1024 && unit < 4) {
    size /= 1024;
    ++unit;
  }
  return fmt::format("{:.1f} {}", size, kUnits[unit]);
}

}  // namespace weft
