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
// behind the last attention only the rows go on whose next token is scored. Query, key and value
// matrices are one matrix here, and so are gate and up; the export writes them apart, as the
// published layout has them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "int8_matrix.h"
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

// Samples one after another. `starts` has one entry more than there are samples.
struct Batch {
  std::vector<int> tokens;
  std::vector<int> targets;         // next token of each row
  std::vector<float> loss_weights;  // 0: the row is not scored
  std::vector<int> starts{0};
  uint64_t seed = 0;                // of dropout: another for every batch of a run
  int rows() const { return static_cast<int>(tokens.size()); }
};

// The matrices of the layers rounded to int8, for both directions; made anew after every step and
// shared by all passes.
class RoundedWeights {
 public:
  struct Both {
    Int8Matrix forward, backward;
  };
  struct Layer {
    Both query_key_value, attention_output, gate_up, down;
  };
  explicit RoundedWeights(const ModelShape& shape) : shape_(shape), layers_(shape.layers) {}
  // Rounds the layers `first`, `first + stride`, ...: every thread its own.
  void round(const float* parameters, int first, int stride);
  const Layer& layer(int index) const { return layers_[index]; }

 private:
  ModelShape shape_;
  std::vector<Layer> layers_;
};

// Forward and backward pass of one thread; keeps its buffers between calls.
class Pass {
 public:
  explicit Pass(const ModelShape& shape);
  // Share of the attended values and of the feed-forward's inner ones that are left out (the others
  // grow by as much), drawn from the batch's seed. 0, the default, for anything but training.
  void set_dropout(float share) { dropout_ = share; }
  // Adds the gradient of sum(weight * loss) to `gradient` unless it is null; returns that sum.
  // With `rounded`, values and their gradients pass through int8 products; without, float32.
  double run(const Batch& batch, const float* parameters, float* gradient,
             const RoundedWeights* rounded = nullptr);

 private:
  struct LayerActivations {
    std::vector<float> input, normed, raw, rotated, attended, middle, normed2, gate_up, active;
    std::vector<float> inverse_rms, head_inverse_rms, inverse_rms2;
  };
  struct Product {
    const float* weights;
    const RoundedWeights::Both* rounded;  // null: float32
  };
  void resize_for(const Batch& batch);
  Product product(int index, int64_t offset,
                  RoundedWeights::Both RoundedWeights::Layer::*which) const;
  static void forward(const Product& w, const float* x, float* y, MatrixShape shape);
  static void backward(const Product& w, const float* dy, float* dx, MatrixShape shape);
  enum class Site : uint64_t { attended, active };
  void drop_out(float* values, int columns, int layer, Site site) const;
  void keep_scored_rows(LayerActivations& a);
  void spread_scored_rows(int rows);
  void feed_forward(int index, const float* parameters);
  void feed_forward_backward(int index, const float* parameters, float* gradient);
  void layer_forward(int index, const Batch& batch, const float* parameters);
  void layer_backward(int index, const Batch& batch, const float* parameters, float* gradient);
  void attention_part_backward(int index, const Batch& batch, const float* parameters,
                               float* gradient);
  double head(const float* parameters, float* gradient);

  ModelShape shape_;
  ParameterTable table_;
  std::vector<float> angles_;
  std::vector<int> positions_;
  std::vector<LayerActivations> layers_;
  std::vector<float> stream_, dstream_, dwide_, dnarrow_, dqkv_, draw_, scratch_;
  std::vector<float> normed_, dnormed_, head_inverse_rms_, logits_;  // of the head
  std::vector<int> scored_, targets_;
  std::vector<float> weights_;
  int late_rows_ = 0;  // behind the attention of the layer at work: all, or the scored ones
  float dropout_ = 0;
  uint64_t seed_ = 0;  // of the batch at work
  const float* parameters_ = nullptr;
  const RoundedWeights* rounded_ = nullptr;
};

// cos and sin of every position: (positions, cosines then sines, head_dim / 2).
std::vector<float> rotary_angles(const ModelShape& shape);

}  // namespace weft_training
