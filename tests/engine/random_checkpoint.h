// SPDX-License-Identifier: Apache-2.0
//
// Checkpoints of random weights in memory, from a seed: config.json and model.safetensors as a
// directory in Hugging Face layout has them, given to the real loader. Weights are normal with
// standard deviation 1/sqrt(inputs), norms near 1, so that activations and logits have the size of
// trained models'. A class for each kind of model derives from this and adds its tensors.
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

class RandomCheckpoint {
 public:
  // Views into this object, which must outlive their use.
  model::ModelFiles files() const {
    return model::ModelFiles({{"config.json", config_}, {"model.safetensors", weights_}},
                             "random model");
  }
  const std::string& config() const { return config_; }
  const std::string& weights() const { return weights_; }

 protected:
  // q8_export: matrices as weft_q8_g32 instead of BF16.
  explicit RandomCheckpoint(uint64_t seed, bool q8_export = false)
      : random_(seed), q8_export_(q8_export) {}

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
  void add_q8(const std::string& name, std::vector<int64_t> shape, double deviation) {
    std::string scales;
    const size_t begin = data_.size();
    for (int64_t group = 0; group < size_of(shape) / 32; ++group) {
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
    add_entry(name, "I8", json::Array(shape.begin(), shape.end()), begin);
    const size_t scales_begin = data_.size();
    data_ += scales;
    shape.back() /= 32;
    add_entry(name + "_scale", "F16", json::Array(shape.begin(), shape.end()), scales_begin);
  }
  static int64_t size_of(const std::vector<int64_t>& shape) {
    int64_t size = 1;
    for (const int64_t dimension : shape) size *= dimension;
    return size;
  }
  // A linear layer: (rows, columns) of deviation 1/sqrt(columns).
  void add(const std::string& name, int64_t rows, int64_t columns) {
    add(name, rows, columns, 1 / std::sqrt(static_cast<double>(columns)));
  }
  void add(const std::string& name, int64_t rows, int64_t columns, double deviation) {
    if (q8_export_) return add_q8(name, {rows, columns}, deviation);
    add_tensor(name, {rows, columns}, 0, deviation);
  }
  // `count` linear layers in one tensor.
  void add_stacked(const std::string& name, int64_t count, int64_t rows, int64_t columns) {
    const double deviation = 1 / std::sqrt(static_cast<double>(columns));
    if (q8_export_) return add_q8(name, {count, rows, columns}, deviation);
    add_tensor(name, {count, rows, columns}, 0, deviation);
  }
  void add_norm(const std::string& name, int64_t size) { add_tensor(name, {size}, 1, 0.1); }
  // A tensor of any shape: mean + deviation times normal numbers.
  void add_tensor(const std::string& name, const std::vector<int64_t>& shape, double mean,
                  double deviation) {
    const size_t begin = data_.size();
    for (int64_t i = 0; i < size_of(shape); ++i) put(mean + deviation * normal());
    add_entry(name, "BF16", json::Array(shape.begin(), shape.end()), begin);
  }
  // After the last tensor.
  void finish(json::Object config) {
    const std::string header = json::dump(header_);
    const uint64_t length = header.size();
    weights_.assign(reinterpret_cast<const char*>(&length), 8);
    weights_ += header;
    weights_ += data_;
    data_ = {};
    if (q8_export_) {
      config["quantization_config"] =
          json::Object{{"quant_method", "weft_q8_g32"}, {"group_size", 32}};
    }
    config_ = json::dump(config);
  }

 private:
  std::mt19937_64 random_;
  bool q8_export_;
  json::Object header_;
  std::string data_;
  std::string config_;
  std::string weights_;
};

}  // namespace weft::testing_model
