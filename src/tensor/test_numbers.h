// SPDX-License-Identifier: Apache-2.0
//
// What the tests and benchmarks of this module share: reproducible numbers (a small generator with
// a seed, no library distribution, whose sequence may differ between versions) and comparison of
// memory bit by bit. Not for production code.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

namespace weft::tensor {

class TestNumbers {
 public:
  explicit TestNumbers(uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15ULL + 1) {}

  uint64_t next() {  // splitmix64
    uint64_t z = (state_ += 0x9e3779b97f4a7c15ULL);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
  }
  int64_t below(int64_t n) { return static_cast<int64_t>(next() % static_cast<uint64_t>(n)); }
  // Roughly normal: the sum of four uniform numbers, mean 0, variance 1.
  float normal() {
    float sum = 0;
    for (int i = 0; i < 4; ++i) sum += static_cast<float>(next() >> 40) * 0x1p-24f - 0.5f;
    return sum * 1.7320508f;
  }
  std::vector<float> normals(int64_t n) {
    std::vector<float> out(static_cast<size_t>(n));
    for (float& x : out) x = normal();
    return out;
  }

 private:
  uint64_t state_;
};

inline bool same_bits(std::span<const float> a, std::span<const float> b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
}

}  // namespace weft::tensor
