// SPDX-License-Identifier: Apache-2.0
//
// A random model of every family, small enough that whole prompts of 1,031 tokens cost
// milliseconds, with everything its family can have: windows, layers without position encoding,
// experts beside dense layers, Mamba2 layers with two groups, shared MLPs, multipliers. The tensors
// have the names and shapes of the published checkpoints.
#pragma once

#include <cmath>
#include <string>

#include "tests/engine/random_checkpoint.h"

namespace weft::testing_model {

struct FamilyShape {
  std::string kind;  // one of kFamilyKinds
  int head_dim = 64;
  bool q8_export = false;
  uint64_t seed = 7;
};

inline constexpr const char* kFamilyKinds[] = {
    "qwen3", "qwen3_moe", "exaone4", "exaone4_full", "exaone3", "granite", "granite_h",
    "granite_h_moe"};

class RandomFamily : public RandomCheckpoint {
 public:
  explicit RandomFamily(const FamilyShape& shape)
      : RandomCheckpoint(shape.seed, shape.q8_export), shape_(shape) {
    exaone3_ = shape.kind == "exaone3";
    moe_ = shape.kind == "qwen3_moe" || shape.kind == "granite_h_moe";
    hybrid_ = shape.kind.starts_with("granite_h");
    h_ = exaone3_ ? kHeads * shape.head_dim : kHidden;
    nq_ = kHeads * shape.head_dim;
    nkv_ = kKvHeads * shape.head_dim;
    const std::string embedding = exaone3_ ? "transformer.wte.weight" : "model.embed_tokens.weight";
    add(embedding, kVocabulary, h_, 0.5);
    add("lm_head.weight", kVocabulary, h_, 4 / std::sqrt(double(h_)));
    for (int i = 0; i < kLayers; ++i) {
      if (exaone3_) {
        exaone3_layer("transformer.h." + std::to_string(i) + ".");
      } else {
        layer("model.layers." + std::to_string(i) + ".", i);
      }
    }
    add_norm(exaone3_ ? "transformer.ln_f.weight" : "model.norm.weight", h_);
    finish(description());
  }

  static constexpr int kVocabulary = 128;

 private:
  static constexpr int kHidden = 64;
  static constexpr int kInner = 96;
  static constexpr int kLayers = 3;
  static constexpr int kHeads = 2;
  static constexpr int kKvHeads = 1;
  static constexpr int kExperts = 6;
  static constexpr int kExpertWidth = 32;
  static constexpr int kMambaHeads = 8;  // of 16; two groups of state 24
  static constexpr int kMambaState = 24;
  static constexpr int kMambaInner = 2 * kHidden;
  static constexpr int kChannels = kMambaInner + 2 * 2 * kMambaState;

  bool is_mamba(int layer) const { return hybrid_ && layer != 1; }
  bool is_sparse(int layer) const { return moe_ && (hybrid_ || layer != 1); }

  void projections(const std::string& p, const char* out) {
    add(p + "q_proj.weight", nq_, h_);
    add(p + "k_proj.weight", nkv_, h_);
    add(p + "v_proj.weight", nkv_, h_);
    add(p + out, h_, nq_);
  }
  void exaone3_layer(const std::string& p) {
    add_norm(p + "ln_1.weight", h_);
    add_norm(p + "ln_2.weight", h_);
    projections(p + "attn.attention.", "out_proj.weight");
    add(p + "mlp.c_fc_0.weight", kInner, h_);
    add(p + "mlp.c_fc_1.weight", kInner, h_);
    add(p + "mlp.c_proj.weight", h_, kInner);
  }
  void layer(const std::string& p, int index) {
    const bool exaone = shape_.kind.starts_with("exaone4");
    add_norm(p + (exaone ? "post_feedforward_layernorm.weight" : "input_layernorm.weight"), h_);
    add_norm(p + "post_attention_layernorm.weight", h_);
    if (is_mamba(index)) {
      mamba(p + "mamba.");
    } else {
      projections(p + "self_attn.", "o_proj.weight");
    }
    if (exaone || shape_.kind.starts_with("qwen3")) {
      add_norm(p + "self_attn.q_norm.weight", shape_.head_dim);
      add_norm(p + "self_attn.k_norm.weight", shape_.head_dim);
    }
    if (hybrid_) {
      add(p + "shared_mlp.input_linear.weight", 2 * kInner, h_);
      add(p + "shared_mlp.output_linear.weight", h_, kInner);
      if (moe_) granite_experts(p + "block_sparse_moe.");
    } else if (is_sparse(index)) {
      qwen3_experts(p + "mlp.");
    } else {
      gated(p + "mlp.", kInner);
    }
  }
  void gated(const std::string& p, int inner) {
    add(p + "gate_proj.weight", inner, h_);
    add(p + "up_proj.weight", inner, h_);
    add(p + "down_proj.weight", h_, inner);
  }
  void qwen3_experts(const std::string& p) {
    add(p + "gate.weight", kExperts, h_);
    for (int e = 0; e < kExperts; ++e) {
      gated(p + "experts." + std::to_string(e) + ".", kExpertWidth);
    }
  }
  void granite_experts(const std::string& p) {
    add(p + "router.layer.weight", kExperts, h_);
    add_stacked(p + "input_linear.weight", kExperts, 2 * kExpertWidth, h_);
    add_stacked(p + "output_linear.weight", kExperts, h_, kExpertWidth);
  }
  void mamba(const std::string& p) {
    add(p + "in_proj.weight", kMambaInner + kChannels + kMambaHeads, h_);
    add(p + "out_proj.weight", h_, kMambaInner);
    add_tensor(p + "conv1d.weight", {kChannels, 1, 4}, 0, 0.5);
    add_tensor(p + "conv1d.bias", {kChannels}, 0, 0.2);
    add_tensor(p + "dt_bias", {kMambaHeads}, -1, 0.5);
    add_tensor(p + "A_log", {kMambaHeads}, 0, 0.5);
    add_tensor(p + "D", {kMambaHeads}, 1, 0.2);
    add_norm(p + "norm.weight", kMambaInner);
  }

