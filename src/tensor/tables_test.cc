// SPDX-License-Identifier: Apache-2.0
//
// Every kernel of every table against its scalar twin, bit for bit, over sizes, tails and
// misaligned addresses. On a machine without an instruction set its tests skip, visibly.
#include "tensor/tables.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <string>
#include <vector>

#include "base/threads.h"
#include "tensor/matrix.h"
#include "tensor/half.h"
#include "tensor/test_numbers.h"

namespace weft::tensor {
namespace {

const KernelTable& scalar() { return *table_by_name("scalar").value(); }

class Tables : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    const auto found = table_by_name(GetParam());
    if (!found.ok()) GTEST_SKIP() << "SKIPPED: " << found.error().message;
    table_ = found.value();
  }
  const KernelTable* table_ = nullptr;
  FlushDenormals flush_;
};
INSTANTIATE_TEST_SUITE_P(All, Tables, testing::Values("avx2", "avx512", "avx512-bf16", "amx-twin",
                                                      "amx-int8", "amx"));

constexpr int64_t kLengths[] = {1, 2, 7, 8, 15, 16, 17, 31, 32, 33, 40, 63, 64, 65, 100, 1000};

// Numbers of every kind: ordinary ones, large, tiny, denormal, zeros of both signs.
std::vector<float> wild(int64_t n, uint64_t seed) {
  TestNumbers numbers(seed);
  std::vector<float> out = numbers.normals(n);
  const float kinds[] = {0.0f, -0.0f, 1e-40f, -1e-40f, 1e30f, -87.5f, 88.8f, 1e-20f, -110.0f};
  for (int64_t i = 0; i < n; i += 5) out[i] = kinds[numbers.below(std::size(kinds))];
  return out;
}

// Runs `kernel(table, output, a, b, n)` of both tables at several addresses.
template <class Kernel>
void compare_rows(const KernelTable& table, Kernel kernel) {
  for (const int64_t n : kLengths) {
    for (const int64_t shift : {0, 1, 3}) {
      const auto a = wild(n + shift, n * 3 + shift);
      const auto b = wild(n + shift, n * 5 + shift);
      std::vector<float> expected = wild(n + shift + 1, 9);
      std::vector<float> got = expected;
      kernel(scalar(), expected.data() + shift, a.data() + shift, b.data() + shift, n);
      kernel(table, got.data() + shift, a.data() + shift, b.data() + shift, n);
      ASSERT_TRUE(same_bits(got, expected)) << "n=" << n << " shift=" << shift;
    }
  }
}

TEST_P(Tables, RowsAsScalar) {
  using F = float;
  const auto run = [&](auto kernel) { compare_rows(*table_, kernel); };
  using T = const KernelTable&;
  run([](T t, F* y, const F* a, const F* b, int64_t n) { t.rms_norm(y, a, b, n, 1e-6f); });
  run([](T t, F* y, const F* a, const F*, int64_t n) { t.add(y, a, n); });
  run([](T t, F* y, const F* a, const F*, int64_t n) { t.add_scaled(y, a, 0.3f, n); });
  run([](T t, F* y, const F*, const F*, int64_t n) { t.scale(y, 0.7f, n); });
  run([](T t, F* y, const F* a, const F* b, int64_t n) { t.silu_mul(y, a, b, n); });
  run([](T t, F* y, const F* a, const F* b, int64_t n) {
    if (n >= 2) t.rope(y, a, b, n / 2);
  });
  run([](T t, F* y, const F* a, const F*, int64_t n) { t.exp(y, a, n); });
  run([](T t, F* y, const F* a, const F*, int64_t n) { t.log(y, a, n); });
  run([](T t, F* y, const F* a, const F*, int64_t n) {
    F most = 0;
    const F sum = t.exp_scaled(y, a, 0.5f, n, &most);
    y[0] = std::max({y[0], sum, most}) + sum + most;
  });
}

