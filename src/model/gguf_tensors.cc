// SPDX-License-Identifier: Apache-2.0
//
// The tensors of a GGUF file under the names, shapes and row order of the Hugging Face checkpoint.
// Names that are in no table keep their own, so that the loader reports them as left over.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <map>

#include "base/math.h"
#include "base/strings.h"
#include "model/blocks.h"
#include "model/gguf_model.h"

namespace weft::model {
namespace {

struct NameRow {
  std::string_view file;
  std::string_view checkpoint;
};
// Behind "blk.N." and "model.layers.N.".
constexpr NameRow kLayerNames[] = {
    {"attn_norm.weight", "input_layernorm.weight"},
    {"ffn_norm.weight", "post_attention_layernorm.weight"},
    {"post_attention_norm.weight", "post_attention_layernorm.weight"},
    {"post_ffw_norm.weight", "post_feedforward_layernorm.weight"},
    {"attn_q.weight", "self_attn.q_proj.weight"},
    {"attn_k.weight", "self_attn.k_proj.weight"},
    {"attn_v.weight", "self_attn.v_proj.weight"},
    {"attn_output.weight", "self_attn.o_proj.weight"},
    {"attn_q.bias", "self_attn.q_proj.bias"},
    {"attn_k.bias", "self_attn.k_proj.bias"},
    {"attn_v.bias", "self_attn.v_proj.bias"},
    {"attn_output.bias", "self_attn.o_proj.bias"},
    {"attn_q_norm.weight", "self_attn.q_norm.weight"},
    {"attn_k_norm.weight", "self_attn.k_norm.weight"},
    {"ffn_gate.weight", "mlp.gate_proj.weight"},
    {"ffn_up.weight", "mlp.up_proj.weight"},
    {"ffn_down.weight", "mlp.down_proj.weight"},
    {"ffn_gate.bias", "mlp.gate_proj.bias"},
    {"ffn_up.bias", "mlp.up_proj.bias"},
    {"ffn_down.bias", "mlp.down_proj.bias"},
    {"ffn_gate_inp.weight", "mlp.gate.weight"}};
// EXAONE 3.x, behind "transformer.h.N.".
constexpr NameRow kExaoneNames[] = {
    {"attn_norm.weight", "ln_1.weight"},
    {"ffn_norm.weight", "ln_2.weight"},
    {"attn_q.weight", "attn.attention.q_proj.weight"},
    {"attn_k.weight", "attn.attention.k_proj.weight"},
    {"attn_v.weight", "attn.attention.v_proj.weight"},
    {"attn_output.weight", "attn.attention.out_proj.weight"},
    {"ffn_gate.weight", "mlp.c_fc_0.weight"},
    {"ffn_up.weight", "mlp.c_fc_1.weight"},
    {"ffn_down.weight", "mlp.c_proj.weight"}};
// Where Granite 4.0 differs from kLayerNames.
constexpr NameRow kGraniteHybridNames[] = {
    {"ffn_down.weight", "shared_mlp.output_linear.weight"},
    {"ffn_down_shexp.weight", "shared_mlp.output_linear.weight"},
    {"ffn_gate_inp.weight", "block_sparse_moe.router.layer.weight"},
    {"ffn_down_exps.weight", "block_sparse_moe.output_linear.weight"},
    {"ssm_in.weight", "mamba.in_proj.weight"},
    {"ssm_conv1d.weight", "mamba.conv1d.weight"},
    {"ssm_conv1d.bias", "mamba.conv1d.bias"},
    {"ssm_dt.bias", "mamba.dt_bias"},
    {"ssm_a", "mamba.A_log"},
    {"ssm_d", "mamba.D"},
    {"ssm_norm.weight", "mamba.norm.weight"},
    {"ssm_out.weight", "mamba.out_proj.weight"}};
constexpr NameRow kGlobalNames[] = {{"token_embd.weight", "model.embed_tokens.weight"},
                                    {"output_norm.weight", "model.norm.weight"},
                                    {"output.weight", "lm_head.weight"}};
constexpr NameRow kExaoneGlobalNames[] = {{"token_embd.weight", "transformer.wte.weight"},
                                          {"output_norm.weight", "transformer.ln_f.weight"},
                                          {"output.weight", "lm_head.weight"}};

std::string_view lookup(std::span<const NameRow> rows, std::string_view name) {
  const auto at = std::find_if(rows.begin(), rows.end(),
                               [&](const NameRow& row) { return row.file == name; });
  return at == rows.end() ? std::string_view() : at->checkpoint;
}

class Renamer {
 public:
  explicit Renamer(const GgufModel& model)
      : model_(model),
        metadata_(model),
        granite_(model.architecture().starts_with("granite")),
        exaone3_(model.architecture() == "exaone") {}

