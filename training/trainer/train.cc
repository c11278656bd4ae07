// SPDX-License-Identifier: Apache-2.0
#include "train.h"

#include <algorithm>
#include <barrier>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <thread>
#include <vector>

#include "files.h"
#include "start.h"

namespace weft_training {
namespace {

using Clock = std::chrono::steady_clock;

// SIGINT and SIGTERM stay blocked and are asked for between steps: oneDNN's generated kernels
// use the stack pointer as an ordinary register, and a handler called there writes into the heap.
class StopSignals {
 public:
  StopSignals() {
    sigemptyset(&set_);
    sigaddset(&set_, SIGINT);
    sigaddset(&set_, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &set_, nullptr);
  }
  bool arrived() const {
    const timespec no_wait{};
    return sigtimedwait(&set_, nullptr, &no_wait) > 0;
  }

 private:
  sigset_t set_;
};

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

Checkpoint starting_point(const TrainOptions& options) {
  namespace fs = std::filesystem;
  if (fs::exists(options.checkpoint)) return read_checkpoint(options.checkpoint);
  if (!options.start.empty()) {
    Checkpoint other = read_checkpoint(options.start);
    other.sample = 0;  // it may have been trained on another file
    return other;
  }
  Checkpoint fresh;
  fresh.shape = options.shape;
  fresh.parameters = initial_parameters(options.shape, options.seed);
  if (!options.embeddings.empty()) read_embeddings(options.embeddings, fresh);
  return fresh;
}

float rate_at(const TrainOptions& o, int64_t steps, int64_t tokens) {
  float rate = o.learning_rate;
  if (steps < o.warmup_steps) rate *= static_cast<float>(steps + 1) / o.warmup_steps;
  const int64_t end = o.decay_to_tokens > 0 ? o.decay_to_tokens : o.stop_at_tokens;
  if (o.decay_from_tokens > 0 && tokens > o.decay_from_tokens)
    rate *= static_cast<float>(end - tokens) / static_cast<float>(end - o.decay_from_tokens);
  return std::max(rate, 0.0f);
}

// The shards of one step, their passes and their gradients.
class Shards {
 public:
  Shards(const ModelShape& shape, int count, float dropout)
      : batches_(count), losses_(count), rounded_(shape) {
    for (int i = 0; i < count; ++i) passes_.emplace_back(shape).set_dropout(dropout);
    gradients_.assign(count, std::vector<float>(ParameterTable(shape).count()));
  }
  // Returns the mean loss of a scored token; the mean gradient is in gradient().
  double run(const SampleFile& samples, int64_t& sample, const TrainOptions& options,
             const std::vector<float>& parameters);
  std::vector<float>& gradient() { return gradients_[0]; }
  int64_t rows() const { return rows_; }

 private:
  std::vector<Pass> passes_;
  std::vector<Batch> batches_;
  std::vector<std::vector<float>> gradients_;
  std::vector<double> losses_;
  RoundedWeights rounded_;
  int64_t rows_ = 0;
};

double Shards::run(const SampleFile& samples, int64_t& sample, const TrainOptions& options,
                   const std::vector<float>& parameters) {
  double weight = 0;
  rows_ = 0;
  for (Batch& batch : batches_) {
    const int64_t first = sample;
    batch = samples.take(sample, options.shard_rows);
    batch.seed = static_cast<uint64_t>(first);
    for (const float w : batch.loss_weights) weight += w;
    rows_ += batch.rows();
  }
  const int threads = std::min<int>(options.threads, static_cast<int>(batches_.size()));
  std::barrier rounding(threads);
  const auto work = [&](int thread) {
    use_one_thread_per_caller();
    rounded_.round(parameters.data(), thread, threads);
    rounding.arrive_and_wait();
    for (size_t i = thread; i < batches_.size(); i += threads) {
      std::fill(gradients_[i].begin(), gradients_[i].end(), 0.0f);
      losses_[i] = passes_[i].run(batches_[i], parameters.data(), gradients_[i].data(),
                                  options.rounded ? &rounded_ : nullptr);
    }
  };
  {
    std::vector<std::jthread> helpers;
    for (int t = 1; t < threads; ++t) helpers.emplace_back(work, t);
    work(0);
  }
  double loss = 0;
  const float scale = static_cast<float>(1.0 / std::max(weight, 1e-9));
  for (size_t s = 1; s < gradients_.size(); ++s)
    for (size_t i = 0; i < gradients_[0].size(); ++i) gradients_[0][i] += gradients_[s][i];
  for (float& g : gradients_[0]) g *= scale;
  for (const double l : losses_) loss += l;
  return loss / std::max(weight, 1e-9);
}

}  // namespace

void train(const TrainOptions& options) {
  const StopSignals stop;
  const SampleFile samples(options.samples);
  Checkpoint state = starting_point(options);
  Optimizer optimizer(state.shape, options.optimizer);
  if (state.steps >= 0) {
    optimizer.first_moment = std::move(state.first_moment);
    optimizer.second_moment = std::move(state.second_moment);
    optimizer.steps = state.steps;
  }
  Shards shards(state.shape, options.shards, options.dropout);
  const auto save = [&] {
    state.steps = optimizer.steps;
    state.first_moment = optimizer.first_moment;
    state.second_moment = optimizer.second_moment;
    write_checkpoint(options.checkpoint, state);
  };
  std::printf("%zu parameters, %lld samples of %lld tokens in the file, from step %lld\n",
              state.parameters.size(), static_cast<long long>(samples.samples()),
              static_cast<long long>(samples.rows()), static_cast<long long>(optimizer.steps));
  const auto start = Clock::now();
  auto last_save = start, last_report = start;
  const int64_t tokens_at_start = state.tokens;
  double smooth_loss = 0;
  while (state.tokens < options.stop_at_tokens && !stop.arrived()) {
    const float rate = rate_at(options, optimizer.steps, state.tokens);
    const double loss = shards.run(samples, state.sample, options, state.parameters);
    const double norm = optimizer.step(state.parameters, shards.gradient(), rate, options.threads);
    state.tokens += shards.rows();
    smooth_loss = smooth_loss == 0 ? loss : 0.95 * smooth_loss + 0.05 * loss;
    if (seconds_since(last_report) > 10 || state.tokens >= options.stop_at_tokens) {
      const double seconds = seconds_since(start);
      std::printf("%6.0f s  step %lld  tokens %.3f M  loss %.4f  rate %.5f  norm %.2f  "
                  "%.0f tok/s\n",
                  seconds, static_cast<long long>(optimizer.steps), state.tokens * 1e-6,
                  smooth_loss, rate, norm, (state.tokens - tokens_at_start) / seconds);
      std::fflush(stdout);
      last_report = Clock::now();
    }
    if (seconds_since(last_save) > options.checkpoint_seconds) {
      save();
      last_save = Clock::now();
    }
  }
  save();
}

}  // namespace weft_training
