// SPDX-License-Identifier: Apache-2.0
//
// The arithmetic of time: deadlines, pauses between attempts, durations as people write them.
// All in microseconds; sums saturate instead of overflowing; 0 stands for "none".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"
#include "workflow/definition.h"

namespace weft::workflow {

// from + duration, or 0 if there is no duration (0).
int64_t deadline_us(int64_t from_us, int64_t duration_us);

// Pause after the `failures`-th failed attempt (from 1):
//   fixed: initial;  linear: initial * failures;  exponential: initial * 2^(failures - 1);
// at most max; with jitter between half of that and all of it, decided by seed, path and attempt
// alone, so that every fold of the journal computes the same pause.
struct Pause {
  uint32_t failures = 1;
  uint32_t attempt = 1;
  uint64_t seed = 0;
  std::string_view path;
};
int64_t backoff_us(const Retry& retry, const Pause& pause);

// "90" and "1.5" (seconds), "250ms", "2m", "1h30m", "1d", "PT2M", "P1DT12H": to microseconds.
// Not negative, at most ten years; no years, months or weeks in the ISO form (their length is not
// fixed), except weeks alone as in "P2W". E0440.
Result<int64_t> parse_duration(std::string_view text);

// "1.5 s", "2 min", "4 h": for people.
std::string duration_text(int64_t us);

}  // namespace weft::workflow
