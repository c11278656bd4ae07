// SPDX-License-Identifier: Apache-2.0
#include "server/mcp_room.h"

#include <gtest/gtest.h>

#include <vector>

namespace weft::server {
namespace {

constexpr int64_t kOneSecond = 1'000'000'000;
constexpr McpLimits kLimits{.sessions = 4, .sessions_of_key = 2, .kept_bytes = 100,
                            .kept_bytes_of_key = 60, .unused_ns = 60 * kOneSecond};

McpRoom room_at(const std::vector<McpSeat>& seats, const std::string& holder, int64_t second) {
  return mcp_room_for(seats, holder, second * kOneSecond, kLimits);
}

TEST(McpRoom, AKeyHasItsShare) {
  EXPECT_EQ(room_at({}, "a", 0).status, 0);
  std::vector<McpSeat> seats = {{"a", 2 * kOneSecond}, {"b", 0}, {"a", 1 * kOneSecond}};
  EXPECT_FALSE(room_at(seats, "b", 10).ends.has_value());
  EXPECT_EQ(room_at(seats, "b", 10).status, 0);
  const McpRoom full = room_at(seats, "a", 10);
  EXPECT_EQ(full.status, 429);
  EXPECT_NE(full.why.find("2 MCP sessions"), std::string::npos) << full.why;
  EXPECT_EQ(room_at(seats, "a", 61).ends, 2U) << "unused for longest, and its own";
  seats[2].busy = true;
  EXPECT_EQ(room_at(seats, "a", 61).status, 429);
  EXPECT_EQ(room_at(seats, "a", 62).ends, 0U);
}

TEST(McpRoom, TheServerIsFull) {
  std::vector<McpSeat> seats = {{"a", 3 * kOneSecond}, {"b", 2 * kOneSecond}, {"c", 5 * kOneSecond},
                                {"d", 1 * kOneSecond, true}};
  EXPECT_EQ(room_at(seats, "e", 10).status, 503);
  EXPECT_EQ(room_at(seats, "e", 62).ends, 1U);
  for (McpSeat& seat : seats) seat.busy = true;
  EXPECT_EQ(room_at(seats, "e", 1000).status, 503);
}

TEST(McpRoom, WhatNobodyUsesEnds) {
  const std::vector<McpSeat> seats = {{"a", 0}, {"b", 3 * kOneSecond}, {"a", 0, true},
                                      {"c", 2 * kOneSecond, false, 60}};
  constexpr int64_t kHour = 3600;
  const auto idle_at = [&](int64_t second) {
    return mcp_idle(seats, second * kOneSecond, kLimits);
  };
  EXPECT_TRUE(idle_at(kHour).empty());
  EXPECT_EQ(idle_at(kHour + 1), std::vector<size_t>({0}));
  EXPECT_EQ(idle_at(kHour + 3), std::vector<size_t>({0, 3}));
  EXPECT_EQ(idle_at(kHour * 24), std::vector<size_t>({0, 1, 3})) << "at work: never";
}

TEST(McpRoom, WhoKeepsMostForgetsFirst) {
  const auto forgets = [](const std::vector<McpSeat>& seats) {
    return mcp_who_forgets(seats, kLimits);
  };
  EXPECT_EQ(forgets({}), std::nullopt);
  EXPECT_EQ(forgets({{"a", 1, true, 60}, {"b", 1, true, 40}}), std::nullopt);
  EXPECT_EQ(forgets({{"a", 2, true, 31}, {"b", 0, false, 5}, {"a", 1, true, 30}}), 2U);
  EXPECT_EQ(forgets({{"a", 2, true, 61}, {"a", 1, true, 0}}), 0U) << "nothing to forget there";
  EXPECT_EQ(forgets({{"a", 0, true, 40}, {"b", 1, true, 41}, {"c", 0, true, 40}}), 1U);
}

}  // namespace
}  // namespace weft::server
