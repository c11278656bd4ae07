// SPDX-License-Identifier: Apache-2.0
#include "family/experts.h"

#include <algorithm>
#include <cstring>

namespace weft::family {

using tensor::ConstRows;
using tensor::Rows;

void Routing::choose(ConstRows scores, int k) {
  CHECK(k > 0 && k <= scores.columns, "{} of {} experts", k, scores.columns);
  per_token = k;
  expert.assign(static_cast<size_t>(scores.rows * k), 0);
  weight.assign(expert.size(), 0.0f);
  std::vector<uint8_t> taken(static_cast<size_t>(scores.columns));
  for (int64_t row = 0; row < scores.rows; ++row) {
    const float* score = scores.row(row);
    std::ranges::fill(taken, 0);
    for (int rank = 0; rank < k; ++rank) {
      int64_t best = -1;
      for (int64_t e = 0; e < scores.columns; ++e) {
        if (taken[static_cast<size_t>(e)] != 0) continue;
        const bool better = best < 0 || score[e] > score[best] ||
                            (score[best] != score[best] && score[e] == score[e]);
        if (better) best = e;
      }
      taken[static_cast<size_t>(best)] = 1;
      const auto at = static_cast<size_t>(row * k + rank);
      expert[at] = static_cast<int32_t>(best);
      weight[at] = score[best];
    }
  }
}

Result<Experts> Experts::bind(const model::Config& config, model::WeightBinder& weights,
                              const Names& names) {
  const int64_t h = config.hidden_size;
  const int64_t inner = config.experts.width;
  const int64_t count = config.experts.count;
  Experts out;
  // As stored: the router decides which experts run, and is tiny.
  out.router_ = TRY(weights.table(names.router, count, h));
  const bool stacked = weights.has(names.gate_up) || weights.has(names.down);
  for (int64_t e = 0; e < count; ++e) {
    GatedMlp mlp;
    const std::string one = names.one + std::to_string(e) + ".";
    const model::MatrixPart separate[] = {{one + "gate_proj.weight", inner},
                                          {one + "up_proj.weight", inner}};
    const model::MatrixPart both = {names.gate_up, 2 * inner, e, count};
    const model::MatrixPart down =
        stacked ? model::MatrixPart{names.down, h, e, count}
                : model::MatrixPart{one + "down_proj.weight", h};
    mlp.wgu = TRY(stacked ? weights.matrix({&both, 1}, h) : weights.matrix(separate, h));
    mlp.wd = TRY(weights.matrix({&down, 1}, inner));
    out.experts_.push_back(std::move(mlp));
  }
  return out;
}

Rows Experts::score(tensor::Ops& ops, ConstRows x, ExpertScratch& scratch) const {
  const Rows scores = scratch.scores.rows(x.rows, router_.rows());
  ops.matmul(scores, x, router_);
  return scores;
}

void Experts::mix(tensor::Ops& ops, Rows out, ConstRows x, ExpertScratch& scratch) const {
  const Routing& routing = scratch.routing;
  const int64_t k = routing.per_token;
  CHECK(std::ssize(routing.expert) == x.rows * k && out.rows == x.rows && out.data != x.data);
  // By counting: assignments (row * k + rank) of expert e stand in order[begin[e] .. begin[e + 1]).
  std::vector<int64_t> begin(experts_.size() + 1, 0);
  for (const int32_t e : routing.expert) ++begin[static_cast<size_t>(e) + 1];
  for (size_t e = 0; e < experts_.size(); ++e) begin[e + 1] += begin[e];
  std::vector<int64_t> order(routing.expert.size());
  std::vector<int64_t> next(begin);
  for (size_t i = 0; i < order.size(); ++i) {
    order[static_cast<size_t>(next[static_cast<size_t>(routing.expert[i])]++)] =
        static_cast<int64_t>(i);
  }
  for (int64_t row = 0; row < out.rows; ++row) {
    std::fill_n(out.row(row), out.columns, 0.0f);
  }
  for (size_t e = 0; e < experts_.size(); ++e) {
    const int64_t n = begin[e + 1] - begin[e];
    if (n == 0) continue;
    const Rows rows = scratch.rows.rows(n, x.columns);
    const Rows outs = scratch.outs.rows(n, out.columns);
    for (int64_t i = 0; i < n; ++i) {
      const int64_t row = order[static_cast<size_t>(begin[e] + i)] / k;
      std::memcpy(rows.row(i), x.row(row), static_cast<size_t>(x.columns) * sizeof(float));
    }
    gated_mlp(ops, outs, rows, experts_[e], scratch.wide);
    for (int64_t i = 0; i < n; ++i) {
      const int64_t at = order[static_cast<size_t>(begin[e] + i)];
      ops.add_scaled(out.range(at / k, 1), outs.range(i, 1),
                     routing.weight[static_cast<size_t>(at)]);
    }
  }
}

size_t Experts::bytes(int per_token) const {
  return router_.bytes() + static_cast<size_t>(per_token) * experts_.front().bytes();
}

}  // namespace weft::family
