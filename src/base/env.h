// SPDX-License-Identifier: Apache-2.0
//
// The one door to time, sleep and randomness. Whatever decides something takes an Env& (or the
// values themselves) as an argument, so that tests and the simulator can bring another world with
// its own clock. Library timers, TLS and key generation are exempt.
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace weft {

class Env {
 public:
  virtual ~Env() = default;

  // Microseconds since 1970-01-01T00:00:00Z. May jump; never compared with leases of a store.
  virtual int64_t wall_us() = 0;
  // Nanoseconds of a clock that never goes back. For durations inside this process.
  virtual int64_t mono_ns() = 0;
  virtual void sleep_us(int64_t us) = 0;
  // Fills `out` with random bytes fit for ids and keys.
  virtual void random(std::span<uint8_t> out) = 0;
};

// The real world. Lives as long as the process; safe from every thread.
Env& real_env();

// A world of its own for tests: time moves only by sleep_us and advance_us, randomness is a
// sequence fixed by the seed. Not safe from several threads.
class SimEnv final : public Env {
 public:
  explicit SimEnv(uint64_t seed, int64_t wall_us = 1'700'000'000'000'000)
      : state_(seed), wall_us_(wall_us) {}
  int64_t wall_us() override { return wall_us_; }
  int64_t mono_ns() override { return mono_ns_; }
  void sleep_us(int64_t us) override { advance_us(us); }
  void random(std::span<uint8_t> out) override;
  void advance_us(int64_t us);

 private:
  uint64_t state_;
  int64_t wall_us_;
  int64_t mono_ns_ = 0;
};

// A sortable id: 48 bits of milliseconds, 80 random bits, 26 characters of Crockford base 32 in
// lower case (the layout of ULID), behind `prefix`, e.g. "run_01h…".
std::string new_id(Env& env, std::string_view prefix);

// "2026-11-21T19:05:02.123Z".
std::string iso8601(int64_t wall_us);

}  // namespace weft
