// SPDX-License-Identifier: Apache-2.0
//
// How much room the clients of MCP may take over HTTP: a number of sessions, and bytes of events
// kept for those who come back, of each key and of the whole server. What nobody uses makes room
// for others, and ends after a while; what is at work never does.
//
//   a session begins --> room for it? --> yes | the one unused for longest ends | full, and why
//   time passes      --> unused for how long? --> it ends
//   an event is kept --> within limits? --> yes | who has most forgets the oldest
//
// Decisions only: numbers in, an index out. Who does it is mcp_api.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace weft::server {

struct McpLimits {
  size_t sessions = 1024;
  size_t sessions_of_key = 64;
  size_t kept_bytes = size_t{256} << 20;
  size_t kept_bytes_of_key = size_t{64} << 20;
  int64_t unused_ns = 60'000'000'000;  // so long at least before a session ends for another
  int64_t idle_ns = int64_t{3600} * 1'000'000'000;  // then it ends in any case
};

// A session, as far as room goes.
struct McpSeat {
  std::string holder = {};  // tenant and key
  int64_t used_ns = 0;      // when last
  bool busy = false;        // something is under way, or somebody listens
  size_t kept_bytes = 0;
};

// Room for one more session of `holder`, of sessions of `seats`: at once, when the session of that
// index ends, or not (status 429 for a key that has its share, 503 for all, with words for it).
struct McpRoom {
  std::optional<size_t> ends = {};
  int status = 0;  // 0: there is room
  std::string why = {};
};
McpRoom mcp_room_for(std::span<const McpSeat> seats, const std::string& holder, int64_t now_ns,
                     const McpLimits& limits = {});

// Those that end because nobody has used them for too long, ascending.
std::vector<size_t> mcp_idle(std::span<const McpSeat> seats, int64_t now_ns,
                             const McpLimits& limits = {});

// Whose oldest events go, as more are kept than may be; nothing if not.
std::optional<size_t> mcp_who_forgets(std::span<const McpSeat> seats,
                                      const McpLimits& limits = {});

}  // namespace weft::server