TEST_P(Tables, ArgmaxAsScalar) {
  for (const int64_t n : kLengths) {
    auto x = wild(n, n);
    EXPECT_EQ(table_->argmax(x.data(), n), scalar().argmax(x.data(), n));
    std::fill(x.begin(), x.end(), 3.0f);  // ties: the lowest
    EXPECT_EQ(table_->argmax(x.data(), n), 0);
    x[n / 2] = NAN;
    x[n - 1] = 4.0f;
    EXPECT_EQ(table_->argmax(x.data(), n), n - 1);
    EXPECT_EQ(scalar().argmax(x.data(), n), n - 1);
    std::fill(x.begin(), x.end(), NAN);
    EXPECT_EQ(table_->argmax(x.data(), n), 0);
  }
}

TEST_P(Tables, ExpAndLogAsScalarOverAllMagnitudes) {
  constexpr int64_t kN = 1 << 12;
  std::vector<float> x(kN), a(kN), b(kN);
  for (uint32_t at = 0; at < 0xffff0000u - 40009u * kN; at += 40009u * kN) {
    for (int64_t i = 0; i < kN; ++i) {
      x[i] = std::bit_cast<float>(at + static_cast<uint32_t>(i) * 40009u);
    }
    scalar().exp(a.data(), x.data(), kN);
    table_->exp(b.data(), x.data(), kN);
    ASSERT_TRUE(same_bits(a, b)) << "exp near " << x[0];
    scalar().log(a.data(), x.data(), kN);
    table_->log(b.data(), x.data(), kN);
    ASSERT_TRUE(same_bits(a, b)) << "log near " << x[0];
  }
}

// How a table multiplies: the tokens of a panel, the bytes of a token there, and its kernels.
struct Product {
  int64_t most;
  int64_t token_bytes;
  void (*pack)(const float* x, int64_t stride, int64_t m, int64_t k, uint8_t* panel);
  void (*kernel)(const MatmulJob* job);
};

Product plain_product(const KernelTable& table, const Matrix& w) {
  void (*const kernels[])(const MatmulJob*) = {table.matmul_f32, table.matmul_bf16,
                                               table.matmul_f16, table.matmul_q8,
                                               table.matmul_q4,  table.matmul_q4c};
  const auto kernel = kernels[static_cast<int>(w.type())];
  const int64_t groups = (w.columns() + 31) / 32;
  if (is_quantised(w.type())) {
    return {table.panel_q8, groups * kPanelGroup, table.pack_q8, kernel};
  }
  return {table.panel_f32, w.columns() * 4, table.pack_f32, kernel};
}

Product dot_product(const KernelTable& table, const Matrix& w) {
  const DotKernels& dot = table.dot;
  return {dot.panel, (w.columns() + 31) / 32 * 32 * dot.value_bytes, dot.pack, dot.matmul};
}

// y for a matrix, panel by panel as the table wants them, in strip ranges.
std::vector<float> multiply(const Product& product, const Matrix& w, const float* x,
                            int64_t x_stride, int64_t m, const float* bias,
                            int64_t strips_at_once) {
  const int64_t most = product.most;
  const int64_t token_bytes = product.token_bytes;
  const int64_t panel = (m + (m + most - 1) / most - 1) / ((m + most - 1) / most);
  std::vector<uint64_t> panels((m * token_bytes + kPanelSlack + 7) / 8);
  auto* bytes = reinterpret_cast<uint8_t*>(panels.data());
  for (int64_t t = 0; t < m; t += panel) {
    product.pack(x + t * x_stride, x_stride, std::min(panel, m - t), w.columns(),
                 bytes + t * token_bytes);
  }
  const int64_t y_stride = w.rows() + 3;
  std::vector<float> y(m * y_stride, -7.0f);
  for (int64_t s = 0; s < w.strips(); s += strips_at_once) {
    const MatmulJob job{w.data(), w.strip_bytes(), s, std::min(w.strips(), s + strips_at_once),
                        w.rows(), w.columns(), bytes, panel * token_bytes, panel, m, y.data(),
                        y_stride, bias};
    product.kernel(&job);
  }
  return y;
}
std::vector<float> multiply(const KernelTable& table, const Matrix& w, const float* x,
                            int64_t x_stride, int64_t m, const float* bias,
                            int64_t strips_at_once) {
  return multiply(plain_product(table, w), w, x, x_stride, m, bias, strips_at_once);
}

