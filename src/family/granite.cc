// SPDX-License-Identifier: Apache-2.0
#include "family/granite.h"

namespace weft::family {

using tensor::ConstRows;
using tensor::Rows;

void Granite::forward(tensor::Ops& ops, const Batch& batch, const KvBlocks& kv, Rows x) {
  begin(batch, x);
  const auto scale = static_cast<float>(config_.multipliers.attention);
  const auto residual = static_cast<float>(config_.multipliers.residual);
  const Rows a = hidden_rows(normed_, batch);
  const Rows out = hidden_rows(out_, batch);

  ops.embed(x, embedding_, batch.tokens);
  ops.scale(x, static_cast<float>(config_.multipliers.embedding));
  for (int i = 0; i < config_.layers; ++i) {
    const Layer& layer = layers_[static_cast<size_t>(i)];
    ops.rms_norm(a, x, layer.input_norm, eps_);
    if (layer.mamba.empty()) {
      const Heads h = project(ops, a, layer.attention);
      if (config_.rotated[static_cast<size_t>(i)] != 0) rotate(ops, h, batch);
      attend(ops, out, h, layer.attention, batch, kv.layer(layer.index), 0, scale);
    } else {
      const int64_t offset = layer.index * Mamba::state_floats(config_.mamba);
      layer.mamba.mix(ops, out, a, batch, offset, eps_, mamba_);
    }
    ops.add_scaled(x, out, residual);

    ops.rms_norm(a, x, layer.mlp_norm, eps_);
    gated_mlp(ops, out, a, layer.mlp, wide_);
    if (!layer.experts.empty()) add_experts(ops, out, a, layer.experts);
    ops.add_scaled(x, out, residual);
  }
  ops.rms_norm(x, x, norm_, eps_);
}

void Granite::add_experts(tensor::Ops& ops, Rows out, ConstRows b, const Experts& experts) {
  Routing& routing = experts_.routing;
  routing.choose(experts.score(ops, b, experts_), config_.experts.per_token);
  for (int64_t row = 0; row < b.rows; ++row) {
    ops.softmax(routing.weights_of(row), routing.weights_of(row));
  }
  const Rows routed = routed_.rows(out.rows, out.columns);
  experts.mix(ops, routed, b, experts_);
  ops.add(out, routed);
}

void Granite::head(tensor::Ops& ops, ConstRows hidden, Rows logits) {
  Decoder::head(ops, hidden, logits);
  ops.scale(logits, static_cast<float>(1.0 / config_.multipliers.logits));
}

int64_t Granite::state_floats() const {
  int64_t layers = 0;
  for (const Layer& layer : layers_) layers += layer.mamba.empty() ? 0 : 1;
  return layers * (layers > 0 ? Mamba::state_floats(config_.mamba) : 0);
}

size_t Granite::streamed_bytes() const {
  size_t sum = head_bytes();
  for (const Layer& layer : layers_) {
    sum += layer.mamba.empty() ? layer.attention.bytes() : layer.mamba.bytes();
    sum += layer.mlp.bytes();
    if (!layer.experts.empty()) sum += layer.experts.bytes(config_.experts.per_token);
  }
  return sum;
}

Result<Granite::Layer> Granite::bind_layer(model::WeightBinder& weights, int index) const {
  const std::string prefix = "model.layers." + std::to_string(index) + ".";
  const std::string attn = prefix + "self_attn.";
  const std::string shared = prefix + "shared_mlp.";
  const std::string mlp = prefix + "mlp.";
  const std::string moe = prefix + "block_sparse_moe.";
  const int64_t h = config_.hidden_size;
  const int64_t inner = config_.intermediate_size;
  Layer out;
  out.input_norm = TRY(weights.vector(prefix + "input_layernorm.weight", h));
  for (int i = 0; i < index; ++i) {
    out.index += config_.is_mamba(i) == config_.is_mamba(index) ? 1 : 0;
  }
  if (config_.is_mamba(index)) {
    out.mamba = TRY(Mamba::bind(config_, weights, prefix + "mamba."));
  } else {
    out.attention = TRY(bind_projections(
        config_, weights, {attn + "q_proj", attn + "k_proj", attn + "v_proj", attn + "o_proj"}));
  }
  out.mlp_norm = TRY(weights.vector(prefix + "post_attention_layernorm.weight", h));
  if (weights.has(shared + "input_linear.weight") || weights.has(shared + "output_linear.weight")) {
    out.mlp.wgu = TRY(weights.matrix(shared + "input_linear.weight", 2 * inner, h));
    out.mlp.wd = TRY(weights.matrix(shared + "output_linear.weight", h, inner));
  } else {
    out.mlp = TRY(bind_mlp(config_, weights,
                           {mlp + "gate_proj", mlp + "up_proj", mlp + "down_proj"}));
  }
  if (config_.is_sparse(index)) {
    out.experts = TRY(Experts::bind(config_, weights,
                                    {.router = moe + "router.layer.weight",
                                     .one = moe + "experts.",
                                     .gate_up = moe + "input_linear.weight",
                                     .down = moe + "output_linear.weight"}));
  }
  return out;
}

Result<std::unique_ptr<Family>> Granite::bind(const model::Config& config,
                                              model::WeightBinder& weights) {
  auto out = std::unique_ptr<Granite>(new Granite(config));
  TRY(out->bind_ends(weights, "model.embed_tokens.weight", "model.norm.weight"));
  for (int i = 0; i < config.layers; ++i) {
    out->layers_.push_back(TRY(out->bind_layer(weights, i)));
  }
  return std::unique_ptr<Family>(std::move(out));
}

}  // namespace weft::family
