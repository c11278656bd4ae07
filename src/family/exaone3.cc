// SPDX-License-Identifier: Apache-2.0
#include "family/exaone3.h"

#include <cmath>

namespace weft::family {

using tensor::Rows;

void Exaone3::forward(tensor::Ops& ops, const Batch& batch, const KvBlocks& kv, Rows x) {
  begin(batch, x);
  const float scale = 1.0f / std::sqrt(static_cast<float>(config_.head_dim));
  const Rows a = hidden_rows(normed_, batch);
  const Rows out = hidden_rows(out_, batch);

  ops.embed(x, embedding_, batch.tokens);
  for (int i = 0; i < config_.layers; ++i) {
    const Layer& layer = layers_[static_cast<size_t>(i)];
    ops.rms_norm(a, x, layer.ln_1, eps_);
    const Heads h = project(ops, a, layer.attention);
    rotate(ops, h, batch);
    attend(ops, out, h, layer.attention, batch, kv.layer(i), 0, scale);
    ops.add(x, out);

    ops.rms_norm(a, x, layer.ln_2, eps_);
    gated_mlp(ops, out, a, layer.mlp, wide_);
    ops.add(x, out);
  }
  ops.rms_norm(x, x, norm_, eps_);
}

size_t Exaone3::streamed_bytes() const {
  size_t sum = head_bytes();
  for (const Layer& layer : layers_) sum += layer.attention.bytes() + layer.mlp.bytes();
  return sum;
}

Result<Exaone3::Layer> Exaone3::bind_layer(model::WeightBinder& weights, int index) const {
  const std::string prefix = "transformer.h." + std::to_string(index) + ".";
  const std::string attn = prefix + "attn.attention.";
  const std::string mlp = prefix + "mlp.";
  Layer out;
  out.ln_1 = TRY(weights.vector(prefix + "ln_1.weight", config_.hidden_size));
  out.attention = TRY(bind_projections(
      config_, weights, {attn + "q_proj", attn + "k_proj", attn + "v_proj", attn + "out_proj"}));
  out.ln_2 = TRY(weights.vector(prefix + "ln_2.weight", config_.hidden_size));
  out.mlp = TRY(bind_mlp(config_, weights, {mlp + "c_fc_0", mlp + "c_fc_1", mlp + "c_proj"}));
  return out;
}

Result<std::unique_ptr<Family>> Exaone3::bind(const model::Config& config,
                                              model::WeightBinder& weights) {
  auto out = std::unique_ptr<Exaone3>(new Exaone3(config));
  TRY(out->bind_ends(weights, "transformer.wte.weight", "transformer.ln_f.weight"));
  for (int i = 0; i < config.layers; ++i) {
    out->layers_.push_back(TRY(out->bind_layer(weights, i)));
  }
  return std::unique_ptr<Family>(std::move(out));
}

}  // namespace weft::family
