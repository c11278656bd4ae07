// SPDX-License-Identifier: Apache-2.0
//
// What the tiles of both instruction sets share: some rows of rounded values times one panel of a
// matrix of bytes. Sums of integers are exact, so both give the same bits.
#pragma once

#include <cstdint>
#include <utility>

namespace weft_training {

constexpr int kBytes = 4;     // inputs that stand together in a panel
constexpr int kOffset = 128;  // makes the weights unsigned, as VNNI wants one operand

template <typename Rounded>
struct Tile {
  const Rounded* x;
  const float* x_scales;
  const int* x_sums;
  const uint8_t* panel;
  const float* scales;
  float* y;
  int64_t y_stride;
  int inputs;
  int outputs;  // of the panel that are really there
  bool accumulate;
};

// Calls f(0), f(1), ... with constants, so that an array indexed by them can live in registers.
template <int Count, typename Function>
[[gnu::always_inline]] inline void unrolled(Function f) {
  [&]<int... I>(std::integer_sequence<int, I...>) __attribute__((always_inline)) {
    (f(std::integral_constant<int, I>{}), ...);
  }(std::make_integer_sequence<int, Count>{});
}

}  // namespace weft_training
