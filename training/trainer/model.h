// SPDX-License-Identifier: Apache-2.0
//
// The Qwen3 dense decoder as the trainer sees it: one flat array of parameters, a forward and a
// backward pass over a batch of whole samples, and nothing else.
//
//   x = embedding[token]
//   for each layer:  x += attention(rms_norm(x)) * wo^T ;  x += swiglu(rms_norm(x)) * down^T
//   logits = rms_norm(x) * embedding^T                     (tied head)
//
// Samples are laid one after another without padding; attention sees one sample at a time, and
// the head is computed only where a token is scored. Query, key and value matrices are one matrix
// here, and so are gate and up; the export writes them apart, as the published layout has them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "kernels.h"

namespace weft_training {

struct ModelShape {
  int vocabulary = 6144;
  int hidden = 256;
  int layers = 6;
  int query_heads = 4;
  int key_heads = 2;
  int head_dim = 64;
  int feed_forward = 768;
  int positions = 2048;
  float rope_theta = 10000.0f;
  float epsilon = 1e-6f;

  HeadShape heads() const { return {query_heads, key_heads, head_dim, epsilon, rope_theta}; }
};

// A named piece of the flat parameter array. Gains have one column.
struct ParameterSpan {
  std::string name;
  int64_t offset = 0;
  int rows = 0;
  int columns = 0;
  int64_t count() const { return static_cast<int64_t>(rows) * columns; }
  bool is_matrix() const { return columns > 1; }
};

struct LayerOffsets {
  int64_t attention_norm, query_key_value, query_norm, key_norm, attention_output;
  int64_t feed_forward_norm, gate_up, down;
};

class ParameterTable {
 public:
  explicit ParameterTable(const ModelShape& shape);
  const std::vector<ParameterSpan>& spans() const { return spans_; }
  const LayerOffsets& layer(int index) const { return layers_[index]; }
  int64_t embedding() const { return embedding_; }
  int64_t final_norm() const { return final_norm_; }
  int64_t count() const { return count_; }

 private:
  int64_t add(std::string name, int rows, int columns);
  std::vector<ParameterSpan> spans_;
  std::vector<LayerOffsets> layers_;
  int64_t embedding_ = 0;
  int64_t final_norm_ = 0;
  int64_t count_ = 0;
};

// A small generator of our own (splitmix64), so that a seed gives the same numbers with every
// standard library.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t next();
  float normal();

 private:
  uint64_t state_;
};

// Normal 0.8 / sqrt(inputs); output projections divided by sqrt(2 * layers); embedding 0.02.
std::vector<float> initial_parameters(const ModelShape& shape, uint64_t seed);

// Samples one after another. `starts` has one entry more than there are samples.
struct Batch {
  std::vector<int> tokens;
  std::vector<int> targets;         // next token of each row
  std::vector<float> loss_weights;  // 0: the row is not scored
  std::vector<int> starts{0};
  int rows() const { return static_cast<int>(tokens.size()); }
};

// Forward and backward pass of one thread; keeps its buffers between calls.
class Pass {
 public:
  explicit Pass(const ModelShape& shape);
  // Adds the gradient of sum(weight * loss) to `gradient` unless it is null; returns that sum.
  double run(const Batch& batch, const float* parameters, float* gradient);

 private:
  struct LayerActivations {
    std::vector<float> input, normed, raw, rotated, attended, middle, normed2, gate_up, active;
    std::vector<float> inverse_rms, head_inverse_rms, inverse_rms2;
  };
  void resize_for(const Batch& batch);
  void layer_forward(int index, const Batch& batch, const float* parameters);
  void layer_backward(int index, const Batch& batch, const float* parameters, float* gradient);
  void attention_part_backward(int index, const Batch& batch, const float* parameters,
                               float* gradient);
  double head(const Batch& batch, const float* parameters, float* gradient);

  ModelShape shape_;
  ParameterTable table_;
  std::vector<float> angles_;
  std::vector<int> positions_;
  std::vector<LayerActivations> layers_;
  std::vector<float> stream_, dstream_, dwide_, dnarrow_, dqkv_, draw_, scratch_;
};

// cos and sin of every position: (positions, cosines then sines, head_dim / 2).
std::vector<float> rotary_angles(const ModelShape& shape);

}  // namespace weft_training
