// SPDX-License-Identifier: Apache-2.0
//
// What the decoder-only families share: embedding, head and final norm, and the pieces that their
// forward passes are written in (projections of a layer, rotation, attention over the cache,
// gated MLP). The one idea: a piece does one line of the paper and asks no question about the
// family; order, norms, scales and exceptions stand in each family's own forward().
//
// Activations live in buffers that are kept between passes: a piece's rows stay valid until the
// same piece is asked for again. Not here: experts, recurrent layers.
#pragma once

#include <string>
#include <vector>

#include "family/family.h"
#include "model/rope.h"
#include "tensor/buffer.h"

namespace weft::family {

// Rows of floats that are written before they are read; grows, keeps its memory.
class Scratch {
 public:
  tensor::Rows rows(int64_t rows, int64_t columns) {
    buffer_.reserve(static_cast<size_t>(rows * columns) * sizeof(float));
    return {reinterpret_cast<float*>(buffer_.data()), rows, columns};
  }

 private:
  tensor::Buffer buffer_;
};

// H hidden, nh and nkv heads, d head size, I MLP width.
struct Projections {
  tensor::Matrix wqkv;      // ((nh + 2 nkv) d, H): q, then k, then v
  std::vector<float> bqkv;  // the same rows, or empty
  tensor::Matrix wo;        // (H, nh d)
  std::vector<float> bo;    // (H), or empty
  size_t bytes() const { return wqkv.bytes() + wo.bytes(); }
};

struct GatedMlp {
  tensor::Matrix wgu;      // (2 I, H): gate, then up
  std::vector<float> bgu;  // (2 I), or empty
  tensor::Matrix wd;       // (H, I)
  std::vector<float> bd;   // (H), or empty
  size_t bytes() const { return wgu.bytes() + wd.bytes(); }
  bool empty() const { return wd.empty(); }
};

// Names of tensors without ".weight" and ".bias".
struct ProjectionNames {
  std::string q, k, v, o;
};
struct MlpNames {
  std::string gate, up, down;
};

// E0212 as model/weights. Biases are bound where the configuration has them.
Result<Projections> bind_projections(const model::Config& config, model::WeightBinder& weights,
                                     const ProjectionNames& names);
Result<GatedMlp> bind_mlp(const model::Config& config, model::WeightBinder& weights,
                          const MlpNames& names);

// q, k, v of all rows, side by side in one buffer.
struct Heads {
  tensor::Rows q;  // (M, nh d)
  tensor::Rows k;  // (M, nkv d)
  tensor::Rows v;  // (M, nkv d)
};

// out = Wd (silu(Wg x) * (Wu x)).
void gated_mlp(tensor::Ops& ops, tensor::Rows out, tensor::ConstRows x, const GatedMlp& mlp,
               Scratch& scratch);

class Decoder : public Family {
 public:
  KvBlocks kv_shape() const override;
  int hidden_size() const override { return config_.hidden_size; }
  int vocab_size() const override { return config_.vocab_size; }
  void head(tensor::Ops& ops, tensor::ConstRows hidden, tensor::Rows logits) override;

 protected:
  explicit Decoder(const model::Config& config);
  // Embedding, head (lm_head.weight, unless tied) and final norm.
  Status bind_ends(model::WeightBinder& weights, const std::string& embedding,
                   const std::string& norm);
  size_t head_bytes() const { return (config_.tied_head ? embedding_ : head_).bytes(); }

  // First of all in a pass.
  void begin(const Batch& batch, tensor::ConstRows x);
  Heads project(tensor::Ops& ops, tensor::ConstRows a, const Projections& w);
  void rotate(tensor::Ops& ops, const Heads& heads, const Batch& batch);
  // Caches k and v; out = Wo attention(q, k, v).
  void attend(tensor::Ops& ops, tensor::Rows out, const Heads& heads, const Projections& w,
              const Batch& batch, const tensor::KvView& kv, int window, float scale);
  tensor::Rows hidden_rows(Scratch& scratch, const Batch& batch) const {
    return scratch.rows(batch.rows(), config_.hidden_size);
  }

  model::Config config_;
  float eps_;
  tensor::Matrix embedding_;  // (V, H)
  tensor::Matrix head_;       // (V, H); empty if tied
  std::vector<float> norm_;   // (H)
  Scratch normed_, out_, wide_;  // (M, H), (M, H), the widest of a layer

 private:
  model::RopeTable rope_;
  int positions_ = 0;  // that the pass needs of the table
  Scratch qkv_, heads_;
};

}  // namespace weft::family
