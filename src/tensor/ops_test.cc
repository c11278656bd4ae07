// SPDX-License-Identifier: Apache-2.0
#include "tensor/ops.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "tensor/half.h"
#include "tensor/tables.h"
#include "tensor/test_numbers.h"

namespace weft::tensor {
namespace {

std::unique_ptr<Ops> make_ops(const std::string& table, int threads) {
  return Ops::create({.threads = threads, .table = table}).value();
}

// Activations as matmul quantises them for q8 weights, in plain C++.
std::vector<float> as_int8(std::vector<float> x, int64_t columns) {
  for (size_t row = 0; row < x.size(); row += columns) {
    for (int64_t at = 0; at < columns; at += 32) {
      const int64_t n = std::min<int64_t>(32, columns - at);
      float most = 0;
      for (int64_t i = 0; i < n; ++i) most = std::max(most, std::fabs(x[row + at + i]));
      for (int64_t i = 0; i < n && most > 0; ++i) {
        float& v = x[row + at + i];
        v = std::nearbyintf(v * (127.0f / most)) * (most / 127.0f);
      }
    }
  }
  return x;
}

constexpr WeightType kTypes[] = {WeightType::kF32, WeightType::kBF16, WeightType::kF16,
                                 WeightType::kQ8};

// --- matmul ---

// y (m, out) is x (m, in) W^T + bias in double, to `slack` of the sum of absolute products.
void expect_products(const Matrix& matrix, const std::vector<float>& x, int64_t m,
                     const std::vector<float>& y, const std::vector<float>& bias, double slack) {
  const int64_t out = matrix.rows(), in = matrix.columns();
  std::vector<float> row(in);
  for (int64_t o = 0; o < out; ++o) {
    matrix.read_row(o, row);
    for (int64_t t = 0; t < m; ++t) {
      double sum = 0;
      double size = 0;
      for (int64_t k = 0; k < in; ++k) {
        sum += double{row[k]} * x[t * in + k];
        size += std::fabs(double{row[k]} * x[t * in + k]);
      }
      EXPECT_NEAR(y[t * out + o], sum + (bias.empty() ? 0.0 : bias[o]), slack * (size + 1))
          << "m=" << m << " row " << o;
    }
  }
}

TEST(Matmul, AgreesWithDoubleArithmetic) {
  const auto ops = make_ops("", 2);
  TestNumbers numbers(1);
  for (const WeightType type : kTypes) {
    for (const auto& [m, out, in] : {std::tuple<int64_t, int64_t, int64_t>{1, 16, 32},
                                     {3, 40, 70}, {17, 33, 256}, {40, 100, 96}}) {
      const auto x = numbers.normals(m * in);
      const auto w = numbers.normals(out * in);
      const auto bias = numbers.normals(out);
      const Matrix matrix = pack(type, WeightType::kF32, w.data(), out, in);
      std::vector<float> y(m * out, NAN);
      ops->matmul({y.data(), m, out}, {x.data(), m, in}, matrix, bias);
      const auto seen = type == WeightType::kQ8 ? as_int8(x, in) : x;
      // a value on the border of two integers may round the other way in as_int8
      const double slack = type == WeightType::kQ8 ? 1e-4 : 1e-6;
      SCOPED_TRACE(name_of(type));
      expect_products(matrix, seen, m, y, bias, slack);
    }
  }
}

TEST(Matmul, SameBitsAtEveryBatchSizeThreadCountAndTable) {
  TestNumbers numbers(2);
  const int64_t out = 200, in = 320, m_max = 600;
  const auto x = numbers.normals(m_max * in);
  const auto w = numbers.normals(out * in);
  for (const WeightType type : kTypes) {
    const Matrix matrix = pack(type, WeightType::kF32, w.data(), out, in);
    std::vector<float> expected(m_max * out);
    make_ops("scalar", 1)->matmul({expected.data(), m_max, out}, {x.data(), m_max, in}, matrix);
    for (const KernelTable* table : usable_tables()) {
      for (const int threads : {1, 2, 4}) {
        const auto ops = make_ops(table->name, threads);
        for (const int64_t m : {int64_t{1}, int64_t{3}, int64_t{16}, int64_t{17}, m_max}) {
          if (m == m_max && table->name == std::string("scalar") && threads == 4) continue;
          std::vector<float> y(m * out, NAN);
          ops->matmul({y.data(), m, out}, {x.data(), m, in}, matrix);
          ASSERT_TRUE(same_bits(y, std::span(expected).first(y.size())))
              << table->name << " " << name_of(type) << " threads=" << threads << " m=" << m;
        }
      }
    }
  }
}

// In `fast`, bf16 weights meet rounded activations; nothing else changes.
TEST(Matmul, FastRoundsTheActivationsOfBf16Weights) {
  const auto fast = Ops::create({.threads = 2, .table = {}, .numerics = Numerics::kFast}).value();
  const auto portable = make_ops("", 2);
  EXPECT_EQ(portable->numerics(), Numerics::kPortable);
  TestNumbers numbers(7);
  const int64_t m = 40, out = 100, in = 224;
  const auto x = numbers.normals(m * in);
  const auto w = numbers.normals(out * in);
  for (const WeightType type : kTypes) {
    const Matrix matrix = pack(type, WeightType::kF32, w.data(), out, in);
    std::vector<float> y(m * out), plain(m * out);
    fast->matmul({y.data(), m, out}, {x.data(), m, in}, matrix);
    portable->matmul({plain.data(), m, out}, {x.data(), m, in}, matrix);
    EXPECT_EQ(same_bits(y, plain), type != WeightType::kBF16) << name_of(type);
    if (type != WeightType::kBF16) continue;
    std::vector<float> rounded;
    for (const float value : x) rounded.push_back(float_of_bf16(bf16_of_float(value)));
    expect_products(matrix, rounded, m, y, {}, 1e-6);
  }
}

TEST(Matmul, FastGivesTheSameBitsAtEveryBatchSizeThreadCountAndTable) {
  TestNumbers numbers(8);
  const int64_t out = 200, in = 320, m_max = 600;
  const auto x = numbers.normals(m_max * in);
  const auto w = numbers.normals(out * in);
  const Matrix matrix = pack(WeightType::kBF16, WeightType::kF32, w.data(), out, in);
  const auto product = [&](const char* table, int threads, int64_t m) {
    std::vector<float> y(m * out, NAN);
    Ops::create({.threads = threads, .table = table, .numerics = Numerics::kFast})
        .value()
        ->matmul({y.data(), m, out}, {x.data(), m, in}, matrix);
    return y;
  };
  const auto expected = product("scalar", 1, m_max);
  for (const KernelTable* table : usable_tables()) {
    for (const int threads : {1, 2, 4}) {
      for (const int64_t m : {int64_t{1}, int64_t{3}, int64_t{16}, int64_t{17}, m_max}) {
        if (m == m_max && table->name == std::string("scalar") && threads == 4) continue;
        const auto y = product(table->name, threads, m);
        ASSERT_TRUE(same_bits(y, std::span(expected).first(y.size())))
            << table->name << " threads=" << threads << " m=" << m;
      }
    }
  }
}

TEST(Matmul, TouchesOnlyItsOwnColumnsOfAView) {
  const auto ops = make_ops("", 2);
  TestNumbers numbers(3);
  const auto x = numbers.normals(5 * 64);
  const auto w = numbers.normals(30 * 64);
  const Matrix matrix = pack(WeightType::kBF16, WeightType::kF32, w.data(), 30, 64);
  std::vector<float> plain(5 * 30), wide(5 * 50, -3.0f);
  ops->matmul({plain.data(), 5, 30}, {x.data(), 5, 64}, matrix);
  ops->matmul(Rows(wide.data(), 5, 50).slice(10, 30), {x.data(), 5, 64}, matrix);
  for (int64_t t = 0; t < 5; ++t) {
    for (int64_t c = 0; c < 50; ++c) {
      const bool inside = c >= 10 && c < 40;
      EXPECT_EQ(wide[t * 50 + c], inside ? plain[t * 30 + c - 10] : -3.0f);
    }
  }
  ops->matmul({plain.data(), 0, 30}, {x.data(), 0, 64}, matrix);  // no rows: nothing to do
  EXPECT_DEATH(ops->matmul({plain.data(), 5, 30}, {x.data(), 5, 60}, matrix), "");
}

// --- rows ---

TEST(Rows, NormsGatesAndSumsAgreeWithTheirFormulas) {
  const auto ops = make_ops("", 2);
  TestNumbers numbers(4);
  const int64_t rows = 70, n = 300;  // large enough for two threads
  const auto x = numbers.normals(rows * n);
  const auto u = numbers.normals(rows * n);
  const auto weight = numbers.normals(n);
  std::vector<float> y(rows * n);
  ops->rms_norm({y.data(), rows, n}, {x.data(), rows, n}, weight, 1e-5f);
  for (int64_t r = 0; r < rows; ++r) {
    double sum = 0;
    for (int64_t i = 0; i < n; ++i) sum += double{x[r * n + i]} * x[r * n + i];
    for (int64_t i = 0; i < n; ++i) {
      ASSERT_NEAR(y[r * n + i], weight[i] * x[r * n + i] / std::sqrt(sum / n + 1e-5), 1e-5);
    }
  }
  ops->silu_mul({y.data(), rows, n}, {x.data(), rows, n}, {u.data(), rows, n});
  for (int64_t i = 0; i < rows * n; ++i) {
    ASSERT_NEAR(y[i], x[i] / (1 + std::exp(-double{x[i]})) * u[i], 2e-6);
  }
  y = x;
  ops->add({y.data(), rows, n}, {u.data(), rows, n});
  ops->add_scaled({y.data(), rows, n}, {u.data(), rows, n}, 0.25f);
  ops->scale({y.data(), rows, n}, 3.0f);
  for (int64_t i = 0; i < rows * n; ++i) ASSERT_NEAR(y[i], 3 * (x[i] + 1.25 * u[i]), 1e-5);
}

TEST(Rows, NormOfHeadsIsTheNormOfEachHead) {
  const auto ops = make_ops("", 1);
  TestNumbers numbers(5);
  for (const int64_t d : {16, 24, 40, 80, 128}) {
    const int64_t rows = 3, heads = 5;
    auto x = numbers.normals(rows * heads * d);
    const auto weight = numbers.normals(d);
    std::vector<float> expected(x.size());
    ops->rms_norm({expected.data(), rows * heads, d}, {x.data(), rows * heads, d}, weight, 1e-6f);
    ops->rms_norm_heads({x.data(), rows, heads * d}, weight, 1e-6f);
    EXPECT_TRUE(same_bits(x, expected)) << d;
  }
}

TEST(Rows, RopeRotatesHalves) {
  const auto ops = make_ops("", 1);
  TestNumbers numbers(6);
  const int64_t half = 20, heads = 3, positions = 50;
  std::vector<float> cos, sin;
  for (int64_t t = 0; t < positions; ++t) {
    for (int64_t i = 0; i < half; ++i) {
      cos.push_back(std::cos(static_cast<float>(t * (i + 1)) * 0.01f));
      sin.push_back(std::sin(static_cast<float>(t * (i + 1)) * 0.01f));
    }
  }
  const std::vector<int32_t> at = {0, 7, 49};
  const auto x = numbers.normals(3 * heads * half * 2);
  auto y = x;
  ops->rope({y.data(), 3, heads * half * 2}, {cos, sin, half}, at);
  for (int64_t r = 0; r < 3; ++r) {
    for (int64_t h = 0; h < heads; ++h) {
      for (int64_t i = 0; i < half; ++i) {
        const int64_t a = (r * heads + h) * 2 * half + i;
        const float c = cos[at[r] * half + i], s = sin[at[r] * half + i];
        EXPECT_NEAR(y[a], x[a] * c - x[a + half] * s, 1e-6);
        EXPECT_NEAR(y[a + half], x[a + half] * c + x[a] * s, 1e-6);
      }
    }
  }
  const std::vector<int32_t> beyond = {0, 7, 50};
  EXPECT_DEATH(ops->rope({y.data(), 3, heads * half * 2}, {cos, sin, half}, beyond), "position 50");
}

TEST(Rows, EmbedReadsRows) {
  const auto ops = make_ops("", 1);
  TestNumbers numbers(7);
  const auto w = numbers.normals(20 * 33);
  for (const WeightType type : kTypes) {
    const Matrix matrix = pack(type, WeightType::kF32, w.data(), 20, 33);
    const std::vector<int32_t> tokens = {19, 0, 7, 7};
    std::vector<float> y(4 * 33), row(33);
    ops->embed({y.data(), 4, 33}, matrix, tokens);
    for (size_t t = 0; t < tokens.size(); ++t) {
      matrix.read_row(tokens[t], row);
      EXPECT_TRUE(same_bits(std::span(y).subspan(t * 33, 33), row));
    }
  }
}

TEST(Samplers, SoftmaxIsADistributionAndKnowsItsNormaliser) {
  const auto ops = make_ops("", 1);
  TestNumbers numbers(8);
  auto logits = numbers.normals(1003);
  for (float& l : logits) l *= 10;
  logits[5] = -INFINITY;  // masked
  std::vector<float> p(logits.size());
  for (const float scale : {1.0f, 0.5f, 4.0f}) {
    const float normaliser = ops->softmax(p, logits, scale);
    double sum = 0;
    for (const float l : logits) sum += std::exp(double{l} * scale);
    EXPECT_NEAR(normaliser, std::log(sum), 1e-5);
    for (size_t i = 0; i < p.size(); ++i) {
      ASSERT_NEAR(p[i], std::exp(double{logits[i]} * scale) / sum, 1e-6);
    }
    EXPECT_EQ(p[5], 0.0f);
  }
  EXPECT_EQ(ops->argmax(logits), std::max_element(logits.begin(), logits.end()) - logits.begin());
}

// Attention in double precision over plain arrays: k, v (positions, kv_heads, d).
std::vector<double> naive_attention(const std::vector<float>& q, const std::vector<float>& k,
                                    const std::vector<float>& v, int64_t position, int heads,
                                    int kv_heads, int d, float scale, int window) {
  std::vector<double> out(heads * d);
  for (int h = 0; h < heads; ++h) {
    const int kv = h / (heads / kv_heads);
    const int64_t low = window > 0 ? std::max<int64_t>(0, position - window + 1) : 0;
    std::vector<double> p;
    double most = -INFINITY;
    for (int64_t j = low; j <= position; ++j) {
      double s = 0;
      for (int i = 0; i < d; ++i) {
        s += double{q[h * d + i]} * k[(j * kv_heads + kv) * d + i];
      }
      p.push_back(s * scale);
      most = std::max(most, s * scale);
    }
    double sum = 0;
    for (double& e : p) sum += e = std::exp(e - most);
    for (int64_t j = low; j <= position; ++j) {
      for (int i = 0; i < d; ++i) {
        out[h * d + i] += p[j - low] / sum * v[(j * kv_heads + kv) * d + i];
      }
    }
  }
  return out;
}

struct AttentionCase {
  int d, heads, kv_heads;
  int64_t length;
  int window;
};

// One sequence, fed in chunks through a block table; returns all rows' outputs.
struct AttentionRun {
  AttentionCase c;
  std::vector<float> q, k, v;