  Result<GgufTensors> run() {
    // `granite` without rotation is the hybrid class too, and so named in the configuration.
    const bool rotates =
        TRY(metadata_.boolean(metadata_.own("rope.scaling.finetuned"), true));
    hybrid_ = granite_ && (model_.architecture() != "granite" || !rotates);
    head_dim_ = TRY(gguf_head_dim(metadata_));
    for (const StoredTensor& tensor : model_.file().tensors) TRY(add(tensor));
    if (!halves_.empty()) {
      return broken(halves_.begin()->second, "has no counterpart: gate and up belong together");
    }
    return std::move(out_);
  }

 private:
  Error broken(const StoredTensor& tensor, std::string_view what) const {
    return make_error("E0220", fmt::format("{}: tensor {} {}", model_.where(),
                                           quoted(tensor.name), what),
                      "convert the model again with a current converter");
  }

  void keep(StoredTensor tensor, std::string name) {
    tensor.name = std::move(name);
    out_.tensors.push_back(std::move(tensor));
  }

  Status add(const StoredTensor& tensor) {
    if (tensor.name == "rope_freqs.weight") return ok_status();  // part of the configuration
    if (!tensor.name.starts_with("blk.")) {
      const std::string_view name =
          exaone3_ ? lookup(kExaoneGlobalNames, tensor.name) : lookup(kGlobalNames, tensor.name);
      keep(tensor, std::string(name.empty() ? tensor.name : name));
      return ok_status();
    }
    const size_t dot = tensor.name.find('.', 4);
    if (dot == std::string::npos) return broken(tensor, "has no place in a layer");
    const std::string layer = tensor.name.substr(4, dot - 4);
    return add_to_layer(tensor, layer, std::string_view(tensor.name).substr(dot + 1));
  }

  Status add_to_layer(const StoredTensor& tensor, const std::string& layer,
                      std::string_view name) {
    const std::string prefix = (exaone3_ ? "transformer.h." : "model.layers.") + layer + ".";
    if (name == "ffn_gate_exps.weight" || name == "ffn_up_exps.weight" ||
        name == "ffn_down_exps.weight") {
      if (tensor.shape.size() != 3) return broken(tensor, "should have three dimensions");
      if (!hybrid_) return split_experts(tensor, prefix, name);
    }
    if (hybrid_) {
      const size_t role = name.find("gate") != name.npos ? 0 : 1;
      if (name == "ffn_gate_exps.weight" || name == "ffn_up_exps.weight") {
        return join(tensor, prefix + "block_sparse_moe.input_linear.weight", role);
      }
      if (name == "ffn_gate.weight" || name == "ffn_up.weight" ||
          name == "ffn_gate_shexp.weight" || name == "ffn_up_shexp.weight") {
        return join(tensor, prefix + "shared_mlp.input_linear.weight", role);
      }
      if (name.starts_with("ssm_") && tensor.dtype == DType::kF32) {
        return add_mamba(tensor, prefix, name);
      }
    }
    std::string_view found = exaone3_ ? lookup(kExaoneNames, name) : lookup(kLayerNames, name);
    if (const auto special = lookup(kGraniteHybridNames, name); hybrid_ && !special.empty()) {
      found = special;
    }
    if (found.empty()) {
      keep(tensor, tensor.name);
      return ok_status();
    }
    const bool permuted = granite_ && (name.starts_with("attn_q.") || name.starts_with("attn_k."));
    if (permuted) return add_permuted(tensor, prefix + std::string(found));
    keep(tensor, prefix + std::string(found));
    return ok_status();
  }

  // A matrix keeps its rows where they are and says in which order; a bias is one row, so a copy.
  Status add_permuted(const StoredTensor& tensor, std::string name) {
    const bool bias = tensor.shape.size() == 1;
    const int64_t rows = bias ? tensor.columns() : tensor.rows();
    if (head_dim_ % 2 != 0 || rows % head_dim_ != 0) {
      return broken(tensor, fmt::format("has {} rows, heads have {}", rows, head_dim_));
    }
    StoredTensor out = tensor;
    if (!bias) {
      out.interleaved_head = head_dim_;
      keep(std::move(out), std::move(name));
      return ok_status();
    }
    std::vector<float> file(static_cast<size_t>(rows));
    if (is_block(tensor.dtype)) return broken(tensor, "should be of type F32, F16 or BF16");
    read_elements(tensor.dtype, tensor.bytes.data(), file);
    std::vector<float> values(file.size());
    for (int64_t i = 0; i < rows; ++i) {
      const int64_t in_head = i % head_dim_;
      const int64_t half = head_dim_ / 2;
      values[static_cast<size_t>(i)] =
          file[static_cast<size_t>(i - in_head + in_head % half * 2 + in_head / half)];
    }
    keep_floats(std::move(out), std::move(name), values);
    return ok_status();
  }