// A q4c matrix takes codes only.
Matrix random_centred(int64_t rows, int64_t columns) {
  TestNumbers numbers(8);
  Packer packer(WeightType::kQ4Centred, rows, columns);
  for (int64_t row = 0; row < rows; ++row) {
    std::vector<uint8_t> codes(static_cast<size_t>(columns));
    for (uint8_t& code : codes) code = static_cast<uint8_t>(numbers.below(16));
    std::vector<uint16_t> scales(static_cast<size_t>((columns + 31) / 32));
    for (uint16_t& scale : scales) scale = f16_of_float(numbers.normal());
    packer.set_row_q4(row, codes.data(), scales.data(), nullptr);
  }
  return std::move(packer).finish();
}

TEST_P(Tables, MatmulAsScalar) {
  for (const WeightType type :
       {WeightType::kF32, WeightType::kBF16, WeightType::kF16, WeightType::kQ8, WeightType::kQ4,
        WeightType::kQ4Centred}) {
    for (const auto& [out, in] : {std::pair<int64_t, int64_t>{1, 1}, {16, 32}, {15, 31}, {33, 65},
                                  {80, 128}, {130, 1000}}) {
      const auto w = wild(out * in, 1);
      const auto bias = wild(out, 2);
      const Matrix matrix = type == WeightType::kQ4Centred
                                ? random_centred(out, in)
                                : pack(type, WeightType::kF32, w.data(), out, in);
      for (const int64_t m : {1, 2, 3, 4, 7, 8, 12, 13, 16, 17, 64}) {
        const int64_t stride = in + 5;
        const auto x = wild(m * stride + 1, 3);  // + 1: a misaligned start
        const auto expected = multiply(scalar(), matrix, x.data() + 1, stride, m, nullptr, 1000);
        EXPECT_TRUE(same_bits(multiply(*table_, matrix, x.data() + 1, stride, m, nullptr, 1000),
                              expected))
            << name_of(type) << " out=" << out << " in=" << in << " m=" << m;
        EXPECT_TRUE(same_bits(multiply(*table_, matrix, x.data() + 1, stride, m, nullptr, 1),
                              expected)) << "strip by strip";
        EXPECT_TRUE(same_bits(multiply(*table_, matrix, x.data() + 1, stride, m, bias.data(), 3),
                              multiply(scalar(), matrix, x.data() + 1, stride, m, bias.data(), 7)));
        // each row alone gives the same bits
        const auto alone = multiply(*table_, matrix, x.data() + 1 + (m - 1) * stride, stride, 1,
                                    nullptr, 1000);
        EXPECT_TRUE(same_bits(alone, std::span(expected).subspan((m - 1) * (out + 3))));
      }
    }
  }
}

// --- bf16 weights times activations rounded to bf16 ---

// The formula of DotKernels, by the C library; denormals are flushed by the processor's mode.
float exact_dot(std::span<const float> w, std::span<const float> x) {
  float sum = 0;
  for (size_t at = 0; at < w.size(); at += 32) {
    float chains[2] = {};
    for (size_t k = at; k < at + 32; ++k) {
      const float a = k < w.size() ? w[k] : 0.0f;
      const float b = k < w.size() ? float_of_bf16(bf16_of_float(x[k])) : 0.0f;
      chains[k % 2] = std::fmaf(a, b, chains[k % 2]);
    }
    sum = sum + (chains[0] + chains[1]);
  }
  return sum;
}

// The same bits, or both no number.
bool same_values(std::span<const float> a, std::span<const float> b) {
  for (size_t i = 0; i < a.size(); ++i) {
    if (std::bit_cast<uint32_t>(a[i]) == std::bit_cast<uint32_t>(b[i])) continue;
    if (!std::isnan(a[i]) || !std::isnan(b[i])) return false;
  }
  return a.size() == b.size();
}

