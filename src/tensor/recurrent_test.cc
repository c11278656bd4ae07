// SPDX-License-Identifier: Apache-2.0
//
// Recurrent operations: every table against the scalar one bit for bit, the formulas against plain
// loops in double, and cuts into chunks and batches against the whole.
#include "tensor/recurrent.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "tensor/kernels/table.h"
#include "tensor/ops.h"
#include "tensor/tables.h"
#include "tensor/test_numbers.h"

namespace weft::tensor {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

class RecurrentTables : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    const auto found = table_by_name(GetParam());
    if (!found.ok()) GTEST_SKIP() << "SKIPPED: " << found.error().message;
    table_ = found.value();
  }
  const KernelTable& scalar() const { return *table_by_name("scalar").value(); }
  const KernelTable* table_ = nullptr;
  FlushDenormals flush_;
};
INSTANTIATE_TEST_SUITE_P(All, RecurrentTables, testing::Values("avx2", "avx512"));

TEST_P(RecurrentTables, ConvolutionAsScalar) {
  TestNumbers numbers(1);
  for (const int64_t n : {1, 15, 16, 17, 96, 129}) {
    for (const int32_t taps : {1, 2, 4, 16}) {
      const auto x = numbers.normals(n * taps + 1);
      const auto weights = numbers.normals(n * taps);
      const auto bias = numbers.normals(n);
      for (const bool with_bias : {false, true}) {
        const auto run = [&](const KernelTable& table) {
          std::vector<float> y(static_cast<size_t>(n) + 2, 7.0f);
          ConvJob job{};
          for (int32_t j = 0; j < taps; ++j) job.rows[j] = x.data() + 1 + j * n;
          job.weights = weights.data();
          job.bias = with_bias ? bias.data() : nullptr;
          job.y = y.data() + 1;
          job.n = n;
          job.taps = taps;
          table.conv_silu(&job);
          return y;
        };
        EXPECT_TRUE(same_bits(run(*table_), run(scalar()))) << n << " " << taps;
      }
    }
  }
}

TEST_P(RecurrentTables, StepsAsScalar) {
  TestNumbers numbers(2);
  for (const int64_t n : {1, 15, 16, 48, 65}) {
    auto dt = numbers.normals(n);
    for (int64_t i = 0; i < n; i += 3) dt[static_cast<size_t>(i)] *= 30;
    const auto bias = numbers.normals(n);
    auto a = numbers.normals(n);
    for (float& v : a) v = -std::abs(v) - 0.01f;
    for (const float high : {0.1f, kInfinity}) {
      const float limits[2] = {0.001f, high};
      const auto run = [&](const KernelTable& table) {
        std::vector<float> out(static_cast<size_t>(2 * n));
        table.mamba_steps(out.data(), out.data() + n, dt.data(), bias.data(), a.data(), limits, n);
        return out;
      };
      EXPECT_TRUE(same_bits(run(*table_), run(scalar()))) << n;
    }
  }
}

TEST_P(RecurrentTables, HeadAsScalar) {
  TestNumbers numbers(3);
  for (const int64_t p : {1, 8, 16, 24, 40, 64, 80, 112, 128}) {
    for (const int64_t n : {1, 16, 50}) {
      const int64_t tokens = 3;
      const int64_t stride = p + 2 * n + 3;
      const auto in = numbers.normals(tokens * stride);
      auto steps = numbers.normals(tokens * 2);
      for (float& v : steps) v = std::abs(v) * 0.5f;
      const auto before = numbers.normals(n * p + 1);
      const auto run = [&](const KernelTable& table) {
        std::vector<float> out(before);
        out.resize(out.size() + static_cast<size_t>(tokens * (p + 1)), 9.0f);
        const MambaJob job{out.data() + 1, p, n, in.data(), in.data() + p, in.data() + p + n,
                           stride, steps.data(), steps.data() + 1, 2, 0.7f,
                           out.data() + n * p + 1, p + 1, tokens};
        table.mamba_head(&job);
        return out;
      };
      EXPECT_TRUE(same_bits(run(*table_), run(scalar()))) << p << " " << n;
    }
  }
}