  void keep_floats(StoredTensor tensor, std::string name, std::span<const float> values) {
    auto bytes = std::make_shared<std::string>(values.size_bytes(), '\0');
    std::memcpy(bytes->data(), values.data(), values.size_bytes());
    tensor.dtype = DType::kF32;
    tensor.dtype_name = "F32";
    tensor.bytes = *bytes;
    out_.owned.push_back(std::move(bytes));
    keep(std::move(tensor), std::move(name));
  }

  // {H, width, experts}: one tensor an expert, as published files have them.
  Status split_experts(const StoredTensor& tensor, const std::string& prefix,
                       std::string_view name) {
    const std::string_view kind = name.substr(4, name.find("_exps") - 4);  // gate, up, down
    const auto experts = static_cast<size_t>(tensor.shape[0]);
    const size_t bytes = tensor.bytes.size() / experts;
    for (size_t e = 0; e < experts; ++e) {
      StoredTensor one = tensor;
      one.shape = {tensor.shape[1], tensor.shape[2]};
      one.bytes = tensor.bytes.substr(e * bytes, bytes);
      keep(std::move(one), fmt::format("{}mlp.experts.{}.{}_proj.weight", prefix, e, kind));
    }
    return ok_status();
  }

  // Gate (role 0) and up (1) under one name, gate first; for each expert where there are experts.
  Status join(const StoredTensor& tensor, const std::string& name, size_t role) {
    if (tensor.shape.size() < 2) return broken(tensor, "should be a matrix");
    const auto other = halves_.find(name);
    if (other == halves_.end()) {
      halves_.emplace(name, tensor);
      return ok_status();
    }
    const StoredTensor& gate = role == 0 ? tensor : other->second;
    const StoredTensor& up = role == 0 ? other->second : tensor;
    if (gate.shape != up.shape || gate.dtype != up.dtype || gate.name == up.name) {
      return broken(up, fmt::format("{} {} does not fit {} {} {}", shape_text(up.shape),
                                    up.dtype_name, quoted(gate.name), shape_text(gate.shape),
                                    gate.dtype_name));
    }
    StoredTensor out = gate;
    const size_t parts = out.shape.size() == 3 ? static_cast<size_t>(out.shape[0]) : 1;
    out.shape[out.shape.size() - 2] *= 2;
    out.bytes = {};
    for (size_t part = 0; part < parts; ++part) {
      for (const StoredTensor* half : {&gate, &up}) {
        const size_t bytes = half->bytes.size() / parts;
        out.pieces.push_back(half->bytes.substr(part * bytes, bytes));
      }
    }
    halves_.erase(other);
    keep(std::move(out), name);
    return ok_status();
  }

  // Vectors have a dimension of one more than the checkpoint, the convolution one less, and
  // ssm_a holds -exp(A_log).
  Status add_mamba(const StoredTensor& tensor, const std::string& prefix, std::string_view name) {
    const std::string_view found = lookup(kGraniteHybridNames, name);
    StoredTensor out = tensor;
    const std::string full = found.empty() ? tensor.name : prefix + std::string(found);
    if (name == "ssm_conv1d.weight" && out.shape.size() == 2) {
      out.shape = {out.shape[0], 1, out.shape[1]};
    } else if (name == "ssm_a" || name == "ssm_d" || name == "ssm_norm.weight") {
      out.shape = {tensor.rows() * tensor.columns()};
    }
    if (name != "ssm_a") {
      keep(std::move(out), full);
      return ok_status();
    }
    std::vector<float> values(static_cast<size_t>(out.shape[0]));
    read_elements(DType::kF32, tensor.bytes.data(), values);
    for (float& value : values) {
      if (!(value < 0) || !std::isfinite(value)) {
        return broken(tensor, fmt::format("should hold negative numbers, found {}", value));
      }
      value = static_cast<float>(math::log(-static_cast<double>(value)));
    }
    keep_floats(std::move(out), full, values);
    return ok_status();
  }

  const GgufModel& model_;
  GgufMetadata metadata_;
  bool granite_;
  bool exaone3_;
  bool hybrid_ = false;
  int64_t head_dim_ = 0;
  std::map<std::string, StoredTensor> halves_;  // whose counterpart has not come yet, by name
  GgufTensors out_;
};

}  // namespace

Result<GgufTensors> gguf_tensors(const GgufModel& model) { return Renamer(model).run(); }

}  // namespace weft::model
