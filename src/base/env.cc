// SPDX-License-Identifier: Apache-2.0
#include "base/env.h"

#include <fmt/format.h>
#include <sys/random.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <ctime>

#include "base/error.h"

namespace weft {
namespace {

class RealEnv final : public Env {
 public:
  int64_t wall_us() override { return read(CLOCK_REALTIME) / 1000; }
  int64_t mono_ns() override { return read(CLOCK_MONOTONIC); }
  // A signal shortens nanosleep: what is left is slept as well.
  void sleep_us(int64_t us) override {
    timespec left{us / 1'000'000, (us % 1'000'000) * 1000};
    while (nanosleep(&left, &left) != 0 && errno == EINTR) {
    }
  }
  void random(std::span<uint8_t> out) override {
    size_t done = 0;
    while (done < out.size()) {
      const ssize_t got = getrandom(out.data() + done, out.size() - done, 0);
      CHECK(got > 0 || errno == EINTR, "getrandom failed, errno {}", errno);
      if (got > 0) done += static_cast<size_t>(got);
    }
  }

 private:
  static int64_t read(clockid_t clock) {
    timespec t{};
    clock_gettime(clock, &t);
    return int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
  }
};

}  // namespace

Env& real_env() {
  static RealEnv env;
  return env;
}

// splitmix64 (Steele, Lea, Flood 2014).
void SimEnv::random(std::span<uint8_t> out) {
  for (uint8_t& byte : out) {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15ULL);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    byte = static_cast<uint8_t>(z >> 56);
  }
}

void SimEnv::advance_us(int64_t us) {
  CHECK(us >= 0, "time cannot go back by {} us", us);
  wall_us_ += us;
  mono_ns_ += us * 1000;
}

// 48 bits of milliseconds, then 80 random ones, as in a ULID: ids sort by time, so that rows that
// are written together lie together in an index. Crockford's alphabet without i, l, o and u, for
// people who read ids aloud.
std::string new_id(Env& env, std::string_view prefix) {
  constexpr std::string_view kAlphabet = "0123456789abcdefghjkmnpqrstvwxyz";
  std::array<uint8_t, 16> bytes{};
  const auto ms = static_cast<uint64_t>(env.wall_us() / 1000);
  for (int i = 0; i < 6; ++i) bytes[i] = static_cast<uint8_t>(ms >> (40 - 8 * i));
  env.random(std::span(bytes).subspan(6));
  std::string out(prefix);
  // 128 bits as 26 groups of 5, the first of which holds only 3 bits.
  for (int group = 0; group < 26; ++group) {
    unsigned value = 0;
    for (int bit = group * 5 - 2; bit < group * 5 + 3; ++bit) {
      value = value * 2 + (bit < 0 ? 0U : (bytes[bit / 8] >> (7 - bit % 8)) & 1U);
    }
    out += kAlphabet[value];
  }
  return out;
}

std::string iso8601(int64_t wall_us) {
  int64_t seconds = wall_us / 1'000'000;
  int64_t rest = wall_us % 1'000'000;
  if (rest < 0) {
    rest += 1'000'000;
    --seconds;
  }
  const time_t t = seconds;
  std::tm parts{};
  gmtime_r(&t, &parts);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", parts.tm_year + 1900,
                     parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec,
                     rest / 1000);
}

}  // namespace weft
