// SPDX-License-Identifier: Apache-2.0
//
// Operations along one row: norms, sums, gates, rotation, softmax parts. A reduction keeps 16
// partial results, lane i taking the elements i, i + 16, …, and folds them in one fixed tree
// (reduce_add): the order is part of the result. Over the primitives of the including file.
#pragma once

namespace weft::tensor {
namespace {

inline void rms_norm_row(float* y, const float* x, const float* weight, int64_t n, float eps) {
  Floats sum = splat(0.0f);
  for (int64_t i = 0; i < n; i += 16) {
    const Floats v = load_up_to(x + i, n - i);
    sum = fma(v, v, sum);
  }
  const float mean = reduce_add(sum) / static_cast<float>(n);
  const Floats inverse = splat(1.0f / __builtin_sqrtf(mean + eps));
  for (int64_t i = 0; i < n; i += 16) {
    const Floats normalised = mul(load_up_to(x + i, n - i), inverse);
    store_up_to(y + i, mul(normalised, load_up_to(weight + i, n - i)), n - i);
  }
}

inline void add_row(float* y, const float* x, int64_t n) {
  for (int64_t i = 0; i < n; i += 16) {
    store_up_to(y + i, add(load_up_to(y + i, n - i), load_up_to(x + i, n - i)), n - i);
  }
}

inline void add_scaled_row(float* y, const float* x, float a, int64_t n) {
  const Floats factor = splat(a);
  for (int64_t i = 0; i < n; i += 16) {
    store_up_to(y + i, fma(factor, load_up_to(x + i, n - i), load_up_to(y + i, n - i)), n - i);
  }
}

inline void scale_row(float* y, float a, int64_t n) {
  const Floats factor = splat(a);
  for (int64_t i = 0; i < n; i += 16) {
    store_up_to(y + i, mul(load_up_to(y + i, n - i), factor), n - i);
  }
}

// y = silu(gate) * up, silu(z) = z / (1 + e^-z)
inline void silu_mul_row(float* y, const float* gate, const float* up, int64_t n) {
  for (int64_t i = 0; i < n; i += 16) {
    const Floats z = load_up_to(gate + i, n - i);
    const Floats silu = div(z, add(splat(1.0f), exp16(sub(splat(0.0f), z))));
    store_up_to(y + i, mul(silu, load_up_to(up + i, n - i)), n - i);
  }
}

// x'_i = x_i cos - x_{i+half} sin,  x'_{i+half} = x_{i+half} cos + x_i sin
inline void rope_head(float* x, const float* cos, const float* sin, int64_t half) {
  for (int64_t i = 0; i < half; i += 16) {
    const int64_t n = half - i;
    const Floats a = load_up_to(x + i, n);
    const Floats b = load_up_to(x + half + i, n);
    const Floats c = load_up_to(cos + i, n);
    const Floats s = load_up_to(sin + i, n);
    store_up_to(x + i, sub(mul(a, c), mul(b, s)), n);
    store_up_to(x + half + i, fma(b, c, mul(a, s)), n);
  }
}

// The lowest index of the largest value. NaN is never the largest; all NaN: 0.
inline int64_t argmax_row(const float* x, int64_t n) {
  Floats best = splat(-kInfinity);
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) best = max(load(x + i), best);
  float most = reduce_max(best);
  for (; i < n; ++i) most = x[i] > most ? x[i] : most;
  for (i = 0; i < n; ++i) {
    if (x[i] == most) return i;
  }
  return 0;
}

inline float exp_scaled_row(float* y, const float* x, float scale, int64_t n, float* max_out) {
  Floats best = splat(-kInfinity);
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) best = max(load(x + i), best);
  float most = reduce_max(best);
  for (; i < n; ++i) most = x[i] > most ? x[i] : most;
  *max_out = most;
  const Floats shift = splat(most);
  const Floats factor = splat(scale);
  Floats sum = splat(0.0f);
  for (i = 0; i < n; i += 16) {
    Floats e = exp16(mul(factor, sub(load_up_to(x + i, n - i), shift)));
    e = keep_first(e, n - i < 16 ? static_cast<int>(n - i) : 16);
    store_up_to(y + i, e, n - i);
    sum = add(sum, e);
  }
  return reduce_add(sum);
}

}  // namespace
}  // namespace weft::tensor
