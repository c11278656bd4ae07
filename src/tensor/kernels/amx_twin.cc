// SPDX-License-Identifier: Apache-2.0
//
// The twin of amx.cc for machines that have AVX-512 and no AMX: the same code around a tile unit in
// plain loops. Slow, and never chosen by itself; tests take it by name, so that all but five
// instructions of the AMX path are tested everywhere.
#include <stdint.h>

#include "tensor/kernels/table.h"
#include "tensor/kernels/avx512-inl.h"
#include "tensor/kernels/vector-inl.h"
#include "tensor/kernels/tiles-inl.h"

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

}  // namespace weft::tensor
