// SPDX-License-Identifier: Apache-2.0
//
// inference_bench MODEL THREADS [KV [CACHE [NUMERICS]]]: our side of bench/inference/run. Loads a
// model once, with a KV cache of type KV (f16, q8, f32; else the model's own), packed weights kept
// in the folder CACHE and NUMERICS (portable, fast), then answers one JSON line for each line on
// stdin, so that runs of two engines can alternate:
//
//   prefill TOKENS            {"rate": prompt tokens a second, "share": of the arithmetic's peak}
//   decode DEPTH TOKENS       {"rate": tokens a second after a prompt of DEPTH, "share": weights
//                              and cache read a second over the bandwidth of reading as many}
//   batch SEQUENCES TOKENS    {"rate": tokens a second of all together, "share": as decode}
//   shared SEQUENCES TOKENS PREFIX    the same behind PREFIX tokens that all have in common
//   first                     {"rate": 1}, after one token of a prompt of one
//
// Limits are measured in the same call. The first line printed says what was loaded.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <future>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include "engine/limits.h"
#include "runtime/engine.h"
#include "runtime/kv_cache.h"

namespace weft::bench {
namespace {

constexpr int kShort = 16;  // prompt of the sequences of a batch

struct Bench {
  std::unique_ptr<runtime::Engine> engine;
  ThreadPool pool;
  int asked = 0;  // so that no prompt begins like an earlier one, whose cache would serve it

