// SPDX-License-Identifier: Apache-2.0
#include "workflow/zone.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

namespace weft::workflow {
namespace {

constexpr int64_t kDayS = 86'400;
constexpr int64_t kShiftMaxS = 2 * kDayS;  // no zone is farther from UTC
constexpr size_t kChangesMax = 100'000;

Error damaged(std::string what) {
  return make_error("E0441", "not the file of a time zone: " + std::move(what),
                    "files of time zones come with the package tzdata");
}

// Big-endian numbers of a TZif file, with a check before each.
class Bytes {
 public:
  explicit Bytes(std::string_view text) : text_(text) {}
  size_t left() const { return text_.size(); }
  void skip(size_t count) { text_.remove_prefix(std::min(count, text_.size())); }
  std::string_view rest() const { return text_; }
  int64_t number(int bytes) {
    if (text_.size() < static_cast<size_t>(bytes)) return 0;
    uint64_t value = text_[0] < 0 ? ~uint64_t{0} : 0;  // sign
    for (int i = 0; i < bytes; ++i) value = value << 8 | static_cast<uint8_t>(text_[i]);
    text_.remove_prefix(static_cast<size_t>(bytes));
    return static_cast<int64_t>(value);
  }

 private:
  std::string_view text_;
};

struct Header {
  int version = 0;
  int64_t utc_flags = 0, standard_flags = 0, leaps = 0, times = 0, types = 0, letters = 0;
  size_t bytes(int time_bytes) const {
    return static_cast<size_t>(times * (time_bytes + 1) + types * 6 + letters +
                               leaps * (time_bytes + 4) + standard_flags + utc_flags);
  }
};

Result<Header> read_header(Bytes& in) {
  if (in.left() < 44 || in.rest().substr(0, 4) != "TZif") return damaged("it has no TZif header");
  Header header;
  header.version = in.rest()[4] == '\0' ? 1 : in.rest()[4] - '0';
  in.skip(20);
  for (int64_t* count : {&header.utc_flags, &header.standard_flags, &header.leaps, &header.times,
                         &header.types, &header.letters}) {
    *count = in.number(4);
    if (*count < 0 || *count > static_cast<int64_t>(kChangesMax)) return damaged("a false count");
  }
  if (header.types == 0) return damaged("no type of time");
  return header;
}

// "M3.5.0/2", "J60", "59/-1": pieces of a POSIX rule, taken from the front of `text`.
class RuleText {
 public:
  explicit RuleText(std::string_view text) : text_(text) {}
  bool done() const { return text_.empty(); }
  bool take(char c) {
    if (text_.empty() || text_[0] != c) return false;
    text_.remove_prefix(1);
    return true;
  }
  bool at(char c) const { return !text_.empty() && text_[0] == c; }
  bool name() {
    size_t n = 0;
    if (at('<')) {
      n = text_.find('>');
      if (n == std::string_view::npos) return false;
      text_.remove_prefix(n + 1);
      return true;
    }
    while (n < text_.size() && std::isalpha(static_cast<unsigned char>(text_[n])) != 0) ++n;
    text_.remove_prefix(n);
    return n >= 3;
  }
  std::optional<int64_t> digits() {
    int64_t value = 0;
    size_t n = 0;
    while (n < text_.size() && n < 6 && text_[n] >= '0' && text_[n] <= '9') {
      value = value * 10 + (text_[n++] - '0');
    }
    if (n == 0) return std::nullopt;
    text_.remove_prefix(n);
    return value;
  }
  // [+-]hh[:mm[:ss]] in seconds.
  std::optional<int64_t> time() {
    const int64_t sign = at('-') ? -1 : 1;
    if (at('-') || at('+')) text_.remove_prefix(1);
    auto total = digits();
    if (!total) return std::nullopt;
    *total *= 3600;
    for (int64_t unit = 60; unit >= 1 && take(':'); unit /= 60) {
      const auto part = digits();
      if (!part) return std::nullopt;
      *total += *part * unit;
    }
    return sign * *total;
  }
  std::optional<ZoneRule> rule() {
    ZoneRule out;
    if (take('M')) {
      const auto month = digits();
      const bool dot = take('.');
      const auto week = digits();
      const bool dot2 = take('.');
      const auto weekday = digits();
      if (!month || !week || !weekday || !dot || !dot2) return std::nullopt;
      if (*month < 1 || *month > 12 || *week < 1 || *week > 5 || *weekday > 6) return std::nullopt;
      out.month = static_cast<int>(*month);
      out.week = static_cast<int>(*week);
      out.weekday = static_cast<int>(*weekday);
    } else {
      out.day = take('J') ? ZoneRule::Day::kJulian : ZoneRule::Day::kZeroBased;
      const auto number = digits();
      if (!number || *number > 365) return std::nullopt;
      out.number = static_cast<int>(*number);
    }
    if (!take('/')) return out;
    const auto time_s = time();
    if (!time_s) return std::nullopt;
    out.time_s = *time_s;
    return out;
  }

