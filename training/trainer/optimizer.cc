// SPDX-License-Identifier: Apache-2.0
#include "optimizer.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <thread>

#include "kernels.h"

namespace weft_training {
namespace {

constexpr int kOrthogonalSteps = 5;
// Quintic iteration of Muon (Jordan et al. 2024): a x + b x^3 + c x^5 drives singular values
// from (0, 1] to about 1 in five steps.
constexpr float kA = 3.4445f, kB = -4.7750f, kC = 2.0315f;

using Square = std::vector<float>;

// Product of two symmetric matrices that commute, so that the transposed form may be used.
Square product(const Square& x, const Square& y, int n) {
  Square z(static_cast<size_t>(n) * n);
  linear_backward_input(x.data(), y.data(), z.data(), {n, n, n});
  return z;
}

// The matrix P with X P close to orthogonal, found from G = X^T X alone: all steps work on the
// small square matrices, and the tall X is read only twice.
Square orthogonaliser(Square gram, int n) {
  double trace = 0;
  for (int i = 0; i < n; ++i) trace += gram[static_cast<size_t>(i) * n + i];
  const float scale = static_cast<float>(1.0 / (trace + 1e-20));
  for (float& value : gram) value *= scale;
  Square total(static_cast<size_t>(n) * n, 0.0f);
  for (int i = 0; i < n; ++i) total[static_cast<size_t>(i) * n + i] = std::sqrt(scale);
  for (int step = 0; step < kOrthogonalSteps; ++step) {
    Square factor = product(gram, gram, n);
    for (size_t i = 0; i < factor.size(); ++i) factor[i] = kC * factor[i] + kB * gram[i];
    for (int i = 0; i < n; ++i) factor[static_cast<size_t>(i) * n + i] += kA;
    total = product(total, factor, n);
    if (step + 1 < kOrthogonalSteps) gram = product(product(factor, gram, n), factor, n);
  }
  return total;
}

}  // namespace

Optimizer::Optimizer(const ModelShape& shape, OptimizerOptions options)
    : table_(shape), options_(options) {
  first_moment.assign(table_.count(), 0.0f);
  second_moment.assign(table_.count(), 0.0f);
}

double Optimizer::step(std::vector<float>& parameters, std::vector<float>& gradient,
                       float learning_rate, int threads) {
  ++steps;
  double squares = 0;
  for (const ParameterSpan& span : table_.spans()) {
    const float* g = gradient.data() + span.offset;
    double sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < span.count(); ++i) sum += static_cast<double>(g[i]) * g[i];
    squares += sum;
  }
  const double norm = std::sqrt(squares);
  const float clip = static_cast<float>(std::min(1.0, options_.gradient_norm_max / (norm + 1e-6)));
  const Update update{parameters.data(), gradient.data(), clip, learning_rate};
  std::atomic<size_t> next{0};
  const auto work = [&] {
    use_one_thread_per_caller();
    for (size_t i = next++; i < table_.spans().size(); i = next++) {
      const ParameterSpan& span = table_.spans()[i];
      const bool hidden_matrix = span.is_matrix() && span.name != "embed_tokens";
      if (options_.muon && hidden_matrix)
        muon_span(span, update);
      else
        adamw_span(span, update);
    }
  };
  std::vector<std::jthread> helpers;
  for (int i = 1; i < threads; ++i) helpers.emplace_back(work);
  work();
  helpers.clear();
  return norm;
}

void Optimizer::adamw_span(const ParameterSpan& span, const Update& update) {
  float* p = update.parameters + span.offset;
  const float* g = update.gradient + span.offset;
  float* m = first_moment.data() + span.offset;
  float* v = second_moment.data() + span.offset;
  const float b1 = options_.beta1, b2 = options_.beta2, epsilon = options_.epsilon;
  const float correct1 = 1.0f / (1.0f - std::pow(b1, static_cast<float>(steps)));
  const float correct2 = 1.0f / (1.0f - std::pow(b2, static_cast<float>(steps)));
  const float decay = span.is_matrix() ? 1.0f - update.learning_rate * options_.weight_decay : 1.0f;
  const float share = span.name == "embed_tokens" ? options_.embedding_rate_share : 1.0f;
  const float rate = update.learning_rate * share, scale = update.gradient_scale;
  for (int64_t i = 0; i < span.count(); ++i) {
    const float d = g[i] * scale;
    m[i] = b1 * m[i] + (1.0f - b1) * d;
    v[i] = b2 * v[i] + (1.0f - b2) * d * d;
    p[i] = p[i] * decay - rate * m[i] * correct1 / (std::sqrt(v[i] * correct2) + epsilon);
  }
}

void Optimizer::muon_span(const ParameterSpan& span, const Update& update) {
  float* p = update.parameters + span.offset;
  const float* g = update.gradient + span.offset;
  float* m = first_moment.data() + span.offset;
  const int rows = span.rows, columns = span.columns;
  std::vector<float> direction(span.count()), moved(span.count());
  for (int64_t i = 0; i < span.count(); ++i) {
    const float d = g[i] * update.gradient_scale;
    m[i] = options_.muon_momentum * m[i] + d;
    direction[i] = d + options_.muon_momentum * m[i];
  }
  const int narrow = std::min(rows, columns);
  Square gram(static_cast<size_t>(narrow) * narrow, 0.0f);
  if (rows >= columns) {
    linear_backward_weight(direction.data(), direction.data(), gram.data(),
                           {rows, columns, columns});
    const Square turn = orthogonaliser(std::move(gram), narrow);
    linear_backward_input(direction.data(), turn.data(), moved.data(), {rows, columns, columns});
  } else {
    linear_forward(direction.data(), direction.data(), gram.data(), {rows, columns, rows});
    const Square turn = orthogonaliser(std::move(gram), narrow);
    linear_backward_input(turn.data(), direction.data(), moved.data(), {rows, columns, rows});
  }
  const float decay = 1.0f - update.learning_rate * options_.weight_decay;
  const float rate =
      update.learning_rate * 0.2f * std::sqrt(static_cast<float>(std::max(rows, columns)));
  for (int64_t i = 0; i < span.count(); ++i) p[i] = p[i] * decay - rate * moved[i];
}

}  // namespace weft_training