  explicit Bench(int threads) : pool(threads) {}
  const runtime::ModelInstance& model() const { return engine->model(); }
};

struct Figure {
  double rate = 0;
  double share = 0;
};

// `count` requests at once, each of another prompt, behind `shared` tokens that never change.
std::vector<runtime::Usage> serve(Bench& bench, int count, int prompt, int tokens,
                                  int shared = 0) {
  std::vector<std::promise<runtime::Usage>> done(static_cast<size_t>(count));
  for (int i = 0; i < count; ++i) {
    runtime::Request request;
    const int salt = ++bench.asked;
    for (int j = 0; j < shared + prompt; ++j) {
      const int own = j < shared ? 1 : salt * 10473;
      request.prompt.push_back((j * 7919 + own + 13) % bench.model().config.vocab_size);
    }
    request.max_tokens = tokens;
    request.sampling.temperature = 0;
    request.on_done = [&done, i](const runtime::Completion& c) {
      done[static_cast<size_t>(i)].set_value(c.usage);
    };
    const auto handle = bench.engine->submit(std::move(request));
    CHECK(handle.ok(), "{}", handle.error().text());
  }
  std::vector<runtime::Usage> out;
  for (auto& one : done) out.push_back(one.get_future().get());
  return out;
}

// Bytes of cache that one token at `depth` reads.
double cache_bytes(const Bench& bench, double depth) {
  return depth * static_cast<double>(runtime::KvCache::block_bytes(bench.model().kv_shape())) / 32;
}

Figure prefill(Bench& bench, int tokens) {
  const runtime::Usage usage = serve(bench, 1, tokens, 1)[0];
  const auto& config = bench.model().config;
  // Multiply-adds of the layers' matrices; the head sees one row.
  double weights = 0;
  const double h = config.hidden_size;
  const double heads = double{1} * (2 * config.heads + 2 * config.kv_heads) * config.head_dim;
  weights += config.layers * h * (heads + 3.0 * config.intermediate_size);
  const bool floats = static_cast<double>(bench.model().family->streamed_bytes()) > 1.5 * weights;
  const bool fast = bench.model().numerics == tensor::Numerics::kFast;
  const double peak = arithmetic_peak(real_env(), bench.pool,
                                      !floats ? Arithmetic::kInt8
                                      : fast  ? Arithmetic::kBF16
                                              : Arithmetic::kF32);
  const double rate = usage.prompt_tokens / usage.prefill_seconds;
  return {rate, 2 * weights * rate / peak};
}

Figure decode(Bench& bench, int depth, int tokens) {
  const double bytes = static_cast<double>(bench.model().family->streamed_bytes()) +
                       cache_bytes(bench, depth + tokens / 2.0);
  const double bandwidth = read_bandwidth(real_env(), bench.pool, static_cast<size_t>(bytes));
  const runtime::Usage usage = serve(bench, 1, std::max(depth, 1), tokens + 1)[0];
  const double rate = (usage.generated_tokens - 1) / usage.decode_seconds;
  return {rate, bytes * rate / bandwidth};
}

Figure batch(Bench& bench, int sequences, int tokens, int shared) {
  if (shared > 0) serve(bench, 1, kShort, 1, shared);  // now it is in the cache
  const double bytes = static_cast<double>(bench.model().family->streamed_bytes()) +
                       cache_bytes(bench, shared) +
                       sequences * cache_bytes(bench, kShort + tokens / 2.0);
  const double bandwidth = read_bandwidth(real_env(), bench.pool, static_cast<size_t>(bytes));
  double longest = 0;
  int generated = 0;
  for (const runtime::Usage& usage : serve(bench, sequences, kShort, tokens + 1, shared)) {
    longest = std::max(longest, usage.decode_seconds);
    generated += usage.generated_tokens - 1;
  }
  const double rate = generated / longest;
  return {rate, bytes * rate / sequences / bandwidth};
}

int answer(Bench& bench) {
  std::string line;
  while (std::getline(std::cin, line)) {
    std::istringstream words(line);
    std::string what;
    int a = 0;
    int b = 0;
    int c = 0;
    words >> what >> a >> b >> c;
    Figure figure;
    if (what == "prefill" && a > 0) figure = prefill(bench, a);
    if (what == "decode" && b > 0) figure = decode(bench, a, b);
    if (what == "batch" && a > 0 && b > 0) figure = batch(bench, a, b, 0);
    if (what == "shared" && a > 0 && b > 0 && c > 0) figure = batch(bench, a, b, c);
    if (what == "first" && !serve(bench, 1, 1, 1).empty()) figure.rate = 1;
    if (figure.rate <= 0) return 2;
    std::printf("{\"rate\": %.4f, \"share\": %.4f}\n", figure.rate, figure.share);
    std::fflush(stdout);
  }
  return 0;
}

int run(const std::string& path, runtime::LoadOptions options) {
  const int threads = options.threads;
  auto files = runtime::model_files_named(path);
  CHECK(files.ok(), "{}", files.error().text());
  auto loaded = runtime::ModelInstance::load(std::move(files).value(), options);
  CHECK(loaded.ok(), "{}", loaded.error().text());
  Bench bench(threads);
  // Without guesses: random weights repeat themselves, which would be worth several times the rate.
  bench.engine = runtime::Engine::create(std::move(loaded).value(),
                                         {.threads = threads, .tokens_per_tick = 512,
                                          .speculate = false}).value();
  std::printf("{\"bytes\": %zu, \"fingerprint\": \"%s\"}\n",
              bench.model().family->streamed_bytes(), bench.model().fingerprint().c_str());
  std::fflush(stdout);
  return answer(bench);
}

}  // namespace
}  // namespace weft::bench

int main(int argc, char** argv) {
  if (argc < 3 || argc > 6) {
    std::fprintf(stderr, "usage: inference_bench MODEL THREADS [KV [CACHE [NUMERICS]]]\n");
    return 2;
  }
  using weft::tensor::KvType;
  weft::runtime::LoadOptions options;
  const std::string_view text = argv[2];
  std::from_chars(text.data(), text.data() + text.size(), options.threads);
  options.threads = std::max(options.threads, 1);
  const std::string_view kv = argc > 3 ? argv[3] : "";
  if (kv == "f16") options.kv = KvType::kF16;
  if (kv == "q8") options.kv = KvType::kQ8;
  if (kv == "f32") options.kv = KvType::kF32;
  if (argc > 4) options.cache_directory = argv[4];
  if (argc > 5) options.numerics = weft::tensor::numerics_of(argv[5]).value();
  return weft::bench::run(argv[1], std::move(options));
}
