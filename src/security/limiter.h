// SPDX-License-Identifier: Apache-2.0
//
// How much somebody may use a minute: a bucket a name, which fills evenly and holds a minute's
// worth. What an answer will cost is not known before, so a bucket may fall below zero once; then
// its owner waits until it is above again.
//
// One thread; no clock of its own (nanoseconds come from the caller). Names that are full again are
// forgotten, so that memory follows those who ask.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

namespace weft::security {

class Limiter {
 public:
  // 0: there is something left; else after so many seconds (at least 1) there will be.
  int64_t wait_s(const std::string& name, double per_minute, int64_t now_ns) {
    Bucket& bucket = filled(name, per_minute, now_ns);
    if (bucket.left >= 1) return 0;
    return 1 + static_cast<int64_t>((1 - bucket.left) / per_minute * 60);
  }
  void take(const std::string& name, double amount, double per_minute, int64_t now_ns) {
    filled(name, per_minute, now_ns).left -= amount;
  }
  size_t names() const { return buckets_.size(); }

 private:
  static constexpr size_t kSweepAt = 4096;
  struct Bucket {
    double left = 0;
    double full = 0;
    int64_t at_ns = 0;
  };

  static double refilled(const Bucket& bucket, int64_t now_ns) {
    const double minutes = static_cast<double>(now_ns - bucket.at_ns) / 60e9;
    const double left = bucket.left + minutes * bucket.full;
    return left < bucket.full ? left : bucket.full;
  }

  Bucket& filled(const std::string& name, double per_minute, int64_t now_ns) {
    if (buckets_.size() >= kSweepAt) {
      std::erase_if(buckets_, [&](const auto& entry) {
        return entry.first != name && refilled(entry.second, now_ns) >= entry.second.full;
      });
    }
    const auto [place, fresh] = buckets_.try_emplace(name);
    Bucket& bucket = place->second;
    if (fresh) {
      bucket = {per_minute, per_minute, now_ns};
    } else {
      bucket.full = per_minute;
      bucket.left = refilled(bucket, now_ns);
      bucket.at_ns = now_ns;
    }
    return bucket;
  }

  std::map<std::string, Bucket> buckets_;
};

}  // namespace weft::security
