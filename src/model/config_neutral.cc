// SPDX-License-Identifier: Apache-2.0
#include "model/config_neutral.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>

#include "base/strings.h"

namespace weft::model {
namespace {

constexpr double kAbsent = std::numeric_limits<double>::quiet_NaN();  // no value is neutral

// The value of a field with which it changes nothing; false is 0, true is 1.
struct NeutralField {
  std::string_view name;
  double value;
  std::string_view readers = {};  // begin of the names of architectures that read it themselves
};

constexpr NeutralField kNeutral[] = {
    // positions
    {"partial_rotary_factor", 1}, {"rotary_pct", 1}, {"rotary_percent", 1}, {"rotary_dim", kAbsent},
    {"rope_interleave", 0}, {"rope_interleaved", 0}, {"rope_ratio", 1},
    {"rope_local_base_freq", kAbsent}, {"local_rope_theta", kAbsent},
    {"global_rope_theta", kAbsent}, {"no_rope_layers", kAbsent},
    {"no_rope_layer_interval", kAbsent}, {"alibi", 0}, {"use_alibi", 0}, {"alibi_bias_max", 0},
    {"attn_temperature_tuning", 0},
    // attention
    {"attention_logit_softcapping", 0}, {"attn_logit_softcapping", 0}, {"attn_logit_softcap", 0},
    {"query_pre_attn_scalar", kAbsent}, {"clip_qkv", kAbsent}, {"qkv_clip", kAbsent},
    {"attention_bias", 0, "Qwen3 Granite"}, {"qkv_bias", 0}, {"use_qkv_bias", 0},
    {"attention_qkv_bias", 0}, {"attention_out_bias", 0}, {"use_bias", 0},
    {"use_attention_bias", 0}, {"add_bias_linear", 0}, {"add_qkv_bias", 0}, {"bias", 0},
    {"attn_output_gate", 0},
    {"attention_output_gate", 0}, {"attention_sink", 0}, {"attention_sinks", 0},
    {"add_swa_attention_sink_bias", 0}, {"attention_chunk_size", kAbsent},
    {"q_lora_rank", kAbsent}, {"kv_lora_rank", kAbsent}, {"num_kv_shared_layers", 0},
    {"is_encoder_decoder", 0}, {"add_cross_attention", 0},
    // norms and branches
    {"parallel_attn", 0}, {"parallel_residual", 0}, {"use_parallel_residual", 0},
    {"use_parallel_attn_mlp", 0}, {"rms_norm_unit_offset", 0}, {"norm_unit_offset", 0},
    {"apply_residual_connection_post_layernorm", 0}, {"zero_centered_gamma", 0},
    {"hidden_size_per_layer_input", 0},
    // factors
    {"final_logit_softcapping", 0}, {"final_logit_softcap", 0}, {"logit_soft_cap", 0},
    {"logits_soft_cap", 0}, {"logit_softcapping", 0}, {"router_logit_softcapping", 0},
    {"logit_scale", 1}, {"logits_scaling", 1, "Granite"}, {"embedding_multiplier", 1, "Granite"},
    {"attention_multiplier", kAbsent, "Granite"}, {"residual_multiplier", 1, "Granite"},
    {"lm_head_multiplier", 1}, {"scale_emb", 1}, {"embedding_scale", 1}, {"embed_scale", 1},
    {"scale_embedding", 0}, {"normalize_embedding", 0}, {"scale_depth", kAbsent},
    {"dim_model_base", kAbsent}, {"mup_width_multiplier", 1}, {"lm_head_bias", 0},
    // MLP and experts
    {"mlp_bias", 0, "GraniteForCausalLM"}, {"use_mlp_bias", 0}, {"swiglu_limit", kAbsent},
    {"n_shared_experts", 0}, {"num_shared_experts", 0}, {"shared_expert_intermediate_size", 0},
    {"routed_scaling_factor", 1}, {"n_group", 1}, {"topk_group", 1}, {"first_k_dense_replace", 0},
    {"num_zero_experts", 0},
};

// Fields about normalising q and k: these architectures always do.
constexpr std::string_view kQkNorm[] = {"qk_layernorm", "qk_norm", "use_qk_norm", "qk_layer_norm"};

Error changes_arithmetic(const Fields& fields, std::string_view name, std::string hint) {
  return config_error(fmt::format("{}: field '{}': {} is not supported", fields.where(), name,
                                  quoted(json::dump(*fields.find(name)))), std::move(hint));
}

bool reads_itself(std::string_view architecture, std::string_view readers) {
  for (const std::string_view reader : split(readers, ' ')) {
    if (!reader.empty() && architecture.starts_with(reader)) return true;
  }
  return false;
}

bool is_neutral(const json::Value& value, double neutral) {
  if (value.is_bool()) return (value.get_bool() ? 1 : 0) == neutral;
  return value.is_number() && value.to_number<double>() == neutral;
}

// Windows and kinds of layers, where the architecture has none.
Status refuse_windows(const Fields& fields, std::string_view architecture) {
  if (!reads_itself(architecture, "Qwen3")) {
    const json::Value* use = fields.find("use_sliding_window");
    const bool unused = use != nullptr && *use == false;
    if (reads_itself(architecture, "Exaone4") || unused) return ok_status();
    for (const char* name : {"use_sliding_window", "sliding_window"}) {
      if (fields.find(name) != nullptr) {
        return changes_arithmetic(fields, name, "this architecture has no windows");
      }
    }
  }
  if (!reads_itself(architecture, "ExaoneFor GraniteFor")) return ok_status();
  const json::Value* types = fields.find("layer_types");
  if (types == nullptr) return ok_status();
  if (types->is_array()) {
    const json::Array& kinds = types->get_array();
    bool all = true;
    for (const json::Value& kind : kinds) all = all && kind == "full_attention";
    if (all) return ok_status();
  }
  return changes_arithmetic(fields, "layer_types", "supported: full_attention in every layer");
}

}  // namespace

Status refuse_other_arithmetic(const Fields& fields, std::string_view architecture) {
  for (const NeutralField& field : kNeutral) {
    const json::Value* value = fields.find(field.name);
    if (value == nullptr || reads_itself(architecture, field.readers)) continue;
    if (is_neutral(*value, field.value)) continue;
    return changes_arithmetic(fields, field.name,
                              std::isnan(field.value)
                                  ? "weft does not compute it; only a model without it is right"
                                  : fmt::format("weft computes the model as with {} only",
                                                field.value));
  }
  for (const std::string_view name : kQkNorm) {
    const json::Value* value = fields.find(name);
    const bool normed = reads_itself(architecture, "Qwen3 Exaone4");
    if (value == nullptr || is_neutral(*value, normed ? 1 : 0)) continue;
    return changes_arithmetic(fields, name,
                              normed ? "this architecture normalises q and k"
                                     : "this architecture does not normalise q and k");
  }
  const json::Value* position = fields.find("position_embedding_type");
  if (position != nullptr && *position != "rope" && *position != "rotary" &&
      !reads_itself(architecture, "GraniteMoeHybrid")) {
    return changes_arithmetic(fields, "position_embedding_type", "supported: rope");
  }
  return refuse_windows(fields, architecture);
}

}  // namespace weft::model
