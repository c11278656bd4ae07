// SPDX-License-Identifier: Apache-2.0
//
// Checkpoints of random weights in memory, from a seed: config.json and model.safetensors as a
// Qwen3 directory has them, given to the real loader. Weights are normal with standard deviation
// 1/sqrt(inputs), norms near 1, so that activations and logits have the size of trained models'.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "base/json.h"
#include "model/files.h"
#include "tensor/half.h"

namespace weft::testing_model {

struct Shape {
  int hidden = 64;
  int inner = 128;
  int layers = 2;
  int heads = 4;
  int kv_heads = 2;
  int head_dim = 32;
  int vocab = 256;
  int context = 4096;
  double logit_scale = 4;  // standard deviation of the logits
  uint64_t seed = 1;
  bool q8_export = false;  // matrices as weft_q8_g32 instead of BF16
};

class RandomModel {
 public:
  explicit RandomModel(const Shape& shape) : shape_(shape), random_(shape.seed) {
    const int64_t h = shape.hidden;
    const int64_t nq = int64_t{shape.heads} * shape.head_dim;
    const int64_t nkv = int64_t{shape.kv_heads} * shape.head_dim;
    add("model.embed_tokens.weight", shape.vocab, h, 1.0);
    add("lm_head.weight", shape.vocab, h, shape.logit_scale / std::sqrt(double(h)));
    for (int i = 0; i < shape.layers; ++i) {
      const std::string p = "model.layers." + std::to_string(i) + ".";
      add_norm(p + "input_layernorm.weight", h);
      add_norm(p + "post_attention_layernorm.weight", h);
      add_norm(p + "self_attn.q_norm.weight", shape.head_dim);
      add_norm(p + "self_attn.k_norm.weight", shape.head_dim);
      add(p + "self_attn.q_proj.weight", nq, h, 1 / std::sqrt(double(h)));
      add(p + "self_attn.k_proj.weight", nkv, h, 1 / std::sqrt(double(h)));
      add(p + "self_attn.v_proj.weight", nkv, h, 1 / std::sqrt(double(h)));
      add(p + "self_attn.o_proj.weight", h, nq, 1 / std::sqrt(double(nq)));
      add(p + "mlp.gate_proj.weight", shape.inner, h, 1 / std::sqrt(double(h)));
      add(p + "mlp.up_proj.weight", shape.inner, h, 1 / std::sqrt(double(h)));
      add(p + "mlp.down_proj.weight", h, shape.inner, 1 / std::sqrt(double(shape.inner)));
    }
    add_norm("model.norm.weight", h);
    finish();
  }

  // Views into this object, which must outlive their use.
  model::ModelFiles files() const {
    return model::ModelFiles({{"config.json", config_}, {"model.safetensors", weights_}},
                             "random model");
  }

 private:
  void add_entry(const std::string& name, std::string_view dtype, json::Array dimensions,
                 size_t begin) {
    header_[name] = json::Object{{"dtype", dtype}, {"shape", std::move(dimensions)},
                                 {"data_offsets", json::Array{begin, data_.size()}}};
  }
  void put(double value) {
    const auto f = static_cast<float>(value);
    uint32_t bits = 0;
    std::memcpy(&bits, &f, 4);
    const auto half = static_cast<uint16_t>(bits >> 16);
    data_.append(reinterpret_cast<const char*>(&half), 2);
  }
  // Sum of four uniforms: near enough to normal, and the same numbers under every library.
  double normal() {
    double sum = 0;
    const uint64_t bits = random_();
    for (int i = 0; i < 4; ++i) sum += static_cast<double>(bits >> (16 * i) & 0xFFFF) / 65536;
    return (sum - 2) * 1.7320508;
  }
  // X.weight int8, X.weight_scale float16 for every 32 columns, as training/ exports them.
  void add_q8(const std::string& name, int64_t rows, int64_t columns, double deviation) {
    std::string scales;
    const size_t begin = data_.size();
    for (int64_t group = 0; group < rows * columns / 32; ++group) {
      double values[32];
      double most = 0;
      for (double& v : values) most = std::max(most, std::abs(v = normal() * deviation));
      const uint16_t scale = tensor::f16_of_float(static_cast<float>(most / 127));
      scales.append(reinterpret_cast<const char*>(&scale), 2);
      for (const double v : values) {
        const double q = std::round(v / tensor::float_of_f16(scale));
        data_ += static_cast<char>(static_cast<int8_t>(std::clamp(q, -127.0, 127.0)));
      }
    }
    add_entry(name, "I8", {rows, columns}, begin);
    const size_t scales_begin = data_.size();
    data_ += scales;
    add_entry(name + "_scale", "F16", {rows, columns / 32}, scales_begin);
  }
  void add(const std::string& name, int64_t rows, int64_t columns, double deviation) {
    if (shape_.q8_export) return add_q8(name, rows, columns, deviation);
    const size_t begin = data_.size();
    for (int64_t i = 0; i < rows * columns; ++i) put(normal() * deviation);
    add_entry(name, "BF16", {rows, columns}, begin);
  }
  void add_norm(const std::string& name, int64_t size) {
    const size_t begin = data_.size();
    for (int64_t i = 0; i < size; ++i) put(1 + 0.1 * normal());
    add_entry(name, "BF16", {size}, begin);
  }
  void finish() {
    const std::string header = json::dump(header_);
    const uint64_t length = header.size();
    weights_.assign(reinterpret_cast<const char*>(&length), 8);
    weights_ += header;
    weights_ += data_;
    data_ = {};
    json::Object config{
        {"architectures", json::Array{"Qwen3ForCausalLM"}}, {"hidden_size", shape_.hidden},
        {"intermediate_size", shape_.inner}, {"num_hidden_layers", shape_.layers},
        {"num_attention_heads", shape_.heads}, {"num_key_value_heads", shape_.kv_heads},
        {"head_dim", shape_.head_dim}, {"vocab_size", shape_.vocab},
        {"max_position_embeddings", shape_.context}, {"rms_norm_eps", 1e-6},
        {"rope_theta", 1e6}, {"hidden_act", "silu"}, {"tie_word_embeddings", false}};
    if (shape_.q8_export) {
      config["quantization_config"] =
          json::Object{{"quant_method", "weft_q8_g32"}, {"group_size", 32}};
    }
    config_ = json::dump(config);
  }

  Shape shape_;
  std::mt19937_64 random_;
  json::Object header_;
  std::string data_;
  std::string config_;
  std::string weights_;
};

}  // namespace weft::testing_model
