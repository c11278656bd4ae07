// SPDX-License-Identifier: Apache-2.0
//
// How long a run will probably take: the mean time of earlier runs of the workflow, stretched by
// how much busier the server is than it was for them. How busy it was comes from Little's law: the
// runs in the house at a time are the sum of their times divided by the span in which they ended.
//
// A guess from the last 64 runs, not a promise; no clock of its own, no lock.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>

namespace weft::server {

class Pace {
 public:
  // A run ended at `end_us` after `us` microseconds in all.
  void ended(int64_t end_us, int64_t us) {
    runs_.push_back({end_us, us});
    if (runs_.size() > kMeasured) runs_.pop_front();
  }

  // Runs in the house at a time, lately; at least 1.
  double runs_at_once() const {
    if (runs_.empty()) return 1;
    int64_t first = INT64_MAX;
    int64_t last = 0;
    double sum = 0;
    for (const auto& [end_us, us] : runs_) {
      first = std::min(first, end_us - us);
      last = std::max(last, end_us);
      sum += static_cast<double>(us);
    }
    return last <= first ? 1 : std::max(1.0, sum / static_cast<double>(last - first));
  }

  // `ahead` runs are in the house; one of priority p feels a p-th of them.
  double seconds(double mean_seconds, double ahead, int32_t priority) const {
    const double now = 1 + ahead / std::max(1, priority);
    return mean_seconds * std::max(1.0, now / runs_at_once());
  }

 private:
  static constexpr size_t kMeasured = 64;
  struct Measured {
    int64_t end_us;
    int64_t us;
  };
  std::deque<Measured> runs_;
};

}  // namespace weft::server
