// SPDX-License-Identifier: Apache-2.0
//
// AMX: products of many tokens with quantised weights (int8) by tiles-inl.h, and with bf16 weights
// and activations rounded to bf16 by dot_tiles-inl.h. The instructions are in chapter "Intel AMX"
// of Intel's architecture manual (volume 1, 18); a thread's tiles are configured for the time of
// one job, and given up after it, so that switching threads stays cheap.
//
// They are written as assembly because g++ 12's intrinsics do not say which memory they read: the
// compiler may then leave out, or put behind them, the stores that made it.
#include <stdint.h>

#include "tensor/kernels/table.h"
#include "tensor/kernels/avx512-inl.h"
#include "tensor/kernels/vector-inl.h"
#include "tensor/kernels/tiles-inl.h"
#include "tensor/kernels/dot_tiles-inl.h"

namespace weft::tensor {
namespace {

// What LDTILECFG reads: palette 1 has eight tiles of up to 16 rows of 64 bytes.
struct alignas(64) TileConfig {
  uint8_t palette;
  uint8_t start_row;
  uint8_t reserved[14];
  uint16_t row_bytes[16];
  uint8_t rows[16];
};
static_assert(sizeof(TileConfig) == 64);

class AmxTiles {
 public:
  explicit AmxTiles(int tokens) {
    TileConfig config = {};
    config.palette = 1;
    config.rows[0] = static_cast<uint8_t>(tokens);  // sums: (tokens, 16 rows) int32
    config.row_bytes[0] = kLanes * 4;
    config.rows[1] = static_cast<uint8_t>(tokens);  // activations: (tokens, 32)
    config.row_bytes[1] = kGroup;
    config.rows[2] = kGroup / 4;                    // weights: (8 fours of columns, 16 rows, 4)
    config.row_bytes[2] = kLanes * 4;
    asm volatile("ldtilecfg %0" : : "m"(config));
  }
  AmxTiles(const AmxTiles&) = delete;
  AmxTiles& operator=(const AmxTiles&) = delete;
  ~AmxTiles() { asm volatile("tilerelease"); }

  // sums (tokens, 16) = q (tokens, 32) times the tile of codes; nothing saturates.
  void multiply(const int8_t* q, const int8_t* codes, int32_t* sums) const {
    asm volatile(
        "tilezero %%tmm0\n\t"
        "tileloadd (%0,%3,1), %%tmm1\n\t"
        "tileloadd (%1,%4,1), %%tmm2\n\t"
        "tdpbssd %%tmm2, %%tmm1, %%tmm0\n\t"
        "tilestored %%tmm0, (%2,%4,1)"
        :
        : "r"(q), "r"(codes), "r"(sums), "r"(int64_t{kGroup}), "r"(int64_t{kLanes * 4})
        : "memory");
  }
};

// Tiles 0 and 1 are the sums of both halves of a strip, 2 the activations, 3 and 4 the weights.
class AmxDotTiles {
 public:
  explicit AmxDotTiles(int tokens) {
    TileConfig config = {};
    config.palette = 1;
    for (int tile = 0; tile < 5; ++tile) {
      config.rows[tile] = static_cast<uint8_t>(tile < 3 ? tokens : kGroup / 2);
      config.row_bytes[tile] = kLanes * 4;
    }
    asm volatile("ldtilecfg %0" : : "m"(config));
  }
  AmxDotTiles(const AmxDotTiles&) = delete;
  AmxDotTiles& operator=(const AmxDotTiles&) = delete;
  ~AmxDotTiles() { asm volatile("tilerelease"); }

  void zero() {
    asm volatile(
        "tilezero %%tmm0\n\t"
        "tilezero %%tmm1" : :);
  }
  // sums (tokens, 32), `stride` floats from a row to the next.
  void load(const float* sums, int64_t stride) {
    asm volatile(
        "tileloadd (%0,%1,1), %%tmm0\n\t"
        "tileloadd 64(%0,%1,1), %%tmm1"
        :
        : "r"(sums), "r"(stride * 4)
        : "memory");
  }
  void store(float* sums, int64_t stride) {
    asm volatile(
        "tilestored %%tmm0, (%0,%1,1)\n\t"
        "tilestored %%tmm1, 64(%0,%1,1)"
        :
        : "r"(sums), "r"(stride * 4)
        : "memory");
  }
  // sums += x (tokens, 32) times the two tiles of weights.
  void step(const uint16_t* x, const uint16_t (&weights)[2][kDotTile]) {
    asm volatile(
        "tileloadd (%0,%3,1), %%tmm2\n\t"
        "tileloadd (%1,%3,1), %%tmm3\n\t"
        "tileloadd (%2,%3,1), %%tmm4\n\t"
        "tdpbf16ps %%tmm3, %%tmm2, %%tmm0\n\t"
        "tdpbf16ps %%tmm4, %%tmm2, %%tmm1"
        :
        : "r"(x), "r"(weights[0]), "r"(weights[1]), "r"(int64_t{kDotTokenBytes})
        : "memory");
  }
};

}  // namespace

void matmul_q8_amx(const MatmulJob* job) {
  matmul_many<AmxTiles, TilesQ8>(job, kAvx512Kernels.matmul_q8);
}
void matmul_q4_amx(const MatmulJob* job) {
  matmul_many<AmxTiles, TilesQ4<true>>(job, kAvx512Kernels.matmul_q4);
}
void matmul_q4c_amx(const MatmulJob* job) {
  matmul_many<AmxTiles, TilesQ4<false>>(job, kAvx512Kernels.matmul_q4c);
}
void pack_dot_amx(const float* x, int64_t stride, int64_t m, int64_t k, uint8_t* panel) {
  (m < kDotTilesFrom ? pack_dot_pairs : pack_dot_rows)(x, stride, m, k, panel);
}
void matmul_dot_amx(const MatmulJob* job) { matmul_dot_tiles<AmxDotTiles>(job, matmul_dot_pairs); }

}  // namespace weft::tensor