TEST(Scalar, DotIsWhatTheFormulaSays) {
  const FlushDenormals flush;
  for (const int64_t in : {1, 2, 31, 32, 33, 100, 1000}) {
    const int64_t out = 35, m = 5;
    const auto values = wild(out * in, 21);
    const Matrix w = pack(WeightType::kBF16, WeightType::kF32, values.data(), out, in);
    const auto x = wild(m * in, 22);
    const auto y = multiply(dot_product(scalar(), w), w, x.data(), in, m, nullptr, 100);
    std::vector<float> row(static_cast<size_t>(in));
    for (int64_t o = 0; o < out; ++o) {
      w.read_row(o, row);
      for (int64_t t = 0; t < m; ++t) {
        const float exact = exact_dot(row, std::span(x).subspan(t * in, in));
        ASSERT_TRUE(same_values({&y[t * (out + 3) + o], 1}, {&exact, 1}))
            << "in=" << in << " row " << o << ": " << y[t * (out + 3) + o] << ", " << exact;
      }
    }
  }
}

TEST_P(Tables, DotAsScalar) {
  for (const auto& [out, in] : {std::pair<int64_t, int64_t>{1, 1}, {16, 32}, {15, 31}, {33, 65},
                                {80, 128}, {64, 512}, {130, 1000}}) {
    const auto values = wild(out * in, 1);
    const auto bias = wild(out, 2);
    const Matrix w = pack(WeightType::kBF16, WeightType::kF32, values.data(), out, in);
    const Product mine = dot_product(*table_, w);
    const Product theirs = dot_product(scalar(), w);
    for (const int64_t m : {1, 2, 3, 4, 5, 6, 7, 8, 12, 13, 16, 17, 35, 49, 64, 481}) {
      const int64_t stride = in + 5;
      const auto x = wild(m * stride + 1, 3);  // + 1: a misaligned start
      const float* at = x.data() + 1;
      const auto expected = multiply(theirs, w, at, stride, m, nullptr, 1000);
      ASSERT_TRUE(same_values(multiply(mine, w, at, stride, m, nullptr, 1000), expected))
          << "out=" << out << " in=" << in << " m=" << m;
      ASSERT_TRUE(same_values(multiply(mine, w, at, stride, m, nullptr, 1), expected))
          << "strip by strip";
      ASSERT_TRUE(same_values(multiply(mine, w, at, stride, m, bias.data(), 3),
                              multiply(theirs, w, at, stride, m, bias.data(), 7)));
      const auto alone = multiply(mine, w, at + (m - 1) * stride, stride, 1, nullptr, 1000);
      ASSERT_TRUE(same_values(alone, std::span(expected).subspan((m - 1) * (out + 3))))
          << "each row alone gives the same bits";
    }
  }
}

// bf16 patterns of every kind and, most of the time, such whose products and sums come near the
// least normal float, where flushing shows whether a step is rounded before or after.
uint16_t special_bf16(TestNumbers& numbers, int64_t kind) {
  constexpr uint16_t kKinds[] = {0x0000, 0x8000, 0x0001, 0x807f, 0x0080, 0x80ff, 0x3f80, 0xbf80,
                                 0x7f7f, 0xff7f, 0x7f80, 0xff80, 0x7fc0, 0xffc1};
  const auto raw = static_cast<uint16_t>(numbers.next());
  if (kind == 0) return kKinds[numbers.below(std::size(kKinds))];
  if (kind == 1) return raw;
  const auto exponent = kind == 2 ? 60 + numbers.below(10) : numbers.below(4);
  return static_cast<uint16_t>((raw & 0x807f) | exponent << 7);
}

