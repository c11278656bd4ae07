// SPDX-License-Identifier: Apache-2.0
#include "server/mcp_room.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace weft::server {
namespace {

// The one that fits and was used longest ago.
template <class Fits>
std::optional<size_t> oldest(std::span<const McpSeat> seats, Fits fits) {
  std::optional<size_t> out;
  for (size_t i = 0; i < seats.size(); ++i) {
    if (fits(seats[i]) && (!out || seats[i].used_ns < seats[*out].used_ns)) out = i;
  }
  return out;
}

}  // namespace

McpRoom mcp_room_for(std::span<const McpSeat> seats, const std::string& holder, int64_t now_ns,
                     const McpLimits& limits) {
  const auto unused = [&](const McpSeat& seat) {
    return !seat.busy && now_ns - seat.used_ns >= limits.unused_ns;
  };
  const auto own = [&](const McpSeat& seat) { return seat.holder == holder; };
  McpRoom out;
  if (static_cast<size_t>(std::ranges::count_if(seats, own)) >= limits.sessions_of_key) {
    out.ends = oldest(seats, [&](const McpSeat& seat) { return own(seat) && unused(seat); });
    if (out.ends) return out;
    out.status = 429;
    out.why = fmt::format("this key has {} MCP sessions, as many as it may, and all of them are in "
                          "use: DELETE /mcp ends one", limits.sessions_of_key);
    return out;
  }
  if (seats.size() < limits.sessions) return out;
  out.ends = oldest(seats, unused);
  if (out.ends) return out;
  out.status = 503;
  out.why = fmt::format("this server has {} MCP sessions, as many as it may, and all of them are "
                        "in use", limits.sessions);
  return out;
}

std::vector<size_t> mcp_idle(std::span<const McpSeat> seats, int64_t now_ns,
                             const McpLimits& limits) {
  std::vector<size_t> out;
  for (size_t i = 0; i < seats.size(); ++i) {
    if (!seats[i].busy && now_ns - seats[i].used_ns > limits.idle_ns) out.push_back(i);
  }
  return out;
}

std::optional<size_t> mcp_who_forgets(std::span<const McpSeat> seats, const McpLimits& limits) {
  std::map<std::string, size_t> kept;
  size_t all = 0;
  for (const McpSeat& seat : seats) {
    kept[seat.holder] += seat.kept_bytes;
    all += seat.kept_bytes;
  }
  const auto most = std::ranges::max_element(kept, {}, [](const auto& one) { return one.second; });
  if (most == kept.end()) return std::nullopt;
  if (most->second <= limits.kept_bytes_of_key && all <= limits.kept_bytes) return std::nullopt;
  return oldest(seats, [&](const McpSeat& seat) {
    return seat.holder == most->first && seat.kept_bytes > 0;
  });
}

}  // namespace weft::server
