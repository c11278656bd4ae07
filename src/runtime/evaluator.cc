// SPDX-License-Identifier: Apache-2.0
#include "runtime/evaluator.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "runtime/block_pool.h"

namespace weft::runtime {
namespace {

int blocks_for(int tokens) { return (tokens + kBlockPositions - 1) / kBlockPositions; }

}  // namespace

Status check_tokens(const ModelInstance& model, std::span<const text::TokenId> tokens) {
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (tokens[i] >= 0 && tokens[i] < model.config.vocab_size) continue;
    return make_error("E0730", fmt::format("token {} at index {} is not in the vocabulary of {}",
                                           tokens[i], i, model.config.vocab_size),
                      "encode the text with this model's tokenizer");
  }
  return ok_status();
}

Evaluator::Evaluator(ModelInstance& model, tensor::Ops& ops, int tokens_max)
    : model_(model), ops_(ops), tokens_max_(tokens_max),
      cache_(model.kv_shape(), blocks_for(std::max(tokens_max, 1))),
      states_(model.family->state_floats(), 1), state_(states_.take()),
      blocks_(static_cast<size_t>(cache_.blocks())) {
  std::iota(blocks_.begin(), blocks_.end(), 0);
}

Status Evaluator::feed(std::span<const text::TokenId> tokens) {
  CHECK(!tokens.empty());
  TRY(check_tokens(model_, tokens));
  rows_ = static_cast<int>(tokens.size());
  const int limit = std::min(tokens_max_, model_.config.context);
  if (position_ + rows_ > limit) {
    return make_error("E0731", fmt::format("{} tokens do not fit into a context of {}",
                                           position_ + rows_, limit));
  }
  std::vector<int32_t> positions(tokens.size());
  std::iota(positions.begin(), positions.end(), position_);
  const tensor::SequenceRows sequence{blocks_, 0, rows_, position_};
  float* const state = states_.run(state_, position_, rows_);
  const int width = model_.family->hidden_size();
  hidden_.resize(tokens.size() * static_cast<size_t>(width));
  model_.family->forward(ops_, {tokens, positions, {&sequence, 1}, {&state, 1}}, cache_.view(),
                         {hidden_.data(), rows_, width});
  position_ += rows_;
  return ok_status();
}

std::span<const float> Evaluator::hidden(int index) const {
  CHECK(index >= 0 && index < rows_, "row {} of {}", index, rows_);
  const auto width = static_cast<size_t>(model_.family->hidden_size());
  return std::span(hidden_).subspan(static_cast<size_t>(index) * width, width);
}

std::span<const float> Evaluator::logits(int index) {
  const std::span<const float> row = hidden(index);
  logits_.resize(static_cast<size_t>(model_.family->vocab_size()));
  model_.family->head(ops_, {row.data(), 1, std::ssize(row)},
                      {logits_.data(), 1, model_.family->vocab_size()});
  return logits_;
}

void Evaluator::rewind(int position) {
  CHECK(position >= 0 && position <= position_, "position {} of {}", position, position_);
  CHECK(position == 0 || position == position_ || model_.family->state_floats() == 0,
        "a recurrent state cannot go back to {}", position);
  position_ = position;
  rows_ = 0;
}

}  // namespace weft::runtime
