// SPDX-License-Identifier: Apache-2.0
#include "model/config.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/json.h"

namespace weft::model {
namespace {

constexpr const char* kGolden = WEFT_SOURCE_DIR "/tests/golden/logits/";

Result<Config> load(const std::string& directory) {
  ModelFiles files(directory);
  return load_config(files);
}

json::Object base_config() {
  const json::Value value = json::parse(R"({"architectures":["Qwen3ForCausalLM"],
    "hidden_size":64,"vocab_size":256,
    "intermediate_size":128,"num_hidden_layers":3,"num_attention_heads":4,
    "num_key_value_heads":2,"head_dim":32,"max_position_embeddings":4096,"rms_norm_eps":1e-6,
    "rope_theta":1000000,"hidden_act":"silu"})").value();
  return value.as_object();
}

Result<Config> with(const std::string& fields, const std::string& generation = "") {
  json::Object config = base_config();
  const json::Value changes = json::parse(fields).value();
  for (const auto& member : changes.as_object()) {
    config[member.key()] = member.value();
  }
  return parse_config(json::dump(config), generation);
}

std::string refusal(const std::string& fields) {
  const auto config = with(fields);
  if (config.ok()) return "accepted";
  EXPECT_EQ(config.error().code, "E0211");
  return config.error().text();
}

TEST(Config, ReadsBothSpellings) {
  const auto old_form = load(std::string(kGolden).append("qwen3-tied"));
  ASSERT_TRUE(old_form.ok()) << old_form.error().text();
  EXPECT_EQ(old_form->head_dim, 32);
  EXPECT_EQ(old_form->rope.theta, 1e6);
  EXPECT_TRUE(old_form->tied_head);
  EXPECT_EQ(old_form->eos, (std::vector<text::TokenId>{251, 253}));  // generation_config.json wins
  EXPECT_EQ(old_form->generation.top_k, 20);
  EXPECT_EQ(old_form->window, (std::vector<int>{0, 0, 0}));
  const auto new_form = load(std::string(kGolden) + "qwen3-sharded-v5");
  ASSERT_TRUE(new_form.ok()) << new_form.error().text();
  EXPECT_EQ(new_form->rope.theta, 1e6);
  EXPECT_EQ(new_form->eos, (std::vector<text::TokenId>{253}));
  const auto yarn = load(std::string(kGolden) + "qwen3-yarn");
  ASSERT_TRUE(yarn.ok()) << yarn.error().text();
  EXPECT_EQ(yarn->rope.kind, RopeSpec::Kind::kYarn);
  EXPECT_EQ(yarn->rope.original_context, 32768);
}

TEST(Config, FillsWhatMayBeAbsent) {
  const auto config = with(R"({"head_dim":null,"num_key_value_heads":null,"eos_token_id":null})");
  ASSERT_TRUE(config.ok()) << config.error().text();
  EXPECT_EQ(config->head_dim, 128);  // Qwen3's default, not hidden_size / heads
  EXPECT_EQ(config->kv_heads, 4);
  EXPECT_TRUE(config->eos.empty());
  const auto yarn = with(R"({"rope_scaling":{"type":"yarn","factor":4}})");
  ASSERT_TRUE(yarn.ok()) << yarn.error().text();
  EXPECT_EQ(yarn->rope.original_context, 4096);
  const auto sliding = with(R"({"use_sliding_window":true,"sliding_window":16,
                                "max_window_layers":1})");
  ASSERT_TRUE(sliding.ok());
  EXPECT_EQ(sliding->window, (std::vector<int>{0, 16, 16}));
  const auto unused = with(R"({"sliding_window":16,"max_window_layers":1})");
  EXPECT_EQ(unused->window, (std::vector<int>{0, 0, 0}));
  const auto q8 = with(R"({"quantization_config":{"quant_method":"weft_q8_g32",
                           "group_size":32}})");
  ASSERT_TRUE(q8.ok()) << q8.error().text();
  EXPECT_EQ(q8->quantization, Quantization::kQ8Group32);
}

