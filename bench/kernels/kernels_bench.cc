// SPDX-License-Identifier: Apache-2.0
//
// Prints matmul and attention as shares of measured limits, for every kernel table of this machine:
//   few tokens   bytes of weights a second / bytes a second that the same threads can only read
//   many tokens  operations a second / operations a second of multiply-adds in registers
// and the scan of a Mamba2 layer beside the products of that layer.
// Every figure is the median of ratios of neighbouring measurements, so that a busy machine slows
// both; with one thread it is CPU time, which other programs hardly touch.
// usage: kernels_bench [threads] [rounds] [table]
#include <fmt/core.h>

#include <time.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <string>
#include <vector>

#include "peaks.h"
#include "tensor/ops.h"
#include "tensor/recurrent.h"
#include "tensor/tables.h"
#include "tensor/test_numbers.h"

namespace weft::bench {
namespace {

using tensor::Matrix;
using tensor::Ops;
using tensor::TestNumbers;
using tensor::WeightType;

struct Settings {
  int threads = 2;
  int rounds = 7;
  std::string table;  // only this one
};

volatile uint64_t g_sink;  // where results go that nobody needs

double now_s(const Settings& settings) {
  timespec t{};
  clock_gettime(settings.threads == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

template <class Function>
double seconds(const Settings& settings, Function&& fn) {
  const double start = now_s(settings);
  fn();
  return now_s(settings) - start;
}

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + values.size() / 2, values.end());
  return values[values.size() / 2];
}

// Runs `work` and `limit` in turn; the median of limit's time / work's time, and work's median.
struct Pair {
  double share;
  double work_s;
};
template <class Work, class Limit>
Pair compare(const Settings& settings, Work&& work, Limit&& limit) {
  std::vector<double> shares, times;
  work();
  for (int i = 0; i < settings.rounds; ++i) {
    const double limit_s = seconds(settings, limit);
    const double work_s = seconds(settings, work);
    shares.push_back(limit_s / work_s);
    times.push_back(work_s);
  }
  return {median(shares), median(times)};
}

// Searching the best four bits for floats takes long, and any codes are as fast to multiply.
Matrix random_q4(int64_t out, int64_t in) {
  tensor::Packer packer(WeightType::kQ4, out, in);
  TestNumbers numbers(1);
  std::vector<uint8_t> codes(static_cast<size_t>(in));
  const std::vector<uint16_t> halves(static_cast<size_t>(in / 32), 0x2000);
  for (int64_t row = 0; row < out; ++row) {
    for (uint8_t& code : codes) code = static_cast<uint8_t>(numbers.below(16));
    packer.set_row_q4(row, codes.data(), halves.data(), halves.data());
  }
  return std::move(packer).finish();
}

// Matrices of one shape that together exceed the caches.
std::vector<Matrix> weights_of(WeightType type, int64_t out, int64_t in, int64_t bytes) {
  TestNumbers numbers(1);
  const auto values = numbers.normals(out * in);
  std::vector<Matrix> all;
  for (int64_t held = 0; held < bytes; held += static_cast<int64_t>(all.back().bytes())) {
    all.push_back(type == WeightType::kQ4
                      ? random_q4(out, in)
                      : pack(type, WeightType::kF32, values.data(), out, in));
  }
  return all;
}

// Every thread reads its share of each matrix.
void read_matrices(ThreadPool& pool, const std::vector<Matrix>& weights) {
  for (const Matrix& w : weights) {
    const int64_t part_bytes = static_cast<int64_t>(w.bytes()) / 16 / 256 * 256;
    pool.parallel_for(16, [&](int64_t part, int) {
      g_sink = read_all(w.data() + part * part_bytes, part_bytes);
    });
  }
}

// Weights of a type in one of the numerics; "fast" stands for bf16 in fast ones.
struct Products {
  WeightType type;
  tensor::Numerics numerics = tensor::Numerics::kPortable;

