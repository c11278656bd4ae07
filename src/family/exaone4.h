// SPDX-License-Identifier: Apache-2.0
//
// EXAONE 4.0 (Exaone4ForCausalLM): attention and MLP read the raw residual stream, and the norms
// sit on their outputs; there is none before the first layer. Queries and keys are normed per head.
//
//   x = E[token]
//   per layer:
//     q, k, v = Wq x, Wk x, Wv x
//     q = N(q per head; q_norm), k = N(k per head; k_norm)
//     if this layer is sliding, or none is: rotate q, k
//     x = x + N(Wo attention(q, k, v); post_attention_layernorm)      scale head_dim^-1/2
//     x = x + N(M(x); post_feedforward_layernorm)
//   logits = head(N(x; norm))
//
// Hybrid models (32B) have three sliding layers to one full layer, and full layers have no position
// encoding at all; in the 1.2B all layers are full and rotate (model/config: window, rotated).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "family/decoder.h"

namespace weft::family {

class Exaone4 final : public Decoder {
 public:
  static Result<std::unique_ptr<Family>> bind(const model::Config& config,
                                              model::WeightBinder& weights);

  size_t streamed_bytes() const override;
  void forward(tensor::Ops& ops, const Batch& batch, const KvBlocks& kv,
               tensor::Rows hidden) override;

 private:
  struct Layer {
    Projections attention;
    std::vector<float> q_norm, k_norm;            // (d)
    std::vector<float> attention_norm, mlp_norm;  // (H), on the outputs
    GatedMlp mlp;
  };

  explicit Exaone4(const model::Config& config) : Decoder(config) {}
  Result<Layer> bind_layer(model::WeightBinder& weights, int index) const;

  std::vector<Layer> layers_;
};

}  // namespace weft::family
