// SPDX-License-Identifier: Apache-2.0
//
// serving_bench MODEL THREADS [TOKENIZER]: what bench/serving/run measures without HTTP. Loads a
// model once, then answers one JSON line for each line on stdin, each by an engine of its own:
//
//   copy TOKENS GUESS      decoding of text that stands in the prompt, with guesses (1) or without
//   fresh TOKENS GUESS     decoding of text that repeats nothing
//   streams N              N requests of different lengths at once: first tokens, order
//   behind LONG            a prompt of 10 tokens behind one of LONG
//   held N TOKENS ROUNDS   N sequences at once under a JSON Schema and without, in turn. Needs
//                          TOKENIZER (a tokenizer.json), whose ids the model must have
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <future>
#include <iostream>
#include <numeric>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "base/file.h"
#include "chat/turn.h"
#include "grammar/grammars.h"
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
  std::string decode(int tokens, bool copy, bool guess) const;
  std::string streams(int count) const;
  std::string behind(int length) const;
  std::string held(const text::Tokenizer& tokenizer, int count, int tokens, int rounds) const;

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

double worst_first(const std::vector<Stream>& streams) {
  std::vector<double> firsts;
  for (const Stream& stream : streams) firsts.push_back(stream.first);
  std::ranges::sort(firsts);
  return firsts[firsts.size() * 99 / 100];
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

// A list without end: most tokens are a model's free choice inside strings, some are structure.
constexpr const char* kSchema = R"({"type":"array","minItems":1000,"items":{"type":"object",
  "required":["intent","urgent","summary"],"additionalProperties":false,"properties":{
  "intent":{"enum":["billing","refund","shipping","account","other"]},
  "urgent":{"type":"boolean"},"summary":{"type":"string","maxLength":200}}}})";

std::string Bench::held(const text::Tokenizer& tokenizer, int count, int tokens,
                        int rounds) const {
  const chat::Dialect dialect = chat::Dialect::recognise(tokenizer).value();
  grammar::Grammars grammars(tokenizer, static_cast<size_t>(model_->config.vocab_size));
  const auto grammar = grammars.of_schema(json::parse(kSchema).value(), {}).value();
  const auto engine = this->engine();
  // Seconds of a token of each sequence: from the first that any has until all have ended.
  const auto once = [&](bool constrained, uint64_t seed) {
    std::vector<Request> requests(static_cast<size_t>(count));
    for (int i = 0; i < count; ++i) {
      Request& request = requests[static_cast<size_t>(i)];
      request.prompt = tokenizer.encode("x" + std::to_string(i));
      request.max_tokens = tokens;
      request.sampling.seed = seed * 100 + static_cast<uint64_t>(i) + 1;
      if (!constrained) continue;
      chat::TurnOptions options;
      options.thinking_budget = 0;
      options.answer = grammar;
      // No bound on the answer: what is measured is the middle of a long one.
      request.guide = chat::Turn::create(tokenizer, dialect, request.prompt, options).value();
    }
    std::vector<Stream> streams;
    const double all = serve(*engine, std::move(requests), streams);
    size_t heard = 0;
    for (const Stream& stream : streams) heard += stream.heard.size();
    return all / static_cast<double>(heard);
  };
  (void)once(true, 0);  // the first masks are made
  std::vector<double> ratios, free, bound;
  for (int round = 1; round <= rounds; ++round) {
    free.push_back(once(false, static_cast<uint64_t>(round)));
    bound.push_back(once(true, static_cast<uint64_t>(round)));
    ratios.push_back(free.back() / bound.back());
  }
  for (auto* list : {&free, &bound, &ratios}) std::ranges::sort(*list);
  const size_t middle = ratios.size() / 2;
  return fmt::format(R"({{"free": {:.3f}, "held": {:.3f}, "ratio": {:.4f}, "least": {:.4f}, )"
                     R"("most": {:.4f}}})",
                     1 / free[middle], 1 / bound[middle], ratios[middle], ratios.front(),
                     ratios.back());
}

int answer(const Bench& bench, const std::optional<text::Tokenizer>& tokenizer) {
  std::string line;
  while (std::getline(std::cin, line)) {
    std::istringstream words(line);
    std::string what;
    int a = 0;
    int b = 0;
    int c = 0;
    words >> what >> a >> b >> c;
    std::string out;
    if (what == "copy" && a > 1) out = bench.decode(a, true, b != 0);
    if (what == "fresh" && a > 1) out = bench.decode(a, false, b != 0);
    if (what == "streams" && a > 0) out = bench.streams(a);
    if (what == "behind" && a > 0) out = bench.behind(a);
    if (what == "held" && tokenizer && a > 0 && b > 1 && c > 0) {
      out = bench.held(*tokenizer, a, b, c);
    }
    if (out.empty()) return 2;
    std::printf("%s\n", out.c_str());
    std::fflush(stdout);
  }
  return 0;
}

int run(const std::string& path, int threads, const char* tokenizer_file) {
  std::optional<text::Tokenizer> tokenizer;
  if (tokenizer_file != nullptr) {
    tokenizer = text::Tokenizer::parse(read_file(tokenizer_file).value()).value();
  }
  auto files = runtime::model_files_named(path);
  CHECK(files.ok(), "{}", files.error().text());
  auto loaded = runtime::ModelInstance::load(std::move(files).value(), {.threads = threads});
  CHECK(loaded.ok(), "{}", loaded.error().text());
  std::printf("{\"fingerprint\": \"%s\"}\n", loaded.value()->fingerprint().c_str());
  std::fflush(stdout);
  return answer(Bench(std::move(loaded).value(), threads), tokenizer);
}

}  // namespace
}  // namespace weft::bench

int main(int argc, char** argv) {
  if (argc < 3 || argc > 4) {
    std::fprintf(stderr, "usage: serving_bench MODEL THREADS [TOKENIZER]\n");
    return 2;
  }
  int threads = 1;
  const std::string_view text = argv[2];
  std::from_chars(text.data(), text.data() + text.size(), threads);
  return weft::bench::run(argv[1], std::max(threads, 1), argc > 3 ? argv[3] : nullptr);
}