// softplus over all magnitudes, through the step with a bias of zero and no limits.
TEST(Recurrent, SoftplusIsAccurateEverywhere) {
  const auto ops = Ops::create({.threads = 1, .table = {}}).value();
  std::vector<float> x;
  for (float size = 1e-8f; size < 1e4f; size *= 1.03f) {
    x.push_back(size);
    x.push_back(-size);
  }
  x.push_back(0.0f);
  const auto n = static_cast<int64_t>(x.size());
  const std::vector<float> zeros(x.size(), 0.0f);
  const std::vector<float> a(x.size(), -1.0f);
  std::vector<float> step(x.size()), decay(x.size());
  ops->mamba_steps({step.data(), 1, n}, {decay.data(), 1, n}, Rows(x.data(), 1, n),
                   {zeros, a, {0.0f, kInfinity}});
  for (size_t i = 0; i < x.size(); ++i) {
    const double exact = std::max<double>(x[i], 0) + std::log1p(std::exp(-std::abs(double{x[i]})));
    if (exact < 1e-37) continue;  // flushed
    EXPECT_NEAR(step[i] / exact, 1.0, 1e-6) << x[i];
    EXPECT_NEAR(decay[i], std::exp(-exact), 1e-6) << x[i];
  }
  const float nan = std::nanf("");
  ops->mamba_steps({step.data(), 1, 1}, {decay.data(), 1, 1}, Rows(const_cast<float*>(&nan), 1, 1),
                   {std::span(zeros).first(1), std::span(a).first(1), {0.0f, 1.0f}});
  EXPECT_TRUE(std::isnan(step[0]));
}

// A layer's recurrence with everything it needs, for sequences of given lengths.
struct Layer {
  MambaShape shape{6, 24, 10, 2};
  int32_t taps = 4;
  std::vector<float> weight, bias, dt_bias, a, skip;
  int64_t channels() const { return shape.channels(); }
  int64_t state_floats() const { return (taps - 1) * channels() + shape.state_floats(); }

  Layer() {
    TestNumbers numbers(11);
    weight = numbers.normals(taps * channels());
    bias = numbers.normals(channels());
    dt_bias = numbers.normals(shape.heads);
    a = numbers.normals(shape.heads);
    for (float& v : a) v = -std::abs(v);
    skip = numbers.normals(shape.heads);
  }
  // y of rows [begin, begin + count) of a sequence whose u and dt are given; several at once.
  struct Part {
    const std::vector<float>* u;
    const std::vector<float>* dt;
    int64_t begin, count;
    float* state;
  };
  std::vector<std::vector<float>> run(Ops& ops, const std::vector<Part>& parts) const {
    std::vector<float> u, dt;
    std::vector<SequenceRows> sequences;
    std::vector<float*> states;
    int64_t rows = 0;
    for (const Part& part : parts) {
      sequences.push_back({{}, rows, part.count, part.begin});
      states.push_back(part.state);
      u.insert(u.end(), part.u->begin() + part.begin * channels(),
               part.u->begin() + (part.begin + part.count) * channels());
      dt.insert(dt.end(), part.dt->begin() + part.begin * shape.heads,
                part.dt->begin() + (part.begin + part.count) * shape.heads);
      rows += part.count;
    }
    std::vector<float> xbc(u.size()), steps(dt.size() * 2);
    std::vector<float> y(static_cast<size_t>(rows * shape.inner()));
    const Convolution conv{taps, weight, bias};
    const Rows both(steps.data(), rows, 2 * shape.heads);
    const Rows step = both.slice(0, shape.heads);
    const Rows decay = both.slice(shape.heads, shape.heads);
    const Rows convolved(xbc.data(), rows, channels());
    const Rows mixed(y.data(), rows, shape.inner());
    ops.conv_silu(convolved, Rows(u.data(), rows, channels()), conv, sequences, {states, 0});
    ops.mamba_steps(step, decay, Rows(dt.data(), rows, shape.heads),
                    {dt_bias, a, {0.0f, kInfinity}});
    ops.mamba_scan(mixed, convolved, step, decay, skip, shape, sequences,
                   {states, conv.state_floats()});
    std::vector<std::vector<float>> out;
    for (const SequenceRows& s : sequences) {
      out.emplace_back(y.begin() + s.first_row * shape.inner(),
                       y.begin() + (s.first_row + s.rows) * shape.inner());
    }
    return out;
  }
};

