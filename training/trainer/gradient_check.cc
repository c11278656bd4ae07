// SPDX-License-Identifier: Apache-2.0
//
// Compares the hand-written backward pass with central differences of the loss, on a tiny model
// with two samples (one longer than the attention's row block). For every parameter span the
// directional derivative along the gradient and along random directions is checked; float32
// leaves about 0.1 % at this step size. Exit code 1 when a span is off.
#include <cmath>
#include <cstdio>
#include <vector>

#include "model.h"

namespace weft_training {
namespace {

constexpr double kToleranceOfGradient = 0.005;

Batch random_batch(const ModelShape& shape, Random& random) {
  Batch batch;
  for (const int length : {9, 150}) {
    for (int i = 0; i < length; ++i) {
      batch.tokens.push_back(static_cast<int>(random.next() % shape.vocabulary));
      batch.targets.push_back(static_cast<int>(random.next() % shape.vocabulary));
      batch.loss_weights.push_back(i % 3 == 0 ? 0.0f : (i % 3 == 1 ? 1.0f : 0.25f));
    }
    batch.starts.push_back(batch.rows());
  }
  return batch;
}

// Slope of the loss along `direction`, by a central difference with a step of unit length * h.
double slope(Pass& pass, const Batch& batch, std::vector<float> parameters,
             const ParameterSpan& span, const std::vector<double>& direction) {
  const double h = span.name == "embed_tokens" ? 4e-3 : 1e-2;  // the embedding bends the most
  const std::vector<float> original = parameters;
  double losses[2];
  for (const int side : {0, 1}) {
    for (int64_t i = 0; i < span.count(); ++i)
      parameters[span.offset + i] =
          original[span.offset + i] + static_cast<float>((side ? h : -h) * direction[i]);
    losses[side] = pass.run(batch, parameters.data(), nullptr);
  }
  return (losses[1] - losses[0]) / (2 * h);
}

int check() {
  ModelShape shape;
  shape.vocabulary = 50, shape.hidden = 32, shape.layers = 2, shape.query_heads = 4;
  shape.key_heads = 2, shape.head_dim = 16, shape.feed_forward = 64, shape.positions = 256;
  Random random(7);
  const Batch batch = random_batch(shape, random);
  const ParameterTable table(shape);
  std::vector<float> parameters = initial_parameters(shape, 3);
  for (float& p : parameters) p += 0.05f * random.normal();
  Pass pass(shape);
  std::vector<float> gradient(table.count(), 0.0f);
  pass.run(batch, parameters.data(), gradient.data());

  int wrong = 0;
  for (const ParameterSpan& span : table.spans()) {
    std::vector<double> along(span.count()), mixed(span.count());
    double norm = 0, mixed_norm = 0, expected_mixed = 0;
    for (int64_t i = 0; i < span.count(); ++i)
      norm += std::pow(gradient[span.offset + i], 2);
    norm = std::sqrt(norm);
    for (int64_t i = 0; i < span.count(); ++i) {
      along[i] = gradient[span.offset + i] / norm;
      mixed[i] = along[i] + random.normal() / std::sqrt(static_cast<double>(span.count()));
      mixed_norm += mixed[i] * mixed[i];
    }
    for (int64_t i = 0; i < span.count(); ++i) {
      mixed[i] /= std::sqrt(mixed_norm);
      expected_mixed += mixed[i] * gradient[span.offset + i];
    }
    const double found = slope(pass, batch, parameters, span, along);
    const double found_mixed = slope(pass, batch, parameters, span, mixed);
    const bool good = std::abs(found - norm) <= kToleranceOfGradient * norm &&
                      std::abs(found_mixed - expected_mixed) <= kToleranceOfGradient * norm;
    std::printf("%-28s gradient %9.4f  measured %9.4f | mixed %9.4f  measured %9.4f  %s\n",
                span.name.c_str(), norm, found, expected_mixed, found_mixed,
                good ? "ok" : "WRONG");
    wrong += !good;
  }
  return wrong == 0 ? 0 : 1;
}

}  // namespace
}  // namespace weft_training

int main() {
  weft_training::use_one_thread_per_caller();
  return weft_training::check();
}
