// SPDX-License-Identifier: Apache-2.0
//
// serving_bench MODEL THREADS: our side of bench/serving/run. Loads a model once, then answers one
// JSON line for each line on stdin, each by an engine of its own:
//
//   burst N PREFIX TOKENS  N requests at once that share a prefix, cold and then warm
//   copy TOKENS GUESS      decoding of text that stands in the prompt, with guesses (1) or without
//   fresh TOKENS GUESS     decoding of text that repeats nothing
//   streams N              N requests of different lengths at once: first tokens, order
//   behind LONG            a prompt of 10 tokens behind one of LONG
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <cstdio>
#include <fstream>
#include <future>
#include <iostream>
#include <numeric>
#include <sstream>
#include <string>
#include <vector>

#include "runtime/engine.h"

namespace weft::bench {
namespace {

using runtime::Completion;
using runtime::Engine;
using runtime::Request;
using text::TokenId;

double now() { return static_cast<double>(real_env().mono_ns()) * 1e-9; }

// One request in progress: when its tokens came, and which.
struct Stream {
  double first = 0;
  std::vector<TokenId> heard;
  int64_t first_tick = -1;
  std::promise<Completion> done;
};

class Bench {
 public:
  Bench(std::shared_ptr<runtime::ModelInstance> model, int threads)
      : model_(std::move(model)), threads_(threads) {}