TEST(Config, RefusesByFieldName) {
  const struct {
    const char* fields;
    const char* expected;
  } cases[] = {
      {R"({"architectures":["LlamaForCausalLM"]})", "'LlamaForCausalLM' is not supported"},
      {R"({"architectures":[]})", "'architectures'"},
      {R"({"model_type":"exaone4"})", "'model_type' should be 'qwen3' for Qwen3ForCausalLM"},
      {R"({"hidden_act":"gelu"})", "'hidden_act'"},
      {R"({"hidden_size":null})", "'hidden_size' is missing"},
      {R"({"hidden_size":0})", "'hidden_size' should be from 1"},
      {R"({"hidden_size":1152921504606846976})", "'hidden_size' should be from 1"},
      {R"({"hidden_size":64.0})", "'hidden_size' should be an integer"},
      {R"({"num_hidden_layers":"3"})", "'num_hidden_layers'"},
      {R"({"num_hidden_layers":1000000})", "'num_hidden_layers'"},
      {R"({"num_key_value_heads":3})", "not a multiple"},
      {R"({"head_dim":31})", "'head_dim' should be even"},
      {R"({"rms_norm_eps":-1})", "'rms_norm_eps'"},
      {R"({"rope_theta":0})", "'rope_theta'"},
      {R"({"rope_scaling":{"rope_type":"dynamic","factor":2}})", "'dynamic' is not supported"},
      {R"({"rope_scaling":{"rope_type":"longrope","factor":2}})", "'longrope' is not supported"},
      {R"({"rope_scaling":{"rope_type":"yarn"}})", "'factor' is missing"},
      {R"({"rope_scaling":{"rope_type":"llama3","factor":2,"low_freq_factor":4,
           "high_freq_factor":4,"original_max_position_embeddings":8}})", "'high_freq_factor'"},
      {R"({"rope_scaling":[1]})", "'rope_scaling' should be an object"},
      {R"({"rope_parameters":{"full_attention":{"rope_theta":1}}})", "by layer kind"},
      {R"({"rope_parameters":{"partial_rotary_factor":0.5}})", "'partial_rotary_factor'"},
      {R"({"layer_types":["full_attention"]})", "a list of 3"},
      {R"({"layer_types":["full_attention","full_attention","sliding_attention"]})",
       "'layer_types'"},
      {R"({"eos_token_id":256})", "'eos_token_id'"},
      {R"({"eos_token_id":[1,"x"]})", "'eos_token_id'"},
      {R"({"bos_token_id":-1})", "'bos_token_id'"},
      {R"({"quantization_config":{"quant_method":"gptq"}})", "'gptq' is not supported"},
      {R"({"quantization_config":{"quant_method":"weft_q8_g32","group_size":64}})",
       "'group_size'"},
  };
  for (const auto& c : cases) {
    EXPECT_NE(refusal(c.fields).find(c.expected), std::string::npos)
        << c.fields << "\n" << refusal(c.fields);
  }
  EXPECT_EQ(parse_config("[1]", "").error().code, "E0211");
  EXPECT_EQ(parse_config("{", "").error().code, "E0010");
  EXPECT_EQ(load("/nonexistent").error().code, "E0213");
  EXPECT_EQ(with("{}", R"({"eos_token_id":999})").error().code, "E0211");
}