  bool is_fast() const { return numerics == tensor::Numerics::kFast; }
  std::string_view name() const { return is_fast() ? "fast" : name_of(type); }
};

void bench_decode(const Settings& settings, const std::string& table, Products products,
                  ThreadPool& pool) {
  const WeightType type = products.type;
  const int64_t out = 3072, in = 1024;
  const auto weights = weights_of(type, out, in, 256 << 20);
  int64_t bytes = 0;
  for (const Matrix& w : weights) bytes += static_cast<int64_t>(w.bytes());
  const auto ops = Ops::create({.threads = settings.threads, .table = table,
                                .numerics = products.numerics}).value();
  for (const int64_t m : {1, 2, 4, 8, 16}) {
    const auto x = TestNumbers(2).normals(m * in);
    std::vector<float> y(m * out);
    const Pair pair = compare(
        settings,
        [&] {
          for (const Matrix& w : weights) ops->matmul({y.data(), m, out}, {x.data(), m, in}, w);
        },
        [&] { read_matrices(pool, weights); });
    fmt::print("{:7} {:5} decode  M={:<4} {:5.1f} % of read bandwidth ({:.1f} GB/s)\n", table,
               products.name(), m, 100 * pair.share,
               static_cast<double>(bytes) / pair.work_s * 1e-9);
  }
}

void bench_prefill(const Settings& settings, const std::string& table, Products products,
                   ThreadPool& pool) {
  const WeightType type = products.type;
  const int64_t m = 512, out = 3072, in = 1024;
  const auto weights = weights_of(type, out, in, 1);
  const auto x = TestNumbers(2).normals(m * in);
  std::vector<float> y(m * out);
  const auto ops = Ops::create({.threads = settings.threads, .table = table,
                                .numerics = products.numerics}).value();
  const Peaks peaks = peaks_of(table);
  const double operations = 2.0 * static_cast<double>(m) * out * in;
  const bool int8 = tensor::is_quantised(type);
  const double per_core =
      peaks.operations * (int8 ? 4 : products.is_fast() ? peaks.bf16_factor : 1);
  const auto limit = products.is_fast() ? peaks.dot_bf16 : peaks.multiply_add;
  const int64_t calls = settings.threads * 2;
  const Pair pair = compare(
      settings, [&] { ops->matmul({y.data(), m, out}, {x.data(), m, in}, weights[0]); },
      [&] {
        pool.parallel_for(calls, [&](int64_t, int) {
          g_sink = int8 ? static_cast<uint64_t>(peaks.dot())
                        : static_cast<uint64_t>(limit() != 0);
        });
      });
  const double share = pair.share * operations / (static_cast<double>(calls) * per_core);
  fmt::print("{:7} {:5} prefill M={:<4} {:5.1f} % of {} peak ({:.0f} Gop/s)\n", table,
             products.name(), m, 100 * share,
             int8 ? "int8" : limit == peaks.multiply_add ? "f32" : "bf16",
             operations / pair.work_s * 1e-9);
}

struct AttentionShape {
  int64_t rows, depth;
  tensor::KvType type;
};

// Shape of Qwen3-0.6B: 16 query heads, 8 KV heads of 128.
void bench_attention(const Settings& settings, const std::string& table, AttentionShape shape,
                     ThreadPool& pool) {
  const tensor::KvLayout layout{8, 128, shape.type};
  const int64_t blocks_a_layer = (shape.depth + 31) / 32;
  const int64_t layers = shape.rows == 1 ? 16 : 1;  // beyond the caches, as 28 layers would be
  tensor::Buffer cache(static_cast<size_t>(layers * blocks_a_layer * layout.block_bytes()));
  std::memset(cache.data(), 0x11, cache.bytes());  // small numbers in every type
  std::vector<int32_t> blocks(static_cast<size_t>(blocks_a_layer));
  for (size_t i = 0; i < blocks.size(); ++i) blocks[i] = static_cast<int32_t>(i);
  const auto q = TestNumbers(3).normals(shape.rows * 2048);
  std::vector<float> out(q.size());
  const tensor::SequenceRows rows{blocks, 0, shape.rows, shape.depth - shape.rows};
  const auto ops = Ops::create({.threads = settings.threads, .table = table}).value();
  const auto work = [&] {
    for (int64_t l = 0; l < layers; ++l) {
      const tensor::KvView view{layout, cache.data() + l * blocks_a_layer * layout.block_bytes(),
                                layout.block_bytes()};
      ops->attention({out.data(), shape.rows, 2048}, {q.data(), shape.rows, 2048}, view,
                     {&rows, 1}, {.heads = 16, .scale = 0.088f, .window = 0});
    }
  };
  if (shape.rows == 1) {
    const int64_t part = static_cast<int64_t>(cache.bytes()) / 64 / 256 * 256;
    const Pair pair = compare(settings, work, [&] {
      pool.parallel_for(64, [&](int64_t i, int) {
        g_sink = read_all(cache.data() + i * part, part);
      });
    });
    fmt::print("{:7} {:5} attention, 1 row at {}: {:5.1f} % of read bandwidth\n", table,
               name_of(shape.type), shape.depth, 100 * pair.share);
    return;
  }
  const Peaks peaks = peaks_of(table);
  const Pair pair = compare(settings, work, [&] {
    pool.parallel_for(2, [&](int64_t, int) {
      g_sink = static_cast<uint64_t>(peaks.multiply_add() != 0);
    });
  });
  double seen = 0;
  for (int64_t i = 0; i < shape.rows; ++i) {
    seen += static_cast<double>(shape.depth - shape.rows + i + 1);
  }
  const double operations = 4.0 * seen * 16 * 128;
  fmt::print("{:7} {:5} attention, {} rows to {}: {:5.1f} % of f32 peak\n", table,
             name_of(shape.type), shape.rows, shape.depth,
             100 * pair.share * operations / (2 * peaks.operations));
}

// A layer of Granite 4.0 H Micro over 512 tokens: what its scan, token by token, takes beside the
// products of the same layer in 8 bits (in and out of Mamba2, and the MLP).
void bench_mamba(const Settings& settings, const std::string& table) {
  const tensor::MambaShape shape{.heads = 64, .head_dim = 64, .state_dim = 128, .groups = 1};
  const int64_t m = 512, hidden = 2048, widest = 16384;
  const int64_t projected = shape.inner() + shape.channels() + shape.heads;
  std::vector<Matrix> weights;
  for (const auto& [out, in] : {std::pair{projected, hidden}, {hidden, shape.inner()},
                                {widest, hidden}, {hidden, widest / 2}}) {
    weights.push_back(std::move(weights_of(WeightType::kQ8, out, in, 1)[0]));
  }
  TestNumbers numbers(4);
  const auto xbc = numbers.normals(m * shape.channels());
  const auto x = numbers.normals(m * widest / 2);
  const std::vector<float> steps(static_cast<size_t>(m * shape.heads), 0.9f);
  const std::vector<float> skip(static_cast<size_t>(shape.heads), 1.0f);
  std::vector<float> y(static_cast<size_t>(m * widest));
  std::vector<float> state(static_cast<size_t>(shape.state_floats()));
  float* const base[] = {state.data()};
  const tensor::SequenceRows rows{{}, 0, m, 0};
  const auto ops = Ops::create({.threads = settings.threads, .table = table}).value();
  const tensor::ConstRows step{steps.data(), m, shape.heads};
  const Pair pair = compare(
      settings,
      [&] {
        ops->mamba_scan({y.data(), m, shape.inner()}, {xbc.data(), m, shape.channels()}, step, step,
                        skip, shape, {&rows, 1}, {base, 0});
      },
      [&] {
        for (const Matrix& w : weights) {
          ops->matmul({y.data(), m, w.rows()}, {x.data(), m, w.columns()}, w);
        }
      });
  fmt::print("{:7} f32   mamba scan, {} rows: {:5.1f} % of the time of its layer's q8 products\n",
             table, m, 100 / pair.share);
}

int count_of(std::string_view text) {
  int count = 1;
  std::from_chars(text.data(), text.data() + text.size(), count);
  return std::max(1, count);
}

int run(const Settings& settings) {
  ThreadPool pool(settings.threads);
  for (const tensor::KernelTable* table : tensor::usable_tables()) {
    const std::string name = table->name;
    // the scalar table is the specification, the twin for tests: not made for speed
    if (name == "scalar" || name == "amx-twin") continue;
    if (!settings.table.empty() && name != settings.table) continue;
    for (const Products products :
         {Products{WeightType::kQ8}, Products{WeightType::kQ4}, Products{WeightType::kBF16},
          Products{WeightType::kBF16, tensor::Numerics::kFast}, Products{WeightType::kF32}}) {
      bench_decode(settings, name, products, pool);
      bench_prefill(settings, name, products, pool);
    }
    for (const auto kv : {tensor::KvType::kF32, tensor::KvType::kF16, tensor::KvType::kQ8}) {
      bench_attention(settings, name, {1, 1024, kv}, pool);
      bench_attention(settings, name, {1, 4096, kv}, pool);
      bench_attention(settings, name, {512, 512, kv}, pool);
      bench_attention(settings, name, {512, 4096, kv}, pool);
    }
    bench_mamba(settings, name);
  }
  return 0;
}

}  // namespace
}  // namespace weft::bench

int main(int argc, char** argv) {
  weft::bench::Settings settings;
  if (argc > 1) settings.threads = weft::bench::count_of(argv[1]);
  if (argc > 2) settings.rounds = weft::bench::count_of(argv[2]);
  if (argc > 3) settings.table = argv[3];
  return weft::bench::run(settings);
}
