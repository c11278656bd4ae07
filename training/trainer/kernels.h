// SPDX-License-Identifier: Apache-2.0
//
// The arithmetic of the trainer: one function per mathematical step, forward and backward,
// float32 throughout, each running on the calling thread only. Parallelism lives one level up:
// a training step is cut into shards of whole samples and every shard runs on its own thread with
// its own gradient buffer. So no kernel needs a barrier, the sum over shards has a fixed order,
// and the result does not depend on how busy the machine is.
//
// Matrices are row-major; a weight has the shape (outputs, inputs). Backward functions ADD to
// the gradients that they are given, except where the comment says "writes".
#pragma once

#include <cstdint>

namespace weft_training {

// Makes the matrix library use the calling thread only. Call once in every thread.
void use_one_thread_per_caller();

// y (rows, outputs) = x (rows, inputs) * w^T; with `accumulate` it is added to y.
struct MatrixShape {
  int rows = 0;
  int inputs = 0;
  int outputs = 0;
  bool accumulate = false;
};
void linear_forward(const float* x, const float* w, float* y, MatrixShape shape);
// dx (rows, inputs) = dy * w; with `accumulate` it is added to dx.
void linear_backward_input(const float* dy, const float* w, float* dx, MatrixShape shape);
// dw (outputs, inputs) += dy^T * x.
void linear_backward_weight(const float* dy, const float* x, float* dw, MatrixShape shape);

// y = x / rms(x) * gain for each row; keeps 1 / rms(x) for the way back.
struct NormShape {
  int rows = 0;
  int width = 0;
  float epsilon = 0;
};
void rms_norm_forward(const float* x, const float* gain, float* y, float* inverse_rms,
                      NormShape shape);
struct NormGradient {
  float* x;     // added to
  float* gain;  // added to
};
void rms_norm_backward(const float* dy, const float* x, const float* gain,
                       const float* inverse_rms, NormGradient gradient, NormShape shape);

// Heads of the attention. A row of `qkv` holds the query heads, then the key heads, then the
// value heads, each of head_dim floats.
struct HeadShape {
  int query_heads = 0;
  int key_heads = 0;
  int head_dim = 0;
  float epsilon = 0;
  float rope_theta = 0;
  int row_floats() const { return (query_heads + 2 * key_heads) * head_dim; }
};
// Normalises every query and key head, then turns it by its position (rotate-half form).
// `angles` holds cos and sin: (positions, head_dim / 2, 2).
void rotate_heads_forward(const float* raw, const float* query_gain, const float* key_gain,
                          const float* angles, const int* positions, float* rotated,
                          float* inverse_rms, int rows, HeadShape shape);
struct HeadGradient {
  float* raw;         // written
  float* query_gain;  // added to
  float* key_gain;    // added to
};
void rotate_heads_backward(const float* drotated, const float* raw, const float* query_gain,
                           const float* key_gain, const float* angles, const int* positions,
                           const float* inverse_rms, HeadGradient gradient, int rows,
                           HeadShape shape);

// Causal attention of one sample of `length` rows; `scratch` holds at least
// attention_scratch_floats(length) floats. The probabilities are computed anew on the way back.
int64_t attention_scratch_floats(int length);
void attention_forward(const float* rotated, float* output, float* scratch, int length,
                       HeadShape shape);
// Adds to drotated, which must start at zero.
void attention_backward(const float* doutput, const float* rotated, float* drotated,
                        float* scratch, int length, HeadShape shape);

// A row of `gate_up` holds `width` gate values, then `width` up values.
void swiglu_forward(const float* gate_up, float* y, int rows, int width);
// Writes dgate_up.
void swiglu_backward(const float* dy, const float* gate_up, float* dgate_up, int rows, int width);

// Turns logits (rows, width) into weight * (softmax - one-hot) in place and returns the weighted
// sum of the losses.
double cross_entropy_in_place(float* logits, const int* targets, const float* weights, int rows,
                              int width);

}  // namespace weft_training