TEST_P(Tables, DotOfSpecialValuesAsScalar) {
  TestNumbers numbers(31);
  const int64_t out = 32, in = 64, m = 16;
  for (int round = 0; round < 400; ++round) {
    std::vector<uint16_t> raw(static_cast<size_t>(out * in));
    // A quarter of the rounds has few oddities: else hardly a sum would be a number.
    const auto draw = [&] {
      if (round % 4 == 0 && numbers.below(60) > 0) return special_bf16(numbers, 2);
      return special_bf16(numbers, round % 4 == 0 ? numbers.below(2) : round % 4);
    };
    for (uint16_t& one : raw) one = draw();
    const Matrix w = pack(WeightType::kBF16, WeightType::kBF16, raw.data(), out, in);
    std::vector<float> x(static_cast<size_t>(m * in));
    for (float& one : x) {
      const uint32_t low = numbers.below(2) == 0 ? 0 : static_cast<uint32_t>(numbers.next() >> 48);
      const uint32_t high = round % 4 == 3 ? special_bf16(numbers, 1) : draw();
      one = std::bit_cast<float>(high << 16 | low);
    }
    for (const int64_t tokens : {int64_t{3}, m}) {
      ASSERT_TRUE(same_values(
          multiply(dot_product(*table_, w), w, x.data(), in, tokens, nullptr, 9),
          multiply(dot_product(scalar(), w), w, x.data(), in, tokens, nullptr, 9)))
          << "round " << round << " tokens " << tokens;
    }
  }
}

// All weights -128 and +127 against activations that quantise to +-127: the largest sums there
// are, where an instruction that saturates would show.
TEST_P(Tables, Q8ExactAtTheExtremes) {
  const int64_t out = 32, in = 256;
  std::vector<int8_t> q(out * in);
  for (int64_t i = 0; i < out * in; ++i) q[i] = i % in < in / 2 || i / in % 3 == 0 ? -128 : 127;
  const std::vector<uint16_t> scales(out * in / 32, f16_of_float(1.0f));
  const Matrix w = pack_q8(q.data(), scales.data(), out, in);
  for (const float sign : {1.0f, -1.0f}) {
    const std::vector<float> x(16 * in, sign * 127.0f);  // scale 1, values +-127
    for (const int64_t m : {1, 16}) {
      const auto y = multiply(*table_, w, x.data(), in, m, nullptr, 9);
      for (int64_t o = 0; o < out; ++o) {
        int64_t exact = 0;
        for (int64_t k = 0; k < in; ++k) exact += int64_t{q[o * in + k]} * 127;
        EXPECT_EQ(y[(m - 1) * (out + 3) + o], sign * static_cast<float>(exact));
      }
      EXPECT_TRUE(same_bits(y, multiply(scalar(), w, x.data(), in, m, nullptr, 9)));
    }
  }
}

// What a q4 product must be, worked out in double from the codes, scales and offsets themselves.
TEST_P(Tables, Q4IsTheProductOfWhatReadRowGives) {
  const int64_t out = 33, in = 100;
  const Matrix matrices[] = {
      pack(WeightType::kQ4, WeightType::kF32, TestNumbers(5).normals(out * in).data(), out, in),
      random_centred(out, in)};
  std::vector<float> x(static_cast<size_t>(in));
  TestNumbers numbers(6);
  for (float& value : x) value = static_cast<float>(numbers.below(255) - 127);
  for (size_t g = 0; g < x.size(); g += 32) x[g] = 127;  // scale 1: activations are exact
  for (const Matrix& w : matrices) {
    const auto y = multiply(*table_, w, x.data(), in, 1, nullptr, 2);
    std::vector<float> row(static_cast<size_t>(in));
    for (int64_t o = 0; o < out; ++o) {
      w.read_row(o, row);
      double exact = 0;
      double size = 1;
      for (size_t k = 0; k < row.size(); ++k) {
        exact += double{row[k]} * x[k];
        size += std::fabs(double{row[k]} * x[k]);
      }
      EXPECT_NEAR(y[static_cast<size_t>(o)], exact, size * 1e-6) << name_of(w.type());
    }
  }
}

