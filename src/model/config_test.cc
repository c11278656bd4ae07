// SPDX-License-Identifier: Apache-2.0
#include "model/config.h"

#include <gtest/gtest.h>

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

}  // namespace
}  // namespace weft::model
