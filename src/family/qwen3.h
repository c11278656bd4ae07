// SPDX-License-Identifier: Apache-2.0
//
// Qwen3 and Qwen3 MoE (Qwen3ForCausalLM, Qwen3MoeForCausalLM): pre-norm, grouped-query attention
// with a norm on every query and key head, rotary positions, gated MLP or routed experts.
//
//   x = E[token]
//   per layer:
//     a = N(x; input_layernorm)
//     q, k, v = Wq a, Wk a, Wv a                    (+ biases iff attention_bias)
//     q = N(q per head; q_norm), k = N(k per head; k_norm), rotate both
//     x = x + Wo attention(q, k, v)                 scale head_dim^-1/2
//     b = N(x; post_attention_layernorm)
//     dense:  x = x + Wd (silu(Wg b) * (Wu b))
//     sparse: p = softmax(Wr b) over all experts, S = the k largest,
//             x = x + sum_{e in S} w_e M_e(b)       w_e = p_e, over sum_S p iff norm_topk_prob
//   logits = head(N(x; norm))                       head = E if tied
//
// The head size is independent of hidden size and heads.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "family/decoder.h"
#include "family/experts.h"

namespace weft::family {

class Qwen3 final : public Decoder {
 public:
  static Result<std::unique_ptr<Family>> bind(const model::Config& config,
                                              model::WeightBinder& weights);

  size_t streamed_bytes() const override;
  void forward(tensor::Ops& ops, const Batch& batch, const KvBlocks& kv,
               tensor::Rows hidden) override;

 private:
  struct Layer {
    std::vector<float> input_norm;      // (H)
    Projections attention;
    std::vector<float> q_norm, k_norm;  // (d)
    std::vector<float> mlp_norm;        // (H)
    GatedMlp mlp;                       // of a dense layer
    Experts experts;                    // of a sparse one
  };

  explicit Qwen3(const model::Config& config) : Decoder(config) {}
  Result<Layer> bind_layer(model::WeightBinder& weights, int index) const;
  void mix_experts(tensor::Ops& ops, tensor::Rows out, tensor::ConstRows b, const Experts& experts);

  std::vector<Layer> layers_;
  ExpertScratch experts_;
};

}  // namespace weft::family
