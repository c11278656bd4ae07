// SPDX-License-Identifier: Apache-2.0
//
// The twin of amx.cc for machines that have AVX-512 and no AMX: the same code around a tile unit in
// plain loops. Slow, and never chosen by itself; tests take it by name, so that all but the tile
// instructions of the AMX path are tested everywhere.
#include <stdint.h>

#include "tensor/kernels/table.h"
#include "tensor/kernels/avx512-inl.h"
#include "tensor/kernels/vector-inl.h"
#include "tensor/kernels/tiles-inl.h"
#include "tensor/kernels/dot_tiles-inl.h"

namespace weft::tensor {
namespace {

class PlainTiles {
 public:
  explicit PlainTiles(int tokens) : tokens_(tokens) {}

  // What TDPBSSD says: row m of the sums gets, for each n, the products of row m of q with the n-th
  // four bytes of every line of codes.
  void multiply(const int8_t* q, const int8_t* codes, int32_t* sums) const {
    for (int m = 0; m < tokens_; ++m) {
      int32_t row[kLanes] = {};
      for (int k = 0; k < kGroup; ++k) {
        const int32_t x = q[m * kGroup + k];
        for (int n = 0; n < kLanes; ++n) row[n] += x * codes[k / 4 * 64 + n * 4 + k % 4];
      }
      for (int n = 0; n < kLanes; ++n) sums[m * kLanes + n] = row[n];
    }
  }

 private:
  int tokens_;
};

// What TDPBF16PS says, with flushed denormals; TILELOADD and TILESTORED are copies.
class PlainDotTiles {
 public:
  explicit PlainDotTiles(int tokens) : tokens_(tokens) {}

  void zero() {
    for (int m = 0; m < tokens_; ++m) {
      for (int n = 0; n < kStripRows; ++n) sums_[m][n] = 0.0f;
    }
  }
  void load(const float* sums, int64_t stride) {
    for (int m = 0; m < tokens_; ++m) {
      for (int n = 0; n < kStripRows; ++n) sums_[m][n] = sums[m * stride + n];
    }
  }
  void store(float* sums, int64_t stride) {
    for (int m = 0; m < tokens_; ++m) {
      for (int n = 0; n < kStripRows; ++n) sums[m * stride + n] = sums_[m][n];
    }
  }
  void step(const uint16_t* x, const uint16_t (&weights)[2][kDotTile]) {
    for (int m = 0; m < tokens_; ++m) {
      for (int n = 0; n < kStripRows; ++n) {
        const uint16_t* tile = weights[n / kLanes] + n % kLanes * 2;
        float even = 0.0f;
        float odd = 0.0f;
        for (int j = 0; j < kGroup / 2; ++j) {
          even = __builtin_fmaf(float_of(tile[j * 32]), float_of(x[m * 32 + 2 * j]), even);
          odd = __builtin_fmaf(float_of(tile[j * 32 + 1]), float_of(x[m * 32 + 2 * j + 1]), odd);
        }
        sums_[m][n] = sums_[m][n] + (even + odd);
      }
    }
  }

 private:
  static float float_of(uint16_t raw) {
    const uint32_t wide = uint32_t{raw} << 16;
    float out;
    __builtin_memcpy(&out, &wide, 4);
    return out;
  }

  int tokens_;
  float sums_[kTileTokens][kStripRows];
};

}  // namespace

void matmul_q8_twin(const MatmulJob* job) {
  matmul_many<PlainTiles, TilesQ8>(job, kAvx512Kernels.matmul_q8);
}
void matmul_q4_twin(const MatmulJob* job) {
  matmul_many<PlainTiles, TilesQ4<true>>(job, kAvx512Kernels.matmul_q4);
}
void matmul_q4c_twin(const MatmulJob* job) {
  matmul_many<PlainTiles, TilesQ4<false>>(job, kAvx512Kernels.matmul_q4c);
}
void pack_dot_twin(const float* x, int64_t stride, int64_t m, int64_t k, uint8_t* panel) {
  (m < kDotTilesFrom ? kAvx512Kernels.dot.pack : pack_dot_rows)(x, stride, m, k, panel);
}
void matmul_dot_twin(const MatmulJob* job) {
  matmul_dot_tiles<PlainDotTiles>(job, kAvx512Kernels.dot.matmul);
}

}  // namespace weft::tensor
