// SPDX-License-Identifier: Apache-2.0
//
// Functions of 16 floats that every instruction set shares, written over the primitives that the
// including file has defined before (Floats, Ints, load, fma, …; scalar.cc lists them all and is
// their specification). Every operation is one IEEE operation a lane, so the tables agree by
// construction. Included once by each file of kernels/, never by anybody else.
#pragma once

namespace weft::tensor {
namespace {

constexpr float kInfinity = __builtin_inff();

// The first n of 16 lanes from p, the rest zero; whole vectors take the plain load.
inline Floats load_up_to(const float* p, int64_t n) {
  return n >= 16 ? load(p) : load_first(p, static_cast<int>(n));
}
inline void store_up_to(float* p, Floats v, int64_t n) {
  if (n >= 16) {
    store(p, v);
  } else {
    store_first(p, v, static_cast<int>(n));
  }
}

// To nearest even bf16, with zeros behind it. A NaN stays one: x + x is quiet, so that it does not
// become infinity when its lower half goes.
inline Floats round_bf16(Floats x) {
  const Ints raw = bits(x);
  const Ints even = iadd(iand(shift_right<16>(raw), splat_int(1)), splat_int(0x7fff));
  const Floats nearest = choose_ordered(add(x, x), floats_of(iadd(raw, even)));
  return floats_of(iand(bits(nearest), splat_int(-0x10000)));
}

// e^x, at most 1 ulp off (exp_test: every float of the range is within it). Below -87.33 the
// result would be denormal: 0. x = n ln 2 + r with |r| <= 0.347, and e^r by its Taylor series,
// whose first term left out is r^8 / 8! < 2^-27.
inline Floats exp16(Floats x) {
  const Floats magic = splat(12582912.0f);  // 1.5 * 2^23: adding it rounds to an integer
  const Floats clamped = min(max(x, splat(-88.0f)), splat(89.0f));
  const Floats shifted = fma(clamped, splat(1.44269504f), magic);
  const Floats n = sub(shifted, magic);
  Floats r = fma(n, splat(-0.693145752f), clamped);        // ln 2 = 0.693145752 + 1.42860677e-6
  r = fma(n, splat(-1.42860677e-6f), r);
  Floats p = splat(1.0f / 5040);
  p = fma(p, r, splat(1.0f / 720));
  p = fma(p, r, splat(1.0f / 120));
  p = fma(p, r, splat(1.0f / 24));
  p = fma(p, r, splat(1.0f / 6));
  p = fma(p, r, splat(0.5f));
  p = fma(p, r, splat(1.0f));
  p = fma(p, r, splat(1.0f));
  // times 2^n in two steps, since 2^128 is no float
  const Ints whole = isub(bits(shifted), bits(magic));
  const Ints half = shift_right<1>(whole);
  const Ints bias = splat_int(127);
  p = mul(p, floats_of(shift_left<23>(iadd(half, bias))));
  p = mul(p, floats_of(shift_left<23>(iadd(isub(whole, half), bias))));
  p = choose_less(x, splat(-87.3365f), splat(0.0f), p);
  p = choose_less(splat(88.7228394f), x, splat(kInfinity), p);
  return choose_ordered(x, p);  // a NaN stays one
}

// ln x, at most 2 ulp off. x = 2^n m with m in [sqrt 1/2, sqrt 2); with s = (m - 1) / (m + 1),
// ln m = 2 (s + s^3/3 + s^5/5 + …). Zero and denormals give -inf, negatives NaN.
inline Floats log16(Floats x) {
  const Ints raw = bits(x);
  const Ints moved = iadd(raw, splat_int(0x3f800000 - 0x3f3504f3));
  const Floats n = to_float(isub(shift_right<23>(moved), splat_int(127)));
  const Floats m = floats_of(
      iadd(iand(moved, splat_int(0x007fffff)), splat_int(0x3f3504f3)));
  const Floats f = sub(m, splat(1.0f));
  const Floats s = div(f, add(splat(2.0f), f));
  const Floats z = mul(s, s);
  Floats p = splat(2.0f / 9);
  p = fma(p, z, splat(2.0f / 7));
  p = fma(p, z, splat(2.0f / 5));
  p = fma(p, z, splat(2.0f / 3));
  p = mul(p, z);
  // ln m = f - f^2/2 + s (f^2/2 + p): the large part is exact, as in the classic libraries
  const Floats h = mul(mul(f, f), splat(0.5f));
  Floats y = fma(s, add(h, p), mul(n, splat(1.42860677e-6f)));
  y = sub(f, sub(h, y));
  y = fma(n, splat(0.693145752f), y);
  y = choose_less(x, splat(1.17549435e-38f), splat(-kInfinity), y);
  y = choose_less(x, splat(0.0f), splat(__builtin_nanf("")), y);
  y = choose_less(splat(3.40282347e38f), x, splat(kInfinity), y);
  return choose_ordered(x, y);
}

inline void exp_all(float* y, const float* x, int64_t n) {
  for (int64_t i = 0; i < n; i += 16) store_up_to(y + i, exp16(load_up_to(x + i, n - i)), n - i);
}
inline void log_all(float* y, const float* x, int64_t n) {
  for (int64_t i = 0; i < n; i += 16) store_up_to(y + i, log16(load_up_to(x + i, n - i)), n - i);
}

}  // namespace
}  // namespace weft::tensor
