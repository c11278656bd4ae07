// SPDX-License-Identifier: Apache-2.0
#include "tensor/ops.h"

#include <gtest/gtest.h>

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
      std::vector<float> row(in);
      for (int64_t o = 0; o < out; ++o) {
        matrix.read_row(o, row);
        for (int64_t t = 0; t < m; ++t) {
          double sum = 0;
          double size = 0;
          for (int64_t k = 0; k < in; ++k) {
            sum += double{row[k]} * seen[t * in + k];
            size += std::fabs(double{row[k]} * seen[t * in + k]);
          }
          // a value on the border of two integers may round the other way in as_int8
          const double slack = type == WeightType::kQ8 ? 1e-4 : 1e-6;
          EXPECT_NEAR(y[t * out + o], sum + bias[o], slack * (size + 1))
              << name_of(type) << " m=" << m << " row " << o;
        }
      }
    }
  }
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

  std::vector<float> run(Ops& ops, int64_t chunk, bool reversed_blocks) const {
    const KvLayout layout{c.kv_heads, c.d};
    const int64_t count = (c.length + 31) / 32;
    const int64_t stride = layout.block_floats() + 48;
    std::vector<float> cache(count * stride, NAN);  // unwritten cache must never matter
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
        {80, 6, 2, 530, 100}, {128, 16, 8, 270, 0}, {256, 20, 1, 65, 40}}) {
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

TEST(Attention, SameBitsForEveryChunkPlanBlockTableThreadCountAndTable) {
  for (const AttentionCase& c : {AttentionCase{40, 6, 2, 530, 0}, {64, 8, 8, 300, 70},
                                 {80, 10, 2, 257, 0}, {24, 3, 1, 600, 256}}) {
    const AttentionRun run(c, 11);
    const auto expected = run.run(*make_ops("scalar", 1), 1, false);
    for (const KernelTable* table : usable_tables()) {
      for (const int threads : {1, 2, 4}) {
        const auto ops = make_ops(table->name, threads);
        for (const int64_t chunk : {int64_t{1}, int64_t{7}, int64_t{64}, int64_t{512}, c.length}) {
          if (chunk == 1 && threads == 4) continue;
          EXPECT_TRUE(same_bits(run.run(*ops, chunk, chunk % 2 == 0), expected))
              << table->name << " threads=" << threads << " chunk=" << chunk << " d=" << c.d;
        }
      }
    }
  }
}

}  // namespace
}  // namespace weft::tensor
