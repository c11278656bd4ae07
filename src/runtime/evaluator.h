// SPDX-License-Identifier: Apache-2.0
//
// The bare model: tokens in, logits of chosen positions out, one sequence, any cut into chunks.
// For `weft logits`, golden tests and measurements; the engine serves requests.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "base/error.h"
#include "runtime/kv_cache.h"
#include "runtime/model_instance.h"
#include "runtime/state_pool.h"
#include "tensor/ops.h"

namespace weft::runtime {

class Evaluator {
 public:
  // Room for `tokens_max` tokens. `model` and `ops` outlive the evaluator.
  Evaluator(ModelInstance& model, tensor::Ops& ops, int tokens_max);

  // Computes the next tokens of the sequence. E0730 for ids outside the vocabulary, E0731 beyond
  // the context or tokens_max.
  Status feed(std::span<const text::TokenId> tokens);
  // Logits (V) of row `index` of the last feed(); valid until the next call.
  std::span<const float> logits(int index);
  // The residual stream behind the final norm (hidden_size) of row `index` of the last feed().
  std::span<const float> hidden(int index) const;

  int position() const { return position_; }  // tokens computed so far
  // Forgets what follows; 0 = everything, and the only place a recurrent model can go back to.
  void rewind(int position);
  tensor::Ops& ops() { return ops_; }

 private:
  ModelInstance& model_;
  tensor::Ops& ops_;
  int tokens_max_;
  KvCache cache_;
  StatePool states_;
  int state_;  // this sequence's slot
  std::vector<int32_t> blocks_;
  std::vector<float> hidden_;
  std::vector<float> logits_;
  int position_ = 0;
  int rows_ = 0;  // of the last feed
};

// Ids must be rows of the embedding. E0730 names the first that is not.
Status check_tokens(const ModelInstance& model, std::span<const text::TokenId> tokens);

}  // namespace weft::runtime
