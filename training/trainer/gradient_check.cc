// SPDX-License-Identifier: Apache-2.0
//
// Three checks of the trainer's arithmetic; exit code 1 when one fails.
//
// One compares the hand-written backward pass with central differences of the loss, on a tiny model
// with two samples (one longer than the attention's row block). For every parameter span the
// directional derivative along the gradient and along random directions is checked, without dropout
// and with; float32 leaves about 0.1 % at this step size. One compares the gradients through int8
// with these. One looks whether new weights copy (start.h).
#include <cmath>
#include <cstdio>
#include <vector>

#include "model.h"
#include "start.h"

namespace weft_training {
namespace {

constexpr double kToleranceOfGradient = 0.005;
constexpr double kCosineOfRounded = 0.995;
constexpr double kLossOfCopy = 1.5;

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

int check(float dropout) {
  ModelShape shape;
  shape.vocabulary = 50, shape.hidden = 32, shape.layers = 2, shape.query_heads = 4;
  shape.key_heads = 2, shape.head_dim = 16, shape.feed_forward = 64, shape.positions = 256;
  Random random(7);
  const Batch batch = random_batch(shape, random);
  const ParameterTable table(shape);
  std::vector<float> parameters = initial_parameters(shape, 3);
  for (float& p : parameters) p += 0.05f * random.normal();
  Pass pass(shape);
  pass.set_dropout(dropout);
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

// The gradient through int8 products must point where the exact one points.
int check_rounded() {
  ModelShape shape;
  shape.vocabulary = 50, shape.hidden = 64, shape.layers = 2, shape.query_heads = 4;
  shape.key_heads = 2, shape.head_dim = 16, shape.feed_forward = 96, shape.positions = 256;
  Random random(9);
  const Batch batch = random_batch(shape, random);
  const ParameterTable table(shape);
  const std::vector<float> parameters = initial_parameters(shape, 4);
  RoundedWeights rounded(shape);
  rounded.round(parameters.data(), 0, 1);
  std::vector<float> exact(table.count(), 0.0f), found(table.count(), 0.0f);
  Pass pass(shape);
  pass.run(batch, parameters.data(), exact.data());
  pass.run(batch, parameters.data(), found.data(), &rounded);
  int wrong = 0;
  for (const ParameterSpan& span : table.spans()) {
    double both = 0, a = 0, b = 0;
    for (int64_t i = span.offset; i < span.offset + span.count(); ++i) {
      both += static_cast<double>(exact[i]) * found[i];
      a += static_cast<double>(exact[i]) * exact[i];
      b += static_cast<double>(found[i]) * found[i];
    }
    const double cosine = both / std::sqrt(a * b);
    const bool good = cosine >= kCosineOfRounded;
    std::printf("%-28s int8 against float32: cosine %.4f  %s\n", span.name.c_str(), cosine,
                good ? "ok" : "WRONG");
    wrong += !good;
  }
  return wrong == 0 ? 0 : 1;
}

// New weights, never trained, put a random text that comes a second time before all others.
int check_copying() {
  constexpr int kLength = 40;
  ModelShape shape;
  shape.vocabulary = 500, shape.hidden = 192, shape.layers = 3, shape.query_heads = 3;
  shape.key_heads = 3, shape.feed_forward = 64, shape.positions = 256;
  const ParameterTable table(shape);
  std::vector<float> parameters = initial_parameters(shape, 6);
  Random random(5);
  for (int token = 0; token < shape.vocabulary; ++token)
    for (int i = 0; i < meaning_floats(shape); ++i)
      parameters[table.embedding() + token * shape.hidden + i] = 0.2f * random.normal();
  Batch batch;
  for (int i = 0; i <= 2 * kLength; ++i) {
    const int token = static_cast<int>(random.next() % shape.vocabulary);
    batch.tokens.push_back(i < kLength ? token : batch.tokens[i - kLength]);
  }
  batch.targets.assign(batch.tokens.begin() + 1, batch.tokens.end());
  batch.tokens.pop_back();
  for (int i = 0; i < 2 * kLength; ++i) batch.loss_weights.push_back(i > kLength ? 1.0f : 0.0f);
  batch.starts.push_back(batch.rows());
  const double loss = Pass(shape).run(batch, parameters.data(), nullptr) / (kLength - 1);
  const bool good = loss < kLossOfCopy;
  std::printf("copying before training: loss %.2f, chance %.2f  %s\n", loss,
              std::log(static_cast<double>(shape.vocabulary)), good ? "ok" : "WRONG");
  return good ? 0 : 1;
}

}  // namespace
}  // namespace weft_training

int main() {
  weft_training::use_one_thread_per_caller();
  return weft_training::check(0) | weft_training::check(0.2f) |
         weft_training::check_rounded() |
         weft_training::check_copying();
}
