// SPDX-License-Identifier: Apache-2.0
//
// AMX int8: products of many tokens with quantised weights, by tiles-inl.h. The instructions are in
// chapter "Intel AMX" of Intel's architecture manual (volume 1, 18); a thread's tiles are
// configured for the time of one job, and given up after it, so that switching threads stays cheap.
//
// They are written as assembly because g++ 12's intrinsics do not say which memory they read: the
// compiler may then leave out, or put behind them, the stores that made it.
#include <stdint.h>

#include "tensor/kernels/table.h"
#include "tensor/kernels/avx512-inl.h"
#include "tensor/kernels/vector-inl.h"
#include "tensor/kernels/tiles-inl.h"

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

}  // namespace weft::tensor
