// SPDX-License-Identifier: Apache-2.0
//
// engine_bench MODEL|random:LAYERS [--dtype T] [--threads N] [--prompt N] [--decode N] [--rounds N]
// [--commit C] [--csv FILE]
//
// With one thread, time is the processor time of this process, so that a machine shared with others
// still gives a share; with more threads it is the clock on the wall, for quiet machines only.
//
// Prefill and decode through the engine, each as a share of the limit that physics sets, measured
// in the same round because the machine's minutes differ:
//   decode   weight bytes x tokens/s / bandwidth of summing a buffer of exactly those bytes
//   prefill  2 x weights x tokens/s / multiply-add peak of the same threads
// random:LAYERS is a model of Qwen3-0.6B's shape with so many layers and 32,768 words. The best
// round counts, per figure; one CSV line is appended for each run.
#include <fmt/format.h>
#include <time.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <future>
#include <map>
#include <string>

#include "base/threads.h"
#include "engine/limits.h"
#include "runtime/engine.h"
#include "tests/engine/random_model.h"

namespace weft::bench {
namespace {

struct Settings {
  std::string model;
  std::string dtype = "q8";
  std::string commit = "unknown";
  std::string csv = "bench/results/engine.csv";
  int threads = usable_cores();
  int prompt = 256;
  int decode = 48;
  int rounds = 3;
};

// 1 for anything that is no positive number.
int positive(std::string_view text) {
  int out = 1;
  std::from_chars(text.data(), text.data() + text.size(), out);
  return std::max(out, 1);
}

// The real world with another clock.
class CpuTimeEnv final : public Env {
 public:
  int64_t wall_us() override { return real_env().wall_us(); }
  int64_t mono_ns() override {
    timespec now{};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
  }
  void sleep_us(int64_t us) override { real_env().sleep_us(us); }
  void random(std::span<uint8_t> out) override { real_env().random(out); }
};

runtime::Usage serve(runtime::Engine& engine, int prompt, int decode) {
  runtime::Request request;
  for (int i = 0; i < prompt; ++i) {
    request.prompt.push_back((i * 7919 + 13) % engine.model().config.vocab_size);
  }
  request.max_tokens = decode;
  request.sampling.temperature = 0;
  std::promise<runtime::Usage> done;
  request.on_done = [&](const runtime::Completion& c) { done.set_value(c.usage); };
  const auto handle = engine.submit(std::move(request));
  CHECK(handle.ok(), "{}", handle.error().text());
  return done.get_future().get();
}

struct Figures {
  double decode_tokens = 0, decode_share = 0, prefill_tokens = 0, prefill_share = 0;
};

Figures measure(const Settings& s, Env& env, runtime::Engine& engine) {
  const size_t bytes = engine.model().family->streamed_bytes();
  const bool int8 = s.dtype == "q8" ||
                    engine.model().config.quantization != model::Quantization::kNone;
  const double bytes_a_weight = int8 ? 34.0 / 32 : s.dtype == "f32" ? 4 : 2;
  // The head sees one row of a prompt, the layers see all of them.
  const auto& config = engine.model().config;
  const double operations = 2 * (static_cast<double>(bytes) / bytes_a_weight -
                                 double{1} * config.vocab_size * config.hidden_size);
  Figures best;
  ThreadPool pool(s.threads);
  for (int round = 0; round < s.rounds; ++round) {
    const double bandwidth = read_bandwidth(env, pool, bytes);
    const double peak = arithmetic_peak(env, pool, int8 ? Arithmetic::kInt8 : Arithmetic::kF32);
    const runtime::Usage usage = serve(engine, s.prompt, s.decode);
    const double decode = (usage.generated_tokens - 1) / usage.decode_seconds;
    const double prefill = usage.prompt_tokens / usage.prefill_seconds;
    const double decode_share = static_cast<double>(bytes) * decode / bandwidth;
    const double prefill_share = operations * prefill / peak;
    std::printf("round %d: decode %.1f tok/s = %.2f of %.1f GB/s; prefill %.0f tok/s = %.2f of "
                "%.0f GOP/s\n", round + 1, decode, decode_share, bandwidth * 1e-9, prefill,
                prefill_share, peak * 1e-9);
    best.decode_tokens = std::max(best.decode_tokens, decode);
    best.decode_share = std::max(best.decode_share, decode_share);
    best.prefill_tokens = std::max(best.prefill_tokens, prefill);
    best.prefill_share = std::max(best.prefill_share, prefill_share);
  }
  return best;
}

std::string machine() {
  std::ifstream file("/proc/cpuinfo");
  std::string line;
  while (std::getline(file, line)) {
    if (line.starts_with("model name")) {
      std::string name = line.substr(line.find(':') + 2);
      std::replace(name.begin(), name.end(), ',', ' ');
      return name;
    }
  }
  return "unknown";
}

void append_csv(const Settings& s, const Figures& f) {
  const bool fresh = !std::ifstream(s.csv).good();
  std::ofstream out(s.csv, std::ios::app);
  if (fresh) {
    out << "commit,machine,threads,model,dtype,prompt,decode,decode_tok_s,"
           "decode_share_of_bandwidth,prefill_tok_s,prefill_share_of_peak\n";
  }
  out << fmt::format("{},{},{},{},{},{},{},{:.1f},{:.3f},{:.1f},{:.3f}\n", s.commit, machine(),
                     s.threads, s.model, s.dtype, s.prompt, s.decode, f.decode_tokens,
                     f.decode_share, f.prefill_tokens, f.prefill_share);
}

int run(const Settings& s) {
  testing_model::Shape shape{.hidden = 1024, .inner = 3072, .layers = 1, .heads = 16,
                             .kv_heads = 8, .head_dim = 128, .vocab = 32768, .context = 8192};
  std::unique_ptr<testing_model::RandomModel> random;
  model::ModelFiles files(s.model);
  if (s.model.starts_with("random:")) {
    shape.layers = positive(s.model.substr(7));
    random = std::make_unique<testing_model::RandomModel>(shape);
    files = random->files();
  }
  const auto precision = model::precision_of(s.dtype);
  CHECK(precision.ok(), "{}", precision.error().text());
  auto loaded = runtime::ModelInstance::load(std::move(files), {.precision = precision.value()});
  CHECK(loaded.ok(), "{}", loaded.error().text());
  CpuTimeEnv cpu_time;
  Env& env = s.threads == 1 ? static_cast<Env&>(cpu_time) : real_env();
  runtime::EngineOptions options;
  options.threads = s.threads;
  auto engine = runtime::Engine::create(std::move(loaded).value(), options, env).value();
  const Figures figures = measure(s, env, *engine);
  std::printf("%s %s: decode %.2f of read bandwidth, prefill %.2f of arithmetic peak\n",
              s.model.c_str(), s.dtype.c_str(), figures.decode_share, figures.prefill_share);
  append_csv(s, figures);
  return 0;
}

}  // namespace
}  // namespace weft::bench

int main(int argc, char** argv) {
  weft::bench::Settings s;
  const std::map<std::string, int*> numbers = {{"--threads", &s.threads}, {"--prompt", &s.prompt},
                                               {"--decode", &s.decode}, {"--rounds", &s.rounds}};
  const std::map<std::string, std::string*> texts = {
      {"--dtype", &s.dtype}, {"--csv", &s.csv}, {"--commit", &s.commit}};
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    if (numbers.contains(name) && i + 1 < argc) {
      *numbers.at(name) = weft::bench::positive(argv[++i]);
    } else if (texts.contains(name) && i + 1 < argc) {
      *texts.at(name) = argv[++i];
    } else {
      s.model = name;
    }
  }
  if (s.model.empty()) {
    std::printf("usage: engine_bench MODEL|random:LAYERS [--dtype T] [--threads N] [--prompt N] "
                "[--decode N] [--rounds N] [--commit C] [--csv FILE]\n");
    return 2;
  }
  return weft::bench::run(s);
}
