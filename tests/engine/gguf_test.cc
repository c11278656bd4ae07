// SPDX-License-Identifier: Apache-2.0
// Small GGUF files of every supported architecture, with the keys and tensors that converters
// write (tests/golden/gguf): the whole way from the file to logits within 2e-3 in float32
// arithmetic, the same greedy tokens, tokenizer and template out of the metadata. Two of them are
// quantised, in eleven block types.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/file.h"
#include "base/json.h"
#include "runtime/evaluator.h"

namespace weft::runtime {
namespace {

using text::TokenId;

constexpr double kBound = 2e-3;

std::string golden_directory() { return WEFT_SOURCE_DIR "/tests/golden/gguf/"; }

double number(const json::Value& value) { return value.to_number<double>(); }

std::vector<TokenId> tokens_of(const json::Value& list) {
  std::vector<TokenId> out;
  for (const json::Value& item : list.as_array()) {
    out.push_back(static_cast<TokenId>(item.as_int64()));
  }
  return out;
}

json::Value expected_of(const std::string& name) {
  return json::parse(read_file(golden_directory() + name + "/expected.json").value()).value();
}

std::shared_ptr<ModelInstance> load(const std::string& name, model::Precision precision) {
  auto files = model::ModelFiles::open(golden_directory() + name + "/model.gguf");
  EXPECT_TRUE(files.ok()) << (files.ok() ? "" : files.error().text());
  auto loaded = ModelInstance::load(std::move(files).value(), {.precision = precision});
  EXPECT_TRUE(loaded.ok()) << (loaded.ok() ? "" : loaded.error().text());
  return std::move(loaded).value();
}

// All logits of the prompt, in one piece.
std::vector<std::vector<float>> logits_of(ModelInstance& model, tensor::Ops& ops,
                                          const std::vector<TokenId>& prompt) {
  Evaluator evaluator(model, ops, static_cast<int>(prompt.size()));
  EXPECT_TRUE(evaluator.feed(prompt).ok());
  std::vector<std::vector<float>> out;
  for (size_t i = 0; i < prompt.size(); ++i) {
    const auto row = evaluator.logits(static_cast<int>(i));
    out.emplace_back(row.begin(), row.end());
  }
  return out;
}

void expect_greedy(ModelInstance& model, tensor::Ops& ops, const std::vector<TokenId>& prompt,
                   const std::vector<TokenId>& tokens) {
  Evaluator evaluator(model, ops, static_cast<int>(prompt.size() + tokens.size()));
  ASSERT_TRUE(evaluator.feed(prompt).ok());
  int row = static_cast<int>(prompt.size()) - 1;
  for (size_t i = 0; i < tokens.size(); ++i) {
    const auto next = static_cast<TokenId>(ops.argmax(evaluator.logits(row)));
    ASSERT_EQ(next, tokens[i]) << "token " << i;
    ASSERT_TRUE(evaluator.feed({&next, 1}).ok());
    row = 0;
  }
}

class GgufModels : public testing::TestWithParam<const char*> {};

TEST_P(GgufModels, LogitsAndGreedyTokensAsTheReference) {
  const std::string name = std::string("models/") + GetParam();
  const auto model = load(name, model::Precision::kF32);
  const auto ops = tensor::Ops::create({.threads = 2, .table = {}}).value();
  const json::Value golden = expected_of(name);
  const std::vector<TokenId> prompt = tokens_of(golden.at("input_ids"));
  const auto logits = logits_of(*model, *ops, prompt);
  const json::Array& stats = golden.at("row_stats").at("rows").as_array();
  ASSERT_EQ(logits.size(), stats.size());
  for (size_t p = 0; p < logits.size(); ++p) {
    double squares = 0;
    for (const float x : logits[p]) squares += double{x} * x;
    EXPECT_NEAR(std::sqrt(squares), number(stats[p].at(2)), kBound) << p;
    const auto most = std::max_element(logits[p].begin(), logits[p].end());
    EXPECT_NEAR(*most, number(stats[p].at(3)), kBound) << p;
  }
  const json::Value* tops = golden.as_object().if_contains("top");  // else all rows stand elsewhere
  for (const json::Value& top : tops != nullptr ? tops->as_array() : json::Array()) {
    const auto& row = logits[static_cast<size_t>(top.at("pos").as_int64())];
    for (size_t i = 0; i < top.at("top_ids").as_array().size(); ++i) {
      const auto id = static_cast<size_t>(top.at("top_ids").at(i).as_int64());
      EXPECT_NEAR(row[id], number(top.at("top_values").at(i)), kBound) << id;
    }
  }
  const json::Array& last = golden.at("last_row").as_array();
  ASSERT_EQ(last.size(), logits.back().size());
  for (size_t id = 0; id < last.size(); ++id) {
    EXPECT_NEAR(logits.back()[id], number(last[id]), kBound) << id;
  }
  expect_greedy(*model, *ops, prompt, tokens_of(golden.at("greedy").at("tokens")));
}

TEST_P(GgufModels, TokenizerAndTemplateComeOutOfTheMetadata) {
  const auto model = load(std::string("models/") + GetParam(), model::Precision::kNative);
  ASSERT_TRUE(model->tokenizer.has_value());
  EXPECT_EQ(model->tokenizer->size(), static_cast<size_t>(model->config.vocab_size));
  EXPECT_NE(model->chat_template.find("{% for m in messages %}"), std::string::npos);
  const std::string text = "the inner weft of 12 hours\n\t ~";
  const auto ids = model->tokenizer->encode(text);
  EXPECT_EQ(model->tokenizer->decode(ids), text);
  EXPECT_LT(ids.size(), text.size());  // some merge was used
  ASSERT_FALSE(model->config.eos.empty());
  EXPECT_TRUE(model->tokenizer->is_special(model->config.eos[0]));
}

INSTANTIATE_TEST_SUITE_P(All, GgufModels, 
                         testing::Values("qwen3", "qwen3-yarn", "qwen3moe", "exaone",
                                         "exaone4-full", "exaone4-hybrid", "exaone4-hybrid-64",
                                         "granite",
                                         "granite-from-hybrid-class", "granitemoe",
                                         "granitehybrid", "granitehybrid-moe"), [](const auto& c) {
  std::string name = c.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

class GgufQuantised : public testing::TestWithParam<const char*> {
 protected:
  std::string name() const { return std::string("quant/") + GetParam(); }
  // (24, vocabulary): float64 evaluation of the dequantised weights.
  std::vector<float> reference() const {
    const std::string bytes = read_file(golden_directory() + name() + "/logits.f32").value();
    std::vector<float> out(bytes.size() / 4);
    std::memcpy(out.data(), bytes.data(), bytes.size());
    return out;
  }
};

TEST_P(GgufQuantised, DequantisedWeightsGiveTheReference) {
  const auto model = load(name(), model::Precision::kF32);
  const auto ops = tensor::Ops::create({.threads = 2, .table = {}}).value();
  const json::Value golden = expected_of(name());
  const std::vector<TokenId> prompt = tokens_of(golden.at("input_ids"));
  const auto logits = logits_of(*model, *ops, prompt);
  const std::vector<float> expected = reference();
  ASSERT_EQ(expected.size(), logits.size() * logits[0].size());
  for (size_t p = 0; p < logits.size(); ++p) {
    for (size_t i = 0; i < logits[p].size(); ++i) {
      ASSERT_NEAR(logits[p][i], expected[p * logits[p].size() + i], kBound) << p << " " << i;
    }
  }
  expect_greedy(*model, *ops, prompt, tokens_of(golden.at("greedy").at("tokens")));
}

// Eight-bit activations: mean 0.3 and largest 2.0 are what any engine of that kind may be off by.
TEST_P(GgufQuantised, PackedBlocksWithEightBitActivationsStayNear) {
  const auto model = load(name(), model::Precision::kNative);
  const auto ops = tensor::Ops::create({.threads = 2, .table = {}}).value();
  const json::Value golden = expected_of(name());
  const std::vector<TokenId> prompt = tokens_of(golden.at("input_ids"));
  const auto logits = logits_of(*model, *ops, prompt);
  const std::vector<float> expected = reference();
  double sum = 0;
  double largest = 0;
  for (size_t p = 0; p < logits.size(); ++p) {
    for (size_t i = 0; i < logits[p].size(); ++i) {
      const double off = std::abs(double{logits[p][i]} - expected[p * logits[p].size() + i]);
      sum += off;
      largest = std::max(largest, off);
    }
  }
  const double mean = sum / static_cast<double>(expected.size());
  RecordProperty("mean_off", std::to_string(mean));
  RecordProperty("largest_off", std::to_string(largest));
  EXPECT_LT(mean, 0.3);
  EXPECT_LT(largest, 2.0);
  expect_greedy(*model, *ops, prompt, tokens_of(golden.at("greedy").at("tokens")));
}

INSTANTIATE_TEST_SUITE_P(All, GgufQuantised, testing::Values("q4_k_m", "mixed-types"),
                         [](const auto& c) {
                           std::string name = c.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace weft::runtime
