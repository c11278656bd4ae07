// SPDX-License-Identifier: Apache-2.0
#include "family/qwen3.h"

#include <algorithm>
#include <cmath>

namespace weft::family {
namespace {

using tensor::ConstRows;
using tensor::Rows;

// `rows` rows of `columns` floats in a scratch buffer.
Rows scratch(tensor::Buffer& buffer, int64_t rows, int64_t columns) {
  buffer.reserve(static_cast<size_t>(rows * columns) * sizeof(float));
  return {reinterpret_cast<float*>(buffer.data()), rows, columns};
}

}  // namespace

Qwen3::Qwen3(const model::Config& config)
    : config_(config), rope_(config.rope, config.head_dim) {}

void Qwen3::forward(tensor::Ops& ops, const Batch& batch, const KvBlocks& kv, Rows x) {
  const int64_t m = batch.rows();
  CHECK(x.rows == m && x.columns == config_.hidden_size);
  const auto eps = static_cast<float>(config_.norm_eps);
  rope_.reserve(1 + *std::max_element(batch.positions.begin(), batch.positions.end()));
  const Rows a = scratch(norm_rows_, m, config_.hidden_size);
  const Rows out = scratch(block_rows_, m, config_.hidden_size);

  ops.embed(x, embedding_, batch.tokens);
  for (int i = 0; i < config_.layers; ++i) {
    const Layer& layer = layers_[static_cast<size_t>(i)];
    ops.rms_norm(a, x, layer.input_norm, eps);
    attention(ops, batch, kv.layer(i), layer, config_.window[static_cast<size_t>(i)], a, out);
    ops.add(x, out);
    ops.rms_norm(a, x, layer.mlp_norm, eps);
    mlp(ops, layer, a, out);
    ops.add(x, out);
  }
  ops.rms_norm(x, x, norm_, eps);
}

void Qwen3::attention(tensor::Ops& ops, const Batch& batch, const tensor::KvView& kv,
                      const Layer& layer, int window, ConstRows a, Rows out) {
  const int64_t nq = int64_t{config_.heads} * config_.head_dim;
  const int64_t nkv = int64_t{config_.kv_heads} * config_.head_dim;
  const auto eps = static_cast<float>(config_.norm_eps);
  const Rows qkv = scratch(wide_rows_, a.rows, nq + 2 * nkv);
  const Rows q = qkv.slice(0, nq);
  const Rows k = qkv.slice(nq, nkv);
  const Rows v = qkv.slice(nq + nkv, nkv);
  const Rows heads = scratch(head_rows_, a.rows, nq);
  const tensor::RopeTable rope{
      {rope_.cos(), static_cast<size_t>(rope_.positions()) * rope_.pairs()},
      {rope_.sin(), static_cast<size_t>(rope_.positions()) * rope_.pairs()},
      config_.head_dim / 2};

  ops.matmul(qkv, a, layer.wqkv, layer.bqkv);
  ops.rms_norm_heads(q, layer.q_norm, eps);
  ops.rms_norm_heads(k, layer.k_norm, eps);
  ops.rope(q, rope, batch.positions);
  ops.rope(k, rope, batch.positions);
  ops.store_kv(kv, batch.sequences, k, v);
  const float scale = 1.0f / std::sqrt(static_cast<float>(config_.head_dim));
  ops.attention(heads, q, kv, batch.sequences,
                {.heads = config_.heads, .scale = scale, .window = window});
  ops.matmul(out, heads, layer.wo, layer.bo);
}

void Qwen3::mlp(tensor::Ops& ops, const Layer& layer, ConstRows b, Rows out) {
  const Rows gu = scratch(wide_rows_, b.rows, 2 * int64_t{config_.intermediate_size});
  const Rows gate = gu.slice(0, config_.intermediate_size);
  const Rows up = gu.slice(config_.intermediate_size, config_.intermediate_size);
  ops.matmul(gu, b, layer.wgu);
  ops.silu_mul(gate, gate, up);
  ops.matmul(out, gate, layer.wd);
}

void Qwen3::head(tensor::Ops& ops, ConstRows hidden, Rows logits) {
  ops.matmul(logits, hidden, config_.tied_head ? embedding_ : head_);
}

KvBlocks Qwen3::kv_shape() const {
  return {{config_.kv_heads, config_.head_dim}, config_.layers, nullptr};
}

size_t Qwen3::streamed_bytes() const {
  size_t sum = config_.tied_head ? embedding_.bytes() : head_.bytes();
  for (const Layer& layer : layers_) {
    sum += layer.wqkv.bytes() + layer.wo.bytes() + layer.wgu.bytes() + layer.wd.bytes();
  }
  return sum;
}

Result<Qwen3::Layer> Qwen3::bind_layer(const model::Config& config, model::WeightBinder& weights,
                                       const std::string& prefix) {
  const int64_t h = config.hidden_size;
  const int64_t nq = int64_t{config.heads} * config.head_dim;
  const int64_t nkv = int64_t{config.kv_heads} * config.head_dim;
  const int64_t inner = config.intermediate_size;
  const std::string attn = prefix + "self_attn.";
  const std::string mlp = prefix + "mlp.";
  Layer out;
  out.input_norm = TRY(weights.vector(prefix + "input_layernorm.weight", h));
  const model::MatrixPart qkv[] = {
      {attn + "q_proj.weight", nq}, {attn + "k_proj.weight", nkv}, {attn + "v_proj.weight", nkv}};
  out.wqkv = TRY(weights.matrix(qkv, h));
  if (config.attention_bias) {
    for (const auto& [name, size] : {std::pair{"q_proj.bias", nq}, std::pair{"k_proj.bias", nkv},
                                     std::pair{"v_proj.bias", nkv}}) {
      const std::vector<float> bias = TRY(weights.vector(attn + name, size));
      out.bqkv.insert(out.bqkv.end(), bias.begin(), bias.end());
    }
    out.bo = TRY(weights.vector(attn + "o_proj.bias", h));
  }
  out.q_norm = TRY(weights.vector(attn + "q_norm.weight", config.head_dim));
  out.k_norm = TRY(weights.vector(attn + "k_norm.weight", config.head_dim));
  out.wo = TRY(weights.matrix(attn + "o_proj.weight", h, nq));
  out.mlp_norm = TRY(weights.vector(prefix + "post_attention_layernorm.weight", h));
  const model::MatrixPart gate_up[] = {{mlp + "gate_proj.weight", inner},
                                       {mlp + "up_proj.weight", inner}};
  out.wgu = TRY(weights.matrix(gate_up, h));
  out.wd = TRY(weights.matrix(mlp + "down_proj.weight", h, inner));
  return out;
}

Result<std::unique_ptr<Family>> Qwen3::bind(const model::Config& config,
                                            model::WeightBinder& weights) {
  auto out = std::unique_ptr<Qwen3>(new Qwen3(config));
  const int64_t v = config.vocab_size;
  const int64_t h = config.hidden_size;
  const std::string embedding = "model.embed_tokens.weight";
  if (config.tied_head) {
    out->embedding_ = TRY(weights.matrix(embedding, v, h));
    weights.ignore("lm_head.weight");
    weights.ignore("lm_head.weight_scale");
  } else {
    out->embedding_ = TRY(weights.table(embedding, v, h));
    out->head_ = TRY(weights.matrix("lm_head.weight", v, h));
  }
  for (int i = 0; i < config.layers; ++i) {
    const std::string prefix = "model.layers." + std::to_string(i) + ".";
    out->layers_.push_back(TRY(bind_layer(config, weights, prefix)));
  }
  out->norm_ = TRY(weights.vector("model.norm.weight", h));
  return std::unique_ptr<Family>(std::move(out));
}

}  // namespace weft::family