// What every family makes of the golden checkpoints' own configurations.
TEST(Config, ReadsEveryFamily) {
  const auto read = [](const char* name) {
    const auto config = load(std::string(kGolden) + name);
    EXPECT_TRUE(config.ok()) << (config.ok() ? "" : config.error().text());
    return config.value();
  };
  const Config moe = read("qwen3moe-mixed");
  EXPECT_EQ(moe.family, "qwen3");
  EXPECT_EQ(moe.experts.sparse, (std::vector<uint8_t>{0, 0, 0, 1}));
  EXPECT_EQ(moe.experts.per_token, 2);
  EXPECT_EQ(moe.experts.width, 32);
  EXPECT_TRUE(moe.experts.normalised);
  EXPECT_FALSE(read("qwen3moe-nonorm").experts.normalised);
  const Config full = read("exaone4-full");  // a pattern without a window has no effect
  EXPECT_EQ(full.window, (std::vector<int>{0, 0, 0}));
  EXPECT_EQ(full.rotated, (std::vector<uint8_t>{1, 1, 1}));
  const Config hybrid = read("exaone4-hybrid");
  EXPECT_EQ(hybrid.window, (std::vector<int>{16, 16, 16, 0, 16, 16, 16, 0}));
  EXPECT_EQ(hybrid.rotated, (std::vector<uint8_t>{1, 1, 1, 0, 1, 1, 1, 0}));
  EXPECT_EQ(read("exaone4-hybrid-6").window, (std::vector<int>{8, 8, 8, 0, 8, 8}));
  const Config deep = read("exaone35-tied");
  EXPECT_EQ(deep.family, "exaone3");
  EXPECT_EQ(deep.head_dim, 40);
  EXPECT_EQ(deep.rope.kind, RopeSpec::Kind::kLlama3);
  const Config micro = read("granite4-micro");
  EXPECT_EQ(micro.rotated, (std::vector<uint8_t>{1, 1, 1}));
  EXPECT_EQ(micro.mamba.heads, 0);  // the fields stand there and mean nothing
  EXPECT_EQ(micro.experts.count, 0);
  EXPECT_EQ(micro.multipliers.logits, 10);
  const Config h = read("granite4-h-moe");
  EXPECT_EQ(h.rotated, (std::vector<uint8_t>{0, 0, 0}));
  EXPECT_EQ(h.mamba.layers, (std::vector<uint8_t>{1, 0, 1}));
  EXPECT_EQ(h.mamba.conv_channels(), 64 + 2 * 2 * 16);
  EXPECT_EQ(h.experts.count, 6);
  EXPECT_EQ(h.intermediate_size, 32);  // the shared MLP's
  EXPECT_EQ(h.experts.width, 16);
}

// The golden configuration with some fields changed (null: taken away).
std::string changed(const char* name, const std::string& fields) {
  ModelFiles files(std::string(kGolden) + name);
  json::Value value = json::parse(files.read("config.json").value()).value();
  const json::Value changes = json::parse(fields).value();
  for (const auto& member : changes.as_object()) value.as_object()[member.key()] = member.value();
  const auto config = parse_config(json::dump(value), "");
  return config.ok() ? "accepted" : config.error().text();
}

