// SPDX-License-Identifier: Apache-2.0
//
// Routed experts: every row goes through the few gated MLPs that the router prefers, and their
// outputs are added with the router's weights:
//
//   out = sum_{e in S} w_e Wd_e (silu(Wg_e x) * (Wu_e x)),   S = the k largest of the router's rows
//
// The rows of an expert are gathered and go through it together, expert by expert in ascending
// order: so the order in which a row's sum is formed depends on the row alone, and so do its bits.
// How scores become weights differs between the families: that is the caller's (Routing).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "family/decoder.h"

namespace weft::family {

// The chosen experts of every row, best first, and the weight of each: (M, per_token).
struct Routing {
  int per_token = 0;
  std::vector<int32_t> expert;
  std::vector<float> weight;

  // The `k` largest scores of each row; among equals the lowest index, NaN last. The weights are
  // the scores themselves.
  void choose(tensor::ConstRows scores, int k);
  std::span<float> weights_of(int64_t row) {
    return std::span(weight).subspan(static_cast<size_t>(row * per_token),
                                     static_cast<size_t>(per_token));
  }
};

// Activations of a pass, kept between passes.
struct ExpertScratch {
  Scratch scores, rows, outs, wide;
  Routing routing;
};

class Experts {
 public:
  // Names of the tensors of a sparse layer. One tensor an expert, or all experts stacked with gate
  // and up in one, (experts, 2 I, H) and (experts, H, I); whichever the files have.
  struct Names {
    std::string router;
    std::string one;            // what stands before "E.gate_proj.weight"
    std::string gate_up, down;  // stacked
  };
  // E0212 as model/weights.
  static Result<Experts> bind(const model::Config& config, model::WeightBinder& weights,
                              const Names& names);

  // scores (M, experts) = router x, in scratch.scores.
  tensor::Rows score(tensor::Ops& ops, tensor::ConstRows x, ExpertScratch& scratch) const;
  // out = the sum above by scratch.routing. Not in place.
  void mix(tensor::Ops& ops, tensor::Rows out, tensor::ConstRows x, ExpertScratch& scratch) const;

  bool empty() const { return experts_.empty(); }
  // What one token reads: the router and its share of the experts.
  size_t bytes(int per_token) const;

 private:
  tensor::Matrix router_;  // (experts, H)
  std::vector<GatedMlp> experts_;
};

}  // namespace weft::family
