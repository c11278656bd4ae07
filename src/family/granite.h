// SPDX-License-Identifier: Apache-2.0
//
// Granite 3 and 4 (GraniteForCausalLM, GraniteMoeHybridForCausalLM): pre-norm, four multipliers,
// and in 4.0 a choice of mixers and of feed-forward parts a layer.
//
//   x = embedding_multiplier E[token]
//   per layer:
//     a = N(x; input_layernorm)
//     x = x + residual_multiplier mixer(a)      attention, or Mamba2 (family/mamba.h)
//     b = N(x; post_attention_layernorm)
//     x = x + residual_multiplier (M(b) + [experts(b)])
//   logits = head(N(x; norm)) / logits_scaling
//
//   attention   scale attention_multiplier, in place of head_dim^-1/2; rotated unless the position
//               embedding is `nope` (all H models)
//   experts     r = Wr b, S = the k largest, weights = softmax over r_S only
//
// M is called mlp in GraniteForCausalLM and shared_mlp (gate and up in one tensor) in the hybrid
// class: whichever the files have. The embedding multiplier is for the input, not the tied head.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "family/decoder.h"
#include "family/experts.h"
#include "family/mamba.h"

namespace weft::family {

class Granite final : public Decoder {
 public:
  static Result<std::unique_ptr<Family>> bind(const model::Config& config,
                                              model::WeightBinder& weights);

  size_t streamed_bytes() const override;
  int64_t state_floats() const override;
  void forward(tensor::Ops& ops, const Batch& batch, const KvBlocks& kv,
               tensor::Rows hidden) override;
  void head(tensor::Ops& ops, tensor::ConstRows hidden, tensor::Rows logits) override;

 private:
  struct Layer {
    std::vector<float> input_norm;  // (H)
    Projections attention;          // of an attention layer
    Mamba mamba;                    // of a Mamba layer
    int index = 0;                  // of this layer among those of its kind
    std::vector<float> mlp_norm;    // (H)
    GatedMlp mlp;
    Experts experts;                // may be empty
  };

  explicit Granite(const model::Config& config) : Decoder(config) {}
  Result<Layer> bind_layer(model::WeightBinder& weights, int index) const;
  void add_experts(tensor::Ops& ops, tensor::Rows out, tensor::ConstRows b,
                   const Experts& experts);

  std::vector<Layer> layers_;
  MambaScratch mamba_;
  ExpertScratch experts_;
  Scratch routed_;
};

}  // namespace weft::family