TEST(Config, RefusesWhatContradictsItselfInEveryFamily) {
  const struct {
    const char* name;
    const char* fields;
    const char* expected;
  } cases[] = {
      {"qwen3moe-norm", R"({"num_experts_per_tok":9})",
       "'num_experts_per_tok' should be at most the 8 experts, found 9"},
      {"qwen3moe-norm", R"({"num_experts_per_tok":0})", "'num_experts_per_tok' should be from 1"},
      {"qwen3moe-norm", R"({"num_experts":null})", "'num_experts' is missing"},
      {"qwen3moe-norm", R"({"num_local_experts":4})",
       "'num_experts' and 'num_local_experts' should be the same, found 8 and 4"},
      {"qwen3moe-norm", R"({"num_experts":null,"num_local_experts":8})", "accepted"},
      {"qwen3moe-norm", R"({"moe_intermediate_size":null})", "'moe_intermediate_size' is missing"},
      {"qwen3moe-norm", R"({"intermediate_size":null})", "accepted"},  // nothing dense
      {"qwen3moe-mixed", R"({"intermediate_size":null})", "'intermediate_size' is missing"},
      {"qwen3moe-mixed", R"({"mlp_only_layers":[4]})", "layers from 0 to 3, found '4'"},
      {"qwen3moe-mixed", R"({"mlp_only_layers":3})", "'mlp_only_layers' should be a list"},
      {"qwen3moe-mixed", R"({"decoder_sparse_step":0})", "'decoder_sparse_step'"},
      {"exaone4-full", R"({"layer_types":["full_attention"]})", "should be a list of 3 kinds"},
      {"exaone4-hybrid", R"({"layer_types":["full_attention",1,1,1,1,1,1,1]})", "found '1'"},
      {"exaone4-hybrid", R"({"sliding_window":null})",
       "'layer_types' should be of 'full_attention' without sliding_window"},
      {"exaone4-hybrid", R"({"sliding_window":0})", "'sliding_window' should be from 1"},
      {"exaone4-hybrid-6", R"({"sliding_window_pattern":"LXG"})", "letters L and G, found"},
      {"exaone4-hybrid-6", R"({"sliding_window_pattern":""})", "letters L and G, found"},
      {"exaone4-hybrid-6", R"({"sliding_window_pattern":0})", "'sliding_window_pattern'"},
      {"exaone4-hybrid-6", R"({"sliding_window_pattern":"LLLG"})", "accepted"},
      {"exaone4-full", R"({"head_dim":null,"num_attention_heads":5,"num_key_value_heads":5})",
       "hidden_size 64 over num_attention_heads 5 is no whole number"},
      {"exaone35-tied", R"({"head_dim":32})", "'head_dim' should be hidden_size 80 over"},
      {"exaone35-tied", R"({"head_dim":null,"intermediate_size":null})", "accepted"},
      {"exaone35-tied", R"({"num_layers":null,"num_hidden_layers":2})", "'num_layers' is missing"},
      {"exaone35-tied", R"({"activation_function":"gelu"})",
       "'activation_function': 'gelu' is not supported"},
      {"exaone35-tied", R"({"rope_scaling":{"rope_type":"su","factor":2}})",
       "field 'rope_type': 'su' is not supported"},
      {"granite3", R"({"logits_scaling":0})", "'logits_scaling' should be from"},
      {"granite3", R"({"attention_multiplier":"1"})", "'attention_multiplier' should be a number"},
      {"granite4-h", R"({"mamba_n_heads":3})",
       "mamba_n_heads 3 times mamba_d_head 16 should be mamba_expand 2 times hidden_size 32"},
      {"granite4-h", R"({"mamba_d_head":"auto"})", "accepted"},
      {"granite4-h", R"({"mamba_d_head":"auto","mamba_n_heads":5})", "should be mamba_expand"},
      {"granite4-h", R"({"mamba_n_groups":3})", "4 is not a multiple of mamba_n_groups 3"},
      {"granite4-h", R"({"mamba_d_state":null})", "'mamba_d_state' is missing"},
      {"granite4-h", R"({"layer_types":["mamba","mamba","attention"]})", "a list of 4"},
      {"granite4-h", R"({"layer_types":["mamba","mamba","attention","rnn"]})", "found '\"rnn\"'"},
      {"granite4-h", R"({"layer_types":["linear_attention","mamba","full_attention","mamba"]})",
       "accepted"},
      {"granite4-h", R"({"position_embedding_type":"alibi"})", "'rope' or 'nope'"},
      {"granite4-h", R"({"normalization_function":"layernorm"})", "'layernorm' is not supported"},
      {"granite4-h", R"({"num_local_experts":null})", "'num_local_experts' is missing"},
      {"granite4-h", R"({"time_step_limit":[0.5,0.1]})", "'time_step_limit' should be [low, high]"},
      {"granite4-h", R"({"time_step_limit":[0]})", "'time_step_limit'"},
      {"granite4-h", R"({"time_step_limit":[0.0,{"__float__":"Infinity"}]})", "accepted"},
      {"granite4-h-moe", R"({"num_experts_per_tok":7})", "at most the 6 experts, found 7"},
      {"granite4-h-moe", R"({"shared_intermediate_size":null})", "'shared_intermediate_size'"},
  };
  for (const auto& c : cases) {
    const std::string found = changed(c.name, c.fields);
    EXPECT_NE(found.find(c.expected), std::string::npos)
        << c.name << " " << c.fields << "\n" << found;
  }
}

