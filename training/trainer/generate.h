// SPDX-License-Identifier: Apache-2.0
//
// Greedy generation with a key-value cache, for evaluation without the engine. All prompts of a
// group advance together, one token each at a time, so that the matrix products stay wide.
#pragma once

#include <string>
#include <vector>

#include "files.h"
#include "model.h"

namespace weft_training {

struct GenerateOptions {
  std::vector<int> stop_ids;
  int tokens_max = 200;
  int group = 64;
  int threads = 2;
};

// Answers in the order of the prompts, without the stop token.
std::vector<std::vector<int>> generate(const Checkpoint& weights,
                                       const std::vector<std::vector<int>>& prompts,
                                       const GenerateOptions& options);

// The logits of the ids `choices` behind every prompt: for the calibration of a choice among a few.
std::vector<std::vector<float>> choose(const Checkpoint& weights,
                                       const std::vector<std::vector<int>>& prompts,
                                       const std::vector<int>& choices,
                                       const GenerateOptions& options);

}  // namespace weft_training
