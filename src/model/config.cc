// SPDX-License-Identifier: Apache-2.0
#include "model/config.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/json.h"
#include "base/strings.h"

namespace weft::model {
namespace {

// Bounds of sanity, well above every published model and small enough that products of two fit
// into 64 bits and a table of one size into memory.
constexpr int kVocabularyMax = 1 << 22;
constexpr int kWidthMax = 1 << 20;
constexpr int kLayersMax = 1024;
constexpr int kHeadsMax = 1024;
constexpr int kHeadDimMax = 256;  // the attention kernels keep a head in registers
constexpr int kContextMax = 1 << 20;  // also what the sine of tensor/math takes
constexpr size_t kConfigBytesMax = size_t{16} << 20;
constexpr size_t kConfigDepthMax = 32;

Error refused(std::string message, std::string hint = {}) {
  return make_error("E0211", std::move(message), std::move(hint));
}

// Members of one object; null counts as absent, as in transformers. Every error names the field.
class Fields {
 public:
  Fields(const json::Object& object, std::string where)
      : object_(object), where_(std::move(where)) {}

  const json::Value* find(std::string_view name) const {
    const json::Value* value = object_.if_contains(name);
    return value == nullptr || value->is_null() ? nullptr : value;
  }

  Result<int> integer(std::string_view name, int low, int high,
                      std::optional<int> absent = std::nullopt) const {
    const json::Value* value = find(name);
    if (value == nullptr) return absent ? Result<int>(*absent) : missing(name);
    if (!value->is_int64()) return wrong(name, "an integer", *value);
    if (value->get_int64() < low || value->get_int64() > high) {
      return wrong(name, fmt::format("from {} to {}", low, high), *value);
    }
    return static_cast<int>(value->get_int64());
  }

  Result<double> number(std::string_view name, double low, double high,
                        std::optional<double> absent = std::nullopt) const {
    const json::Value* value = find(name);
    if (value == nullptr) return absent ? Result<double>(*absent) : missing(name);
    if (!value->is_number()) return wrong(name, "a number", *value);
    const auto found = value->to_number<double>();
    if (!(found >= low && found <= high)) {
      return wrong(name, fmt::format("from {} to {}", low, high), *value);
    }
    return found;
  }

  Result<bool> boolean(std::string_view name, bool absent) const {
    const json::Value* value = find(name);
    if (value == nullptr) return absent;
    if (!value->is_bool()) return wrong(name, "true or false", *value);
    return value->get_bool();
  }

  Result<std::string> string(std::string_view name, std::string_view absent) const {
    const json::Value* value = find(name);
    if (value == nullptr) return std::string(absent);
    if (!value->is_string()) return wrong(name, "a string", *value);
    return std::string(value->get_string());
  }

  Error missing(std::string_view name) const {
    std::vector<std::string> names;
    for (const auto& member : object_) names.emplace_back(member.key());
    const auto nearest = nearest_name(name, names);
    return refused(fmt::format("{}: field '{}' is missing", where_, name),
                   nearest ? fmt::format("there is a field '{}'", *nearest) : "");
  }
  Error wrong(std::string_view name, std::string_view expected, const json::Value& found) const {
    return refused(fmt::format("{}: field '{}' should be {}, found {}", where_, name, expected,
                               quoted(json::dump(found))));
  }
  const std::string& where() const { return where_; }

