// SPDX-License-Identifier: Apache-2.0
// `fast` numerics through the engine: the property test of portable ones over again. A request's
// tokens and log probabilities have the same bits alone and in batches, in any chunks, from shared
// prefixes, before and after preemption, with guesses and when it is resumed; on every table. And
// what they are called, and how far from portable they are.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "runtime/engine.h"
#include "runtime/evaluator.h"
#include "tensor/tables.h"
#include "tests/engine/test_requests.h"
#include "tests/instrumented.h"

namespace weft::runtime {
namespace {

using tensor::Numerics;
using testing_model::RandomModel;

std::shared_ptr<ModelInstance> load(const RandomModel& random, Numerics numerics,
                                    model::Precision precision = model::Precision::kNative) {
  return ModelInstance::load(random.files(),
                             {.precision = precision, .numerics = numerics, .threads = 1}).value();
}

// Around the span of attention; half of them begin alike, so that they can share.
std::vector<Request> requests_of(int count) {
  const int lengths[] = {255, 256, 257, 1031, 1, 33, 300, 64};
  std::vector<Request> out;
  for (int i = 0; i < count; ++i) {
    Request request;
    if (i % 2 == 0) request.prompt = prompt_of(200, 1);
    const auto own = prompt_of(lengths[i % 8], static_cast<uint64_t>(i) + 2);
    request.prompt.insert(request.prompt.end(), own.begin(), own.end());
    request.max_tokens = 40 + i;
    request.priority = i % 3;
    request.sampling.temperature = i % 3 == 0 ? 0.9 : 0.0;
    request.sampling.seed = static_cast<uint64_t>(i);
    request.logprobs = true;
    out.push_back(std::move(request));
  }
  return out;
}

TEST(FastNumerics, CompanySharingPreemptionAndGuessesChangeNoToken) {
  const auto requests = requests_of(kInstrumented ? 6 : 17);
  const auto model = load(small_model(), Numerics::kFast);
  const auto expected = served_plainly(model, requests);
  const auto block = static_cast<size_t>(model->kv_shape().block_bytes());
  int64_t preemptions = 0, cached = 0, accepted = 0;
  for (const int chunk : {16, 64, 512}) {
    for (const bool tight : {true, false}) {
      SCOPED_TRACE(testing::Message() << "chunk " << chunk << " tight " << tight);
      EngineOptions options{.threads = chunk == 512 ? 4 : 1, .tokens_per_tick = chunk};
      if (tight) options.kv_bytes_max = block * 60;
      const auto engine = Engine::create(model, options).value();
      expect_same(serve(*engine, requests), expected);
      expect_same(serve(*engine, requests), expected);  // out of the cache, mostly
      const EngineStats stats = engine->stats();
      preemptions += stats.preemptions;
      cached += stats.cached_tokens;
      accepted += stats.accepted_tokens;
    }
  }
  EXPECT_GT(preemptions, 0);
  EXPECT_GT(cached, 0);
  EXPECT_GT(accepted, 0);
}

TEST(FastNumerics, ResumingChangesNoToken) {
  const auto requests = requests_of(6);
  const auto model = load(small_model(), Numerics::kFast);
  const auto expected = served_plainly(model, requests);
  const auto engine = Engine::create(model, {.threads = 1, .tokens_per_tick = 64}).value();
  for (const size_t cut : {1u, 7u, 30u}) {
    std::vector<Request> resumed = requests;
    for (size_t i = 0; i < resumed.size(); ++i) {
      for (size_t t = 0; t < std::min(cut, expected[i].tokens.size()); ++t) {
        Sampled token{expected[i].tokens[t], expected[i].logprobs[t]};
        token.resumed = true;
        resumed[i].resumed.push_back(std::move(token));
      }
    }
    SCOPED_TRACE(testing::Message() << "cut at " << cut);
    expect_same(serve(*engine, resumed), expected);
  }
}

std::vector<float> logits_of(ModelInstance& model, const char* table = "", int tokens = 48) {
  const auto ops =
      tensor::Ops::create({.threads = 2, .table = table, .numerics = model.numerics}).value();
  Evaluator evaluator(model, *ops, tokens);
  EXPECT_TRUE(evaluator.feed(prompt_of(tokens, 5)).ok());
  std::vector<float> out;
  for (int i = 0; i < tokens; ++i) {
    out.insert(out.end(), evaluator.logits(i).begin(), evaluator.logits(i).end());
  }
  return out;
}

TEST(FastNumerics, EveryTableGivesTheSameLogits) {
  const auto model = load(small_model(), Numerics::kFast);
  const auto fastest = logits_of(*model);
  for (const tensor::KernelTable* table : tensor::usable_tables()) {
    EXPECT_EQ(fastest, logits_of(*model, table->name)) << table->name;
  }
}

TEST(FastNumerics, AreNamed) {
  const auto fast = load(small_model(), Numerics::kFast);
  const auto portable = load(small_model(), Numerics::kPortable);
  EXPECT_EQ(fast->fingerprint().find("weft-fast-native-kvf16-"), 0u) << fast->fingerprint();
  EXPECT_EQ(portable->fingerprint().find("weft-portable-native-kvf16-"), 0u);
}

// The network on which 8-bit weights cost 0.0012 nats (quantised_test).
TEST(FastNumerics, StayCloseToPortable) {
  constexpr size_t kVocabulary = 8192;
  constexpr int kPositions = kInstrumented ? 32 : 128;
  const RandomModel random({.hidden = 1024, .inner = 3072, .layers = 2, .heads = 16,
                            .kv_heads = 8, .head_dim = 128, .vocab = kVocabulary,
                            .context = 2048, .seed = 20});
  const auto a = logits_of(*load(random, Numerics::kPortable), "", kPositions);
  const auto b = logits_of(*load(random, Numerics::kFast), "", kPositions);
  double divergence = 0;
  for (size_t at = 0; at < a.size(); at += kVocabulary) {
    const auto p = log_probabilities(std::span(a).subspan(at, kVocabulary));
    const auto q = log_probabilities(std::span(b).subspan(at, kVocabulary));
    for (size_t id = 0; id < p.size(); ++id) divergence += std::exp(p[id]) * (p[id] - q[id]);
  }
  RecordProperty("mean_kl", std::to_string(divergence / kPositions));
  std::printf("fast against portable: mean KL %.2g\n", divergence / kPositions);
  EXPECT_GT(divergence, 0);
  EXPECT_LT(divergence / kPositions, 3e-4);
}

// They concern bf16 weights: others are multiplied as ever.
TEST(FastNumerics, ChangeNothingForQuantisedAndFloat32Weights) {
  for (const auto precision : {model::Precision::kQ8, model::Precision::kF32}) {
    EXPECT_EQ(logits_of(*load(small_model(), Numerics::kFast, precision)),
              logits_of(*load(small_model(), Numerics::kPortable, precision)))
        << name_of(precision);
  }
}

}  // namespace
}  // namespace weft::runtime