TEST(Config, RefusesArithmeticThatIsNotComputed) {
  const struct {
    const char* name;
    const char* fields;
    const char* expected;
  } cases[] = {
      {"qwen3-tied", R"({"partial_rotary_factor":0.5})", "'partial_rotary_factor': '0.5' is not"},
      {"qwen3-tied", R"({"partial_rotary_factor":1.0})", "accepted"},
      {"qwen3-tied", R"({"attention_logit_softcapping":30.0})", "'attention_logit_softcapping'"},
      {"granite3", R"({"final_logit_softcapping":30.0})", "'final_logit_softcapping'"},
      {"granite3", R"({"final_logit_softcapping":null})", "accepted"},
      {"exaone35-tied", R"({"alibi":true})", "'alibi': 'true' is not supported"},
      {"exaone35-tied", R"({"alibi":false})", "accepted"},
      {"exaone4-full", R"({"attention_bias":true})", "'attention_bias'"},
      {"exaone4-full", R"({"attention_bias":false})", "accepted"},
      {"qwen3-tied", R"({"mlp_bias":true})", "'mlp_bias'"},
      {"granite4-h", R"({"mlp_bias":true})", "'mlp_bias'"},
      {"granite3", R"({"mlp_bias":true})", "accepted"},
      {"qwen3-tied", R"({"qk_layernorm":false})", "'qk_layernorm'"},
      {"qwen3-tied", R"({"use_qk_norm":true})", "accepted"},
      {"granite3", R"({"qk_layernorm":true})", "'qk_layernorm'"},
      {"qwen3-tied", R"({"embedding_multiplier":12})", "'embedding_multiplier'"},
      {"qwen3-tied", R"({"clip_qkv":8})", "'clip_qkv'"},
      {"qwen3-tied", R"({"position_embedding_type":"alibi"})", "'position_embedding_type'"},
      {"granite3", R"({"sliding_window":4096})", "'sliding_window'"},
      {"granite3", R"({"use_sliding_window":true})", "'use_sliding_window'"},
      {"granite3", R"({"use_sliding_window":false,"sliding_window":4096})", "accepted"},
      {"granite3", R"({"layer_types":["full_attention","sliding_attention"]})", "'layer_types'"},
      {"granite3", R"({"layer_types":["full_attention","full_attention"]})", "accepted"},
      {"qwen3moe-norm", R"({"routed_scaling_factor":2.5})", "'routed_scaling_factor'"},
      {"qwen3-tied", R"({"rope_scaling":{"rope_type":"yarn","factor":4,"mrope_section":2}})",
       "'mrope_section' is not supported"},
      {"qwen3-tied", R"({"transformers_version":"9","torch_dtype":"float8","attention_dropout":0.5,
                         "use_cache":false,"pretraining_tp":4,"note":{"a":1}})", "accepted"},
  };
  for (const auto& c : cases) {
    const std::string found = changed(c.name, c.fields);
    EXPECT_NE(found.find(c.expected), std::string::npos)
        << c.name << " " << c.fields << "\n" << found;
  }
}

// Python's json writes infinities as bare words.
TEST(Config, CopesWithBareInfinity) {
  ModelFiles files(std::string(kGolden) + "granite4-h");
  std::string text(files.read("config.json").value());
  text.insert(text.find('{') + 1, R"("time_step_limit": [0.001, Infinity], "note": "\"Infinity",)");
  const auto config = parse_config(text, "");
  ASSERT_TRUE(config.ok()) << config.error().text();
  EXPECT_EQ(config->mamba.step_min, 0.001);
  EXPECT_TRUE(std::isinf(config->mamba.step_max));
  text.replace(text.find("0.001"), 5, "NaN");
  EXPECT_EQ(parse_config(text, "").error().code, "E0211");
}

}  // namespace
}  // namespace weft::model
