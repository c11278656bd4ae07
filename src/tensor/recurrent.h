// SPDX-License-Identifier: Apache-2.0
//
// How recurrent operations see what a sequence carries from token to token: a run of floats of
// the caller's for each sequence of a batch. The operations advance it token by token, in one
// order, so that cutting a sequence into chunks elsewhere gives the same bits. A sequence whose
// first row is position 0 begins with zeros: nobody has to clear its memory.
//
//   convolution   (taps - 1, channels)          the last inputs, oldest first
//   Mamba2        (heads, state_dim, head_dim)  the state of every head
//
// Not here: who owns the memory, and when it is copied.
#pragma once

#include <cstdint>
#include <span>

namespace weft::tensor {

// Sequence i of a batch has this layer's part at base[i] + offset.
struct StateView {
  std::span<float* const> base;
  int64_t offset = 0;
  float* of(size_t sequence) const { return base[sequence] + offset; }
};

struct Convolution {
  int32_t taps = 0;               // positions seen, the token's own included; 1 .. 16
  std::span<const float> weight;  // (taps, channels): tap 0 is the oldest position
  std::span<const float> bias;    // (channels), or empty
  int64_t channels() const { return taps > 0 ? std::ssize(weight) / taps : 0; }
  int64_t state_floats() const { return (taps - 1) * channels(); }
};

struct MambaShape {
  int32_t heads = 0;
  int32_t head_dim = 0;
  int32_t state_dim = 0;
  int32_t groups = 0;  // of heads that share B and C; divides heads
  int64_t inner() const { return int64_t{heads} * head_dim; }
  int64_t channels() const { return inner() + 2 * int64_t{groups} * state_dim; }
  int64_t state_floats() const { return inner() * state_dim; }
};

// How dt becomes the step and the decay of each head; spans (heads).
struct MambaSteps {
  std::span<const float> bias;
  std::span<const float> a;  // negative: -exp(A_log)
  float limits[2];           // the step is clamped to these
};

}  // namespace weft::tensor
