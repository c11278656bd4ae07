// SPDX-License-Identifier: Apache-2.0
#include "family/qwen3.h"

#include <cmath>

namespace weft::family {

using tensor::ConstRows;
using tensor::Rows;

void Qwen3::forward(tensor::Ops& ops, const Batch& batch, const KvBlocks& kv, Rows x) {
  begin(batch, x);
  const float scale = 1.0f / std::sqrt(static_cast<float>(config_.head_dim));
  const Rows a = hidden_rows(normed_, batch);
  const Rows out = hidden_rows(out_, batch);

  ops.embed(x, embedding_, batch.tokens);
  for (int i = 0; i < config_.layers; ++i) {
    const Layer& layer = layers_[static_cast<size_t>(i)];
    ops.rms_norm(a, x, layer.input_norm, eps_);
    const Heads h = project(ops, a, layer.attention);
    ops.rms_norm_heads(h.q, layer.q_norm, eps_);
    ops.rms_norm_heads(h.k, layer.k_norm, eps_);
    rotate(ops, h, batch);
    attend(ops, out, h, layer.attention, batch, kv.layer(i),
           config_.window[static_cast<size_t>(i)], scale);
    ops.add(x, out);

    ops.rms_norm(a, x, layer.mlp_norm, eps_);
    if (layer.experts.empty()) {
      gated_mlp(ops, out, a, layer.mlp, wide_);
    } else {
      mix_experts(ops, out, a, layer.experts);
    }
    ops.add(x, out);
  }
  ops.rms_norm(x, x, norm_, eps_);
}

void Qwen3::mix_experts(tensor::Ops& ops, Rows out, ConstRows b, const Experts& experts) {
  const Rows p = experts.score(ops, b, experts_);
  for (int64_t row = 0; row < p.rows; ++row) {
    const std::span<float> scores(p.row(row), static_cast<size_t>(p.columns));
    ops.softmax(scores, scores);
  }
  Routing& routing = experts_.routing;
  routing.choose(p, config_.experts.per_token);
  for (int64_t row = 0; config_.experts.normalised && row < p.rows; ++row) {
    float sum = 0;  // best first, always in this order
    for (const float w : routing.weights_of(row)) sum += w;
    for (float& w : routing.weights_of(row)) w /= sum;
  }
  experts.mix(ops, out, b, experts_);
}

size_t Qwen3::streamed_bytes() const {
  size_t sum = head_bytes();
  for (const Layer& layer : layers_) {
    sum += layer.attention.bytes();
    sum += layer.experts.empty() ? layer.mlp.bytes()
                                 : layer.experts.bytes(config_.experts.per_token);
  }
  return sum;
}

Result<Qwen3::Layer> Qwen3::bind_layer(model::WeightBinder& weights, int index) const {
  const std::string prefix = "model.layers." + std::to_string(index) + ".";
  const std::string attn = prefix + "self_attn.";
  const std::string mlp = prefix + "mlp.";
  Layer out;
  out.input_norm = TRY(weights.vector(prefix + "input_layernorm.weight", config_.hidden_size));
  out.attention = TRY(bind_projections(
      config_, weights, {attn + "q_proj", attn + "k_proj", attn + "v_proj", attn + "o_proj"}));
  out.q_norm = TRY(weights.vector(attn + "q_norm.weight", config_.head_dim));
  out.k_norm = TRY(weights.vector(attn + "k_norm.weight", config_.head_dim));
  out.mlp_norm =
      TRY(weights.vector(prefix + "post_attention_layernorm.weight", config_.hidden_size));
  if (config_.is_sparse(index)) {
    out.experts = TRY(Experts::bind(config_, weights,
                                    {.router = mlp + "gate.weight",
                                     .one = mlp + "experts.",
                                     .gate_up = mlp + "experts.gate_up_proj",
                                     .down = mlp + "experts.down_proj"}));
  } else {
    out.mlp = TRY(bind_mlp(config_, weights,
                           {mlp + "gate_proj", mlp + "up_proj", mlp + "down_proj"}));
  }
  return out;
}

Result<std::unique_ptr<Family>> Qwen3::bind(const model::Config& config,
                                            model::WeightBinder& weights) {
  auto out = std::unique_ptr<Qwen3>(new Qwen3(config));
  TRY(out->bind_ends(weights, "model.embed_tokens.weight", "model.norm.weight"));
  for (int i = 0; i < config.layers; ++i) {
    out->layers_.push_back(TRY(out->bind_layer(weights, i)));
  }
  return std::unique_ptr<Family>(std::move(out));
}

}  // namespace weft::family
