// SPDX-License-Identifier: Apache-2.0
#include "model/rope.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/file.h"
#include "base/json.h"
#include "model/config.h"

namespace weft::model {
namespace {

double number(const json::Value& value) {
  return value.is_double() ? value.get_double() : static_cast<double>(value.get_int64());
}

// The golden table's entries in the form of a config.json, through the real parser.
Result<Config> config_of(const json::Object& entry) {
  json::Object config;
  config["architectures"] = json::Array{"Qwen3ForCausalLM"};
  config["head_dim"] = entry.at("head_dim");
  config["rope_theta"] = entry.at("rope_theta");
  config["rope_scaling"] = entry.at("rope_scaling");
  config["max_position_embeddings"] = entry.at("max_position_embeddings");
  for (const char* field : {"hidden_size", "intermediate_size", "num_hidden_layers",
                            "num_attention_heads", "vocab_size"}) {
    config[field] = 32;
  }
  config["rms_norm_eps"] = 1e-6;
  config["hidden_act"] = "silu";
  return parse_config(json::dump(config), "");
}

TEST(Rope, AgreesWithTheGoldenTables) {
  const auto text = read_file(WEFT_SOURCE_DIR "/tests/golden/rope/rope.json");
  ASSERT_TRUE(text.ok()) << text.error().text();
  const json::Value cases = json::parse(text.value()).value();
  ASSERT_GE(cases.as_array().size(), 12u);
  for (const json::Value& item : cases.as_array()) {
    const json::Object& entry = item.as_object();
    SCOPED_TRACE(json::dump(entry.at("name")));
    const auto config = config_of(entry);
    ASSERT_TRUE(config.ok()) << config.error().text();
    const RopeFrequencies got = rope_frequencies(config->rope, config->head_dim);
    EXPECT_NEAR(got.attention_factor, number(entry.at("attention_factor")), 1e-12);
    const json::Array& inv_freq = entry.at("inv_freq").as_array();
    ASSERT_EQ(got.inv_freq.size(), inv_freq.size());
    for (size_t i = 0; i < inv_freq.size(); ++i) {
      EXPECT_NEAR(got.inv_freq[i] / number(inv_freq[i]), 1.0, 1e-11) << i;
    }
    const json::Array& positions = entry.at("positions").as_array();
    const auto last = static_cast<int>(positions.back().get_int64());
    RopeTable table(config->rope, config->head_dim);
    table.reserve(last + 1);
    for (size_t row = 0; row < positions.size(); ++row) {
      const auto position = static_cast<size_t>(positions[row].get_int64());
      // Rounding to float is all that may differ: far inside 1e-6 + 2e-7 * position.
      for (size_t i = 0; i < inv_freq.size(); ++i) {
        const size_t at = position * inv_freq.size() + i;
        EXPECT_NEAR(table.cos()[at], number(entry.at("cos").at(row).at(i)), 1e-6);
        EXPECT_NEAR(table.sin()[at], number(entry.at("sin").at(row).at(i)), 1e-6);
      }
    }
  }
}

TEST(Rope, GrowingKeepsTheRows) {
  RopeSpec spec;
  spec.theta = 1e6;
  RopeTable once(spec, 64);
  once.reserve(3000);
  RopeTable steps(spec, 64);
  for (int positions = 1; positions <= 3000; positions += 37) steps.reserve(positions);
  steps.reserve(3000);
  for (size_t i = 0; i < size_t{3000} * 32; ++i) {
    ASSERT_EQ(once.cos()[i], steps.cos()[i]);
    ASSERT_EQ(once.sin()[i], steps.sin()[i]);
  }
  EXPECT_DEATH(rope_frequencies({}, 7), "head_dim");
}

}  // namespace
}  // namespace weft::model
