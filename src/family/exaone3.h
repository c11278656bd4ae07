// SPDX-License-Identifier: Apache-2.0
//
// EXAONE 3.0, 3.5 and Deep (ExaoneForCausalLM): pre-norm, grouped-query attention, rotary
// positions, gated MLP; no biases and no norm on heads.
//
//   x = E[token]
//   per layer:
//     q, k, v = Wq a, Wk a, Wv a, rotate q, k       a = N(x; ln_1)
//     x = x + Wo attention(q, k, v)                 scale head_dim^-1/2
//     x = x + M(N(x; ln_2))                         c_fc_0 = gate, c_fc_1 = up, c_proj = down
//   logits = head(N(x; ln_f))
//
// The 2.4B models have heads of 80, which no vector length divides.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "family/decoder.h"

namespace weft::family {

class Exaone3 final : public Decoder {
 public:
  static Result<std::unique_ptr<Family>> bind(const model::Config& config,
                                              model::WeightBinder& weights);

  size_t streamed_bytes() const override;
  void forward(tensor::Ops& ops, const Batch& batch, const KvBlocks& kv,
               tensor::Rows hidden) override;

 private:
  struct Layer {
    std::vector<float> ln_1, ln_2;  // (H)
    Projections attention;
    GatedMlp mlp;
  };

  explicit Exaone3(const model::Config& config) : Decoder(config) {}
  Result<Layer> bind_layer(model::WeightBinder& weights, int index) const;

  std::vector<Layer> layers_;
};

}  // namespace weft::family