TEST(Recurrent, AgreesWithPlainLoops) {
  const Layer layer;
  const MambaShape& m = layer.shape;
  const int64_t length = 19;
  TestNumbers numbers(5);
  const auto u = numbers.normals(length * layer.channels());
  const auto dt = numbers.normals(length * m.heads);
  std::vector<float> memory(static_cast<size_t>(layer.state_floats()), 1e30f);  // not read
  const auto ops = Ops::create({.threads = 2, .table = {}}).value();
  const auto y = layer.run(*ops, {{&u, &dt, 0, length, memory.data()}})[0];

  const auto silu = [](double x) { return x / (1 + std::exp(-x)); };
  std::vector<double> state(static_cast<size_t>(m.state_floats()), 0.0);
  for (int64_t t = 0; t < length; ++t) {
    std::vector<double> xbc(static_cast<size_t>(layer.channels()));
    for (int64_t c = 0; c < layer.channels(); ++c) {
      double sum = layer.bias[c];
      for (int64_t j = 0; j < layer.taps; ++j) {
        const int64_t from = t - layer.taps + 1 + j;
        if (from >= 0) sum += double{layer.weight[j * layer.channels() + c]} *
                              u[from * layer.channels() + c];
      }
      xbc[c] = silu(sum);
    }
    for (int64_t h = 0; h < m.heads; ++h) {
      const double step = std::log1p(std::exp(double{dt[t * m.heads + h]} + layer.dt_bias[h]));
      const double decay = std::exp(step * layer.a[h]);
      const int64_t g = h / (m.heads / m.groups);
      for (int64_t i = 0; i < m.head_dim; ++i) {
        const double x = xbc[h * m.head_dim + i];
        double sum = layer.skip[h] * x;
        for (int64_t j = 0; j < m.state_dim; ++j) {
          double& s = state[(h * m.state_dim + j) * m.head_dim + i];
          s = decay * s + step * x * xbc[m.inner() + g * m.state_dim + j];
          sum += s * xbc[m.inner() + (m.groups + g) * m.state_dim + j];
        }
        EXPECT_NEAR(y[t * m.inner() + h * m.head_dim + i], sum, 2e-5 * (1 + std::abs(sum)));
      }
    }
  }
}

TEST(Recurrent, ChunksBatchesAndThreadsChangeNoBit) {
  const Layer layer;
  const int64_t length = 37;
  TestNumbers numbers(6);
  const auto u = numbers.normals(length * layer.channels());
  const auto dt = numbers.normals(length * layer.shape.heads);
  const auto u2 = numbers.normals(length * layer.channels());
  const auto dt2 = numbers.normals(length * layer.shape.heads);
  const auto one = Ops::create({.threads = 1, .table = {}}).value();
  const auto four = Ops::create({.threads = 4, .table = {}}).value();
  const auto fresh = [&] {
    return std::vector<float>(static_cast<size_t>(layer.state_floats()), 5.0f);
  };
  std::vector<float> whole_state = fresh();
  const auto whole = layer.run(*one, {{&u, &dt, 0, length, whole_state.data()}})[0];
  for (const int64_t chunk : {1, 2, 3, 5, 16, 36}) {
    std::vector<float> state = fresh();
    std::vector<float> other = fresh();
    std::vector<float> got;
    for (int64_t at = 0; at < length; at += chunk) {
      const int64_t count = std::min(chunk, length - at);
      // another sequence in front, elsewhere in its own history
      const auto parts = layer.run(*four, {{&u2, &dt2, at, count, other.data()},
                                           {&u, &dt, at, count, state.data()}});
      got.insert(got.end(), parts[1].begin(), parts[1].end());
    }
    EXPECT_TRUE(same_bits(got, whole)) << chunk;
    EXPECT_TRUE(same_bits(state, whole_state)) << chunk;
  }
}

TEST(Recurrent, WrongShapesAreBugs) {
  const auto ops = Ops::create({.threads = 1, .table = {}}).value();
  std::vector<float> x(64), y(64), state(64);
  float* const states[] = {state.data()};
  const SequenceRows sequence{{}, 0, 2, 0};
  const Convolution conv{2, std::span(x).first(16), {}};
  EXPECT_DEATH(ops->conv_silu({y.data(), 2, 8}, Rows(x.data(), 2, 8), conv, {&sequence, 1}, {}),
               "0 states for 1 sequences");
  EXPECT_DEATH(ops->conv_silu({x.data(), 2, 8}, Rows(x.data(), 2, 8), conv, {&sequence, 1},
                              {states, 0}), "y.data != u.data");
}

}  // namespace
}  // namespace weft::tensor
