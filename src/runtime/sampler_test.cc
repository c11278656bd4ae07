// SPDX-License-Identifier: Apache-2.0
#include "runtime/sampler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>
#include <set>

namespace weft::runtime {
namespace {

using text::TokenId;

class SamplerTest : public ::testing::Test {
 protected:
  SamplerTest() : ops_(tensor::Ops::create({.threads = 1, .table = {}}).value()) {}

  std::optional<Sampled> sample(const Sampling& sampling, std::vector<float> logits,
                                int64_t position = 0, const grammar::TokenMask* mask = nullptr,
                                const TokenHistory* history = nullptr) {
    return sampler_.sample(*ops_, sampling, {logits, mask, history, position, true});
  }
  std::set<TokenId> drawn(const Sampling& sampling, const std::vector<float>& logits) {
    std::set<TokenId> out;
    for (int position = 0; position < 400; ++position) {
      out.insert(sample(sampling, logits, position)->id);
    }
    return out;
  }
  std::unique_ptr<tensor::Ops> ops_;
  Sampler sampler_;
};

// The known answers of Random123's kat_vectors for philox4x32-10.
TEST(Philox, AgreesWithItsAuthorsVectors) {
  const PhiloxCounter zero = philox({{0, 0, 0, 0}}, 0);
  EXPECT_EQ(zero.words[0], 0x6627e8d5u);
  EXPECT_EQ(zero.words[1], 0xe169c58du);
  EXPECT_EQ(zero.words[2], 0xbc57ac4cu);
  EXPECT_EQ(zero.words[3], 0x9b00dbd8u);
  const PhiloxCounter ones = philox({{~0u, ~0u, ~0u, ~0u}}, ~uint64_t{0});
  EXPECT_EQ(ones.words[0], 0x408f276du);
  EXPECT_EQ(ones.words[3], 0x6d5451fdu);
  const PhiloxCounter pi = philox({{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}},
                                  0x299f31d0a4093822u);
  EXPECT_EQ(pi.words[0], 0xd16cfe09u);
}

TEST_F(SamplerTest, GreedyTakesTheLowestOfEqualIds) {
  EXPECT_EQ(sample({.temperature = 0}, {1, 5, 5, 2})->id, 1);
  EXPECT_EQ(sample({.temperature = 0}, {-3, -3})->id, 0);
}

TEST_F(SamplerTest, DrawsInProportion) {
  // probabilities 1/7, 2/7, 4/7
  const std::vector<float> logits = {0, std::log(2.0f), std::log(4.0f)};
  int counts[3] = {};
  const int n = 14000;
  for (int i = 0; i < n; ++i) ++counts[sample({.seed = 7}, logits, i)->id];
  EXPECT_NEAR(counts[0], n / 7, 150);
  EXPECT_NEAR(counts[1], 2 * n / 7, 200);
  EXPECT_NEAR(counts[2], 4 * n / 7, 200);
  EXPECT_NEAR(sample({.temperature = 0}, logits)->logprob, std::log(4.0 / 7), 1e-6);
}

TEST_F(SamplerTest, IsAFunctionOfSeedChoiceAndPosition) {
  const std::vector<float> logits(100, 0.0f);
  const auto at = [&](uint64_t seed, uint32_t choice, int64_t position) {
    return sample({.seed = seed, .choice = choice}, logits, position)->id;
  };
  std::set<TokenId> different;
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(at(1, 0, i), at(1, 0, i));
    different.insert(at(1, 0, i));
    different.insert(at(2, 0, i));
    different.insert(at(1, 1, i));
  }
  EXPECT_GT(different.size(), 20u);
  double sum = 0;
  for (int i = 0; i < 10000; ++i) sum += uniform_at(3, 0, i);
  EXPECT_NEAR(sum / 10000, 0.5, 0.01);
}

TEST_F(SamplerTest, CutsWhatIsCut) {
  const std::vector<float> logits = {0, 3, 1, 2, -1};
  EXPECT_EQ(drawn({}, logits), (std::set<TokenId>{0, 1, 2, 3, 4}));
  EXPECT_EQ(drawn({.top_k = 2}, logits), (std::set<TokenId>{1, 3}));
  EXPECT_EQ(drawn({.top_k = 1}, {2, 2, 2}), (std::set<TokenId>{0}));  // ties: lowest id
  // probabilities 0.64 0.24 0.09 0.03 0.01
  EXPECT_EQ(drawn({.top_p = 0.6}, logits), (std::set<TokenId>{1}));
  EXPECT_EQ(drawn({.top_p = 0.8}, logits), (std::set<TokenId>{1, 3}));
  EXPECT_EQ(drawn({.min_p = 0.1}, logits), (std::set<TokenId>{1, 2, 3}));
  EXPECT_EQ(drawn({.temperature = 0.05}, logits), (std::set<TokenId>{1}));
}

// The plain twin: everything is sorted, then cut, then drawn from.
TokenId plainly(tensor::Ops& ops, const Sampling& s, const std::vector<float>& logits,
                int64_t position) {
  std::vector<float> p(logits.size());
  ops.softmax(p, logits, static_cast<float>(1 / s.temperature));
  std::vector<TokenId> ids;
  for (size_t id = 0; id < p.size(); ++id) {
    if (p[id] > 0) ids.push_back(static_cast<TokenId>(id));
  }
  const auto of = [&](TokenId id) { return p[static_cast<size_t>(id)]; };
  if (s.top_k > 0 || s.top_p < 1) {
    std::ranges::stable_sort(ids, [&](TokenId a, TokenId b) { return of(a) > of(b); });
  }
  const float floor = static_cast<float>(s.min_p) * *std::ranges::max_element(p);
  if (s.top_k > 0 && ids.size() > static_cast<size_t>(s.top_k)) {
    ids.resize(static_cast<size_t>(s.top_k));
  }
  const auto sum_of = [&] {
    return std::accumulate(ids.begin(), ids.end(), 0.0,
                           [&](double sum, TokenId id) { return sum + of(id); });
  };
  const double all = sum_of();
  double sum = 0;
  for (size_t i = 0; s.top_p < 1 && i < ids.size(); ++i) {
    sum += of(ids[i]);
    if (sum >= s.top_p * all) ids.resize(i + 1);
  }
  std::erase_if(ids, [&](TokenId id) { return of(id) < floor; });
  const double target = uniform_at(s.seed, s.choice, position) * sum_of();
  sum = 0;
  for (const TokenId id : ids) {
    sum += of(id);
    if (sum > target) return id;
  }
  return ids.back();
}

TEST_F(SamplerTest, DrawsWhatSortingEverythingWouldDraw) {
  std::mt19937_64 random(5);
  for (int round = 0; round < 4000; ++round) {
    const size_t size = 1 + random() % (round % 10 == 0 ? 20'000 : 700);
    std::normal_distribution<float> normal(0, static_cast<float>(random() % 12));
    std::vector<float> logits(size);
    for (float& logit : logits) logit = normal(random);
    if (round % 3 == 0) {  // many equal ones
      for (float& logit : logits) logit = std::round(logit);
    }
    if (round % 4 == 0) {  // most are forbidden
      for (float& logit : logits) logit = random() % 20 == 0 ? logit : -INFINITY;
      logits[random() % size] = 0;
    }
    const int ks[] = {0, 0, 0, 1, 2, 20, 64, 1000, 30'000};
    const double ps[] = {1, 1, 0.95, 0.5, 0.999999, 1e-9};
    const Sampling sampling{.temperature = random() % 3 == 0 ? 0.3 : 1.0, .top_k = ks[random() % 9],
                            .top_p = ps[random() % 6], .min_p = random() % 4 == 0 ? 0.05 : 0,
                            .seed = static_cast<uint64_t>(round)};
    for (int position = 0; position < 3; ++position) {
      ASSERT_EQ(sample(sampling, logits, position)->id,
                plainly(*ops_, sampling, logits, position))
          << size << " tokens, top_k " << sampling.top_k << ", top_p " << sampling.top_p;
    }
  }
}

TEST_F(SamplerTest, KeepsToTheMask) {
  grammar::TokenMask mask(70);
  mask.clear();
  mask.allow(69);
  mask.allow(3);
  std::vector<float> logits(70, 10.0f);
  logits[3] = logits[69] = 0.0f;
  std::set<TokenId> seen;
  for (int i = 0; i < 200; ++i) seen.insert(sample({}, logits, i, &mask)->id);
  EXPECT_EQ(seen, (std::set<TokenId>{3, 69}));
  EXPECT_EQ(sample({.temperature = 0}, logits, 0, &mask)->id, 3);
  EXPECT_NEAR(sample({.temperature = 0}, logits, 0, &mask)->logprob, std::log(0.5), 1e-6);
}

TEST_F(SamplerTest, PenalisesWhatWasSeen) {
  TokenHistory history;
  const TokenId prompt[] = {1, 2};
  history.add_prompt(prompt);
  history.add_generated(0);
  history.add_generated(0);
  Sampling sampling{.temperature = 0, .repetition_penalty = 2};
  EXPECT_EQ(sample(sampling, {4, 3.9f, 3.8f, 2.1f}, 0, nullptr, &history)->id, 3);
  EXPECT_EQ(sample(sampling, {-1, -1, -1, -1.9f}, 0, nullptr, &history)->id, 3);
  sampling = {.temperature = 0, .presence_penalty = 1, .frequency_penalty = 0.5};
  EXPECT_EQ(sample(sampling, {4, 2.1f, 0, 0}, 0, nullptr, &history)->id, 1);
  EXPECT_EQ(sample(sampling, {4, 1.9f, 0, 0}, 0, nullptr, &history)->id, 0);
}

TEST_F(SamplerTest, SaysWhenThereIsNothingToChoose) {
  const float nan = std::nanf("");
  EXPECT_FALSE(sample({}, {nan, nan}).has_value());
  EXPECT_FALSE(sample({}, {1.0f, nan}).has_value());
  EXPECT_FALSE(sample({.temperature = 0}, {nan, nan}).has_value());
  grammar::TokenMask mask(2);
  mask.clear();
  EXPECT_FALSE(sample({}, {1, 2}, 0, &mask).has_value());
}

TEST_F(SamplerTest, RefusesParametersOutOfRange) {
  EXPECT_TRUE(check_sampling({}).ok());
  for (const Sampling& bad :
       {Sampling{.temperature = -1}, Sampling{.temperature = std::nan("")}, Sampling{.top_k = -1},
        Sampling{.top_p = 0}, Sampling{.top_p = 1.1}, Sampling{.min_p = 2},
        Sampling{.repetition_penalty = 0}, Sampling{.frequency_penalty = 1e9}}) {
    EXPECT_EQ(check_sampling(bad).error().code, "E0730");
  }
}

TEST_F(SamplerTest, TellsTheMostProbable) {
  std::vector<float> logits = {0, 2, 1, 2, -INFINITY};
  const Sampling greedy{.temperature = 0};
  const auto out = sampler_.sample(*ops_, greedy, {.logits = logits, .logprob = true,
                                                   .top_logprobs = 3});
  ASSERT_EQ(out->top.size(), 3u);
  EXPECT_EQ(out->top[0].id, 1);  // of equals the lower id first
  EXPECT_EQ(out->top[1].id, 3);
  EXPECT_EQ(out->top[2].id, 2);
  EXPECT_EQ(out->top[0].logprob, out->logprob);
  EXPECT_FLOAT_EQ(out->top[2].logprob, out->logprob - 1);
  logits = {0, 2, 1, 2, -INFINITY};
  EXPECT_EQ(sampler_.sample(*ops_, greedy, {.logits = logits, .logprob = true,
                                            .top_logprobs = 20})->top.size(), 4u);
}

}  // namespace
}  // namespace weft::runtime
