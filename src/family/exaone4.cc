// SPDX-License-Identifier: Apache-2.0
#include "family/exaone4.h"

#include <cmath>

namespace weft::family {

using tensor::Rows;

void Exaone4::forward(tensor::Ops& ops, const Batch& batch, const KvBlocks& kv, Rows x) {
  begin(batch, x);
  const float scale = 1.0f / std::sqrt(static_cast<float>(config_.head_dim));
  const Rows out = hidden_rows(out_, batch);

  ops.embed(x, embedding_, batch.tokens);
  for (int i = 0; i < config_.layers; ++i) {
    const Layer& layer = layers_[static_cast<size_t>(i)];
    const Heads h = project(ops, x, layer.attention);
    ops.rms_norm_heads(h.q, layer.q_norm, eps_);
    ops.rms_norm_heads(h.k, layer.k_norm, eps_);
    if (config_.rotated[static_cast<size_t>(i)] != 0) rotate(ops, h, batch);
    attend(ops, out, h, layer.attention, batch, kv.layer(i),
           config_.window[static_cast<size_t>(i)], scale);
    ops.rms_norm(out, out, layer.attention_norm, eps_);
    ops.add(x, out);

    gated_mlp(ops, out, x, layer.mlp, wide_);
    ops.rms_norm(out, out, layer.mlp_norm, eps_);
    ops.add(x, out);
  }
  ops.rms_norm(x, x, norm_, eps_);
}

size_t Exaone4::streamed_bytes() const {
  size_t sum = head_bytes();
  for (const Layer& layer : layers_) sum += layer.attention.bytes() + layer.mlp.bytes();
  return sum;
}

Result<Exaone4::Layer> Exaone4::bind_layer(model::WeightBinder& weights, int index) const {
  const std::string prefix = "model.layers." + std::to_string(index) + ".";
  const std::string attn = prefix + "self_attn.";
  const std::string mlp = prefix + "mlp.";
  Layer out;
  out.attention = TRY(bind_projections(
      config_, weights, {attn + "q_proj", attn + "k_proj", attn + "v_proj", attn + "o_proj"}));
  out.q_norm = TRY(weights.vector(attn + "q_norm.weight", config_.head_dim));
  out.k_norm = TRY(weights.vector(attn + "k_norm.weight", config_.head_dim));
  out.attention_norm =
      TRY(weights.vector(prefix + "post_attention_layernorm.weight", config_.hidden_size));
  out.mlp_norm =
      TRY(weights.vector(prefix + "post_feedforward_layernorm.weight", config_.hidden_size));
  out.mlp = TRY(bind_mlp(config_, weights,
                         {mlp + "gate_proj", mlp + "up_proj", mlp + "down_proj"}));
  return out;
}

Result<std::unique_ptr<Family>> Exaone4::bind(const model::Config& config,
                                              model::WeightBinder& weights) {
  auto out = std::unique_ptr<Exaone4>(new Exaone4(config));
  TRY(out->bind_ends(weights, "model.embed_tokens.weight", "model.norm.weight"));
  for (int i = 0; i < config.layers; ++i) {
    out->layers_.push_back(TRY(out->bind_layer(weights, i)));
  }
  return std::unique_ptr<Family>(std::move(out));
}

}  // namespace weft::family
