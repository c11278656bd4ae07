// SPDX-License-Identifier: Apache-2.0
//
// The most probable of a vocabulary, best first, without sorting it. The one idea: if `count`
// blocks of a row have a largest value of at least t, then `count` values of the row are at least
// t, so that only blocks which reach the count-th largest of these maxima are looked into. For a
// model's 150,000 probabilities and the 20 that top_k asks for this is one pass over the row and
// some 20 blocks, where sorting took longer than computing the token.
//
// Not here: what is asked for and what is done with it (sampler.cc).
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "text/token.h"

namespace weft::runtime {

struct Candidate {
  float probability = 0;
  text::TokenId id = 0;
};

class Candidates {
 public:
  // The row of which the following speaks; the caller keeps it.
  void read(std::span<const float> probabilities);

  // At least the `count` most probable, or all above 0 if there are fewer: sorted, of equals the
  // lower id first. Valid until the next call.
  std::span<Candidate> leading(size_t count);
  // Did the last leading() give all that are above 0?
  bool all() const { return all_; }

 private:
  void sort_found();
  std::span<const float> row_;
  std::vector<float> maxima_;   // of each block
  std::vector<float> ordered_;  // the same, partly sorted
  std::vector<Candidate> found_;
  std::vector<Candidate> moved_;
  bool all_ = false;
};

// All probabilities of at least `floor`, in the order of their ids: 64 are summed in four lanes,
// then the sums in order.
class WholeRow {
 public:
  double sum(std::span<const float> probabilities, float floor);
  // One of them in proportion, by a number in [0, 1). At least one of them is above 0.
  text::TokenId draw(std::span<const float> probabilities, float floor, double uniform);

 private:
  std::vector<double> sums_;  // of each block
};

}  // namespace weft::runtime
