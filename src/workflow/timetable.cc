// SPDX-License-Identifier: Apache-2.0
#include "workflow/timetable.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <span>
#include <vector>

#include "base/strings.h"

namespace weft::workflow {
namespace {

constexpr int64_t kSecondsADay = 86'400;
constexpr int64_t kUs = 1'000'000;
constexpr int64_t kDaysMax = 3'660;
constexpr size_t kTextBytesMax = 512;

constexpr std::string_view kMonths[] = {"jan", "feb", "mar", "apr", "may", "jun",
                                        "jul", "aug", "sep", "oct", "nov", "dec"};
constexpr std::string_view kDays[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"};

struct Field {
  std::string_view name;
  int low;
  int high;
  std::span<const std::string_view> words;  // the first means `low`
};
constexpr Field kFields[] = {{"minute", 0, 59, {}},
                             {"hour", 0, 23, {}},
                             {"day of month", 1, 31, {}},
                             {"month", 1, 12, kMonths},
                             {"day of week", 0, 7, kDays}};

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return out;
}

Error wrong(const Field& field, std::string_view found, std::string hint = "") {
  return make_error("E0441",
                    fmt::format("cron, {}: expected numbers from {} to {}, found {}", field.name,
                                field.low, field.high, quoted(found, 64)),
                    hint.empty() ? "5, 1-5, */15, 1,15 and *; as in crontab(5)" : std::move(hint));
}

Result<int> number_of(const Field& field, std::string_view text) {
  const std::string word = lower(text);
  for (size_t i = 0; i < field.words.size(); ++i) {
    if (word == field.words[i]) return static_cast<int>(i) + field.low;
  }
  int value = -1;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = read.ec == std::errc() && read.ptr == text.data() + text.size();
  if (!whole || value < field.low || value > field.high) return wrong(field, text);
  return value;
}

// One element of a list: *, a, a-b, each with /n.
Status add_part(const Field& field, std::string_view part, std::vector<bool>& set) {
  int step = 1;
  const size_t slash = part.find('/');
  if (slash != std::string_view::npos) {
    const std::string_view text = part.substr(slash + 1);
    const auto read = std::from_chars(text.data(), text.data() + text.size(), step);
    if (read.ec != std::errc() || read.ptr != text.data() + text.size() || step < 1 ||
        step > field.high) {
      return wrong(field, part, "what follows / is a step, such as */15");
    }
    part = part.substr(0, slash);
  }
  int from = field.low;
  int to = field.high;
  if (part != "*") {
    const size_t dash = part.find('-');
    from = TRY(number_of(field, part.substr(0, dash)));
    if (dash != std::string_view::npos) {
      to = TRY(number_of(field, part.substr(dash + 1)));
    } else if (slash == std::string_view::npos) {
      to = from;
    }
    if (to < from) return wrong(field, part, "a range goes upward: 5-10");
  }
  for (int value = from; value <= to; value += step) set[static_cast<size_t>(value)] = true;
  return ok_status();
}

template <size_t N>
Status read_field(const Field& field, std::string_view text, std::bitset<N>& out) {
  std::vector<bool> set(static_cast<size_t>(field.high) + 1);
  for (const std::string_view part : split(text, ',')) {
    if (part.empty()) return wrong(field, text);
    TRY(add_part(field, part, set));
  }
  for (size_t i = 0; i < set.size(); ++i) {
    if (set[i]) out.set(i % N);  // 7 is Sunday, too
  }
  return ok_status();
}

std::string_view spelled_out(std::string_view text) {
  if (text == "@hourly") return "0 * * * *";
  if (text == "@daily" || text == "@midnight") return "0 0 * * *";
  if (text == "@weekly") return "0 0 * * 0";
  if (text == "@monthly") return "0 0 1 * *";
  if (text == "@yearly" || text == "@annually") return "0 0 1 1 *";
  return text;
}

int64_t floor_day(int64_t seconds) {
  return (seconds >= 0 ? seconds : seconds - kSecondsADay + 1) / kSecondsADay;
}

}  // namespace

Result<Cron> Cron::parse(std::string_view text) {
  if (text.size() > kTextBytesMax) {
    return make_error("E0441", fmt::format("cron: expected at most {} bytes, found {}",
                                           kTextBytesMax, text.size()));
  }
  std::vector<std::string_view> fields;
  std::string spaced(spelled_out(trim(text)));
  std::replace(spaced.begin(), spaced.end(), '\t', ' ');
  for (const std::string_view field : split(spaced, ' ')) {
    if (!field.empty()) fields.push_back(field);
  }
  if (fields.size() != std::size(kFields)) {
    return make_error("E0441",
                      fmt::format("cron: expected five fields, found {} in {}", fields.size(),
                                  quoted(text, 64)),
                      "minute hour day-of-month month day-of-week: \"30 8 * * 1-5\" is 8:30 on "
                      "working days");
  }
  Cron cron;
  TRY(read_field(kFields[0], fields[0], cron.minutes_));
  TRY(read_field(kFields[1], fields[1], cron.hours_));
  TRY(read_field(kFields[2], fields[2], cron.month_days_));
  TRY(read_field(kFields[3], fields[3], cron.months_));
  TRY(read_field(kFields[4], fields[4], cron.week_days_));
  cron.every_hour_ = fields[1].starts_with('*');
  cron.any_month_day_ = fields[2].starts_with('*');
  cron.any_week_day_ = fields[4].starts_with('*');
  if (cron.next_us(0, Zone()) == 0) {
    return make_error("E0441", fmt::format("cron: {} is never due", quoted(text, 64)),
                      "is there such a day in that month?");
  }
  return cron;
}

bool Cron::on_day(int64_t days) const {
  const Date date = date_of(days);
  if (!months_[static_cast<size_t>(date.month)]) return false;
  const bool month_day = month_days_[static_cast<size_t>(date.day)];
  const bool week_day = week_days_[static_cast<size_t>(weekday_of(days))];
  // A star with a step ("*/2") restricts, but only together with the other field.
  if (any_month_day_ || any_week_day_) return month_day && week_day;
  return month_day || week_day;
}

// The first instant (seconds) after `after_s` whose local date is that day; INT64_MAX: none.
int64_t Cron::next_on(int64_t days, int64_t after_s, const Zone& zone) const {
  int64_t first = INT64_MAX;
  if (!on_day(days)) return first;
  for (size_t hour = 0; hour < hours_.size(); ++hour) {
    if (!hours_[hour]) continue;
    for (size_t minute = 0; minute < minutes_.size(); ++minute) {
      if (!minutes_[minute]) continue;
      const int64_t local = days * kSecondsADay + static_cast<int64_t>(hour * 3600 + minute * 60);
      std::vector<int64_t> at = zone.instants(local);
      if (at.empty() && !every_hour_) at.push_back(zone.after_gap(local));
      if (at.size() > 1 && !every_hour_) at.resize(1);
      for (const int64_t t : at) {
        if (t > after_s) first = std::min(first, t);
      }
    }
  }
  return first;
}

int64_t Cron::next_us(int64_t after_us, const Zone& zone) const {
  const int64_t after_s = after_us >= 0 ? after_us / kUs : -((-after_us + kUs - 1) / kUs);
  const int64_t today = floor_day(after_s + zone.offset_s(after_s));
  for (int64_t day = today - 1; day < today + kDaysMax; ++day) {
    const int64_t found = next_on(day, after_s, zone);
    if (found == INT64_MAX) continue;
    // A clock set back over midnight lets a day begin before the one before it ended.
    return std::min(found, next_on(day + 1, after_s, zone)) * kUs;
  }
  return 0;
}

int64_t Timetable::next_us(int64_t after_us, const Zone& zone) const {
  if (cron) return cron->next_us(after_us, zone);
  CHECK(every_us > 0, "a timetable without times");
  return (after_us / every_us + 1) * every_us;
}

std::string_view name(Missed missed) {
  switch (missed) {
    case Missed::kOnce:
      return "once";
    case Missed::kSkip:
      return "skip";
    case Missed::kAll:
      return "all";
  }
  CHECK(false);
}

std::string_view name(Overlap overlap) { return overlap == Overlap::kAllow ? "allow" : "skip"; }

std::optional<Missed> missed_of(std::string_view word) {
  for (const Missed missed : {Missed::kOnce, Missed::kSkip, Missed::kAll}) {
    if (name(missed) == word) return missed;
  }
  return std::nullopt;
}

std::optional<Overlap> overlap_of(std::string_view word) {
  for (const Overlap overlap : {Overlap::kAllow, Overlap::kSkip}) {
    if (name(overlap) == word) return overlap;
  }
  return std::nullopt;
}

Status check_zone_name(std::string_view name) {
  bool good = !name.empty() && name.size() <= 64 && name.front() != '/' && name.back() != '/';
  for (const char c : name) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    good = good && (letter || c == '_' || c == '+' || c == '-' || c == '/');
  }
  if (good) return ok_status();
  return make_error("E0441", fmt::format("expected the name of a time zone, found {}",
                                         quoted(name, 64)),
                    "names as in the zone database: Europe/Berlin, Asia/Seoul, UTC");
}

Result<Timetable> timetable_of(const ScheduleSpec& spec) {
  Timetable table;
  if (spec.cron.empty() == (spec.every_us == 0)) {
    return make_error("E0441", "a schedule needs either 'cron' or 'every' (a second or more)",
                      "cron: \"30 8 * * 1-5\", or every: 15m");
  }
  if (spec.cron.empty() && spec.every_us < kUs) {
    return make_error("E0441", "every: expected at least a second");
  }
  TRY(check_zone_name(spec.timezone));
  table.every_us = spec.every_us;
  if (!spec.cron.empty()) table.cron = TRY(Cron::parse(spec.cron));
  return table;
}

}  // namespace weft::workflow
