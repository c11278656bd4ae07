// SPDX-License-Identifier: Apache-2.0
//
// Functions a template may call by name: range, dict, raise_exception, strftime_now. namespace()
// belongs to the evaluator, which owns what it makes.
#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "base/strings.h"
#include "text/jinja_tables.h"

namespace weft::text::jinja {
namespace {

using Kind = Value::Kind;

Result<Value> range(const Call& call) {
  if (!call.bound[0]) return type_error("'range' needs a number");
  int64_t start = 0;
  int64_t stop = TRY(integer_argument(call, 0, 0));
  if (call.bound[1]) {
    start = stop;
    stop = TRY(integer_argument(call, 1, 0));
  }
  const int64_t step = TRY(integer_argument(call, 2, 1));
  if (step == 0) return type_error("the step of 'range' is zero");
  std::vector<Value> items;
  for (int64_t i = start; step > 0 ? i < stop : i > stop;) {
    TRY(call.session.budget.pay_steps(1));
    TRY(call.session.budget.pay_bytes(sizeof(Value)));
    items.push_back(Value::integer(i));
    if (__builtin_add_overflow(i, step, &i)) break;
  }
  return List::make(std::move(items));
}

Result<Value> dict(const Call& call) {
  std::vector<Dict::Item> items;
  for (const Value& value : call.arguments.positional) {
    if (!value.is(Kind::kDict)) return type_error("'dict' takes name=value or a map");
    for (Dict::Item& item : value.dict().items()) items.push_back(std::move(item));
  }
  for (const auto& [name, value] : call.arguments.named) {
    items.emplace_back(Value::string(literal(name)), value);
  }
  TRY(call.session.budget.pay_steps(items.size()));
  return Dict::make(std::move(items));
}

Result<Value> raise_exception(const Call& call) {
  const Value* message = call.bound[0];
  const bool text = message && message->is(Kind::kString);
  return make_error("E0134", text ? message->string().text : "the template refused");
}

int64_t days_since_1970(int64_t year, int64_t month, int64_t day) {
  // Gregorian days by the civil-from-days arithmetic of 400-year eras, March first.
  year -= month <= 2 ? 1 : 0;
  const int64_t era = (year >= 0 ? year : year - 399) / 400;
  const int64_t year_of_era = year - era * 400;
  const int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  const int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return era * 146097 + day_of_era - 719468;
}

constexpr std::array<std::string_view, 7> kDays = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                                   "Thursday", "Friday", "Saturday"};
constexpr std::array<std::string_view, 12> kMonths = {
    "January", "February", "March",     "April",   "May",      "June",
    "July",    "August",   "September", "October", "November", "December"};

// One conversion of strftime in the C locale; empty for an unknown letter.
std::string time_part(const RenderOptions::Time& t, char form) {
  const int64_t days = days_since_1970(t.year, t.month, t.day);
  const auto weekday = static_cast<size_t>(((days % 7) + 11) % 7);
  const int64_t day_of_year = days - days_since_1970(t.year, 1, 1) + 1;
  const auto month = kMonths[static_cast<size_t>(std::clamp(t.month, 1, 12) - 1)];
  const int hour12 = t.hour % 12 == 0 ? 12 : t.hour % 12;
  switch (form) {
    case 'Y':
      return fmt::format("{}", t.year);
    case 'y':
      return fmt::format("{:02}", t.year % 100);
    case 'm':
      return fmt::format("{:02}", t.month);
    case 'd':
      return fmt::format("{:02}", t.day);
    case 'e':
      return fmt::format("{:2}", t.day);
    case 'H':
      return fmt::format("{:02}", t.hour);
    case 'I':
      return fmt::format("{:02}", hour12);
    case 'M':
      return fmt::format("{:02}", t.minute);
    case 'S':
      return fmt::format("{:02}", t.second);
    case 'f':
      return fmt::format("{:06}", t.microsecond);
    case 'p':
      return t.hour < 12 ? "AM" : "PM";
    case 'B':
      return std::string(month);
    case 'b':
    case 'h':
      return std::string(month.substr(0, 3));
    case 'A':
      return std::string(kDays[weekday]);
    case 'a':
      return std::string(kDays[weekday].substr(0, 3));
    case 'j':
      return fmt::format("{:03}", day_of_year);
    case 'u':
      return fmt::format("{}", weekday == 0 ? 7 : weekday);
    case 'w':
      return fmt::format("{}", weekday);
    case 'F':
      return fmt::format("{}-{:02}-{:02}", t.year, t.month, t.day);
    case 'T':
      return fmt::format("{:02}:{:02}:{:02}", t.hour, t.minute, t.second);
    case 'R':
      return fmt::format("{:02}:{:02}", t.hour, t.minute);
    case 'D':
      return fmt::format("{:02}/{:02}/{:02}", t.month, t.day, t.year % 100);
    case 'n':
      return "\n";
    case 't':
      return "\t";
    case '%':
      return "%";
    default:
      return {};
  }
}

Result<Value> strftime_now(const Call& call) {
  if (!call.session.now) {
    return type_error("strftime_now() needs a time, and none was given",
                      "pass the time of the request");
  }
  const std::string format = TRY(text_argument(call, 0, "%Y-%m-%d")).text;
  MarkedText out;
  for (size_t i = 0; i < format.size(); ++i) {
    if (format[i] != '%' || i + 1 == format.size()) {
      append_data(out, format.substr(i, 1));
      continue;
    }
    ++i;
    // glibc's flag: no padding.
    const bool bare = format[i] == '-' && i + 1 < format.size();
    if (bare) ++i;
    std::string part = time_part(*call.session.now, format[i]);
    if (part.empty()) return type_error(fmt::format("strftime_now() does not know %{}", format[i]));
    if (bare) part.erase(0, std::min(part.find_first_not_of("0 "), part.size() - 1));
    append_data(out, part);
  }
  TRY(call.session.budget.pay_string(out.text.size()));
  return Value::string(std::move(out));
}

constexpr Entry kFunctions[] = {
    {"range", range, {"start", "stop", "step"}},
    {"dict", dict, {}, true},
    {"raise_exception", raise_exception, {"message"}},
    {"strftime_now", strftime_now, {"format"}},
};

}  // namespace

bool known_function(std::string_view name) {
  return name == "namespace" || find_entry(kFunctions, name) != nullptr;
}

std::vector<std::string> function_names() {
  std::vector<std::string> out = {"namespace"};
  for (const Entry& entry : kFunctions) out.emplace_back(entry.name);
  return out;
}

Result<Value> apply_function(Session& session, std::string_view name, const Arguments& arguments) {
  const Entry* entry = find_entry(kFunctions, name);
  CHECK(entry != nullptr);
  if (session.strict && (name == "strftime_now" || name == "raise_exception")) {
    return type_error(fmt::format("{}() belongs to chat templates, not to workflows", name));
  }
  return call_entry(*entry, "function", session, Value(), arguments);
}

}  // namespace weft::text::jinja
