// SPDX-License-Identifier: Apache-2.0
#include "model/blocks.h"

#include <cstring>

#include "base/error.h"
#include "tensor/half.h"

namespace weft::model {
namespace {

constexpr BlockFormat kFormats[] = {
    {DType::kF32, "F32", 0, 1, 4, 0, false},
    {DType::kF16, "F16", 1, 1, 2, 0, false},
    {DType::kBF16, "BF16", 30, 1, 2, 0, false},
    {DType::kQ4_0, "Q4_0", 2, 32, 18, 32, false},
    {DType::kQ4_1, "Q4_1", 3, 32, 20, 32, true},
    {DType::kQ5_0, "Q5_0", 6, 32, 22, 32, false},
    {DType::kQ5_1, "Q5_1", 7, 32, 24, 32, true},
    {DType::kQ8_0, "Q8_0", 8, 32, 34, 32, false},
    {DType::kQ2K, "Q2_K", 10, 256, 84, 16, true},
    {DType::kQ3K, "Q3_K", 11, 256, 110, 16, false},
    {DType::kQ4K, "Q4_K", 12, 256, 144, 32, true},
    {DType::kQ5K, "Q5_K", 13, 256, 176, 32, true},
    {DType::kQ6K, "Q6_K", 14, 256, 210, 16, false},
    {DType::kIQ4NL, "IQ4_NL", 20, 32, 18, 32, false},
    {DType::kIQ4XS, "IQ4_XS", 23, 256, 136, 32, false}};

// The 16 values that a code of the IQ4 types stands for, fitted to normal weights.
constexpr int8_t kIq4Values[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                   1,    13,   25,  38,  53,  69,  89,  113};

uint16_t u16_at(const uint8_t* p) {
  uint16_t out;
  std::memcpy(&out, p, 2);
  return out;
}
uint32_t u32_at(const uint8_t* p) {
  uint32_t out;
  std::memcpy(&out, p, 4);
  return out;
}
float half_at(const uint8_t* p) { return tensor::float_of_f16(u16_at(p)); }
int8_t signed8(int value) { return static_cast<int8_t>(value); }

// Q4_0, Q4_1, Q5_0, Q5_1, IQ4_NL: [f16 scale][f16 offset of _1][4 bytes of fifth bits of Q5][16
// bytes: low halves are codes 0..15, high halves 16..31]. Codes of _0 are biased by 8 or 16.
struct Simple {
  bool offset;
  bool fifth_bit;
  int bias;
  bool table;
};
void decode_simple(const uint8_t* p, Simple kind, BlockCodes& out) {
  out.scale[0] = half_at(p);
  p += 2;
  out.offset[0] = 0;
  if (kind.offset) {
    out.offset[0] = half_at(p);
    p += 2;
  }
  uint32_t fifth = 0;
  if (kind.fifth_bit) {
    fifth = u32_at(p);
    p += 4;
  }
  for (int j = 0; j < 32; ++j) {
    const int low = j < 16 ? p[j] & 15 : p[j - 16] >> 4;
    const int code = low | static_cast<int>((fifth >> j) & 1) << 4;
    out.code[j] = kind.table ? kIq4Values[code] : signed8(code - kind.bias);
  }
}

void decode_q8_0(const uint8_t* p, BlockCodes& out) {
  out.scale[0] = half_at(p);
  out.offset[0] = 0;
  std::memcpy(out.code, p + 2, 32);
}

// The 12 bytes that hold eight 6-bit scales and eight 6-bit minimums of Q4_K and Q5_K: the first
// four of each whole, the upper two bits of the first eight bytes belong to the last four.
void unpack_six_bits(const uint8_t* s, int (&scale)[8], int (&minimum)[8]) {
  for (int j = 0; j < 4; ++j) {
    scale[j] = s[j] & 63;
    minimum[j] = s[j + 4] & 63;
    scale[j + 4] = (s[j + 8] & 15) | (s[j] >> 6) << 4;
    minimum[j + 4] = s[j + 8] >> 4 | (s[j + 4] >> 6) << 4;
  }
}

// Q4_K: [f16 d][f16 dmin][12 scales][128 codes]; 64 codes share 32 bytes, the first half of them
// in the low halves. Q5_K has 32 bytes of fifth bits before the codes, bit g for group g.
void decode_q4_k(const uint8_t* p, bool fifth_bit, BlockCodes& out) {
  const float d = half_at(p);
  const float dmin = half_at(p + 2);
  int scale[8];
  int minimum[8];
  unpack_six_bits(p + 4, scale, minimum);
  const uint8_t* fifth = p + 16;
  const uint8_t* codes = fifth_bit ? p + 48 : p + 16;
  for (int g = 0; g < 8; ++g) {
    out.scale[g] = d * static_cast<float>(scale[g]);
    out.offset[g] = -(dmin * static_cast<float>(minimum[g]));
    for (int i = 0; i < 32; ++i) {
      const int low = codes[g / 2 * 32 + i] >> (g % 2 * 4) & 15;
      const int high = fifth_bit ? (fifth[i] >> g & 1) << 4 : 0;
      out.code[g * 32 + i] = signed8(low | high);
    }
  }
}

// [128 low halves][64 upper pairs of bits][16 int8 scales][f16 d]: of each 128 codes, quarter q
// takes its low half from byte (q % 2) * 32 + i and its upper bits from bits 2 q of byte i.
void decode_q6_k(const uint8_t* p, BlockCodes& out) {
  const float d = half_at(p + 208);
  for (int g = 0; g < 16; ++g) {
    out.scale[g] = d * static_cast<float>(signed8(p[192 + g]));
    out.offset[g] = 0;
  }
  for (int i = 0; i < 256; ++i) {
    const int half = i / 128;
    const int quarter = i % 128 / 32;
    const int low = p[half * 64 + quarter % 2 * 32 + i % 32] >> (quarter / 2 * 4) & 15;
    const int high = p[128 + half * 32 + i % 32] >> (quarter * 2) & 3;
    out.code[i] = signed8((low | high << 4) - 32);
  }
}

// Where the two low bits of code i of Q2_K and Q3_K lie: 128 codes share 32 bytes.
int two_bits(const uint8_t* codes, int i) {
  return codes[i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2) & 3;
}

// [16 bytes: low half scale, high half minimum][64 codes][f16 d][f16 dmin]
void decode_q2_k(const uint8_t* p, BlockCodes& out) {
  const float d = half_at(p + 80);
  const float dmin = half_at(p + 82);
  for (int g = 0; g < 16; ++g) {
    out.scale[g] = d * static_cast<float>(p[g] & 15);
    out.offset[g] = -(dmin * static_cast<float>(p[g] >> 4));
  }
  for (int i = 0; i < 256; ++i) out.code[i] = signed8(two_bits(p + 16, i));
}

// [32 bytes of third bits, bit i / 32 of byte i % 32, set: no 4 is taken off][64 low bits]
// [12 bytes of sixteen 6-bit scales biased by 32][f16 d]
void decode_q3_k(const uint8_t* p, BlockCodes& out) {
  const float d = half_at(p + 108);
  const uint8_t* s = p + 96;
  for (int g = 0; g < 16; ++g) {
    const int low = g < 8 ? s[g] & 15 : s[g - 8] >> 4;
    const int high = s[8 + g % 4] >> (g / 4 * 2) & 3;
    out.scale[g] = d * static_cast<float>((low | high << 4) - 32);
    out.offset[g] = 0;
  }
  for (int i = 0; i < 256; ++i) {
    const int third = p[i % 32] >> (i / 32) & 1;
    out.code[i] = signed8(two_bits(p + 32, i) - (third != 0 ? 0 : 4));
  }
}

// [f16 d][16 bits: upper two of each scale][4 bytes: lower four][128 codes, as Q4_0 by groups]
void decode_iq4_xs(const uint8_t* p, BlockCodes& out) {
  const float d = half_at(p);
  const uint32_t high = u16_at(p + 2);
  for (int g = 0; g < 8; ++g) {
    const int low = p[4 + g / 2] >> (g % 2 * 4) & 15;
    const int scale = low | static_cast<int>(high >> (2 * g) & 3) << 4;
    out.scale[g] = d * static_cast<float>(scale - 32);
    out.offset[g] = 0;
    const uint8_t* codes = p + 8 + g * 16;
    for (int i = 0; i < 32; ++i) {
      const int code = i < 16 ? codes[i] & 15 : codes[i - 16] >> 4;
      out.code[g * 32 + i] = kIq4Values[code];
    }
  }
}

void read_blocks(const BlockFormat& format, const uint8_t* from, std::span<float> out) {
  BlockCodes codes;
  for (size_t at = 0; at < out.size(); at += static_cast<size_t>(format.elements)) {
    decode_block(format.dtype, from, codes);
    from += format.bytes;
    for (int64_t i = 0; i < format.elements; ++i) {
      const float product =
          codes.scale[i / format.group] * static_cast<float>(codes.code[i]);
      out[at + static_cast<size_t>(i)] =
          format.has_offset ? product + codes.offset[i / format.group] : product;
    }
  }
}

}  // namespace

const BlockFormat* block_format_of_ggml(uint32_t ggml_type) {
  for (const BlockFormat& format : kFormats) {
    if (format.ggml_type == ggml_type) return &format;
  }
  return nullptr;
}

const BlockFormat& block_format(DType dtype) {
  for (const BlockFormat& format : kFormats) {
    if (format.dtype == dtype) return format;
  }
  CHECK(false, "type {} is in no GGUF file", static_cast<int>(dtype));
  __builtin_unreachable();
}

void decode_block(DType dtype, const void* block, BlockCodes& out) {
  const auto* p = static_cast<const uint8_t*>(block);
  switch (dtype) {
    case DType::kQ8_0: return decode_q8_0(p, out);
    case DType::kQ4_0: return decode_simple(p, {false, false, 8, false}, out);
    case DType::kQ4_1: return decode_simple(p, {true, false, 0, false}, out);
    case DType::kQ5_0: return decode_simple(p, {false, true, 16, false}, out);
    case DType::kQ5_1: return decode_simple(p, {true, true, 0, false}, out);
    case DType::kIQ4NL: return decode_simple(p, {false, false, 0, true}, out);
    case DType::kQ2K: return decode_q2_k(p, out);
    case DType::kQ3K: return decode_q3_k(p, out);
    case DType::kQ4K: return decode_q4_k(p, false, out);
    case DType::kQ5K: return decode_q4_k(p, true, out);
    case DType::kQ6K: return decode_q6_k(p, out);
    case DType::kIQ4XS: return decode_iq4_xs(p, out);
    default: CHECK(false, "type {} has no blocks", static_cast<int>(dtype));
  }
}

void read_elements(DType dtype, const void* from, std::span<float> out) {
  const BlockFormat& format = block_format(dtype);
  const auto* p = static_cast<const uint8_t*>(from);
  CHECK(static_cast<int64_t>(out.size()) % format.elements == 0, "{} elements of {}", out.size(),
        format.name);
  if (is_block(dtype)) return read_blocks(format, p, out);
  if (dtype == DType::kF32) {
    std::memcpy(out.data(), p, out.size_bytes());
    return;
  }
  for (size_t i = 0; i < out.size(); ++i) {
    const uint16_t raw = u16_at(p + i * 2);
    out[i] = dtype == DType::kF16 ? tensor::float_of_f16(raw) : tensor::float_of_bf16(raw);
  }
}

}  // namespace weft::model
