// SPDX-License-Identifier: Apache-2.0
//
// bf16 and f16 as bit patterns (uint16_t) and their conversion from and to float, in integer
// arithmetic, so that neither the rounding mode nor flushed denormals can touch a value. To half:
// round to nearest, ties to even. Kernels have their own, one instruction long.
#pragma once

#include <bit>
#include <cstdint>

namespace weft::tensor {

inline float float_of_bf16(uint16_t raw) {
  return std::bit_cast<float>(static_cast<uint32_t>(raw) << 16);
}

inline uint16_t bf16_of_float(float value) {
  const auto raw = std::bit_cast<uint32_t>(value);
  if ((raw & 0x7fffffff) > 0x7f800000) return static_cast<uint16_t>((raw >> 16) | 0x40);  // NaN
  return static_cast<uint16_t>((raw + 0x7fff + ((raw >> 16) & 1)) >> 16);
}

inline float float_of_f16(uint16_t raw) {
  const uint32_t sign = static_cast<uint32_t>(raw & 0x8000) << 16;
  const uint32_t exponent = (raw >> 10) & 0x1f;
  const uint32_t mantissa = raw & 0x3ff;
  if (exponent == 31) {
    return std::bit_cast<float>(sign | 0x7f800000 | (mantissa << 13) |
                                (mantissa != 0 ? 0x400000U : 0U));
  }
  if (exponent != 0) {
    return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (mantissa << 13));
  }
  if (mantissa == 0) return std::bit_cast<float>(sign);
  const int shift = std::countl_zero(mantissa) - 21;  // a denormal half is a normal float
  return std::bit_cast<float>(sign | (static_cast<uint32_t>(113 - shift) << 23) |
                              (((mantissa << shift) & 0x3ff) << 13));
}

inline uint16_t f16_of_float(float value) {
  const auto raw = std::bit_cast<uint32_t>(value);
  const auto sign = static_cast<uint16_t>((raw >> 16) & 0x8000);
  const uint32_t size = raw & 0x7fffffff;
  if (size > 0x7f800000) return static_cast<uint16_t>(sign | 0x7e00);   // NaN
  if (size >= 0x477ff000) return static_cast<uint16_t>(sign | 0x7c00);  // rounds to infinity
  if (size < 0x33000000) return sign;                                   // below half the smallest
  uint32_t mantissa = (size & 0x7fffff) | 0x800000;
  int drop = 13;
  uint32_t base = ((size >> 23) - 112) << 10;
  if (size < 0x38800000) {  // a denormal half: unit 2^-24
    drop = 126 - static_cast<int>(size >> 23);
    base = 0;
  } else {
    mantissa &= 0x7fffff;
  }
  const uint32_t kept = mantissa >> drop;
  const uint32_t rest = mantissa & ((1U << drop) - 1);
  const uint32_t half = 1U << (drop - 1);
  const bool up = rest > half || (rest == half && (kept & 1) != 0);
  return static_cast<uint16_t>(sign | (base + kept + (up ? 1 : 0)));  // a carry moves the exponent
}

}  // namespace weft::tensor
