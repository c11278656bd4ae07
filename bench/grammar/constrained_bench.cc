// SPDX-License-Identifier: Apache-2.0
//
// What a grammar costs while a model decodes: the same model, the same number of tokens, with and
// without a schema, in interleaved pairs; CPU time of the process, one thread, so that a shared
// machine still gives a share. Goal: 5 % at most, for 1 and for 16 sequences.
//
// usage: constrained_bench TOKENIZER.json [LAYERS [TOKENS [ROUNDS]]]
// The model has Qwen3-0.6B's shape and vocabulary, so many layers of its 28, and random 8-bit
// weights. Fewer layers make the model cheaper and the grammar's share larger than it would be.
#include <time.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <future>
#include <string>
#include <vector>

#include "base/file.h"
#include "chat/turn.h"
#include "grammar/grammars.h"
#include "runtime/engine.h"
#include "tests/engine/random_model.h"

namespace {

using namespace weft;

// A list without end: most tokens are a model's free choice inside strings, some are structure.
constexpr const char* kSchema = R"({"type":"array","minItems":1000,"items":{"type":"object",
  "required":["intent","urgent","summary"],"additionalProperties":false,"properties":{
  "intent":{"enum":["billing","refund","shipping","account","other"]},
  "urgent":{"type":"boolean"},"summary":{"type":"string","maxLength":200}}}})";

double cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

struct Bench {
  text::Tokenizer tokenizer;
  chat::Dialect dialect;
  std::shared_ptr<grammar::Grammar> grammar;
  std::unique_ptr<runtime::Engine> engine;

  // CPU seconds a generated token.
  double run(int sequences, int tokens, bool constrained) {
    std::vector<std::promise<int>> done(static_cast<size_t>(sequences));
    const double begin = cpu_seconds();
    for (int i = 0; i < sequences; ++i) {
      runtime::Request request;
      request.prompt = tokenizer.encode("x" + std::to_string(i));
      request.max_tokens = tokens;
      request.sampling.temperature = 1;
      request.sampling.seed = static_cast<uint64_t>(i);
      if (constrained) {
        chat::TurnOptions options;
        options.thinking_budget = 0;
        options.answer = grammar;
        // No bound on the answer: what is measured is the middle of a long one.
        request.guide = chat::Turn::create(tokenizer, dialect, request.prompt, options).value();
      }
      request.on_done = [&done, i](runtime::Completion out) {
        done[static_cast<size_t>(i)].set_value(static_cast<int>(out.tokens.size()));
      };
      (void)engine->submit(std::move(request)).value();
    }
    int all = 0;
    for (auto& one : done) all += one.get_future().get();
    return (cpu_seconds() - begin) / all;
  }
};

int number(const char* text) {
  int out = 1;
  std::from_chars(text, text + std::char_traits<char>::length(text), out);
  return std::max(out, 1);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fputs("usage: constrained_bench TOKENIZER.json [LAYERS [TOKENS [ROUNDS]]]\n", stderr);
    return 2;
  }
  const int layers = argc > 2 ? number(argv[2]) : 8;
  const int tokens = argc > 3 ? number(argv[3]) : 64;
  const int rounds = argc > 4 ? number(argv[4]) : 7;
  const auto tokenizer = text::Tokenizer::parse(read_file(argv[1]).value()).value();
  const int rows = (static_cast<int>(tokenizer.size()) + 255) / 256 * 256;
  double begin = cpu_seconds();
  grammar::Grammars grammars(tokenizer, static_cast<size_t>(rows));
  const auto vocabulary = grammars.vocabulary().value();
  std::printf("%zu tokens: trie of %zu nodes, %.1f MB, made in %.3f s\n", tokenizer.size(),
              vocabulary->trie.nodes().size(), static_cast<double>(vocabulary->bytes()) / 1e6,
              cpu_seconds() - begin);
  const testing_model::RandomModel random({.hidden = 1024, .inner = 3072, .layers = layers,
                                           .heads = 16, .kv_heads = 8, .head_dim = 128,
                                           .vocab = rows, .q8_export = true});
  auto model = runtime::ModelInstance::load(random.files(), {.threads = 1}).value();
  Bench bench{tokenizer, chat::Dialect::recognise(tokenizer).value(),
              grammars.of_schema(json::parse(kSchema).value(), {}).value(),
              runtime::Engine::create(std::move(model), {.threads = 1}).value()};
  for (const int sequences : {1, 16}) {
    std::vector<double> ratios, free_us, held_us;
    (void)bench.run(sequences, tokens, true);  // the first masks are made
    for (int round = 0; round < rounds; ++round) {
      free_us.push_back(bench.run(sequences, tokens, false) * 1e6);
      held_us.push_back(bench.run(sequences, tokens, true) * 1e6);
      ratios.push_back(held_us.back() / free_us.back());
    }
    for (auto* list : {&ratios, &free_us, &held_us}) std::sort(list->begin(), list->end());
    const size_t middle = ratios.size() / 2;
    std::printf("%2d sequences: free %.0f us a token, held %.0f us; held / free: median %.3f, "
                "from %.3f to %.3f of %d pairs\n", sequences, free_us[middle], held_us[middle],
                ratios[middle], ratios.front(), ratios.back(), rounds);
  }
  return 0;
}
