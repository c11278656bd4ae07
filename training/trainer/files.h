// SPDX-License-Identifier: Apache-2.0
//
// The two files of the trainer, both little-endian and written by one writer each.
//
//   samples:     "WFTS0001" | int64 samples, rows | int32 length[samples]
//                | uint16 input[rows] | uint16 target[rows] | uint8 weight_percent[rows]
//   checkpoint:  "WFTC0001" | int64 x 11: the shape (8 numbers), steps, tokens, samples
//                | float parameters[] | float first_moment[] | float second_moment[]
//
// A checkpoint of weights only (from the exported model, for evaluation) has steps = -1 and no
// moments.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model.h"

namespace weft_training {

class SampleFile {
 public:
  explicit SampleFile(const std::string& path);
  // Samples in file order from `sample` on, as many as fit into `rows_max` (at least one); moves
  // `sample` behind them. Starts again at the front when the file ends.
  Batch take(int64_t& sample, int rows_max) const;
  int64_t rows() const { return static_cast<int64_t>(inputs_.size()); }
  int64_t samples() const { return static_cast<int64_t>(offsets_.size()) - 1; }

 private:
  std::vector<int64_t> offsets_;
  std::vector<uint16_t> inputs_, targets_;
  std::vector<uint8_t> weights_;
};

struct Checkpoint {
  ModelShape shape;
  int64_t steps = -1;  // -1: no moments
  int64_t tokens = 0;
  int64_t sample = 0;
  std::vector<float> parameters, first_moment, second_moment;
};
// Replaces the meaning in the embedding of a new model (start.h) by a bare float32 matrix.
void read_embeddings(const std::string& path, Checkpoint& checkpoint);
Checkpoint read_checkpoint(const std::string& path);
// Replaces the file at once: a reader sees the old one or the new one.
void write_checkpoint(const std::string& path, const Checkpoint& checkpoint);

}  // namespace weft_training
