// SPDX-License-Identifier: Apache-2.0
// Tiny checkpoints of random weights and the numbers that their reference implementation gives
// (tests/golden/logits): every position within 2e-3 in float32 arithmetic, the same greedy tokens,
// and the same bits whatever the chunks, threads and kernel tables.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/file.h"
#include "base/json.h"
#include "runtime/evaluator.h"

namespace weft::runtime {
namespace {

using text::TokenId;

constexpr double kBound = 2e-3;

double number(const json::Value& value) { return value.to_number<double>(); }

std::vector<int> integers(const json::Value& list) {
  std::vector<int> out;
  for (const json::Value& item : list.as_array()) out.push_back(static_cast<int>(item.as_int64()));
  return out;
}

class Golden : public testing::TestWithParam<const char*> {
 protected:
  std::string directory() const {
    return std::string(WEFT_SOURCE_DIR "/tests/golden/logits/") + GetParam();
  }
  std::shared_ptr<ModelInstance> load(model::Precision precision) {
    auto loaded = ModelInstance::load(model::ModelFiles(directory()),
                                      {.precision = precision, .kv = tensor::KvType::kF32});
    EXPECT_TRUE(loaded.ok()) << (loaded.ok() ? "" : loaded.error().text());
    return loaded.value();
  }
  json::Value expected() const {
    return json::parse(read_file(directory() + "/expected.json").value()).value();
  }
  static std::unique_ptr<tensor::Ops> ops(int threads, std::string table = "") {
    return tensor::Ops::create({.threads = threads, .table = std::move(table)}).value();
  }
  // All logits of the prompt, cut as `chunks` says.
  static std::vector<std::vector<float>> all_logits(ModelInstance& model, tensor::Ops& ops,
                                                    const std::vector<int>& prompt,
                                                    const std::vector<int>& chunks) {
    Evaluator evaluator(model, ops, static_cast<int>(prompt.size()));
    std::vector<std::vector<float>> out;
    auto at = prompt.begin();
    for (const int chunk : chunks) {
      EXPECT_TRUE(evaluator.feed({&*at, static_cast<size_t>(chunk)}).ok());
      for (int i = 0; i < chunk; ++i) {
        const auto row = evaluator.logits(i);
        out.emplace_back(row.begin(), row.end());
      }
      at += chunk;
    }
    EXPECT_EQ(at, prompt.end());
    return out;
  }
};

TEST_P(Golden, LogitsAgreeAtEveryPosition) {
  const auto model = load(model::Precision::kF32);
  const auto o = ops(2);
  const json::Value golden = expected();
  const std::vector<int> prompt = integers(golden.at("input_ids"));
  const auto logits = all_logits(*model, *o, prompt, {static_cast<int>(prompt.size())});
  ASSERT_EQ(logits.size(), golden.at("row_stats").at("rows").as_array().size());
  for (size_t p = 0; p < logits.size(); ++p) {
    const json::Value& stats = golden.at("row_stats").at("rows").at(p);
    double sum = 0;
    double squares = 0;
    for (const float x : logits[p]) {
      sum += x;
      squares += double{x} * x;
    }
    EXPECT_NEAR(sum / static_cast<double>(logits[p].size()), number(stats.at(0)), kBound) << p;
    EXPECT_NEAR(std::sqrt(squares), number(stats.at(2)), kBound) << p;
    const auto most = std::max_element(logits[p].begin(), logits[p].end());
    EXPECT_NEAR(*most, number(stats.at(3)), kBound) << p;
    EXPECT_EQ(most - logits[p].begin(), number(stats.at(4))) << p;
  }
  for (const json::Value& top : golden.at("top").as_array()) {
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
}

TEST_P(Golden, GreedyContinuesAsTheReference) {
  const auto model = load(model::Precision::kF32);
  const auto o = ops(1);
  const json::Value golden = expected();
  const std::vector<int> prompt = integers(golden.at("input_ids"));
  const std::vector<int> tokens = integers(golden.at("greedy").at("tokens"));
  Evaluator evaluator(*model, *o, static_cast<int>(prompt.size() + tokens.size()));
  ASSERT_TRUE(evaluator.feed(prompt).ok());
  int row = static_cast<int>(prompt.size()) - 1;
  for (const int expected_token : tokens) {
    const auto next = static_cast<TokenId>(o->argmax(evaluator.logits(row)));
    ASSERT_EQ(next, expected_token);
    ASSERT_TRUE(evaluator.feed({&next, 1}).ok());
    row = 0;
  }
}

TEST_P(Golden, ChunksThreadsAndTablesChangeNoBit) {
  const auto model = load(model::Precision::kF32);
  const auto native = load(model::Precision::kNative);
  const json::Value golden = expected();
  const std::vector<int> prompt = integers(golden.at("input_ids"));
  const auto one = ops(1);
  const auto whole = all_logits(*model, *one, prompt, {static_cast<int>(prompt.size())});
  for (const json::Value& plan : golden.at("chunk_plans").as_array()) {
    EXPECT_EQ(all_logits(*model, *one, prompt, integers(plan)), whole) << json::dump(plan);
  }
  for (const int threads : {2, 4}) {
    const auto o = ops(threads);
    EXPECT_EQ(all_logits(*model, *o, prompt, {static_cast<int>(prompt.size())}), whole);
  }
  const auto scalar = ops(1, "scalar");
  EXPECT_EQ(all_logits(*model, *scalar, prompt, {static_cast<int>(prompt.size())}), whole);
  // Weights kept as bf16 or f16 take part in the same float32 arithmetic.
  EXPECT_EQ(all_logits(*native, *one, prompt, {static_cast<int>(prompt.size())}), whole);
}

constexpr const char* kCases[] = {
    "qwen3-tied",      "qwen3-untied-f32", "qwen3-bias",    "qwen3-yarn",   "qwen3-sharded-v5",
    "qwen3moe-norm",   "qwen3moe-nonorm",  "qwen3moe-mixed",
    "exaone4-hybrid",  "exaone4-hybrid-6", "exaone4-full",
    "exaone35-tied",   "exaone35-untied",
    "granite4-micro",  "granite3",         "granite3-bias", "granite4-h",   "granite4-h-moe"};
INSTANTIATE_TEST_SUITE_P(Families, Golden, testing::ValuesIn(kCases), [](const auto& c) {
  std::string name = c.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

}  // namespace
}  // namespace weft::runtime
