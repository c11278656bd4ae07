// SPDX-License-Identifier: Apache-2.0
#include "family/decoder.h"

#include <algorithm>

namespace weft::family {

using tensor::ConstRows;
using tensor::Rows;

namespace {

// The biases of several tensors, one behind the other.
Result<std::vector<float>> bind_biases(model::WeightBinder& weights,
                                       std::initializer_list<model::MatrixPart> parts) {
  std::vector<float> out;
  for (const model::MatrixPart& part : parts) {
    const std::vector<float> bias = TRY(weights.vector(part.name + ".bias", part.rows));
    out.insert(out.end(), bias.begin(), bias.end());
  }
  return out;
}

}  // namespace

Result<Projections> bind_projections(const model::Config& config, model::WeightBinder& weights,
                                     const ProjectionNames& names) {
  const int64_t h = config.hidden_size;
  const int64_t nq = int64_t{config.heads} * config.head_dim;
  const int64_t nkv = int64_t{config.kv_heads} * config.head_dim;
  Projections out;
  const model::MatrixPart qkv[] = {
      {names.q + ".weight", nq}, {names.k + ".weight", nkv}, {names.v + ".weight", nkv}};
  out.wqkv = TRY(weights.matrix(qkv, h));
  out.wo = TRY(weights.matrix(names.o + ".weight", h, nq));
  if (config.attention_bias) {
    out.bqkv = TRY(bind_biases(weights, {{names.q, nq}, {names.k, nkv}, {names.v, nkv}}));
    out.bo = TRY(bind_biases(weights, {{names.o, h}}));
  }
  return out;
}

Result<GatedMlp> bind_mlp(const model::Config& config, model::WeightBinder& weights,
                          const MlpNames& names) {
  const int64_t h = config.hidden_size;
  const int64_t inner = config.intermediate_size;
  GatedMlp out;
  const model::MatrixPart gate_up[] = {{names.gate + ".weight", inner},
                                       {names.up + ".weight", inner}};
  out.wgu = TRY(weights.matrix(gate_up, h));
  out.wd = TRY(weights.matrix(names.down + ".weight", h, inner));
  if (config.mlp_bias) {
    out.bgu = TRY(bind_biases(weights, {{names.gate, inner}, {names.up, inner}}));
    out.bd = TRY(bind_biases(weights, {{names.down, h}}));
  }
  return out;
}

void gated_mlp(tensor::Ops& ops, Rows out, ConstRows x, const GatedMlp& mlp, Scratch& scratch) {
  const int64_t inner = mlp.wd.columns();
  const Rows both = scratch.rows(x.rows, 2 * inner);
  const Rows gate = both.slice(0, inner);
  const Rows up = both.slice(inner, inner);
  ops.matmul(both, x, mlp.wgu, mlp.bgu);
  ops.silu_mul(gate, gate, up);
  ops.matmul(out, gate, mlp.wd, mlp.bd);
}

Decoder::Decoder(const model::Config& config)
    : config_(config), eps_(static_cast<float>(config.norm_eps)),
      rope_(config.rope, config.head_dim) {}

Status Decoder::bind_ends(model::WeightBinder& weights, const std::string& embedding,
                          const std::string& norm) {
  const int64_t v = config_.vocab_size;
  const int64_t h = config_.hidden_size;
  if (config_.tied_head) {
    embedding_ = TRY(weights.matrix(embedding, v, h));
    weights.ignore("lm_head.weight");
    weights.ignore("lm_head.weight_scale");
  } else {
    embedding_ = TRY(weights.table(embedding, v, h));
    head_ = TRY(weights.matrix("lm_head.weight", v, h));
  }
  norm_ = TRY(weights.vector(norm, h));
  return ok_status();
}

KvBlocks Decoder::kv_shape() const {
  int layers = 0;
  for (int i = 0; i < config_.layers; ++i) layers += config_.is_mamba(i) ? 0 : 1;
  return {{config_.kv_heads, config_.head_dim, tensor::KvType::kF32}, layers, nullptr};
}

void Decoder::head(tensor::Ops& ops, ConstRows hidden, Rows logits) {
  ops.matmul(logits, hidden, config_.tied_head ? embedding_ : head_);
}

void Decoder::begin(const Batch& batch, ConstRows x) {
  CHECK(batch.rows() > 0 && std::ssize(batch.positions) == batch.rows());
  CHECK(x.rows == batch.rows() && x.columns == config_.hidden_size);
  positions_ = 1 + *std::max_element(batch.positions.begin(), batch.positions.end());
}

Heads Decoder::project(tensor::Ops& ops, ConstRows a, const Projections& w) {
  const int64_t nq = int64_t{config_.heads} * config_.head_dim;
  const int64_t nkv = int64_t{config_.kv_heads} * config_.head_dim;
  const Rows qkv = qkv_.rows(a.rows, nq + 2 * nkv);
  ops.matmul(qkv, a, w.wqkv, w.bqkv);
  return {qkv.slice(0, nq), qkv.slice(nq, nkv), qkv.slice(nq + nkv, nkv)};
}

void Decoder::rotate(tensor::Ops& ops, const Heads& heads, const Batch& batch) {
  rope_.reserve(positions_);
  const size_t size = static_cast<size_t>(rope_.positions()) * rope_.pairs();
  const tensor::RopeTable table{{rope_.cos(), size}, {rope_.sin(), size}, config_.head_dim / 2};
  ops.rope(heads.q, table, batch.positions);
  ops.rope(heads.k, table, batch.positions);
}

void Decoder::attend(tensor::Ops& ops, Rows out, const Heads& heads, const Projections& w,
                     const Batch& batch, const tensor::KvView& kv, int window, float scale) {
  const Rows mixed = heads_.rows(heads.q.rows, heads.q.columns);
  ops.store_kv(kv, batch.sequences, heads.k, heads.v);
  ops.attention(mixed, heads.q, kv, batch.sequences,
                {.heads = config_.heads, .scale = scale, .window = window});
  ops.matmul(out, mixed, w.wo, w.bo);
}

}  // namespace weft::family