  std::unique_ptr<Engine> engine(bool speculate = true) const {
    return Engine::create(model_, {.threads = threads_, .tokens_per_tick = 512,
                                   .speculate = speculate}).value();
  }
  TokenId token(int64_t value) const {
    return static_cast<TokenId>(value % (model_->config.vocab_size - 400) + 300);
  }
  // Text that repeats nothing for as long as anybody looks.
  std::vector<TokenId> text(int count, int64_t seed) const {
    std::vector<TokenId> out;
    for (int64_t i = 0; i < count; ++i) out.push_back(token(i * i * 7919 + seed * 104'729 + i));
    return out;
  }
  std::string burst(int count, int prefix, int tokens) const;
  std::string decode(int tokens, bool copy, bool guess) const;
  std::string streams(int count) const;
  std::string behind(int length) const;

 private:
  std::shared_ptr<runtime::ModelInstance> model_;
  int threads_;
};

// Submits all and waits; tells what each heard.
double serve(Engine& engine, std::vector<Request> requests, std::vector<Stream>& streams) {
  streams = std::vector<Stream>(requests.size());
  const double begin = now();
  for (size_t i = 0; i < requests.size(); ++i) {
    Stream& stream = streams[i];
    if (requests[i].sampling.seed == 0) requests[i].sampling.temperature = 0;
    requests[i].on_token = [&stream, &engine](const runtime::Sampled& token) {
      if (stream.heard.empty()) stream.first = now();
      if (stream.heard.empty()) stream.first_tick = engine.stats().ticks;
      stream.heard.push_back(token.id);
    };
    requests[i].on_done = [&stream](Completion done) { stream.done.set_value(std::move(done)); };
    const auto handle = engine.submit(std::move(requests[i]));
    CHECK(handle.ok(), "{}", handle.error().text());
  }
  double end = begin;
  for (Stream& stream : streams) {
    const Completion done = stream.done.get_future().get();
    CHECK(done.tokens == stream.heard, "tokens lost or out of order");
    end = now();
  }
  for (Stream& stream : streams) stream.first -= begin;
  return end - begin;
}

double peak_mib() {
  std::ifstream status("/proc/self/status");
  std::string line;
  while (std::getline(status, line)) {
    if (line.starts_with("VmHWM:")) return std::stod(line.substr(6)) / 1024;
  }
  return 0;
}

double worst_first(const std::vector<Stream>& streams) {
  std::vector<double> firsts;
  for (const Stream& stream : streams) firsts.push_back(stream.first);
  std::ranges::sort(firsts);
  return firsts[firsts.size() * 99 / 100];
}

std::string Bench::burst(int count, int prefix, int tokens) const {
  const auto engine = this->engine();
  std::vector<Stream> streams;
  double seconds[2] = {};
  int64_t computed[2] = {};
  for (const int round : {0, 1}) {
    std::vector<Request> requests(static_cast<size_t>(count));
    for (int i = 0; i < count; ++i) {
      Request& request = requests[static_cast<size_t>(i)];
      request.prompt = text(prefix, 1);
      const auto own = text(8, round * 100 + i + 2);
      request.prompt.insert(request.prompt.end(), own.begin(), own.end());
      request.max_tokens = tokens;
    }
    const int64_t before = engine->stats().prompt_tokens;
    seconds[round] = serve(*engine, std::move(requests), streams);
    while (engine->stats().running > 0) real_env().sleep_us(1000);
    computed[round] = engine->stats().prompt_tokens - before;
  }
  return fmt::format(R"({{"cold": {:.3f}, "warm": {:.3f}, "computed": {}, "again": {}, )"
                     R"("peak_mib": {:.0f}}})",
                     seconds[0], seconds[1], computed[0], computed[1], peak_mib());
}

std::string Bench::decode(int tokens, bool copy, bool guess) const {
  const auto engine = this->engine(guess);
  Request request;
  if (copy) {  // a passage, something else, and the passage begun again
    request.prompt.resize(static_cast<size_t>(tokens) + 8);
    std::iota(request.prompt.begin(), request.prompt.end(), TokenId{1000});
    const auto other = text(40, 5);
    request.prompt.insert(request.prompt.end(), other.begin(), other.end());
    for (TokenId id = 1000; id < 1004; ++id) request.prompt.push_back(id);
  } else {
    request.prompt = text(100, 5);
    request.sampling.seed = 7;  // greedy text of random weights goes round in circles
  }
  request.max_tokens = tokens;
  std::vector<Request> requests;
  requests.push_back(std::move(request));
  std::vector<Stream> streams;
  const double seconds = serve(*engine, std::move(requests), streams);
  const double rate = (tokens - 1) / (seconds - streams[0].first);
  while (engine->stats().running > 0) real_env().sleep_us(1000);
  const auto stats = engine->stats();
  return fmt::format(R"({{"rate": {:.3f}, "drafted": {}, "accepted": {}, "first": {}, )"
                     R"("last": {}}})",
                     rate, stats.drafted_tokens, stats.accepted_tokens, streams[0].heard.front(),
                     streams[0].heard.back());
}

std::string Bench::streams(int count) const {
  const auto engine = this->engine();
  std::vector<Stream> streams;
  std::vector<Request> one(1);
  one[0].prompt = text(1024, 9);
  one[0].max_tokens = 1;
  const double alone = serve(*engine, std::move(one), streams);
  std::vector<Request> requests(static_cast<size_t>(count));
  int queued = 0;
  for (int i = 0; i < count; ++i) {
    Request& request = requests[static_cast<size_t>(i)];
    request.prompt = text(20 + i % 8 * 10, i + 20);
    request.max_tokens = 16;
    queued += static_cast<int>(request.prompt.size());
  }
  const double seconds = serve(*engine, std::move(requests), streams);
  const double rate = 1024 / alone;
  return fmt::format(R"({{"first_p99": {:.3f}, "queued": {}, "prefill_rate": {:.1f}, )"
                     R"("share": {:.3f}, "seconds": {:.3f}}})",
                     worst_first(streams), queued, rate, worst_first(streams) / (queued / rate),
                     seconds);
}

std::string Bench::behind(int length) const {
  const auto engine = this->engine();
  std::vector<Request> both(2);
  both[0].prompt = text(length, 1);
  both[0].max_tokens = 2;
  both[1].prompt = text(10, 2);
  both[1].max_tokens = 2;
  std::vector<Stream> streams;
  serve(*engine, std::move(both), streams);
  // stats() are those of the tick before: the first tick is number 0.
  return fmt::format(R"({{"ticks": {}, "first": {:.3f}, "long_first": {:.3f}}})",
                     streams[1].first_tick + 1, streams[1].first, streams[0].first);
}

int answer(const Bench& bench) {
  std::string line;
  while (std::getline(std::cin, line)) {
    std::istringstream words(line);
    std::string what;
    int a = 0;
    int b = 0;
    int c = 0;
    words >> what >> a >> b >> c;
    std::string out;
    if (what == "burst" && a > 0 && b > 0 && c > 0) out = bench.burst(a, b, c);
    if (what == "copy" && a > 1) out = bench.decode(a, true, b != 0);
    if (what == "fresh" && a > 1) out = bench.decode(a, false, b != 0);
    if (what == "streams" && a > 0) out = bench.streams(a);
    if (what == "behind" && a > 0) out = bench.behind(a);
    if (out.empty()) return 2;
    std::printf("%s\n", out.c_str());
    std::fflush(stdout);
  }
  return 0;
}

int run(const std::string& path, int threads) {
  auto files = runtime::model_files_named(path);
  CHECK(files.ok(), "{}", files.error().text());
  auto loaded = runtime::ModelInstance::load(std::move(files).value(), {.threads = threads});
  CHECK(loaded.ok(), "{}", loaded.error().text());
  std::printf("{\"fingerprint\": \"%s\"}\n", loaded.value()->fingerprint().c_str());
  std::fflush(stdout);
  return answer(Bench(std::move(loaded).value(), threads));
}

}  // namespace
}  // namespace weft::bench

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: serving_bench MODEL THREADS\n");
    return 2;
  }
  int threads = 1;
  const std::string_view text = argv[2];
  std::from_chars(text.data(), text.data() + text.size(), threads);
  return weft::bench::run(argv[1], std::max(threads, 1));
}
