// SPDX-License-Identifier: Apache-2.0
//
// GGUF metadata as the config.json and generation_config.json that the checkpoint had. Ranges and
// contradictions are model/config's business, which reads the result; here only what GGUF says
// differently is settled.
#include <fmt/format.h>

#include <algorithm>

#include "base/json.h"
#include "model/blocks.h"
#include "model/gguf_model.h"

namespace weft::model {
namespace {

constexpr int64_t kSizeMax = int64_t{1} << 31;
constexpr size_t kLayersMax = 1024;

// Rows of a tensor that must be there.
Result<int64_t> rows_of(const GgufModel& model, const std::string& name) {
  const StoredTensor* tensor = GgufMetadata(model).tensor(name);
  if (tensor == nullptr || tensor->shape.size() < 2) {
    return make_error("E0220", fmt::format("{}: tensor '{}' {}", model.where(), name,
                                           tensor == nullptr ? "is missing" : "is no matrix"),
                      "the file is incomplete; fetch it again");
  }
  return tensor->shape[tensor->shape.size() - 2];
}

// llama3 scaling arrives as one factor for each pair; YaRN and linear by name.
Status put_rope(const GgufModel& model, json::Object& config) {
  const GgufMetadata metadata(model);
  static const double kTheta = 10000;
  config["rope_theta"] = TRY(metadata.number(metadata.own("rope.freq_base"), &kTheta));
  if (const StoredTensor* factors = metadata.tensor("rope_freqs.weight")) {
    if (factors->shape.size() != 1 || factors->dtype != DType::kF32) {
      return make_error("E0220", fmt::format("{}: tensor 'rope_freqs.weight' should be a vector of "
                                             "F32, found {} {}", model.where(),
                                             shape_text(factors->shape), factors->dtype_name));
    }
    std::vector<float> values(static_cast<size_t>(factors->columns()));
    read_elements(DType::kF32, factors->row(0), values);
    json::Array list;
    for (const float value : values) list.push_back(double{value});
    config["rope_scaling"] = json::Object{{"rope_type", "factors"}, {"factors", std::move(list)}};
    return ok_status();
  }
  const std::string scaling = metadata.own("rope.scaling.");
  if (!metadata.has(scaling + "type")) return ok_status();
  const std::string_view kind = TRY(metadata.string(scaling + "type"));
  if (kind == "none") return ok_status();
  json::Object out{{"rope_type", kind}, {"factor", TRY(metadata.number(scaling + "factor"))}};
  const std::pair<std::string_view, std::string_view> optional[] = {
      {"original_context_length", "original_max_position_embeddings"},
      {"yarn_attn_factor", "attention_factor"},
      {"yarn_beta_fast", "beta_fast"},
      {"yarn_beta_slow", "beta_slow"}};
  for (const auto& [key, field] : optional) {
    const std::string full = scaling + std::string(key);
    if (metadata.has(full)) out[field] = TRY(metadata.number(full));
  }
  config["rope_scaling"] = std::move(out);
  return ok_status();
}

// Arithmetic that model/config refuses, under the names it has there.
Status put_other_arithmetic(const GgufMetadata& metadata, json::Object& config) {
  for (const std::string_view field : {"attn_logit_softcapping", "final_logit_softcapping"}) {
    const std::string key = metadata.own(field);
    if (metadata.has(key)) config[field] = TRY(metadata.number(key));
  }
  const std::string rotated = metadata.own("rope.dimension_count");
  if (!metadata.has(rotated)) return ok_status();
  const int64_t count = TRY(metadata.integer(rotated, 0, kSizeMax));
  const int64_t all = config["head_dim"].as_int64();
  if (count == 0 || count == all) return ok_status();
  config["partial_rotary_factor"] = static_cast<double>(count) / static_cast<double>(all);
  return ok_status();
}

// Pattern of local and global layers (EXAONE 4). Files older than the key: LLLG; of those without
// a window, 64 layers mean the 32B with 4,096.
Status put_windows(const GgufMetadata& metadata, size_t layers, json::Object& config) {
  const std::string window = metadata.own("attention.sliding_window");
  const std::string pattern = metadata.own("attention.sliding_window_pattern");
  config["sliding_window"] = nullptr;
  if (!metadata.has(window) && layers != 64) return ok_status();
  static const int64_t kWindow = 4096;
  const int64_t width = TRY(metadata.integer(window, 0, kSizeMax, &kWindow));
  if (width == 0) return ok_status();
  config["sliding_window"] = width;
  std::vector<int64_t> sliding(layers);
  for (size_t i = 0; i < layers; ++i) sliding[i] = (i + 1) % 4 != 0;
  if (metadata.has(pattern)) sliding = TRY(metadata.by_layer(pattern, layers));
  json::Array types;
  for (const int64_t is_sliding : sliding) {
    types.push_back(is_sliding != 0 ? "sliding_attention" : "full_attention");
  }
  config["layer_types"] = std::move(types);
  return ok_status();
}

Status put_multipliers(const GgufMetadata& metadata, json::Object& config) {
  static const double kOne = 1;
  const std::pair<std::string_view, std::string_view> fields[] = {
      {"attention.scale", "attention_multiplier"},
      {"embedding_scale", "embedding_multiplier"},
      {"residual_scale", "residual_multiplier"},
      {"logit_scale", "logits_scaling"}};
  for (const auto& [key, field] : fields) {
    config[field] = TRY(metadata.number(metadata.own(key), &kOne));
  }
  return ok_status();
}

// Experts: counts by key, widths by tensor, which cannot be wrong.
Status put_experts(const GgufModel& model, std::string_view count_field,
                   std::string_view width_field, json::Object& config) {
  const GgufMetadata metadata(model);
  config[count_field] = TRY(metadata.integer(metadata.own("expert_count"), 1, kSizeMax));
  config["num_experts_per_tok"] =
      TRY(metadata.integer(metadata.own("expert_used_count"), 1, kSizeMax));
  config[width_field] = TRY(rows_of(model, "blk.0.ffn_gate_exps.weight"));
  return ok_status();
}

Status put_mamba(const GgufMetadata& metadata, int64_t hidden, json::Object& config) {
  const auto key = [&](std::string_view name) { return metadata.own("ssm.") + std::string(name); };
  const int64_t inner = TRY(metadata.integer(key("inner_size"), 1, kSizeMax));
  const int64_t heads = TRY(metadata.integer(key("time_step_rank"), 1, kSizeMax));
  if (inner % heads != 0 || inner % hidden != 0) {
    return metadata.wrong(key("inner_size"),
                          fmt::format("a multiple of {} heads and of {} columns", heads, hidden),
                          fmt::to_string(inner));
  }
  config["mamba_n_heads"] = heads;
  config["mamba_d_head"] = inner / heads;
  config["mamba_expand"] = inner / hidden;
  config["mamba_d_state"] = TRY(metadata.integer(key("state_size"), 1, kSizeMax));
  config["mamba_n_groups"] = TRY(metadata.integer(key("group_count"), 1, kSizeMax));
  config["mamba_d_conv"] = TRY(metadata.integer(key("conv_kernel"), 1, kSizeMax));
  config["mamba_conv_bias"] = true;
  config["mamba_proj_bias"] = false;
  return ok_status();
}

// The class of Granite 4.0: mixers by layer, shared MLP, experts or not, rotation or not.
Status put_granite_hybrid(const GgufModel& model, size_t layers, json::Object& config) {
  const GgufMetadata metadata(model);
  config["architectures"] = json::Array{"GraniteMoeHybridForCausalLM"};
  config["model_type"] = "granitemoehybrid";
  const std::vector<int64_t> kv =
      TRY(metadata.by_layer(metadata.own("attention.head_count_kv"), layers));
  json::Array types;
  for (const int64_t heads : kv) types.push_back(heads != 0 ? "attention" : "mamba");
  config["layer_types"] = std::move(types);
  const bool rotates = TRY(metadata.boolean(metadata.own("rope.scaling.finetuned"), true));
  config["position_embedding_type"] = rotates ? "rope" : "nope";
  static const int64_t kNone = 0;
  const int64_t experts =
      TRY(metadata.integer(metadata.own("expert_count"), 0, kSizeMax, &kNone));
  config["num_local_experts"] = experts;
  config["num_experts_per_tok"] = 0;
  const char* gate = experts > 0 ? "blk.0.ffn_gate_shexp.weight" : "blk.0.ffn_gate.weight";
  config["shared_intermediate_size"] = TRY(rows_of(model, gate));
  if (experts > 0) {
    TRY(put_experts(model, "num_local_experts", "intermediate_size", config));
  }
  if (std::find(kv.begin(), kv.end(), 0) == kv.end()) return ok_status();
  return put_mamba(metadata, config["hidden_size"].as_int64(), config);
}

Status put_family(const GgufModel& model, size_t layers, json::Object& config) {
  const GgufMetadata metadata(model);
  const std::string& arch = model.architecture();
  if (arch == "qwen3" || arch == "qwen3moe") {
    config["architectures"] =
        json::Array{arch == "qwen3" ? "Qwen3ForCausalLM" : "Qwen3MoeForCausalLM"};
    config["model_type"] = arch == "qwen3" ? "qwen3" : "qwen3_moe";
    if (arch == "qwen3") return ok_status();
    config["norm_topk_prob"] = true;  // there is no key: readers always normalise
    config["decoder_sparse_step"] = 1;
    config["mlp_only_layers"] = json::Array();
    return put_experts(model, "num_experts", "moe_intermediate_size", config);
  }
  if (arch == "exaone4") {
    config["architectures"] = json::Array{"Exaone4ForCausalLM"};
    config["model_type"] = "exaone4";
    return put_windows(metadata, layers, config);
  }
  if (arch == "exaone") {
    config["architectures"] = json::Array{"ExaoneForCausalLM"};
    config["model_type"] = "exaone";
    config["num_layers"] = config["num_hidden_layers"];
    config["layer_norm_epsilon"] = config["rms_norm_eps"];
    config["activation_function"] = "silu";
    return ok_status();
  }
  TRY(put_multipliers(metadata, config));
  const bool rotates = TRY(metadata.boolean(metadata.own("rope.scaling.finetuned"), true));
  if (arch != "granite" || !rotates) return put_granite_hybrid(model, layers, config);
  config["architectures"] = json::Array{"GraniteForCausalLM"};
  config["model_type"] = "granite";
  config["mlp_bias"] = metadata.tensor("blk.0.ffn_gate.bias") != nullptr;
  return ok_status();
}

// Both keys are in use for the same epsilon of EXAONE 3.x.
Result<double> norm_eps(const GgufMetadata& metadata) {
  const std::string plain = metadata.own("attention.layer_norm_epsilon");
  const std::string rms = metadata.own("attention.layer_norm_rms_epsilon");
  return metadata.number(metadata.has(rms) || !metadata.has(plain) ? rms : plain);
}

Status put_tokens(const GgufMetadata& metadata, json::Object& config) {
  const std::pair<std::string, std::string_view> fields[] = {
      {"tokenizer.ggml.bos_token_id", "bos_token_id"},
      {"tokenizer.ggml.padding_token_id", "pad_token_id"}};
  for (const auto& [key, field] : fields) {
    if (metadata.has(key)) config[field] = TRY(metadata.integer(key, 0, kSizeMax));
  }
  json::Array eos;
  for (const char* key : {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id",
                          "tokenizer.ggml.eom_token_id"}) {
    if (metadata.has(key)) eos.push_back(TRY(metadata.integer(key, 0, kSizeMax)));
  }
  if (!eos.empty()) config["eos_token_id"] = std::move(eos);
  return ok_status();
}

}  // namespace

Result<size_t> gguf_layers(const GgufMetadata& metadata) {
  return static_cast<size_t>(
      TRY(metadata.integer(metadata.own("block_count"), 1, kLayersMax)));
}

Result<int64_t> gguf_head_dim(const GgufMetadata& metadata) {
  const int64_t hidden = TRY(metadata.integer(metadata.own("embedding_length"), 1, kSizeMax));
  const int64_t heads = TRY(metadata.integer(metadata.own("attention.head_count"), 1, kSizeMax));
  const int64_t absent = hidden / heads;
  return metadata.integer(metadata.own("attention.key_length"), 1, kSizeMax, &absent);
}

Result<std::string> gguf_config_json(const GgufModel& model) {
  const GgufMetadata metadata(model);
  const auto size = [&](std::string_view key) {
    return metadata.integer(metadata.own(key), 1, kSizeMax);
  };
  json::Object config;
  const size_t layers = TRY(gguf_layers(metadata));
  config["vocab_size"] = TRY(rows_of(model, "token_embd.weight"));
  config["hidden_size"] = TRY(size("embedding_length"));
  config["intermediate_size"] = TRY(size("feed_forward_length"));
  config["num_hidden_layers"] = layers;
  config["num_attention_heads"] = TRY(size("attention.head_count"));
  const std::vector<int64_t> kv =
      TRY(metadata.by_layer(metadata.own("attention.head_count_kv"), layers));
  const int64_t kv_heads = *std::max_element(kv.begin(), kv.end());
  for (const int64_t heads : kv) {
    if (heads == kv_heads || heads == 0) continue;
    return metadata.wrong(metadata.own("attention.head_count_kv"), "the same number or 0 in all "
                          "layers", fmt::format("{} and {}", kv_heads, heads));
  }
  config["num_key_value_heads"] = kv_heads;
  config["head_dim"] = TRY(gguf_head_dim(metadata));
  config["rms_norm_eps"] = TRY(norm_eps(metadata));
  config["tie_word_embeddings"] = metadata.tensor("output.weight") == nullptr;
  config["attention_bias"] = metadata.tensor("blk.0.attn_q.bias") != nullptr;
  config["max_position_embeddings"] = TRY(size("context_length"));
  config["hidden_act"] = "silu";
  TRY(put_rope(model, config));
  TRY(put_other_arithmetic(metadata, config));
  TRY(put_tokens(metadata, config));
  TRY(put_family(model, layers, config));
  return json::dump(config, {.spaces = true, .indent = 2});
}

std::string gguf_generation_json(const GgufModel& model) {
  const std::pair<std::string_view, std::string_view> fields[] = {
      {"general.sampling.temp", "temperature"},
      {"general.sampling.top_k", "top_k"},
      {"general.sampling.top_p", "top_p"},
      {"general.sampling.min_p", "min_p"},
      {"general.sampling.penalty_repeat", "repetition_penalty"}};
  json::Object out;
  for (const auto& [key, field] : fields) {
    const GgufValue* value = model.file().find(key);
    if (value == nullptr || value->is_array || value->type == GgufType::kString) continue;
    const auto integer = value->is_integer() ? value->integer() : std::nullopt;
    out[field] = integer ? json::Value(*integer) : json::Value(value->number());
  }
  return json::dump(out, {.spaces = true, .indent = 2});
}

}  // namespace weft::model