 private:
  std::string_view text_;
};

bool is_leap(int64_t year) { return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0; }

// Local seconds since 1970 at which the rule strikes in `year`.
int64_t strike_s(const ZoneRule& rule, int64_t year) {
  int64_t day = 0;
  switch (rule.day) {
    case ZoneRule::Day::kJulian:
      day = days_of(year, 1, 1) + rule.number - 1 + (is_leap(year) && rule.number >= 60 ? 1 : 0);
      break;
    case ZoneRule::Day::kZeroBased:
      day = days_of(year, 1, 1) + rule.number;
      break;
    case ZoneRule::Day::kMonthWeekDay: {
      const int64_t first = days_of(year, rule.month, 1);
      day = first + (rule.weekday - weekday_of(first) + 7) % 7 + 7 * (rule.week - 1);
      const int64_t next_month = rule.month == 12 ? days_of(year + 1, 1, 1)
                                                  : days_of(year, rule.month + 1, 1);
      while (day >= next_month) day -= 7;
      break;
    }
  }
  return day * kDayS + rule.time_s;
}

}  // namespace

// Hinnant, "chrono-compatible low-level date algorithms".
int64_t days_of(int64_t year, int month, int day) {
  year -= month <= 2 ? 1 : 0;
  const int64_t era = (year >= 0 ? year : year - 399) / 400;
  const int64_t year_of_era = year - era * 400;
  const int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  return era * 146'097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year -
         719'468;
}

Date date_of(int64_t days) {
  days += 719'468;
  const int64_t era = (days >= 0 ? days : days - 146'096) / 146'097;
  const int64_t day_of_era = days - era * 146'097;
  const int64_t year_of_era =
      (day_of_era - day_of_era / 1460 + day_of_era / 36'524 - day_of_era / 146'096) / 365;
  const int64_t day_of_year =
      day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const int64_t m = (5 * day_of_year + 2) / 153;
  Date date;
  date.day = static_cast<int>(day_of_year - (153 * m + 2) / 5 + 1);
  date.month = static_cast<int>(m < 10 ? m + 3 : m - 9);
  date.year = year_of_era + era * 400 + (date.month <= 2 ? 1 : 0);
  return date;
}

int weekday_of(int64_t days) {  // 1970-01-01 was a Thursday
  const int64_t weekday = (days + 4) % 7;
  return static_cast<int>(weekday < 0 ? weekday + 7 : weekday);
}

Result<Zone::Rule> Zone::parse_rule(std::string_view text) {
  const auto wrong = [&] { return damaged(fmt::format("the rule '{}'", text.substr(0, 64))); };
  RuleText in(text);
  Rule rule;
  if (!in.name()) return wrong();
  const auto west = in.time();
  if (!west) return wrong();
  rule.standard_s = -*west;
  if (in.done()) return rule;
  if (!in.name()) return wrong();
  rule.daylight_s = rule.standard_s + 3600;
  if (!in.at(',')) {
    const auto other = in.time();
    if (!other) return wrong();
    rule.daylight_s = -*other;
  }
  if (!in.take(',')) return wrong();
  rule.begin = in.rule();
  if (!in.take(',')) return wrong();
  rule.end = in.rule();
  if (!rule.begin || !rule.end || !in.done()) return wrong();
  return rule;
}

Result<Zone> Zone::parse(std::string_view bytes) {
  Bytes in(bytes);
  Header header = TRY(read_header(in));
  int time_bytes = 4;
  if (header.version >= 2) {  // the same again in 64 bits
    in.skip(header.bytes(4));
    header = TRY(read_header(in));
    time_bytes = 8;
  }
  if (in.left() < header.bytes(time_bytes)) return damaged("it is cut off");
  Zone zone;
  for (int64_t i = 0; i < header.times; ++i) zone.changes_.push_back(in.number(time_bytes));
  std::vector<size_t> types;
  for (int64_t i = 0; i < header.times; ++i) {
    types.push_back(static_cast<size_t>(in.number(1) & 0xff));
  }
  std::vector<int64_t> shifts;
  for (int64_t i = 0; i < header.types; ++i) {
    shifts.push_back(in.number(4));
    in.skip(2);
    if (std::abs(shifts.back()) > kShiftMaxS) return damaged("a shift of more than two days");
  }
  for (const size_t type : types) {
    if (type >= shifts.size()) return damaged("a change to no type of time");
    zone.offsets_.push_back(shifts[type]);
  }
  if (!std::is_sorted(zone.changes_.begin(), zone.changes_.end())) return damaged("its order");
  zone.first_offset_s_ = shifts[0];
  in.skip(static_cast<size_t>(header.letters + header.leaps * (time_bytes + 4) +
                              header.standard_flags + header.utc_flags));
  const std::string_view footer = in.rest();
  if (footer.size() >= 2 && footer[0] == '\n') {
    const std::string_view text = footer.substr(1, footer.find('\n', 1) - 1);
    if (!text.empty()) zone.rule_ = TRY(parse_rule(text));
  }
  return zone;
}

int64_t Zone::by_rule(int64_t utc_s) const {
  const Rule& rule = *rule_;
  if (!rule.begin) return rule.standard_s;
  const int64_t local = utc_s + rule.standard_s;
  const int64_t days = (local >= 0 ? local : local - kDayS + 1) / kDayS;
  const int64_t year = date_of(days).year;
  // The last change before this instant, of this year or the one before.
  int64_t newest = INT64_MIN;
  int64_t offset = rule.standard_s;
  for (int64_t y = year - 1; y <= year + 1; ++y) {
    const int64_t begin = strike_s(*rule.begin, y) - rule.standard_s;
    const int64_t end = strike_s(*rule.end, y) - rule.daylight_s;
    if (begin <= utc_s && begin > newest) {
      newest = begin;
      offset = rule.daylight_s;
    }
    if (end <= utc_s && end > newest) {
      newest = end;
      offset = rule.standard_s;
    }
  }
  return offset;
}

int64_t Zone::offset_s(int64_t utc_s) const {
  if (changes_.empty() || utc_s < changes_.front()) {
    return changes_.empty() && rule_ ? by_rule(utc_s) : first_offset_s_;
  }
  if (rule_ && utc_s >= changes_.back()) return by_rule(utc_s);
  const auto after = std::upper_bound(changes_.begin(), changes_.end(), utc_s);
  return offsets_[static_cast<size_t>(after - changes_.begin()) - 1];
}

// An instant t shows local_s if t + offset(t) = local_s. The offsets in force a day before and
// after are the only candidates unless the zone changes twice within two days, which none does.
std::vector<int64_t> Zone::instants(int64_t local_s) const {
  const int64_t before = local_s - offset_s(local_s - kDayS);
  const int64_t after = local_s - offset_s(local_s + kDayS);
  std::vector<int64_t> found;
  for (const int64_t t : {std::min(before, after), std::max(before, after)}) {
    if (t + offset_s(t) == local_s && (found.empty() || found.back() != t)) found.push_back(t);
  }
  return found;
}

int64_t Zone::after_gap(int64_t local_s) const {
  CHECK(instants(local_s).empty(), "{} is not skipped", local_s);
  int64_t low = local_s - offset_s(local_s + kDayS) - kDayS;   // shows less than local_s
  int64_t high = local_s - offset_s(local_s - kDayS) + kDayS;  // shows more
  while (high - low > 1) {
    const int64_t middle = low + (high - low) / 2;
    (middle + offset_s(middle) > local_s ? high : low) = middle;
  }
  return high;
}

}  // namespace weft::workflow
