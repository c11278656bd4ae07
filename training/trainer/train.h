// SPDX-License-Identifier: Apache-2.0
//
// The training loop: warm-up, constant rate, linear decay to zero, all counted in tokens, so that
// a run gives the same weights however fast or busy the machine is. A run stops at any time with
// a checkpoint (signal, or `stop_at_tokens`), goes on from it, and may decay from any point of
// its constant phase.
#pragma once

#include <cstdint>
#include <string>

#include "model.h"
#include "optimizer.h"

namespace weft_training {

struct TrainOptions {
  std::string samples;
  std::string checkpoint;         // read when it exists, and written
  std::string start;              // begin from this one, on a new file, when `checkpoint` is absent
  std::string embeddings;         // float32 (vocabulary, hidden) to begin from; may be empty
  ModelShape shape;
  OptimizerOptions optimizer;
  uint64_t seed = 1;
  float learning_rate = 2e-3f;
  int64_t warmup_steps = 100;
  int64_t decay_from_tokens = 0;  // 0: never
  int64_t decay_to_tokens = 0;    // rate 0 is reached here; 0: where the run stops
  int64_t stop_at_tokens = 0;
  float dropout = 0;              // share of inner values left out, see Pass::set_dropout
  bool rounded = true;            // int8 products, see int8_matrix.h
  int shard_rows = 2048;          // rows of one shard of a step
  int shards = 2;                 // fixed for a run: part of what makes it repeatable
  int threads = 2;                // at most `shards`; any number gives the same result
  double checkpoint_seconds = 180;
};

void train(const TrainOptions& options);

}  // namespace weft_training