TEST(TableNames, UnknownNameIsRefused) {
  const auto found = table_by_name("sse9");
  ASSERT_FALSE(found.ok());
  EXPECT_EQ(found.error().code, "E0291");
  EXPECT_NE(found.error().message.find("'sse9'"), std::string::npos);
}

TEST(TableNames, TheBestIsTheLastUsable) {
  ASSERT_FALSE(usable_tables().empty());
  EXPECT_EQ(best_table().value(), usable_tables().back());
}

float exact_exp(float x) { return static_cast<float>(expl(x)); }

// Distance in representable floats.
int64_t steps(float a, float b) {
  const auto order = [](float f) {
    const auto raw = std::bit_cast<int32_t>(f);
    return int64_t{raw < 0 ? static_cast<int32_t>(0x80000000u) - raw : raw};
  };
  return std::abs(order(a) - order(b));
}

TEST(Scalar, ExpWithinOneUlpAndLogWithinTwo) {
  const FlushDenormals flush;
  int64_t worst_exp = 0;
  int64_t worst_log = 0;
  for (uint32_t raw = 0; raw < 0x7f800000u; raw += 4001) {
    const float size = std::bit_cast<float>(raw);
    float y = 0;
    for (const float x : {size, -size}) {
      if (x < -87.33f || x > 88.72f) continue;
      scalar().exp(&y, &x, 1);
      worst_exp = std::max(worst_exp, steps(y, exact_exp(x)));
    }
    if (raw < 0x00800000u) continue;
    scalar().log(&y, &size, 1);
    worst_log = std::max(worst_log, steps(y, static_cast<float>(logl(size))));
  }
  EXPECT_LE(worst_exp, 1);
  EXPECT_LE(worst_log, 2);
}

TEST(Scalar, ExpAndLogAtTheirEdges) {
  const FlushDenormals flush;
  const float inf = INFINITY;
  std::vector<float> x = {-inf, inf, NAN, 0.0f, -0.0f, -88.0f, 88.8f, 88.72f};
  std::vector<float> y(x.size());
  scalar().exp(y.data(), x.data(), std::ssize(x));
  EXPECT_EQ(y[0], 0.0f);
  EXPECT_EQ(y[1], inf);
  EXPECT_TRUE(std::isnan(y[2]));
  EXPECT_EQ(y[3], 1.0f);
  EXPECT_EQ(y[4], 1.0f);
  EXPECT_EQ(y[5], 0.0f);
  EXPECT_EQ(y[6], inf);
  EXPECT_TRUE(std::isfinite(y[7]));
  x = {0.0f, -1.0f, inf, NAN, 1.0f, 1e-40f, -inf, -0.0f};
  scalar().log(y.data(), x.data(), std::ssize(x));
  EXPECT_EQ(y[0], -inf);
  EXPECT_TRUE(std::isnan(y[1]));
  EXPECT_EQ(y[2], inf);
  EXPECT_TRUE(std::isnan(y[3]));
  EXPECT_EQ(y[4], 0.0f);
  EXPECT_EQ(y[5], -inf);
  EXPECT_TRUE(std::isnan(y[6]));
  EXPECT_EQ(y[7], -inf);
}

TEST(TableNames, AProcessorThatIsTooOldIsRefusedByWhatItLacks) {
  const auto none = best_of({});
  ASSERT_FALSE(none.ok());
  EXPECT_EQ(none.error().code, "E0290");
  EXPECT_NE(none.error().message.find("AVX2, FMA or F16C"), std::string::npos);
  EXPECT_NE(none.error().hint.find("2013 or later"), std::string::npos);
  const auto usable = usable_tables();
  EXPECT_EQ(best_of(usable).value(), usable.back());
  for (const char* name : {"avx2", "avx512", "avx512-bf16", "amx-twin", "amx-int8", "amx"}) {
    const auto found = table_by_name(name);
    EXPECT_EQ(found.ok() ? "E0290" : found.error().code, "E0290") << name;
  }
}

}  // namespace
}  // namespace weft::tensor