 private:
  const json::Object& object_;
  std::string where_;
};

Status read_rope_scaling(const Fields& scaling, int context, RopeSpec& rope) {
  const std::string older = TRY(scaling.string("type", "default"));
  const std::string kind = TRY(scaling.string("rope_type", older));
  if (kind == "default") return ok_status();
  rope.factor = TRY(scaling.number("factor", 1e-3, 1e6));
  if (kind == "linear") {
    rope.kind = RopeSpec::Kind::kLinear;
  } else if (kind == "llama3") {
    rope.kind = RopeSpec::Kind::kLlama3;
    rope.original_context = TRY(scaling.number("original_max_position_embeddings", 1, 1e9));
    rope.low_freq_factor = TRY(scaling.number("low_freq_factor", 1e-3, 1e6));
    rope.high_freq_factor = TRY(scaling.number("high_freq_factor", 1e-3, 1e6));
    if (rope.high_freq_factor <= rope.low_freq_factor) {
      return refused(fmt::format("{}: 'high_freq_factor' should be greater than "
                                 "'low_freq_factor'", scaling.where()));
    }
  } else if (kind == "yarn") {
    rope.kind = RopeSpec::Kind::kYarn;
    rope.original_context =
        TRY(scaling.number("original_max_position_embeddings", 1, 1e9, context));
    rope.beta_fast = TRY(scaling.number("beta_fast", 1e-3, 1e6, 32));
    rope.beta_slow = TRY(scaling.number("beta_slow", 1e-3, 1e6, 1));
    rope.truncate = TRY(scaling.boolean("truncate", true));
    if (scaling.find("attention_factor") != nullptr) {
      rope.attention_factor = TRY(scaling.number("attention_factor", 1e-3, 1e3));
    }
    if (scaling.find("mscale") != nullptr || scaling.find("mscale_all_dim") != nullptr) {
      return refused(fmt::format("{}: 'mscale' is not supported", scaling.where()));
    }
  } else {
    return refused(fmt::format("{}: rope kind {} is not supported", scaling.where(), quoted(kind)),
                   "supported: default, linear, llama3, yarn");
  }
  return ok_status();
}

Result<RopeSpec> read_rope(const Fields& config, int context) {
  RopeSpec rope;
  // transformers 5 has one object; before it, theta stood at top level beside rope_scaling.
  for (const std::string_view field : {"rope_parameters", "rope_scaling"}) {
    const json::Value* value = config.find(field);
    if (value == nullptr) continue;
    if (!value->is_object()) return config.wrong(field, "an object or null", *value);
    const Fields scaling(value->get_object(), fmt::format("{}: {}", config.where(), field));
    for (const auto& [name, member] : value->get_object()) {
      if (member.is_object()) {
        return refused(fmt::format("{}: settings by layer kind ('{}') are not supported",
                                   scaling.where(), std::string_view(name)));
      }
    }
    TRY(read_rope_scaling(scaling, context, rope));
    const double theta = TRY(config.number("rope_theta", 1.5, 1e12, 10000.0));
    rope.theta = TRY(scaling.number("rope_theta", 1.5, 1e12, theta));
    if (TRY(scaling.number("partial_rotary_factor", 0, 1, 1.0)) != 1.0) {
      return refused(fmt::format("{}: 'partial_rotary_factor' other than 1 is not supported",
                                 scaling.where()));
    }
    return rope;
  }
  rope.theta = TRY(config.number("rope_theta", 1.5, 1e12, 10000.0));
  return rope;
}

// Qwen3's window: layers from max_window_layers on, only if use_sliding_window; transformers 5
// writes the outcome as layer_types, which then decides.
Status read_qwen3_windows(const Fields& fields, Config& config) {
  config.window.assign(static_cast<size_t>(config.layers), 0);
  const bool enabled = TRY(fields.boolean("use_sliding_window", false));
  const int width = enabled ? TRY(fields.integer("sliding_window", 1, kContextMax, 4096)) : 0;
  const int first = TRY(fields.integer("max_window_layers", 0, kLayersMax * 4, 28));
  const json::Value* types = fields.find("layer_types");
  if (types == nullptr) {
    for (int i = first; i < config.layers; ++i) config.window[static_cast<size_t>(i)] = width;
    return ok_status();
  }
  if (!types->is_array() || types->get_array().size() != config.window.size()) {
    return fields.wrong("layer_types", fmt::format("a list of {} kinds", config.layers), *types);
  }
  for (size_t i = 0; i < config.window.size(); ++i) {
    const json::Value& type = types->get_array()[i];
    if (type == "full_attention") continue;
    if (type != "sliding_attention" || !enabled) {
      return fields.wrong("layer_types",
                          "of 'full_attention' and, with use_sliding_window, 'sliding_attention'",
                          type);
    }
    config.window[i] = width;
  }
  return ok_status();
}

// The fields of Qwen3 dense (model-specs: H, L, nh, nkv, d, V).
Status read_qwen3(const Fields& fields, Config& config) {
  config.family = "qwen3";
  config.vocab_size = TRY(fields.integer("vocab_size", 1, kVocabularyMax));
  config.hidden_size = TRY(fields.integer("hidden_size", 1, kWidthMax));
  config.intermediate_size = TRY(fields.integer("intermediate_size", 1, kWidthMax));
  config.layers = TRY(fields.integer("num_hidden_layers", 1, kLayersMax));
  config.heads = TRY(fields.integer("num_attention_heads", 1, kHeadsMax));
  config.kv_heads = TRY(fields.integer("num_key_value_heads", 1, kHeadsMax, config.heads));
  config.head_dim = TRY(fields.integer("head_dim", 2, kHeadDimMax, 128));
  config.norm_eps = TRY(fields.number("rms_norm_eps", 0, 1, 1e-6));
  config.tied_head = TRY(fields.boolean("tie_word_embeddings", false));
  config.attention_bias = TRY(fields.boolean("attention_bias", false));
  config.context = TRY(fields.integer("max_position_embeddings", 1, kContextMax));
  if (config.heads % config.kv_heads != 0) {
    return refused(fmt::format("{}: num_attention_heads {} is not a multiple of "
                               "num_key_value_heads {}", fields.where(), config.heads,
                               config.kv_heads));
  }
  if (config.head_dim % 2 != 0) {
    return refused(fmt::format("{}: field 'head_dim' should be even, found {}", fields.where(),
                               config.head_dim));
  }
  const std::string activation = TRY(fields.string("hidden_act", "silu"));
  if (activation != "silu") {
    return refused(fmt::format("{}: field 'hidden_act': activation {} is not supported",
                               fields.where(), quoted(activation)), "supported: silu");
  }
  config.rope = TRY(read_rope(fields, config.context));
  return read_qwen3_windows(fields, config);
}

// architectures[0], else model_type, names the family.
Status read_family(const Fields& fields, Config& config) {
  std::string name = TRY(fields.string("model_type", ""));
  std::string field = "model_type";
  if (const json::Value* list = fields.find("architectures"); list != nullptr) {
    if (!list->is_array() || list->get_array().empty() || !list->get_array()[0].is_string()) {
      return fields.wrong("architectures", "a list of names", *list);
    }
    name = std::string(list->get_array()[0].get_string());
    field = "architectures";
  }
  if (name.empty()) return fields.missing("architectures");
  if (name == "Qwen3ForCausalLM" || name == "qwen3") return read_qwen3(fields, config);
  return refused(fmt::format("{}: field '{}': {} is not supported", fields.where(), field,
                             quoted(name)),
                 "supported: Qwen3ForCausalLM");
}

Status read_quantization(const Fields& fields, Config& config) {
  const json::Value* value = fields.find("quantization_config");
  if (value == nullptr) return ok_status();
  if (!value->is_object()) return fields.wrong("quantization_config", "an object", *value);
  const Fields inner(value->get_object(), fields.where() + ": quantization_config");
  const std::string method = TRY(inner.string("quant_method", ""));
  if (method != "weft_q8_g32") {
    return refused(fmt::format("{}: field 'quant_method': {} is not supported", inner.where(),
                               quoted(method)),
                   "supported: weft_q8_g32, or weights in F32, F16 or BF16");
  }
  (void)TRY(inner.integer("group_size", 32, 32));
  config.quantization = Quantization::kQ8Group32;
  return ok_status();
}

Result<std::optional<text::TokenId>> read_token(const Fields& fields, std::string_view name,
                                                const Config& config) {
  if (fields.find(name) == nullptr) return std::optional<text::TokenId>();
  return std::optional<text::TokenId>(TRY(fields.integer(name, 0, config.vocab_size - 1)));
}

// A number, a list of numbers, or absent.
Status read_eos(const Fields& fields, Config& config) {
  const json::Value* value = fields.find("eos_token_id");
  if (value == nullptr) return ok_status();
  config.eos.clear();
  const json::Array one{*value};
  const json::Array& list = value->is_array() ? value->get_array() : one;
  for (const json::Value& id : list) {
    if (!id.is_int64() || id.get_int64() < 0 || id.get_int64() >= config.vocab_size) {
      return fields.wrong("eos_token_id", fmt::format("ids from 0 to {}", config.vocab_size - 1),
                          *value);
    }
    config.eos.push_back(static_cast<text::TokenId>(id.get_int64()));
  }
  std::sort(config.eos.begin(), config.eos.end());
  config.eos.erase(std::unique(config.eos.begin(), config.eos.end()), config.eos.end());
  return ok_status();
}

Status read_generation(const Fields& fields, Config& config) {
  TRY(read_eos(fields, config));
  GenerationDefaults& out = config.generation;
  if (!TRY(fields.boolean("do_sample", true))) out.temperature = 0.0;
  for (const auto& [name, target, low, high] :
       {std::tuple{"temperature", &out.temperature, 0.0, 100.0},
        std::tuple{"top_p", &out.top_p, 0.0, 1.0}, std::tuple{"min_p", &out.min_p, 0.0, 1.0},
        std::tuple{"repetition_penalty", &out.repetition_penalty, 1e-3, 1e3}}) {
    if (fields.find(name) != nullptr && !target->has_value()) {
      *target = TRY(fields.number(name, low, high));
    }
  }
  if (fields.find("top_k") != nullptr) {
    out.top_k = TRY(fields.integer("top_k", 0, kVocabularyMax));
  }
  return ok_status();
}

Result<json::Value> parse_object(std::string_view text, std::string_view where) {
  auto parsed = json::parse(text, {.depth_max = kConfigDepthMax, .bytes_max = kConfigBytesMax});
  if (!parsed.ok()) return in_context(parsed.error(), where);
  if (!parsed.value().is_object()) {
    return refused(fmt::format("{}: should be a JSON object, found {}", where,
                               json::kind_name(parsed.value())));
  }
  return std::move(parsed).value();
}

}  // namespace

Result<Config> parse_config(std::string_view config_json, std::string_view generation_json) {
  const json::Value value = TRY(parse_object(config_json, "config.json"));
  const Fields fields(value.get_object(), "config.json");
  Config config;
  TRY(read_family(fields, config));
  TRY(read_quantization(fields, config));
  config.bos = TRY(read_token(fields, "bos_token_id", config));
  config.pad = TRY(read_token(fields, "pad_token_id", config));
  TRY(read_eos(fields, config));
  if (!generation_json.empty()) {
    const json::Value generation = TRY(parse_object(generation_json, "generation_config.json"));
    TRY(read_generation(Fields(generation.get_object(), "generation_config.json"), config));
  }
  return config;
}

Result<Config> load_config(ModelFiles& files) {
  const std::string_view config = TRY(files.read("config.json"));
  std::string_view generation;
  if (files.has("generation_config.json")) generation = TRY(files.read("generation_config.json"));
  auto parsed = parse_config(config, generation);
  if (!parsed.ok()) return in_context(parsed.error(), files.where());
  return parsed;
}

}  // namespace weft::model
