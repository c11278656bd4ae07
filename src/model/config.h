// SPDX-License-Identifier: Apache-2.0
//
// What a checkpoint says about itself: config.json and generation_config.json in both spellings in
// use (`rope_theta` + `rope_scaling` and `rope_parameters`; `torch_dtype` and `dtype`), brought
// into one form with every size bounded and cross-checked, so that nothing after this needs to
// doubt a number. Unknown architectures, rotary kinds, activations and quantisations are refused
// by field name: a guess would give plausible noise.
//
// It knows which fields a family has, not what the family computes (src/family does).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "model/files.h"
#include "model/rope.h"
#include "text/token.h"

namespace weft::model {

// Sampling that the checkpoint recommends; a request's own values win.
struct GenerationDefaults {
  std::optional<double> temperature;
  std::optional<double> top_p;
  std::optional<double> min_p;
  std::optional<int> top_k;
  std::optional<double> repetition_penalty;
};

// How the matrices of the files are quantised. kQ8Group32: X.weight is int8 (out, in),
// X.weight_scale float16 (out, in / 32), w = q * scale; quant_method "weft_q8_g32".
enum class Quantization { kNone, kQ8Group32 };

struct Config {
  std::string family;  // "qwen3": the forward pass that computes it
  int vocab_size = 0;  // rows of embedding and head, padding included
  int hidden_size = 0;
  int intermediate_size = 0;
  int layers = 0;
  int heads = 0;     // query heads; a multiple of kv_heads
  int kv_heads = 0;
  int head_dim = 0;  // even; heads * head_dim need not be hidden_size
  double norm_eps = 0;
  bool tied_head = false;
  bool attention_bias = false;
  RopeSpec rope;
  int context = 0;                // positions the checkpoint was made for
  std::vector<int> window;        // a layer: tokens it sees, itself included; 0 = all
  std::vector<text::TokenId> eos;  // ascending; may be empty
  std::optional<text::TokenId> bos;
  std::optional<text::TokenId> pad;
  Quantization quantization = Quantization::kNone;
  GenerationDefaults generation;
};

// From the texts of the two files; no generation config = empty view. E0211: a field that is
// missing, of the wrong type, out of range, contradictory or of an unknown kind; E0010 no JSON.
Result<Config> parse_config(std::string_view config_json, std::string_view generation_json);

// Reads config.json and, where present, generation_config.json. E0213 without the former.
Result<Config> load_config(ModelFiles& files);

}  // namespace weft::model