  json::Object description() const {
    json::Object out{{"hidden_size", h_}, {"intermediate_size", moe_ ? kExpertWidth : kInner},
                     {"num_attention_heads", kHeads}, {"num_key_value_heads", kKvHeads},
                     {"head_dim", shape_.head_dim}, {"vocab_size", kVocabulary},
                     {"max_position_embeddings", 4096}, {"rope_theta", 1e6},
                     {"tie_word_embeddings", false}};
    out[exaone3_ ? "num_layers" : "num_hidden_layers"] = kLayers;
    const auto is = [&](const char* name) { out["architectures"] = json::Array{name}; };
    const json::Object llama3{{"rope_type", "llama3"}, {"factor", 8.0}, {"low_freq_factor", 1.0},
                              {"high_freq_factor", 4.0},
                              {"original_max_position_embeddings", 256}};
    if (shape_.kind == "qwen3") is("Qwen3ForCausalLM");
    if (shape_.kind == "qwen3_moe") {
      is("Qwen3MoeForCausalLM");
      out["intermediate_size"] = kInner;
      out["num_experts"] = kExperts;
      out["num_experts_per_tok"] = 2;
      out["moe_intermediate_size"] = kExpertWidth;
      out["norm_topk_prob"] = true;
      out["mlp_only_layers"] = json::Array{1};
    }
    if (shape_.kind == "exaone3") is("ExaoneForCausalLM");
    if (shape_.kind.starts_with("exaone4")) is("Exaone4ForCausalLM");
    if (shape_.kind == "exaone4") {
      out["sliding_window"] = 50;
      out["layer_types"] =
          json::Array{"sliding_attention", "full_attention", "sliding_attention"};
    }
    if (shape_.kind.starts_with("exaone")) out["rope_scaling"] = llama3;
    if (shape_.kind == "granite") is("GraniteForCausalLM");
    if (shape_.kind.starts_with("granite")) {
      out["embedding_multiplier"] = 2.0;
      out["attention_multiplier"] = 0.1;
      out["residual_multiplier"] = 0.5;
      out["logits_scaling"] = 1.5;
    }
    if (hybrid_) add_hybrid(out);
    return out;
  }
  void add_hybrid(json::Object& out) const {
    out["architectures"] = json::Array{"GraniteMoeHybridForCausalLM"};
    out["layer_types"] = json::Array{"mamba", "attention", "mamba"};
    out["position_embedding_type"] = "nope";
    out["shared_intermediate_size"] = kInner;
    out["num_local_experts"] = moe_ ? kExperts : 0;
    out["num_experts_per_tok"] = moe_ ? 3 : 0;
    out["mamba_n_heads"] = kMambaHeads;
    out["mamba_d_head"] = kMambaInner / kMambaHeads;
    out["mamba_d_state"] = kMambaState;
    out["mamba_n_groups"] = 2;
    out["mamba_d_conv"] = 4;
    out["mamba_expand"] = 2;
  }

  FamilyShape shape_;
  bool exaone3_ = false;
  bool moe_ = false;
  bool hybrid_ = false;
  int64_t h_ = 0;
  int64_t nq_ = 0;
  int64_t nkv_ = 0;
};

}  // namespace weft::testing_model
