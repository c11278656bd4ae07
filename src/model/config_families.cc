// SPDX-License-Identifier: Apache-2.0
#include "model/config_families.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/strings.h"
#include "model/config_neutral.h"
#include "model/config_rope.h"

namespace weft::model {
namespace {

// Bounds of sanity, well above every published model and small enough that products of two fit
// into 64 bits and a table of one size into memory.
constexpr int kVocabularyMax = 1 << 22;
constexpr int kWidthMax = 1 << 20;
constexpr int kConfigLayersMax = 1024;
constexpr int kHeadsMax = 1024;
constexpr int kHeadDimMax = 256;  // the attention kernels keep a head in registers
constexpr int kContextMax = 1 << 20;  // also what base/math's sine takes
constexpr int kExpertsMax = 1024;
constexpr int kStateMax = 1024;
constexpr int kConvolutionMax = 16;
constexpr double kFactorMax = 1e6;

// What the families spell or default differently.
struct Spelling {
  std::string_view layers = "num_hidden_layers";
  std::string_view eps = "rms_norm_eps";
  std::string_view activation = "hidden_act";
  double eps_absent = 1e-6;
  bool tied_absent = false;
};

// H, L, nh, nkv, V, eps: what every family has. head_dim and the MLP's width differ more.
Status read_sizes(const Fields& fields, const Spelling& spelling, Config& config) {
  config.vocab_size = TRY(fields.integer("vocab_size", 1, kVocabularyMax));
  config.hidden_size = TRY(fields.integer("hidden_size", 1, kWidthMax));
  config.layers = TRY(fields.integer(spelling.layers, 1, kConfigLayersMax));
  config.heads = TRY(fields.integer("num_attention_heads", 1, kHeadsMax));
  config.kv_heads = TRY(fields.integer("num_key_value_heads", 1, kHeadsMax, config.heads));
  config.norm_eps = TRY(fields.number(spelling.eps, 0, 1, spelling.eps_absent));
  config.tied_head = TRY(fields.boolean("tie_word_embeddings", spelling.tied_absent));
  config.context = TRY(fields.integer("max_position_embeddings", 1, kContextMax));
  config.window.assign(static_cast<size_t>(config.layers), 0);
  config.rotated.assign(static_cast<size_t>(config.layers), 1);
  return fields.only(spelling.activation, "silu");
}

// Absent: H / nh, which must then be whole.
Status read_head_dim(const Fields& fields, Config& config) {
  if (fields.find("head_dim") != nullptr) {
    config.head_dim = TRY(fields.integer("head_dim", 2, kHeadDimMax));
    return ok_status();
  }
  config.head_dim = config.hidden_size / config.heads;
  if (config.hidden_size % config.heads == 0 && config.head_dim <= kHeadDimMax) return ok_status();
  return config_error(fmt::format("{}: field 'head_dim' is absent, and hidden_size {} over "
                                  "num_attention_heads {} is no whole number up to {}",
                                  fields.where(), config.hidden_size, config.heads, kHeadDimMax));
}

// Qwen3's window: layers from max_window_layers on, only if use_sliding_window; transformers 5
// writes the outcome as layer_types, which then decides.
Status read_qwen3_windows(const Fields& fields, Config& config) {
  const bool enabled = TRY(fields.boolean("use_sliding_window", false));
  const int width = enabled ? TRY(fields.integer("sliding_window", 1, kContextMax, 4096)) : 0;
  const int first = TRY(fields.integer("max_window_layers", 0, kConfigLayersMax * 4, 28));
  const auto types = TRY(fields.kinds("layer_types", config.window.size(),
                                      {"full_attention", "sliding_attention"}));
  for (size_t i = 0; i < config.window.size(); ++i) {
    const bool sliding = types.empty() ? static_cast<int>(i) >= first
                                       : types[i] == "sliding_attention";
    if (sliding && !types.empty() && !enabled) {
      return fields.wrong("layer_types", "of 'full_attention' without use_sliding_window",
                          *fields.find("layer_types"));
    }
    if (sliding) config.window[i] = width;
  }
  return ok_status();
}

Status read_qwen3_attention(const Fields& fields, Config& config) {
  config.family = "qwen3";
  TRY(read_sizes(fields, {}, config));
  config.head_dim = TRY(fields.integer("head_dim", 2, kHeadDimMax, 128));
  config.attention_bias = TRY(fields.boolean("attention_bias", false));
  config.rope = TRY(read_rope(fields, config.context));
  return read_qwen3_windows(fields, config);
}

Status read_qwen3(const Fields& fields, Config& config) {
  TRY(read_qwen3_attention(fields, config));
  config.intermediate_size = TRY(fields.integer("intermediate_size", 1, kWidthMax));
  return ok_status();
}

// Layer i has experts iff (i + 1) mod decoder_sparse_step = 0 and mlp_only_layers lacks it.
Status read_qwen3_moe(const Fields& fields, Config& config) {
  TRY(read_qwen3_attention(fields, config));
  ExpertsConfig& experts = config.experts;
  experts.count = TRY(fields.integer_of("num_experts", "num_local_experts", 1, kExpertsMax));
  experts.per_token = TRY(fields.integer("num_experts_per_tok", 1, kExpertsMax));
  experts.width = TRY(fields.integer("moe_intermediate_size", 1, kWidthMax));
  experts.normalised = TRY(fields.boolean("norm_topk_prob", false));
  const int step = TRY(fields.integer("decoder_sparse_step", 1, kConfigLayersMax, 1));
  for (int i = 0; i < config.layers; ++i) experts.sparse.push_back((i + 1) % step == 0 ? 1 : 0);
  if (const json::Value* dense = fields.find("mlp_only_layers"); dense != nullptr) {
    if (!dense->is_array()) return fields.wrong("mlp_only_layers", "a list of layers", *dense);
    for (const json::Value& layer : dense->get_array()) {
      if (!layer.is_int64() || layer.get_int64() < 0 || layer.get_int64() >= config.layers) {
        return fields.wrong("mlp_only_layers",
                            fmt::format("layers from 0 to {}", config.layers - 1), layer);
      }
      experts.sparse[static_cast<size_t>(layer.get_int64())] = 0;
    }
  }
  if (std::ranges::find(experts.sparse, 0) != experts.sparse.end()) {
    config.intermediate_size = TRY(fields.integer("intermediate_size", 1, kWidthMax));
  }
  return ok_status();
}

// The kinds of EXAONE 4's layers where layer_types is absent: sliding_window_pattern n makes every
// n-th layer full, a text such as LLLG gives a letter a layer, over and over.
Result<std::vector<uint8_t>> read_exaone4_pattern(const Fields& fields, int layers) {
  std::vector<uint8_t> sliding;
  const json::Value* pattern = fields.find("sliding_window_pattern");
  if (pattern != nullptr && pattern->is_string()) {
    const std::string_view letters = pattern->get_string();
    if (letters.empty() || letters.find_first_not_of("LG") != std::string_view::npos) {
      return fields.wrong("sliding_window_pattern", "a number, or letters L and G", *pattern);
    }
    for (size_t i = 0; i < static_cast<size_t>(layers); ++i) {
      sliding.push_back(letters[i % letters.size()] == 'L' ? 1 : 0);
    }
    return sliding;
  }
  const int every = TRY(fields.integer("sliding_window_pattern", 1, kConfigLayersMax, 4));
  for (int i = 0; i < layers; ++i) sliding.push_back((i + 1) % every != 0 ? 1 : 0);
  return sliding;
}

// sliding_window null: every layer sees everything and rotates, whatever the pattern says.
// Otherwise sliding layers rotate, and full layers have no position encoding at all.
Status read_exaone4_layers(const Fields& fields, Config& config) {
  const auto types = TRY(fields.kinds("layer_types", config.window.size(),
                                      {"full_attention", "sliding_attention"}));
  if (fields.find("sliding_window") == nullptr) {
    if (std::ranges::find(types, "sliding_attention") == types.end()) return ok_status();
    return fields.wrong("layer_types", "of 'full_attention' without sliding_window",
                        *fields.find("layer_types"));
  }
  const int width = TRY(fields.integer("sliding_window", 1, kContextMax));
  std::vector<uint8_t> sliding = TRY(read_exaone4_pattern(fields, config.layers));
  for (size_t i = 0; i < sliding.size(); ++i) {
    if (!types.empty()) sliding[i] = types[i] == "sliding_attention" ? 1 : 0;
    config.window[i] = sliding[i] != 0 ? width : 0;
  }
  config.rotated = std::move(sliding);
  return ok_status();
}

Status read_exaone4(const Fields& fields, Config& config) {
  config.family = "exaone4";
  TRY(read_sizes(fields, {.eps_absent = 1e-5}, config));
  TRY(read_head_dim(fields, config));
  config.intermediate_size = TRY(fields.integer("intermediate_size", 1, kWidthMax));
  config.rope = TRY(read_rope(fields, config.context, 1e6));
  return read_exaone4_layers(fields, config);
}

// EXAONE 3.0, 3.5 and Deep. head_dim, where it stands, repeats H / nh.
Status read_exaone3(const Fields& fields, Config& config) {
  config.family = "exaone3";
  TRY(read_sizes(fields, {.layers = "num_layers", .eps = "layer_norm_epsilon",
                          .activation = "activation_function", .eps_absent = 1e-5,
                          .tied_absent = true}, config));
  TRY(read_head_dim(fields, config));
  if (config.hidden_size % config.heads != 0 ||
      config.head_dim != config.hidden_size / config.heads) {
    return config_error(fmt::format("{}: field 'head_dim' should be hidden_size {} over "
                                    "num_attention_heads {}, found {}", fields.where(),
                                    config.hidden_size, config.heads, config.head_dim));
  }
  config.intermediate_size = TRY(fields.integer("intermediate_size", 1, kWidthMax,
                                                std::min(4 * config.hidden_size, kWidthMax)));
  config.rope = TRY(read_rope(fields, config.context));
  return ok_status();
}

// What both classes of Granite share.
Status read_granite_attention(const Fields& fields, Config& config) {
  config.family = "granite";
  TRY(read_sizes(fields, {}, config));
  TRY(read_head_dim(fields, config));
  config.attention_bias = TRY(fields.boolean("attention_bias", false));
  Multipliers& m = config.multipliers;
  m.embedding = TRY(fields.number("embedding_multiplier", -kFactorMax, kFactorMax, 1.0));
  m.attention = TRY(fields.number("attention_multiplier", -kFactorMax, kFactorMax, 1.0));
  m.residual = TRY(fields.number("residual_multiplier", -kFactorMax, kFactorMax, 1.0));
  m.logits = TRY(fields.number("logits_scaling", 1 / kFactorMax, kFactorMax, 1.0));
  config.rope = TRY(read_rope(fields, config.context));
  return ok_status();
}

Status read_granite(const Fields& fields, Config& config) {
  TRY(read_granite_attention(fields, config));
  config.intermediate_size = TRY(fields.integer("intermediate_size", 1, kWidthMax));
  config.mlp_bias = TRY(fields.boolean("mlp_bias", false));
  return ok_status();
}

// time_step_limit is [low, high]; high may be infinite, written {"__float__": "Infinity"}.
Status read_step_limit(const Fields& fields, MambaConfig& mamba) {
  const json::Value* limit = fields.find("time_step_limit");
  if (limit == nullptr) return ok_status();
  const auto bound = [](const json::Value& value) -> std::optional<double> {
    if (value.is_number()) return value.to_number<double>();
    if (!value.is_object()) return std::nullopt;
    const json::Value* text = value.get_object().if_contains("__float__");
    if (text == nullptr || *text != "Infinity") return std::nullopt;
    return std::numeric_limits<double>::infinity();
  };
  if (limit->is_array() && limit->get_array().size() == 2) {
    const auto low = bound(limit->get_array()[0]);
    const auto high = bound(limit->get_array()[1]);
    if (low && high && *low >= 0 && *low <= kFactorMax && *low <= *high) {
      mamba.step_min = *low;
      mamba.step_max = *high;
      return ok_status();
    }
  }
  return fields.wrong("time_step_limit", "[low, high] with 0 <= low <= high", *limit);
}

Status read_mamba(const Fields& fields, const std::vector<std::string>& types, Config& config) {
  MambaConfig& mamba = config.mamba;
  for (int i = 0; i < config.layers; ++i) {  // absent: all of them
    const std::string kind = types.empty() ? "mamba" : types[static_cast<size_t>(i)];
    mamba.layers.push_back(kind == "mamba" || kind == "linear_attention" ? 1 : 0);
  }
  if (std::ranges::find(mamba.layers, 1) == mamba.layers.end()) {
    mamba = {};  // the fields may stand there, and mean nothing
    return ok_status();
  }
  mamba.heads = TRY(fields.integer("mamba_n_heads", 1, kHeadsMax));
  const int expand = TRY(fields.integer("mamba_expand", 1, 64, 2));
  const json::Value* size = fields.find("mamba_d_head");
  const bool automatic = size == nullptr || *size == "auto";
  mamba.head_dim = automatic ? expand * config.hidden_size / mamba.heads
                             : TRY(fields.integer("mamba_d_head", 1, kStateMax));
  mamba.state = TRY(fields.integer("mamba_d_state", 1, kStateMax));
  mamba.groups = TRY(fields.integer("mamba_n_groups", 1, kHeadsMax, 1));
  mamba.conv = TRY(fields.integer("mamba_d_conv", 1, kConvolutionMax, 4));
  mamba.conv_bias = TRY(fields.boolean("mamba_conv_bias", true));
  mamba.proj_bias = TRY(fields.boolean("mamba_proj_bias", false));
  if (int64_t{mamba.heads} * mamba.head_dim != int64_t{expand} * config.hidden_size) {
    return config_error(fmt::format("{}: mamba_n_heads {} times mamba_d_head {} should be "
                                    "mamba_expand {} times hidden_size {}", fields.where(),
                                    mamba.heads, mamba.head_dim, expand, config.hidden_size));
  }
  return read_step_limit(fields, mamba);
}

// GraniteMoeHybrid: rotation only by name, a shared MLP, experts if there are any.
Status read_granite_hybrid(const Fields& fields, Config& config) {
  TRY(read_granite_attention(fields, config));
  TRY(fields.only("normalization_function", "rmsnorm"));
  const std::string position = TRY(fields.string("position_embedding_type", "nope"));
  if (position != "rope" && position != "nope") {
    return fields.wrong("position_embedding_type", "'rope' or 'nope'",
                        *fields.find("position_embedding_type"));
  }
  if (position == "nope") config.rotated.assign(config.rotated.size(), 0);
  config.intermediate_size = TRY(fields.integer("shared_intermediate_size", 1, kWidthMax));
  ExpertsConfig& experts = config.experts;
  experts.count = TRY(fields.integer_of("num_local_experts", "num_experts", 0, kExpertsMax));
  if (experts.count > 0) {
    experts.per_token = TRY(fields.integer("num_experts_per_tok", 1, kExpertsMax));
    experts.width = TRY(fields.integer("intermediate_size", 1, kWidthMax));
    experts.normalised = true;
    experts.sparse.assign(config.rotated.size(), 1);
  }
  const auto types = TRY(fields.kinds("layer_types", config.rotated.size(),
                                      {"attention", "mamba", "full_attention",
                                       "linear_attention"}));
  return read_mamba(fields, types, config);
}

struct FamilyReader {
  Architecture architecture;
  Status (*read)(const Fields&, Config&);
};
constexpr FamilyReader kReaders[] = {
    {{"Qwen3ForCausalLM", "qwen3", "Qwen3"}, read_qwen3},
    {{"Qwen3MoeForCausalLM", "qwen3_moe", "Qwen3 MoE"}, read_qwen3_moe},
    {{"Exaone4ForCausalLM", "exaone4", "EXAONE 4.0"}, read_exaone4},
    {{"ExaoneForCausalLM", "exaone", "EXAONE 3.5 and Deep"}, read_exaone3},
    {{"GraniteForCausalLM", "granite", "Granite 3 and 4.1"}, read_granite},
    {{"GraniteMoeHybridForCausalLM", "granitemoehybrid", "Granite 4.0"}, read_granite_hybrid},
};

}  // namespace

std::span<const Architecture> architectures() {
  static const std::vector<Architecture> all = [] {
    std::vector<Architecture> out;
    for (const FamilyReader& reader : kReaders) out.push_back(reader.architecture);
    return out;
  }();
  return all;
}

Status read_family(const Fields& fields, Config& config) {
  const std::string type = TRY(fields.string("model_type", ""));
  std::string name;
  if (const json::Value* list = fields.find("architectures"); list != nullptr) {
    if (!list->is_array() || list->get_array().empty() || !list->get_array()[0].is_string()) {
      return fields.wrong("architectures", "a list of names", *list);
    }
    name = std::string(list->get_array()[0].get_string());
  }
  if (name.empty() && type.empty()) return fields.missing("architectures");
  std::vector<std::string_view> known;
  for (const FamilyReader& reader : kReaders) {
    const Architecture& a = reader.architecture;
    known.push_back(a.name);
    if (name.empty() ? type != a.model_type : name != a.name) continue;
    if (!type.empty() && type != a.model_type) {
      return fields.wrong("model_type", fmt::format("'{}' for {}", a.model_type, a.name),
                          *fields.find("model_type"));
    }
    TRY(reader.read(fields, config));
    return refuse_other_arithmetic(fields, a.name);
  }
  return config_error(fmt::format("{}: field '{}': {} is not supported", fields.where(),
                                  name.empty() ? "model_type" : "architectures",
                                  quoted(name.empty() ? type : name)),
                      fmt::format("supported: {}", fmt::join(known, ", ")));
}

Status check_config(const Config& config, std::string_view where) {
  const auto refused = [&](std::string message) {
    return config_error(fmt::format("{}: {}", where, message));
  };
  const auto layers = static_cast<size_t>(config.layers);
  CHECK(config.window.size() == layers && config.rotated.size() == layers, "{}", config.family);
  if (config.heads % config.kv_heads != 0) {
    return refused(fmt::format("num_attention_heads {} is not a multiple of num_key_value_heads "
                               "{}", config.heads, config.kv_heads));
  }
  if (config.head_dim < 2 || config.head_dim > kHeadDimMax || config.head_dim % 2 != 0) {
    return refused(fmt::format("field 'head_dim' should be even and from 2 to {}, found {}",
                               kHeadDimMax, config.head_dim));
  }
  if (config.rope.kind == RopeSpec::Kind::kFactors &&
      config.rope.factors.size() != static_cast<size_t>(config.head_dim) / 2) {
    return refused(fmt::format("there are {} rope factors, head_dim {} needs {}",
                               config.rope.factors.size(), config.head_dim,
                               config.head_dim / 2));
  }
  const ExpertsConfig& experts = config.experts;
  CHECK(experts.sparse.size() == (experts.count > 0 ? layers : 0));
  if (experts.per_token > experts.count) {
    return refused(fmt::format("field 'num_experts_per_tok' should be at most the {} experts, "
                               "found {}", experts.count, experts.per_token));
  }
  const MambaConfig& mamba = config.mamba;
  CHECK(mamba.layers.size() == (mamba.heads > 0 ? layers : 0));
  if (mamba.heads > 0 && mamba.heads % mamba.groups != 0) {
    return refused(fmt::format("mamba_n_heads {} is not a multiple of mamba_n_groups {}",
                               mamba.heads, mamba.groups));
  }
  return ok_status();
}

}  // namespace weft::model
