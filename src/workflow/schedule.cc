// SPDX-License-Identifier: Apache-2.0
#include "workflow/schedule.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "base/strings.h"

namespace weft::workflow {
namespace {

int64_t add(int64_t a, int64_t b) {
  int64_t sum = 0;
  return __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}

int64_t multiply(int64_t a, int64_t b) {
  int64_t product = 0;
  return __builtin_mul_overflow(a, b, &product) ? INT64_MAX : product;
}

// splitmix64 (Steele, Lea, Flood 2014).
uint64_t mix(uint64_t z) {
  z += 0x9e3779b97f4a7c15ULL;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}

uint64_t draw(const Pause& pause) {
  uint64_t hash = 0xcbf29ce484222325ULL;  // FNV-1a
  for (const char c : pause.path) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3ULL;
  return mix(mix(pause.seed ^ hash) ^ pause.attempt);
}

// "12" or "0.25" at the front of `rest`, in microseconds of `unit_us`; six decimals count. Integer
// arithmetic: 0.1 s is 100,000 us, not nearly.
std::optional<int64_t> take_number(std::string_view& rest, int64_t& millionths) {
  int64_t whole = 0;
  const char* end = rest.data() + rest.size();
  const auto [next, error] = std::from_chars(rest.data(), end, whole);
  if (error != std::errc() || whole < 0 || rest[0] == '-') return std::nullopt;
  rest.remove_prefix(static_cast<size_t>(next - rest.data()));
  millionths = 0;
  if (!rest.empty() && rest[0] == '.') {
    rest.remove_prefix(1);
    int64_t scale = 100'000;
    if (rest.empty() || rest[0] < '0' || rest[0] > '9') return std::nullopt;
    while (!rest.empty() && rest[0] >= '0' && rest[0] <= '9') {
      millionths += (rest[0] - '0') * scale;
      scale /= 10;
      rest.remove_prefix(1);
    }
  }
  return whole;
}

struct Unit {
  std::string_view name;
  int64_t us;
};
constexpr Unit kUnits[] = {{"d", 86'400 * kSecondUs}, {"h", 3'600 * kSecondUs},
                           {"ms", 1'000},             {"m", 60 * kSecondUs},
                           {"s", kSecondUs}};
constexpr Unit kIsoDays[] = {{"W", 7 * 86'400 * kSecondUs}, {"D", 86'400 * kSecondUs}};
constexpr Unit kIsoTime[] = {
    {"H", 3'600 * kSecondUs}, {"M", 60 * kSecondUs}, {"S", kSecondUs}};

// A sequence of number and unit, units in falling size and each at most once.
template <size_t N>
std::optional<int64_t> sum_of_units(std::string_view rest, const Unit (&units)[N]) {
  int64_t total = 0;
  int64_t last = INT64_MAX;
  while (!rest.empty()) {
    int64_t millionths = 0;
    const auto whole = take_number(rest, millionths);
    if (!whole) return std::nullopt;
    const auto unit = std::find_if(std::begin(units), std::end(units),
                                   [&](const Unit& u) { return rest.starts_with(u.name); });
    if (unit == std::end(units) || unit->us >= last) return std::nullopt;
    last = unit->us;
    rest.remove_prefix(unit->name.size());
    total = add(total, multiply(*whole, unit->us));
    total = add(total, millionths * (unit->us / 1'000) / 1'000);
  }
  return total;
}

std::optional<int64_t> iso_duration(std::string_view rest) {
  const size_t t = rest.find('T');
  const auto days = rest.substr(0, t);
  if (days.empty() && t == std::string_view::npos) return std::nullopt;
  const auto day_part = sum_of_units(days, kIsoDays);
  if (!day_part) return std::nullopt;
  if (t == std::string_view::npos) return day_part;
  const auto clock = rest.substr(t + 1);
  const auto clock_part = clock.empty() ? std::nullopt : sum_of_units(clock, kIsoTime);
  if (!clock_part) return std::nullopt;
  return add(*day_part, *clock_part);
}

}  // namespace

int64_t deadline_us(int64_t from_us, int64_t duration_us) {
  CHECK(duration_us >= 0);
  return duration_us == 0 ? 0 : add(from_us, duration_us);
}

int64_t backoff_us(const Retry& retry, const Pause& pause) {
  CHECK(pause.failures >= 1);
  CHECK(retry.initial_us >= 0 && retry.max_us >= 0);
  int64_t us = retry.initial_us;
  if (retry.backoff == Backoff::kLinear) us = multiply(us, pause.failures);
  if (retry.backoff == Backoff::kExponential) {
    us = pause.failures > 40 ? INT64_MAX : multiply(us, int64_t{1} << (pause.failures - 1));
    if (retry.initial_us == 0) us = 0;
  }
  us = std::min(us, retry.max_us);
  if (!retry.jitter || us < 2) return us;
  const int64_t half = us / 2;
  return half + static_cast<int64_t>(draw(pause) % static_cast<uint64_t>(us - half + 1));
}

Result<int64_t> parse_duration(std::string_view text) {
  const auto refused = [&] {
    return make_error("E0440",
                      fmt::format("expected a duration of at most ten years, found {}",
                                  quoted(text)),
                      "write seconds as a number (90), or 250ms, 2m, 1h30m, 4h, 1d, PT2M");
  };
  std::string_view rest = text;
  int64_t millionths = 0;
  std::optional<int64_t> us;
  if (text.starts_with('P')) {
    us = iso_duration(text.substr(1));
  } else if (const auto whole = take_number(rest, millionths); whole && rest.empty()) {
    us = add(multiply(*whole, kSecondUs), millionths);
  } else if (!text.empty()) {
    us = sum_of_units(text, kUnits);
  }
  if (!us || *us > kDurationMaxUs) return refused();
  return *us;
}

std::string duration_text(int64_t us) {
  if (us < 0) return "-" + duration_text(us == INT64_MIN ? INT64_MAX : -us);
  if (us < 1'000) return fmt::format("{} us", us);
  if (us < kSecondUs) return fmt::format("{:.4g} ms", static_cast<double>(us) / 1e3);
  const double seconds = static_cast<double>(us) / 1e6;
  if (seconds < 120) return fmt::format("{:.4g} s", seconds);
  if (seconds < 7'200) return fmt::format("{:.4g} min", seconds / 60);
  if (seconds < 172'800) return fmt::format("{:.4g} h", seconds / 3'600);
  return fmt::format("{:.4g} days", seconds / 86'400);
}

}  // namespace weft::workflow
