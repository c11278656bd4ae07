// SPDX-License-Identifier: Apache-2.0
//
// The specification: 16 lanes as an array, one IEEE operation a lane. Any instruction set must
// give these bits. Built with -mfma so that fmaf is one exact instruction.
#include <immintrin.h>
#include <stdint.h>

#include "tensor/kernels/table.h"

namespace weft::tensor {
namespace {

constexpr int kPanelF32 = 4;
constexpr int kPanelQ8 = 4;
constexpr int kFewTokens = 1;
constexpr int kHalvesMany = 1;
constexpr int kScorePairs = 2;
constexpr int kValuePairs = 2;
constexpr int kValueVectors = 2;

struct Floats {
  float v[16];
};
struct Ints {
  int32_t v[16];
};
struct Bytes {
  const uint8_t* p;  // 16 rows of 4 values, biased by 128
};
struct Four {
  const int8_t* p;  // the same 4 activations for every row
};
struct Codes {
  uint8_t v[64];  // 16 rows of 4 values from 0 to 15
};

template <class Function>
inline Floats each(Function lane) {
  Floats out;
  for (int i = 0; i < 16; ++i) out.v[i] = lane(i);
  return out;
}
template <class Function>
inline Ints each_int(Function lane) {
  Ints out;
  for (int i = 0; i < 16; ++i) out.v[i] = lane(i);
  return out;
}
inline float float_of(uint32_t raw) {
  float out;
  __builtin_memcpy(&out, &raw, 4);
  return out;
}
inline uint32_t raw_of(float value) {
  uint32_t out;
  __builtin_memcpy(&out, &value, 4);
  return out;
}

// Loads and stores take any address. *_first: n < 16 lanes, the others zero or untouched.
inline Floats load(const float* p) {
  Floats out;
  __builtin_memcpy(&out, p, sizeof out);
  return out;
}
inline Floats load_first(const float* p, int n) {
  return each([&](int i) { return i < n ? p[i] : 0.0f; });
}
inline void store(float* p, Floats a) { __builtin_memcpy(p, &a, sizeof a); }
inline void store_first(float* p, Floats a, int n) {
  for (int i = 0; i < n; ++i) p[i] = a.v[i];
}
inline Floats keep_first(Floats a, int n) {
  return each([&](int i) { return i < n ? a.v[i] : 0.0f; });
}
inline Floats splat(float a) {
  return each([&](int) { return a; });
}
inline Floats add(Floats a, Floats b) {
  return each([&](int i) { return a.v[i] + b.v[i]; });
}
inline Floats sub(Floats a, Floats b) {
  return each([&](int i) { return a.v[i] - b.v[i]; });
}
inline Floats mul(Floats a, Floats b) {
  return each([&](int i) { return a.v[i] * b.v[i]; });
}
inline Floats div(Floats a, Floats b) {
  return each([&](int i) { return a.v[i] / b.v[i]; });
}
inline Floats fma(Floats a, Floats b, Floats c) {  // a b + c, rounded once
  return each([&](int i) { return __builtin_fmaf(a.v[i], b.v[i], c.v[i]); });
}
// The second operand if either is NaN, as the x86 instructions do.
inline Floats max(Floats a, Floats b) {
  return each([&](int i) { return a.v[i] > b.v[i] ? a.v[i] : b.v[i]; });
}
inline Floats min(Floats a, Floats b) {
  return each([&](int i) { return a.v[i] < b.v[i] ? a.v[i] : b.v[i]; });
}
inline Floats absolute(Floats a) {
  return each([&](int i) { return float_of(raw_of(a.v[i]) & 0x7fffffff); });
}
inline Floats choose_less(Floats a, Floats b, Floats yes, Floats no) {  // a < b ? yes : no
  return each([&](int i) { return a.v[i] < b.v[i] ? yes.v[i] : no.v[i]; });
}
inline Floats choose_ordered(Floats a, Floats yes) {  // a where a is NaN, else yes
  return each([&](int i) { return a.v[i] != a.v[i] ? a.v[i] : yes.v[i]; });
}
// Lanes 8 apart are folded first, then 4, 2, 1: this tree is part of every result.
inline float reduce_add(Floats a) {
  for (int width = 8; width > 0; width /= 2) {
    for (int i = 0; i < width; ++i) a.v[i] = a.v[i] + a.v[i + width];
  }
  return a.v[0];
}
inline float reduce_max(Floats a) {
  for (int width = 8; width > 0; width /= 2) {
    for (int i = 0; i < width; ++i) a.v[i] = a.v[i] > a.v[i + width] ? a.v[i] : a.v[i + width];
  }
  return a.v[0];
}

inline Ints bits(Floats a) {
  return each_int([&](int i) { return static_cast<int32_t>(raw_of(a.v[i])); });
}
inline Floats floats_of(Ints a) {
  return each([&](int i) { return float_of(static_cast<uint32_t>(a.v[i])); });
}
inline Floats to_float(Ints a) {
  return each([&](int i) { return static_cast<float>(a.v[i]); });
}
inline Ints splat_int(int32_t a) {
  return each_int([&](int) { return a; });
}
// Integer arithmetic wraps, as the instructions do.
inline Ints iadd(Ints a, Ints b) {
  return each_int([&](int i) {
    return static_cast<int32_t>(static_cast<uint32_t>(a.v[i]) + static_cast<uint32_t>(b.v[i]));
  });
}
inline Ints isub(Ints a, Ints b) {
  return each_int([&](int i) {
    return static_cast<int32_t>(static_cast<uint32_t>(a.v[i]) - static_cast<uint32_t>(b.v[i]));
  });
}
inline Ints iand(Ints a, Ints b) {
  return each_int([&](int i) { return a.v[i] & b.v[i]; });
}
template <int N>
inline Ints shift_left(Ints a) {
  return each_int([&](int i) {
    return static_cast<int32_t>(static_cast<uint32_t>(a.v[i]) << N);
  });
}
template <int N>
inline Ints shift_right(Ints a) {  // arithmetic
  return each_int([&](int i) { return a.v[i] >> N; });
}
inline void store_bytes(int8_t* p, Ints a) {  // the low byte of each lane
  for (int i = 0; i < 16; ++i) p[i] = static_cast<int8_t>(a.v[i] & 0xff);
}

inline Floats from_bf16(const uint16_t* p) {
  return each([&](int i) { return float_of(static_cast<uint32_t>(p[i]) << 16); });
}
// A denormal half becomes a normal float; built from integers, so that DAZ cannot touch it.
inline float half_value(uint16_t h) {
  const uint32_t sign = static_cast<uint32_t>(h & 0x8000) << 16;
  const uint32_t exponent = (h >> 10) & 0x1f;
  uint32_t mantissa = h & 0x3ff;
  if (exponent == 31) {
    return float_of(sign | 0x7f800000 | (mantissa << 13) | (mantissa != 0 ? 0x400000 : 0));
  }
  if (exponent != 0) return float_of(sign | ((exponent + 112) << 23) | (mantissa << 13));
  if (mantissa == 0) return float_of(sign);
  const int shift = __builtin_clz(mantissa) - 21;
  mantissa = (mantissa << shift) & 0x3ff;
  return float_of(sign | (static_cast<uint32_t>(113 - shift) << 23) | (mantissa << 13));
}
inline Floats from_f16(const uint16_t* p) {
  return each([&](int i) { return half_value(p[i]); });
}
inline Floats splat_f16(uint16_t h) { return splat(half_value(h)); }
inline Floats from_biased(const uint8_t* p) {  // the numbers p[i] - 128
  return each([&](int i) { return static_cast<float>(int32_t{p[i]} - 128); });
}
// Rounded to nearest even; below half the smallest half is zero, too large infinity.
inline uint16_t half_of(float value) {
  const uint32_t raw = raw_of(value);
  const uint32_t sign = (raw >> 16) & 0x8000;
  const uint32_t size = raw & 0x7fffffff;
  if (size > 0x7f800000) return static_cast<uint16_t>(sign | 0x7e00 | ((size >> 13) & 0x3ff));
  if (size >= 0x477ff000) return static_cast<uint16_t>(sign | 0x7c00);
  if (size < 0x33000000) return static_cast<uint16_t>(sign);
  const bool denormal = size < 0x38800000;  // then the unit is 2^-24
  const uint32_t drop = denormal ? 126 - (size >> 23) : 13;
  const uint32_t mantissa = denormal ? (size & 0x7fffff) | 0x800000 : size & 0x7fffff;
  const uint32_t base = denormal ? 0 : ((size >> 23) - 112) << 10;
  const uint32_t kept = mantissa >> drop;
  const uint32_t rest = mantissa & ((1u << drop) - 1);
  const uint32_t half = 1u << (drop - 1);
  const uint32_t up = rest > half || (rest == half && (kept & 1) != 0) ? 1 : 0;
  return static_cast<uint16_t>(sign | (base + kept + up));  // a carry moves the exponent
}
inline void store_f16(uint16_t* p, Floats a) {
  for (int i = 0; i < 16; ++i) p[i] = half_of(a.v[i]);
}

// Dot products of 4 signed values a row with the same 4 activations; all sums are exact.
// `dot_start` is where an instruction set that uses the biased weights undoes the bias.
inline Ints dot_start(int32_t) { return splat_int(0); }
inline Bytes load_bytes(const uint8_t* p) { return Bytes{p}; }
inline Four load_four(const int8_t* p) { return Four{p}; }
inline Ints dot4(Ints acc, Bytes w, Four four) {
  return each_int([&](int i) {
    int32_t sum = acc.v[i];
    for (int b = 0; b < 4; ++b) sum += (int32_t{w.p[i * 4 + b]} - 128) * four.p[b];
    return sum;
  });
}

// Four-bit codes: 64 bytes hold two such vectors, in the low and the high halves.
inline Codes load_low_codes(const uint8_t* p) {
  Codes out;
  for (int i = 0; i < 64; ++i) out.v[i] = p[i] & 15;
  return out;
}
inline Codes load_high_codes(const uint8_t* p) {
  Codes out;
  for (int i = 0; i < 64; ++i) out.v[i] = p[i] >> 4;
  return out;
}
// At most 8 products may be added, a group's: sums may be kept in 16 bits until code_total().
// `start` belongs to the sum; an instruction set begins with it or adds it in the end.
using CodeSums = Ints;
inline CodeSums code_start(int32_t start) { return splat_int(start); }
inline CodeSums dot4_codes(const CodeSums& acc, const Codes& w, Four four) {
  return each_int([&](int i) {
    int32_t sum = acc.v[i];
    for (int b = 0; b < 4; ++b) sum += int32_t{w.v[i * 4 + b]} * four.p[b];
    return sum;
  });
}
inline Ints code_total(const CodeSums& acc, int32_t) { return acc; }

}  // namespace
}  // namespace weft::tensor

#include "tensor/kernels/vector-inl.h"
#include "tensor/kernels/rows-inl.h"
#include "tensor/kernels/matmul-inl.h"
#include "tensor/kernels/cache-inl.h"
#include "tensor/kernels/attention-inl.h"
#include "tensor/kernels/recurrent-inl.h"
#include "tensor/kernels/table-inl.h"

namespace weft::tensor {
const KernelTable kScalarKernels = {"scalar", WEFT_DOT_FMA, WEFT_KERNELS_ENTRIES};
}  // namespace weft::tensor
