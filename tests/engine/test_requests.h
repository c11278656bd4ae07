// SPDX-License-Identifier: Apache-2.0
//
// For tests of the engine: requests to the small random model, all submitted at once, and what a
// test of determinism compares of their answers. Not part of the product.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <future>
#include <memory>
#include <random>
#include <span>
#include <vector>

#include "runtime/engine.h"
#include "tests/engine/random_model.h"

namespace weft::runtime {

inline const testing_model::RandomModel& small_model() {
  static const testing_model::RandomModel model({});
  return model;
}

inline std::vector<text::TokenId> prompt_of(int length, uint64_t seed, uint64_t vocabulary = 100) {
  std::mt19937_64 random(seed);
  std::vector<text::TokenId> out;
  for (int i = 0; i < length; ++i) out.push_back(static_cast<text::TokenId>(random() % vocabulary));
  return out;
}

inline std::vector<std::future<Completion>> submit(Engine& engine,
                                                   const std::vector<Request>& requests) {
  std::vector<std::future<Completion>> out;
  for (Request request : requests) {
    auto promise = std::make_shared<std::promise<Completion>>();
    out.push_back(promise->get_future());
    request.on_done = [promise](Completion done) { promise->set_value(std::move(done)); };
    const auto handle = engine.submit(std::move(request));
    EXPECT_TRUE(handle.ok()) << (handle.ok() ? "" : handle.error().text());
  }
  return out;
}

// Waits for all answers.
inline std::vector<Completion> serve(Engine& engine, const std::vector<Request>& requests) {
  std::vector<Completion> out;
  for (auto& one : submit(engine, requests)) out.push_back(one.get());
  return out;
}

// One after the other in an engine that shares nothing and guesses nothing.
inline std::vector<Completion> served_plainly(std::shared_ptr<ModelInstance> model,
                                              const std::vector<Request>& requests) {
  const auto engine = Engine::create(std::move(model), {.threads = 1, .share_prefixes = false,
                                                        .speculate = false}).value();
  std::vector<Completion> out;
  for (const Request& request : requests) out.push_back(serve(*engine, {request})[0]);
  return out;
}

// To the bits of their log probabilities.
inline void expect_same(const std::vector<Completion>& got,
                        const std::vector<Completion>& expected) {
  ASSERT_EQ(got.size(), expected.size());
  for (size_t i = 0; i < got.size(); ++i) {
    EXPECT_EQ(got[i].tokens, expected[i].tokens) << "request " << i;
    EXPECT_EQ(got[i].logprobs, expected[i].logprobs) << "request " << i;
    EXPECT_EQ(got[i].finish, expected[i].finish) << "request " << i;
  }
}

// ln softmax of the logits of one position, in double.
inline std::vector<double> log_probabilities(std::span<const float> logits) {
  const double most = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float x : logits) sum += std::exp(x - most);
  std::vector<double> out;
  for (const float x : logits) out.push_back(x - most - std::log(sum));
  return out;
}

}  // namespace weft::runtime
