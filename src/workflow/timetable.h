// SPDX-License-Identifier: Apache-2.0
//
// When a schedule is due: a cron expression in a time zone, or a fixed interval. Pure arithmetic;
// who fires what is due, once, is worker/schedules.
//
//   minute  hour  day of month  month  day of week          each: * | a | a-b | a-b/n | */n | lists
//   0-59    0-23  1-31          1-12   0-7 (0, 7: Sunday)   names: JAN, MON; @hourly … @yearly
//
// If both days are given, either is enough (as in every cron). When clocks change: an expression
// whose hour is a star goes by elapsed time, so a repeated hour has its times twice and a skipped
// one not at all; with a fixed hour it is due once a day all the same: at the first instant after
// the gap, or the first of the two.
#pragma once

#include <bitset>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/json.h"
#include "workflow/zone.h"

namespace weft::workflow {

class Cron {
 public:
  // E0441 names the field, what it may hold and what was found; or that it is never due.
  static Result<Cron> parse(std::string_view text);
  // The first instant after `after_us` (both in microseconds of UTC); 0: none within ten years.
  int64_t next_us(int64_t after_us, const Zone& zone) const;

 private:
  bool on_day(int64_t days) const;
  int64_t next_on(int64_t days, int64_t after_s, const Zone& zone) const;

  std::bitset<60> minutes_;
  std::bitset<24> hours_;
  std::bitset<32> month_days_;
  std::bitset<13> months_;
  std::bitset<7> week_days_;
  bool any_month_day_ = true;
  bool any_week_day_ = true;
  bool every_hour_ = false;  // the hour is a star
};

struct Timetable {
  std::optional<Cron> cron;
  int64_t every_us = 0;  // without cron: multiples of it since 1970; at least a second
  int64_t next_us(int64_t after_us, const Zone& zone) const;
};

// What happens to times that passed while nobody was there to fire them.
enum class Missed : uint8_t { kOnce, kSkip, kAll };
enum class Overlap : uint8_t { kAllow, kSkip };
std::string_view name(Missed missed);    // "once"
std::string_view name(Overlap overlap);  // "allow"
std::optional<Missed> missed_of(std::string_view word);
std::optional<Overlap> overlap_of(std::string_view word);


// The key `schedule` of a document, as checked as it can be without a store or a file of zones.
struct ScheduleSpec {
  std::string cron;                // or, if empty:
  int64_t every_us = 0;
  std::string timezone = "UTC";    // a name of the zone database
  Missed missed = Missed::kOnce;
  Overlap overlap = Overlap::kAllow;
  json::Value input;               // of its runs: an object
  std::string time_as;             // the input that gets the time it is due; empty: none
};
Result<Timetable> timetable_of(const ScheduleSpec& spec);
// "Europe/Berlin": letters, digits, _ + - and / between; E0441.
Status check_zone_name(std::string_view name);

}  // namespace weft::workflow
