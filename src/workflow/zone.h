// SPDX-License-Identifier: Apache-2.0
//
// A time zone: how far its clocks are from UTC at every instant, and which instants a reading of
// such a clock can mean. Built from the bytes of a TZif file (RFC 8536), as every Unix has them
// under /usr/share/zoneinfo, its rule for the years after the table included.
//
//   01:30 UTC ── offset ──▶ 02:30 local ── instants ──▶ none (skipped), one, or two (repeated)
//
// Reads no file and no clock; leap seconds do not exist here, as in POSIX time.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace weft::workflow {

// Days since 1970-01-01 of a Gregorian date, month 1..12, and back.
int64_t days_of(int64_t year, int month, int day);
struct Date {
  int64_t year = 1970;
  int month = 1;
  int day = 1;
};
Date date_of(int64_t days);
// 0 = Sunday.
int weekday_of(int64_t days);

// When the clocks change in every year: "M3.5.0/2" and its relatives (POSIX TZ).
struct ZoneRule {
  enum class Day : uint8_t { kMonthWeekDay, kJulian, kZeroBased };
  Day day = Day::kMonthWeekDay;
  int month = 1, week = 1, weekday = 0;  // kMonthWeekDay; week 5: the last
  int number = 0;                        // kJulian: 1..365 without 29 February; else 0..365
  int64_t time_s = 7200;                 // local seconds of that day; may be negative
};

class Zone {
 public:
  Zone() = default;  // UTC
  // E0441: not a TZif file, or a damaged one.
  static Result<Zone> parse(std::string_view bytes);

  // Seconds to add to UTC.
  int64_t offset_s(int64_t utc_s) const;
  // The instants at which clocks here show `local_s` (seconds since 1970 as if it were UTC), in
  // order: none if that time is skipped, two if it comes twice.
  std::vector<int64_t> instants(int64_t local_s) const;
  // Of a skipped local time: the instant at which the clocks jump over it.
  int64_t after_gap(int64_t local_s) const;

 private:
  struct Rule {                     // behind the table
    int64_t standard_s = 0;
    int64_t daylight_s = 0;
    std::optional<ZoneRule> begin;  // of daylight time; absent: none
    std::optional<ZoneRule> end;
  };
  static Result<Rule> parse_rule(std::string_view text);
  int64_t by_rule(int64_t utc_s) const;

  std::vector<int64_t> changes_;    // utc seconds, ascending
  std::vector<int64_t> offsets_;    // from changes_[i] on
  int64_t first_offset_s_ = 0;      // before changes_[0]
  std::optional<Rule> rule_;        // after changes_.back()
};

}  // namespace weft::workflow
