// SPDX-License-Identifier: Apache-2.0
//
// A random Qwen3 model of any shape: what the tests of the engine, of quantisation and of the
// weight binder run on. Families beside it: random_family.h.
#pragma once

#include <cmath>
#include <string>

#include "tests/engine/random_checkpoint.h"

namespace weft::testing_model {

struct Shape {
  int hidden = 64;
  int inner = 128;
  int layers = 2;
  int heads = 4;
  int kv_heads = 2;
  int head_dim = 32;
  int vocab = 256;
  int context = 4096;
  double logit_scale = 4;  // standard deviation of the logits
  uint64_t seed = 1;
  bool q8_export = false;  // matrices as weft_q8_g32 instead of BF16
};

class RandomModel : public RandomCheckpoint {
 public:
  explicit RandomModel(const Shape& shape) : RandomCheckpoint(shape.seed, shape.q8_export) {
    const int64_t h = shape.hidden;
    const int64_t nq = int64_t{shape.heads} * shape.head_dim;
    const int64_t nkv = int64_t{shape.kv_heads} * shape.head_dim;
    add("model.embed_tokens.weight", shape.vocab, h, 1.0);
    add("lm_head.weight", shape.vocab, h, shape.logit_scale / std::sqrt(double(h)));
    for (int i = 0; i < shape.layers; ++i) {
      const std::string p = "model.layers." + std::to_string(i) + ".";
      add_norm(p + "input_layernorm.weight", h);
      add_norm(p + "post_attention_layernorm.weight", h);
      add_norm(p + "self_attn.q_norm.weight", shape.head_dim);
      add_norm(p + "self_attn.k_norm.weight", shape.head_dim);
      add(p + "self_attn.q_proj.weight", nq, h);
      add(p + "self_attn.k_proj.weight", nkv, h);
      add(p + "self_attn.v_proj.weight", nkv, h);
      add(p + "self_attn.o_proj.weight", h, nq);
      add(p + "mlp.gate_proj.weight", shape.inner, h);
      add(p + "mlp.up_proj.weight", shape.inner, h);
      add(p + "mlp.down_proj.weight", h, shape.inner);
    }
    add_norm("model.norm.weight", h);
    finish({{"architectures", json::Array{"Qwen3ForCausalLM"}}, {"hidden_size", shape.hidden},
            {"intermediate_size", shape.inner}, {"num_hidden_layers", shape.layers},
            {"num_attention_heads", shape.heads}, {"num_key_value_heads", shape.kv_heads},
            {"head_dim", shape.head_dim}, {"vocab_size", shape.vocab},
            {"max_position_embeddings", shape.context}, {"rms_norm_eps", 1e-6},
            {"rope_theta", 1e6}, {"hidden_act", "silu"}, {"tie_word_embeddings", false}});
  }
};

}  // namespace weft::testing_model
