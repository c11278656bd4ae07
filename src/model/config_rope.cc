// SPDX-License-Identifier: Apache-2.0
#include "model/config_rope.h"

#include <fmt/format.h>

#include "base/strings.h"

namespace weft::model {
namespace {

// One divisor for each pair: how a GGUF file says llama3. How many there must be is checked when
// the head size is known.
Status read_rope_factors(const Fields& scaling, RopeSpec& rope) {
  rope.kind = RopeSpec::Kind::kFactors;
  const json::Value* list = scaling.find("factors");
  if (list == nullptr) return scaling.missing("factors");
  if (!list->is_array()) return scaling.wrong("factors", "a list of numbers", *list);
  for (const json::Value& factor : list->get_array()) {
    const double value = factor.is_number() ? factor.to_number<double>() : 0;
    if (!(value >= 1e-3 && value <= 1e6)) {
      return scaling.wrong("factors", "of numbers from 0.001 to 1000000", factor);
    }
    rope.factors.push_back(value);
  }
  return ok_status();
}

Status read_rope_scaling(const Fields& scaling, int context, RopeSpec& rope) {
  // What yarn and longrope know besides, and nothing here computes. (`attn_factor` of yarn is
  // passed over, as transformers does: DeepSeek-R1-0528-Qwen3-8B has it.)
  for (const std::string_view name : {"short_factor", "long_factor", "extrapolation_factor",
                                      "mrope_section", "alpha"}) {
    const json::Value* value = scaling.find(name);
    const bool one = value != nullptr && value->is_number() && value->to_number<double>() == 1.0;
    if (value == nullptr || one) continue;
    return config_error(fmt::format("{}: field '{}' is not supported", scaling.where(), name));
  }
  const std::string older = TRY(scaling.string("type", "default"));
  const std::string kind = TRY(scaling.string("rope_type", older));
  if (kind == "default") return ok_status();
  if (kind == "factors") return read_rope_factors(scaling, rope);
  rope.factor = TRY(scaling.number("factor", 1e-3, 1e6));
  if (kind == "linear") {
    rope.kind = RopeSpec::Kind::kLinear;
  } else if (kind == "llama3") {
    rope.kind = RopeSpec::Kind::kLlama3;
    rope.original_context = TRY(scaling.number("original_max_position_embeddings", 1, 1e9));
    rope.low_freq_factor = TRY(scaling.number("low_freq_factor", 1e-3, 1e6));
    rope.high_freq_factor = TRY(scaling.number("high_freq_factor", 1e-3, 1e6));
    if (rope.high_freq_factor <= rope.low_freq_factor) {
      return config_error(fmt::format("{}: 'high_freq_factor' should be greater than "
                                      "'low_freq_factor', found {} and {}", scaling.where(),
                                      rope.high_freq_factor, rope.low_freq_factor));
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
      return config_error(fmt::format("{}: 'mscale' is not supported", scaling.where()));
    }
  } else {
    return config_error(fmt::format("{}: field 'rope_type': {} is not supported", scaling.where(),
                                    quoted(kind)), "supported: default, linear, llama3, yarn");
  }
  return ok_status();
}

}  // namespace

Result<RopeSpec> read_rope(const Fields& config, int context, double theta) {
  RopeSpec rope;
  // transformers 5 has one object; before it, theta stood at top level beside rope_scaling.
  for (const std::string_view field : {"rope_parameters", "rope_scaling"}) {
    const json::Value* value = config.find(field);
    if (value == nullptr) continue;
    if (!value->is_object()) return config.wrong(field, "an object or null", *value);
    const Fields scaling(value->get_object(), fmt::format("{}: {}", config.where(), field));
    for (const auto& [name, member] : value->get_object()) {
      if (member.is_object()) {
        return config_error(fmt::format("{}: settings by layer kind ('{}') are not supported",
                                        scaling.where(), std::string_view(name)));
      }
    }
    TRY(read_rope_scaling(scaling, context, rope));
    const double above = TRY(config.number("rope_theta", 1.5, 1e12, theta));
    rope.theta = TRY(scaling.number("rope_theta", 1.5, 1e12, above));
    if (TRY(scaling.number("partial_rotary_factor", 0, 1, 1.0)) != 1.0) {
      return config_error(fmt::format("{}: 'partial_rotary_factor' other than 1 is not supported",
                                      scaling.where()));
    }
    return rope;
  }
  rope.theta = TRY(config.number("rope_theta", 1.5, 1e12, theta));
  return rope;
}

}  // namespace weft::model
