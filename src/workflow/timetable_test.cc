// SPDX-License-Identifier: Apache-2.0
//
// Golden instants come from the system's own zones; Debian's tzdata is there wherever tests run.
#include "workflow/timetable.h"

#include <gtest/gtest.h>

#include "base/env.h"
#include "base/file.h"

namespace weft::workflow {
namespace {

Zone zone(const std::string& name) {
  const auto bytes = read_file("/usr/share/zoneinfo/" + name, size_t{1} << 20);
  if (!bytes.ok()) return Zone();
  return Zone::parse(*bytes).value();
}
bool have_zones() { return file_exists("/usr/share/zoneinfo/Europe/Berlin"); }

int64_t at(int64_t year, int month, int day, int hour = 0, int minute = 0) {
  return ((days_of(year, month, day) * 24 + hour) * 60 + minute) * 60'000'000;
}
// The next `count` times, as "MM-DDTHH:MM" of UTC.
std::string times(std::string_view cron, int64_t after_us, const Zone& zone, int count = 3) {
  const Cron parsed = Cron::parse(cron).value();
  std::string all;
  for (int i = 0; i < count; ++i) {
    after_us = parsed.next_us(after_us, zone);
    all += (i == 0 ? "" : " ") + iso8601(after_us).substr(5, 11);
  }
  return all;
}

TEST(Zone, DatesAndDaysGoBothWays) {
  for (int64_t day = -800'000; day < 800'000; day += 97) {
    const Date date = date_of(day);
    ASSERT_EQ(days_of(date.year, date.month, date.day), day);
  }
  EXPECT_EQ(weekday_of(days_of(2026, 11, 22)), 0);  // a Sunday
  EXPECT_EQ(weekday_of(-1), 3);
}

TEST(Zone, OffsetsOfTableAndRule) {
  if (!have_zones()) GTEST_SKIP() << "SKIPPED: no tzdata";
  const Zone berlin = zone("Europe/Berlin");
  EXPECT_EQ(berlin.offset_s(at(2026, 1, 1) / 1'000'000), 3600);
  EXPECT_EQ(berlin.offset_s(at(2026, 7, 1) / 1'000'000), 7200);
  EXPECT_EQ(berlin.offset_s(at(2080, 7, 1) / 1'000'000), 7200) << "by the rule";
  EXPECT_EQ(berlin.offset_s(at(2080, 12, 1) / 1'000'000), 3600);
  EXPECT_EQ(zone("Asia/Seoul").offset_s(at(2090, 7, 1) / 1'000'000), 32'400);
  EXPECT_EQ(zone("America/New_York").offset_s(at(2060, 7, 1) / 1'000'000), -14'400);
  EXPECT_EQ(zone("Australia/Sydney").offset_s(at(2060, 1, 1) / 1'000'000), 39'600) << "south";
  EXPECT_EQ(zone("Asia/Kathmandu").offset_s(at(2026, 1, 1) / 1'000'000), 20'700);
}

TEST(Zone, SkippedAndRepeatedHours) {
  if (!have_zones()) GTEST_SKIP() << "SKIPPED: no tzdata";
  const Zone berlin = zone("Europe/Berlin");
  EXPECT_EQ(berlin.instants(at(2026, 3, 29, 2, 30) / 1'000'000).size(), 0U);
  EXPECT_EQ(berlin.after_gap(at(2026, 3, 29, 2, 30) / 1'000'000),
            at(2026, 3, 29, 1, 0) / 1'000'000);
  EXPECT_EQ(berlin.instants(at(2026, 10, 25, 2, 30) / 1'000'000).size(), 2U);
  EXPECT_EQ(berlin.instants(at(2026, 10, 25, 4, 30) / 1'000'000).size(), 1U);
}

TEST(Zone, EveryZoneOfTheSystemReadsAndAgreesWithItself) {
  if (!have_zones()) GTEST_SKIP() << "SKIPPED: no tzdata";
  for (const char* name : {"Africa/Cairo", "America/Sao_Paulo", "Europe/Dublin", "Asia/Tehran",
                           "Pacific/Apia", "Australia/Lord_Howe", "Africa/Casablanca",
                           "America/St_Johns", "Asia/Gaza", "Antarctica/Troll", "UTC"}) {
    const Zone here = zone(name);
    for (int64_t t = at(1990, 1, 1) / 1'000'000; t < at(2060, 1, 1) / 1'000'000; t += 7'654'321) {
      const auto back = here.instants(t + here.offset_s(t));
      ASSERT_TRUE(std::find(back.begin(), back.end(), t) != back.end()) << name << " " << t;
    }
  }
}

TEST(Zone, DamagedFilesAreErrors) {
  EXPECT_EQ(Zone::parse("").error().code, "E0441");
  EXPECT_EQ(Zone::parse("TZif2 and then nothing that it promises, at all").error().code, "E0441");
  if (!have_zones()) GTEST_SKIP() << "SKIPPED: no tzdata";
  const std::string whole = read_file("/usr/share/zoneinfo/Europe/Berlin", 1 << 20).value();
  for (size_t cut = 0; cut < whole.size() - 40; cut += 7) {
    const auto zone = Zone::parse(std::string_view(whole).substr(0, cut));
    EXPECT_TRUE(!zone.ok() || zone->offset_s(0) == zone->offset_s(0)) << cut;
  }
  std::string changed = whole;
  for (size_t i = 0; i < changed.size(); i += 3) {
    changed[i] = static_cast<char>(changed[i] ^ 0x5a);
    if (const auto zone = Zone::parse(changed); zone.ok()) (void)zone->instants(1'700'000'000);
    changed[i] = whole[i];
  }
}

TEST(Cron, Fields) {
  const int64_t now = at(2026, 11, 22, 10, 7);  // a Sunday
  const Zone utc;
  EXPECT_EQ(times("*/15 * * * *", now, utc), "11-22T10:15 11-22T10:30 11-22T10:45");
  EXPECT_EQ(times("30 8 * * 1-5", now, utc), "11-23T08:30 11-24T08:30 11-25T08:30");
  EXPECT_EQ(times("0 0 * * 7", now, utc), "11-29T00:00 12-06T00:00 12-13T00:00");
  EXPECT_EQ(times("0 9,17 * * MON,fri", now, utc), "11-23T09:00 11-23T17:00 11-27T09:00");
  EXPECT_EQ(times("5/20 10 * * *", now, utc), "11-22T10:25 11-22T10:45 11-23T10:05");
  EXPECT_EQ(times("0 0 13 * 5", now, utc), "11-27T00:00 12-04T00:00 12-11T00:00") << "13th or Fri";
  EXPECT_EQ(times("0 0 31 * *", now, utc), "12-31T00:00 01-31T00:00 03-31T00:00");
  EXPECT_EQ(times("0 0 29 feb *", now, utc, 1), "02-29T00:00");
  EXPECT_EQ(times("@hourly", now, utc, 1), "11-22T11:00");
  EXPECT_EQ(times("@weekly", at(2026, 11, 22), utc, 1), "11-29T00:00") << "strictly after";
}

TEST(Cron, ClocksThatChange) {
  if (!have_zones()) GTEST_SKIP() << "SKIPPED: no tzdata";
  const Zone berlin = zone("Europe/Berlin");
  // 2026-03-29: 02:00 becomes 03:00, at 01:00 UTC.
  EXPECT_EQ(times("30 2 * * *", at(2026, 3, 28, 0), berlin),
            "03-28T01:30 03-29T01:00 03-30T00:30") << "due at the jump";
  EXPECT_EQ(times("*/30 * * * *", at(2026, 3, 29, 0, 29), berlin),
            "03-29T00:30 03-29T01:00 03-29T01:30") << "real time goes on";
  EXPECT_EQ(times("*/10 2 * * *", at(2026, 3, 28, 22), berlin, 2), "03-29T01:00 03-30T00:00");
  // 2026-10-25: 03:00 becomes 02:00, at 01:00 UTC.
  EXPECT_EQ(times("30 2 * * *", at(2026, 10, 24, 12), berlin, 2), "10-25T00:30 10-26T01:30");
  EXPECT_EQ(times("30 * * * *", at(2026, 10, 24, 23, 45), berlin, 3),
            "10-25T00:30 10-25T01:30 10-25T02:30");
  // A day that a zone left out altogether: Samoa had no 2011-12-30.
  const Zone apia = zone("Pacific/Apia");
  const int64_t found = Cron::parse("0 12 * * *")->next_us(at(2011, 12, 29, 23), apia);
  EXPECT_GT(found, at(2011, 12, 29, 23));
  EXPECT_LT(found, at(2012, 1, 1));
}

TEST(Cron, NextIsAlwaysLaterAndLeavesNothingOut) {
  if (!have_zones()) GTEST_SKIP() << "SKIPPED: no tzdata";
  for (const char* name : {"Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe"}) {
    const Zone here = zone(name);
    const Cron cron = Cron::parse("*/30 * * * *").value();
    int64_t t = at(2026, 1, 1);
    int count = 0;
    for (; t < at(2027, 1, 1); ++count) {
      const int64_t next = cron.next_us(t, here);
      ASSERT_GT(next, t);
      ASSERT_LE(next - t, int64_t{3600} * 1'000'000) << name << " " << iso8601(t);
      t = next;
    }
    EXPECT_GE(count, 2 * 24 * 365 - 2) << name;
  }
}

TEST(Cron, WrongOnesAreNamed) {
  for (const char* text :
       {"", "* * * *", "* * * * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * * 13 *",
        "* * * * 8", "a * * * *", "1-0 * * * *", "*/0 * * * *", "*/x * * * *", "1, * * * *",
        "1-2-3 * * * *", "0 0 31 2 *", "@often", "0 0 L * *", "-1 * * * *"}) {
    const auto cron = Cron::parse(text);
    ASSERT_FALSE(cron.ok()) << text;
    EXPECT_EQ(cron.error().code, "E0441") << text;
    EXPECT_FALSE(cron.error().hint.empty() && cron.error().message.empty());
  }
  EXPECT_FALSE(Cron::parse(std::string(10'000, '*')).ok());
}

TEST(Timetable, Intervals) {
  Timetable table;
  table.every_us = 900'000'000;
  EXPECT_EQ(table.next_us(at(2026, 1, 1, 10, 7), Zone()), at(2026, 1, 1, 10, 15));
  EXPECT_EQ(table.next_us(at(2026, 1, 1, 10, 15), Zone()), at(2026, 1, 1, 10, 30));
}

}  // namespace
}  // namespace weft::workflow
