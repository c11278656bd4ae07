// SPDX-License-Identifier: Apache-2.0
//
// Qwen3 dense (Qwen3ForCausalLM): pre-norm, grouped-query attention with a norm on every query
// and key head, rotary positions, gated MLP.
//
//   x = E[token]
//   per layer:
//     a = N(x; input_layernorm)
//     q, k, v = Wq a, Wk a, Wv a                    (+ biases iff attention_bias)
//     q = N(q per head; q_norm), k = N(k per head; k_norm), rotate both
//     x = x + Wo attention(q, k, v)                 scale head_dim^-1/2
//     x = x + Wd (silu(Wg b) * (Wu b))              b = N(x; post_attention_layernorm)
//   logits = head(N(x; norm))                       head = E if tied
//
// The head size is independent of hidden size and heads. No experts (another family).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "family/family.h"
#include "model/rope.h"
#include "tensor/buffer.h"

namespace weft::family {

class Qwen3 final : public Family {
 public:
  static Result<std::unique_ptr<Family>> bind(const model::Config& config,
                                              model::WeightBinder& weights);

  KvBlocks kv_shape() const override;
  int hidden_size() const override { return config_.hidden_size; }
  int vocab_size() const override { return config_.vocab_size; }
  size_t streamed_bytes() const override;
  void forward(tensor::Ops& ops, const Batch& batch, const KvBlocks& kv,
               tensor::Rows hidden) override;
  void head(tensor::Ops& ops, tensor::ConstRows hidden, tensor::Rows logits) override;

 private:
  // H hidden, nh and nkv heads, d head size, I MLP width.
  struct Layer {
    std::vector<float> input_norm;      // (H)
    tensor::Matrix wqkv;                // ((nh + 2 nkv) d, H): q, then k, then v
    std::vector<float> bqkv;            // the same rows, or empty
    std::vector<float> q_norm, k_norm;  // (d)
    tensor::Matrix wo;                  // (H, nh d)
    std::vector<float> bo;              // (H), or empty
    std::vector<float> mlp_norm;        // (H)
    tensor::Matrix wgu;                 // (2 I, H): gate, then up
    tensor::Matrix wd;                  // (H, I)
  };

  explicit Qwen3(const model::Config& config);
  static Result<Layer> bind_layer(const model::Config& config, model::WeightBinder& weights,
                                  const std::string& prefix);
  void attention(tensor::Ops& ops, const Batch& batch, const tensor::KvView& kv, const Layer& layer,
                 int window, tensor::ConstRows a, tensor::Rows out);
  void mlp(tensor::Ops& ops, const Layer& layer, tensor::ConstRows b, tensor::Rows out);

  model::Config config_;
  tensor::Matrix embedding_;  // (V, H)
  tensor::Matrix head_;       // (V, H); empty if tied
  std::vector<float> norm_;   // (H)
  std::vector<Layer> layers_;
  model::RopeTable rope_;
  // Activations of a pass, kept between passes: norm (M, H), qkv, heads (M, nh d), mlp (M, 2 I).
  tensor::Buffer norm_rows_, wide_rows_, head_rows_, block_rows_;
};

}  // namespace weft::family