  AttentionRun(const AttentionCase& c_, uint64_t seed) : c(c_) {
    TestNumbers numbers(seed);
    q = numbers.normals(c.length * c.heads * c.d);
    k = numbers.normals(c.length * c.kv_heads * c.d);
    v = numbers.normals(c.length * c.kv_heads * c.d);
  }

  std::vector<float> run(Ops& ops, int64_t chunk, bool reversed_blocks,
                         KvType type = KvType::kF32) const {
    const KvLayout layout{c.kv_heads, c.d, type};
    const int64_t count = (c.length + 31) / 32;
    const int64_t stride = layout.block_bytes() + 48;
    std::vector<uint8_t> cache(count * stride, 0xff);  // NaN: unwritten cache must never matter
    std::vector<int32_t> blocks(count);
    for (int64_t i = 0; i < count; ++i) {
      blocks[i] = static_cast<int32_t>(reversed_blocks ? count - 1 - i : i);
    }
    const KvView view{layout, cache.data(), stride};
    std::vector<float> out(q.size(), NAN);
    const int64_t nq = c.heads * c.d;
    const int64_t nk = c.kv_heads * c.d;
    const AttentionOptions options{c.heads, 1.0f / std::sqrt(static_cast<float>(c.d)), c.window};
    for (int64_t at = 0; at < c.length; at += chunk) {
      const int64_t n = std::min(chunk, c.length - at);
      const SequenceRows rows{blocks, 0, n, at};
      ops.store_kv(view, {&rows, 1}, {k.data() + at * nk, n, nk}, {v.data() + at * nk, n, nk});
      ops.attention({out.data() + at * nq, n, nq}, {q.data() + at * nq, n, nq}, view, {&rows, 1},
                    options);
    }
    return out;
  }
};

TEST(Attention, AgreesWithDoubleArithmetic) {
  const auto ops = make_ops("", 2);
  for (const AttentionCase& c :
       {AttentionCase{16, 2, 1, 40, 0}, {24, 4, 2, 300, 0}, {40, 8, 2, 100, 33}, {64, 4, 4, 70, 1},
        {80, 6, 2, 530, 100}, {128, 16, 8, 270, 0}, {256, 20, 1, 65, 40}, {16, 70, 1, 40, 0}}) {
    const AttentionRun run(c, 7);
    const auto out = run.run(*ops, c.length, false);
    for (int64_t t = 0; t < c.length; t += 1 + c.length / 50) {
      const int64_t nq = c.heads * c.d;
      const std::vector<float> q(run.q.begin() + t * nq, run.q.begin() + (t + 1) * nq);
      const auto expected = naive_attention(q, run.k, run.v, t, c.heads, c.kv_heads, c.d,
                                            1.0f / std::sqrt(static_cast<float>(c.d)), c.window);
      for (int64_t i = 0; i < nq; ++i) {
        ASSERT_NEAR(out[t * nq + i], expected[i], 2e-5) << "d=" << c.d << " position " << t;
      }
    }
  }
}

// Of all chunk plans, block tables, thread counts and kernel tables.
void expect_same_for_every_plan(const AttentionRun& run, KvType type) {
  const auto expected = run.run(*make_ops("scalar", 1), 1, false, type);
  for (const float x : expected) ASSERT_TRUE(std::isfinite(x));
  for (const KernelTable* table : usable_tables()) {
    for (const int threads : {1, 2, 4}) {
      const auto ops = make_ops(table->name, threads);
      for (const int64_t chunk :
           {int64_t{1}, int64_t{7}, int64_t{64}, int64_t{512}, run.c.length}) {
        // the scalar table is slow, and `expected` is its own: one other plan will do
        const bool scalar = table->name == std::string("scalar");
        if (scalar && (chunk != 7 || threads != 2)) continue;
        if (chunk == 1 && threads == 4) continue;
        EXPECT_TRUE(same_bits(run.run(*ops, chunk, chunk % 2 == 0, type), expected))
            << table->name << " threads=" << threads << " chunk=" << chunk << " d=" << run.c.d
            << " cache " << name_of(type);
      }
    }
  }
}

TEST(Attention, SameBitsForEveryChunkPlanBlockTableThreadCountAndTable) {
  for (const AttentionCase& c : {AttentionCase{40, 4, 2, 530, 0}, {64, 2, 2, 300, 70},
                                 {80, 2, 1, 257, 0}, {24, 3, 1, 600, 256}, {128, 7, 1, 65, 0}}) {
    const AttentionRun run(c, 11);
    for (const KvType type : {KvType::kF32, KvType::kF16, KvType::kQ8}) {
      expect_same_for_every_plan(run, type);
    }
  }
}

// Of outputs around 0.1 to 1: half precision keeps three digits of a key, eight bits two.
TEST(Attention, SmallerCachesAreNearTheFloats) {
  const auto ops = make_ops("", 2);
  for (const AttentionCase& c : {AttentionCase{40, 4, 2, 300, 0}, {128, 16, 8, 270, 0}}) {
    const AttentionRun run(c, 13);
    const auto exact = run.run(*ops, 64, false);
    for (const auto& [type, bound] : {std::pair{KvType::kF16, 2e-3}, {KvType::kQ8, 6e-2}}) {
      const auto out = run.run(*ops, 64, false, type);
      double worst = 0, squares = 0, all = 0;
      for (size_t i = 0; i < out.size(); ++i) {
        const double off = double{out[i]} - exact[i];
        worst = std::max(worst, std::abs(off));
        squares += off * off;
        all += double{exact[i]} * exact[i];
      }
      EXPECT_LT(worst, bound) << name_of(type) << " d=" << c.d;
      EXPECT_LT(std::sqrt(squares / all), bound / 4) << name_of(type) << " d=" << c.d;
      EXPECT_GT(squares, 0) << name_of(type);  // it is another cache
    }
  }
}

// Rows of several sequences in one call, of different lengths and in one shared cache.
TEST(Attention, ABatchOfSequencesGivesEachItsOwnBits) {
  const auto ops = make_ops("", 2);
  const KvLayout layout{2, 40, KvType::kF16};
  const int heads = 4;
  const int64_t nq = heads * 40, nk = 2 * 40;
  const int64_t lengths[] = {300, 5, 64};
  TestNumbers numbers(9);
  std::vector<uint8_t> cache(40 * layout.block_bytes(), 0xff);
  const KvView view{layout, cache.data(), layout.block_bytes()};
  const AttentionOptions options{heads, 0.1f, 0};
  std::vector<std::vector<int32_t>> tables;
  std::vector<SequenceRows> batch;
  std::vector<float> q, k, v;
  int32_t next = 39;
  int64_t row = 0;
  for (const int64_t length : lengths) {
    auto& table = tables.emplace_back();
    for (int64_t i = 0; i < (length + 31) / 32; ++i) table.push_back(next--);
  }
  for (size_t s = 0; s < 3; ++s) {
    batch.push_back({tables[s], row, lengths[s], 0});
    row += lengths[s];
  }
  q = numbers.normals(row * nq);
  k = numbers.normals(row * nk);
  v = numbers.normals(row * nk);
  std::vector<float> together(q.size()), alone(q.size());
  ops->store_kv(view, batch, {k.data(), row, nk}, {v.data(), row, nk});
  ops->attention({together.data(), row, nq}, {q.data(), row, nq}, view, batch, options);
  for (const SequenceRows& s : batch) {
    ops->attention({alone.data(), row, nq}, {q.data(), row, nq}, view, {&s, 1}, options);
  }
  EXPECT_TRUE(same_bits(together, alone));
}

// Sequences are computed side by side, and what stands in the same blocks for several only once.
TEST(Attention, SharedBlocksGiveEachSequenceItsOwnBits) {
  for (const auto& [type, d] : {std::pair{KvType::kF32, 40}, {KvType::kF16, 40},
                                {KvType::kQ8, 40}, {KvType::kQ8, 16}}) {
    for (const int window : {0, 300}) {
      const KvLayout layout{2, d, type};
      const int heads = 4;
      const int64_t nq = heads * d, nk = 2 * d, prompt = 800;
      TestNumbers numbers(10);
      std::vector<uint8_t> cache(80 * layout.block_bytes(), 0xff);
      const KvView view{layout, cache.data(), layout.block_bytes()};
      const AttentionOptions options{heads, 0.1f, window};
      // the prefix in blocks 0 to 24; of it each shares so many, then has its own
      const int own[] = {25, 24, 17, 16, 8, 7, 0, 25, 25};
      const int64_t rows[] = {1, 1, 3, 1, 2, 1, 1, 40, 1};
      std::vector<std::vector<int32_t>> tables;
      std::vector<SequenceRows> batch;
      int32_t next = 79;
      int64_t row = 0;
      const std::vector<float> k = numbers.normals(1000 * nk), v = numbers.normals(1000 * nk);
      for (size_t s = 0; s < std::size(own); ++s) {
        auto& table = tables.emplace_back();
        for (int32_t i = 0; i < 25; ++i) table.push_back(i < own[s] ? i : next - i % 25);
        for (int32_t i = 25; i < 27; ++i) table.push_back(next - i);
        // contents may be whatever they are, but must be numbers
        const SequenceRows whole{table, 0, 864, 0};
        make_ops("", 1)->store_kv(view, {&whole, 1}, {k.data(), 1000, nk}, {v.data(), 1000, nk});
      }
      for (size_t s = 0; s < std::size(own); ++s) {
        batch.push_back({tables[s], row, rows[s], prompt + static_cast<int64_t>(s)});
        row += rows[s];
      }
      const std::vector<float> q = numbers.normals(row * nq);
      std::vector<float> expected(q.size());
      const auto alone = make_ops("", 1);
      for (const SequenceRows& s : batch) {
        alone->attention({expected.data(), row, nq}, {q.data(), row, nq}, view, {&s, 1}, options);
      }
      for (const KernelTable* table : usable_tables()) {
        for (const int threads : {1, 2, 4}) {
          std::vector<float> together(q.size());
          make_ops(table->name, threads)
              ->attention({together.data(), row, nq}, {q.data(), row, nq}, view, batch, options);
          EXPECT_TRUE(same_bits(together, expected))
              << table->name << ", " << threads << " threads, " << name_of(type) << " of " << d
              << ", window " << window;
        }
      }
    }
  }
}

// What lies beyond a row's sight (NaN, infinity) cannot reach it, nor can blocks before a window.
TEST(Attention, ReadsNothingItMayNotSee) {
  const auto ops = make_ops("", 1);
  const AttentionRun run({40, 4, 2, 200, 50}, 12);
  const auto expected = run.run(*ops, 200, false);
  const KvLayout layout{2, 40, KvType::kF32};
  std::vector<float> infinities(7 * layout.block_bytes() / 4, INFINITY);
  std::vector<int32_t> blocks = {0, 1, 2, 3, 4, 5, 6};
  const KvView view{layout, reinterpret_cast<uint8_t*>(infinities.data()), layout.block_bytes()};
  const SequenceRows all{blocks, 0, 199, 0};
  const int64_t nk = 80, nq = 160;
  ops->store_kv(view, {&all, 1}, {run.k.data(), 199, nk}, {run.v.data(), 199, nk});
  // position 199 is unwritten; the window of row 198 begins at 149, so blocks 0..3 are gone
  for (int i = 0; i < 4; ++i) blocks[i] = -1;
  const SequenceRows last{blocks, 0, 1, 198};
  std::vector<float> out(nq);
  ops->attention({out.data(), 1, nq}, {run.q.data() + 198 * nq, 1, nq}, view, {&last, 1},
                 {4, 1.0f / std::sqrt(40.0f), 50});
  EXPECT_TRUE(same_bits(out, std::span(expected).subspan(198 * nq, nq)));
}

TEST(Ops, UnknownTableIsAnError) {
  const auto ops = Ops::create({.threads = 1, .table = "mmx"});
  ASSERT_FALSE(ops.ok());
  EXPECT_EQ(ops.error().code, "E0291");
}

}  // namespace
}  // namespace weft::tensor
