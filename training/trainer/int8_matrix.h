// SPDX-License-Identifier: Apache-2.0
//
// A weight matrix rounded to int8 for the two products that only pass values on: the forward
// product and the gradient of the input. The gradient of the weights stays in float32, because
// there a sum runs over tokens whose sizes differ by orders of magnitude.
//
// Every row of the weights has one scale and so has every row of the other operand, so the sum
// of bytes can be scaled back once at its end. This is what the shipped model does with its weights
// anyway, and it takes a third of the time of float32 with AVX-512 VNNI; with AVX2 it is slower,
// with the same bits.
#pragma once

#include <cstdint>
#include <vector>

namespace weft_training {

class Int8Matrix {
 public:
  // B(n, k) = values[n * outer_stride + k * inner_stride]; `outputs` values of n, `inputs` of k.
  // Both have to be multiples of 16.
  struct Layout {
    int outputs = 0;
    int inputs = 0;
    int64_t outer_stride = 0;
    int64_t inner_stride = 0;
  };
  void pack(const float* values, Layout layout);
  // y (rows, outputs) = x (rows, inputs) * B^T; with `accumulate` it is added to y.
  void multiply(const float* x, float* y, int rows, bool accumulate) const;

 private:
  Layout layout_;
  std::vector<uint8_t> panels_;  // [outputs / kPanel][inputs / 4][kPanel][4], values + 128
  std::vector<float> scales_;    // of every output
};

}  // namespace weft_training
