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
#include <limits>
#include <optional>
#include <span>
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
  // White space of the JSON that the model was trained to write and, if "spaced", to read from
  // tools: weft_json_spacing, "compact" unless given, "spaced" (Python's json.dumps) or "either".
  std::string json_spacing = "compact";
};

// How the matrices of the files are quantised. kQ8Group32: X.weight is int8 (out, in),
// X.weight_scale float16 (out, in / 32), w = q * scale; quant_method "weft_q8_g32". kQ4Group32:
// X.weight is uint8 (out, in / 2), column 2 j in the low half of byte j, X.weight_scale and
// X.weight_offset float16 (out, in / 32), w = q * scale + offset; "weft_q4_g32". Matrices without
// X.weight_scale are stored plainly.
enum class Quantization { kNone, kQ8Group32, kQ4Group32 };

// Routed experts of the sparse layers; count 0 = none.
struct ExpertsConfig {
  int count = 0;
  int per_token = 0;  // 1 .. count
  int width = 0;      // of one expert's MLP
  bool normalised = false;   // Qwen3: the chosen weights are divided by their sum
  std::vector<uint8_t> sparse;  // a layer: 1 = it has experts
};

// Mamba2 layers of Granite 4.0 H; heads 0 = none. Inner width I = heads * head_dim.
struct MambaConfig {
  int heads = 0;     // a multiple of groups
  int head_dim = 0;
  int state = 0;     // n: a head's state is (n, head_dim)
  int groups = 0;    // that share B and C
  int conv = 0;      // K: positions that the convolution sees, its own included
  bool conv_bias = true;
  bool proj_bias = false;
  double step_min = 0;  // the time step is clamped to these
  double step_max = std::numeric_limits<double>::infinity();
  std::vector<uint8_t> layers;  // a layer: 1 = Mamba, 0 = attention

  int inner() const { return heads * head_dim; }
  int conv_channels() const { return inner() + 2 * groups * state; }
};

// Granite's four factors. `logits` divides.
struct Multipliers {
  double embedding = 1;
  double attention = 1;  // in place of head_dim^-1/2
  double residual = 1;
  double logits = 1;
};

struct Config {
  std::string family;  // "qwen3", "exaone3", "exaone4", "granite": the forward pass
  int vocab_size = 0;  // rows of embedding and head, padding included
  int hidden_size = 0;
  int intermediate_size = 0;  // of the dense (or shared) MLP; 0 if no layer has one
  int layers = 0;
  int heads = 0;     // query heads; a multiple of kv_heads
  int kv_heads = 0;
  int head_dim = 0;  // even; heads * head_dim need not be hidden_size
  double norm_eps = 0;
  bool tied_head = false;
  bool attention_bias = false;  // on q, k, v and o
  bool mlp_bias = false;        // on gate, up and down
  RopeSpec rope;
  int context = 0;                // positions the checkpoint was made for
  std::vector<int> window;        // a layer: tokens it sees, itself included; 0 = all
  std::vector<uint8_t> rotated;   // a layer: 1 = q and k are rotated, 0 = no position encoding
  ExpertsConfig experts;
  MambaConfig mamba;
  Multipliers multipliers;
  std::vector<text::TokenId> eos;  // ascending; may be empty
  std::optional<text::TokenId> bos;
  std::optional<text::TokenId> pad;
  Quantization quantization = Quantization::kNone;
  GenerationDefaults generation;

  bool is_mamba(int layer) const {
    return !mamba.layers.empty() && mamba.layers[static_cast<size_t>(layer)] != 0;
  }
  bool is_sparse(int layer) const {
    return !experts.sparse.empty() && experts.sparse[static_cast<size_t>(layer)] != 0;
  }
};

// A kind of checkpoint that weft runs.
struct Architecture {
  std::string_view name;        // "Qwen3ForCausalLM", in config.json's `architectures`
  std::string_view model_type;  // "qwen3"
  std::string_view models;      // "Qwen3 dense": what people call them
};
std::span<const Architecture> architectures();

// What every configuration must fulfil, whatever file it came from: sizes that divide each other,
// lists with an entry a layer. E0211, with `where` in front.
Status check_config(const Config& config, std::string_view where);

// From the texts of the two files; no generation config = empty view. E0211: a field that is
// missing, of the wrong type, out of range, contradictory or of an unknown kind; E0010 no JSON.
Result<Config> parse_config(std::string_view config_json, std::string_view generation_json);

// Reads config.json and, where present, generation_config.json. E0213 without the former.
Result<Config> load_config(ModelFiles& files);

}  // namespace weft::model
