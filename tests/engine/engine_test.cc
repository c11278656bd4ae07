// SPDX-License-Identifier: Apache-2.0
// The engine as its users meet it: a request's tokens do not depend on who else is served, on
// threads or on chunks; it streams, stops, is cancelled, refuses what does not fit, obeys guides.
#include "runtime/engine.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <future>
#include <random>
#include <thread>

#include "tests/engine/test_requests.h"
#include "tests/instrumented.h"

namespace weft::runtime {
namespace {

using testing_model::RandomModel;
using testing_model::Shape;
using text::TokenId;

std::shared_ptr<ModelInstance> load(const RandomModel& random,
                                    model::Precision precision = model::Precision::kNative,
                                    std::optional<tensor::KvType> kv = {}) {
  auto loaded = ModelInstance::load(random.files(),
                                    {.precision = precision, .kv = kv, .threads = 1});
  EXPECT_TRUE(loaded.ok()) << (loaded.ok() ? "" : loaded.error().text());
  return loaded.value();
}

constexpr uint64_t kWords = 256;  // of prompts

std::unique_ptr<Engine> engine_of(std::shared_ptr<ModelInstance> model,
                                  const EngineOptions& options = {}) {
  return Engine::create(std::move(model), options).value();
}

// Lengths around the span of attention (256) and beyond, sampled and greedy, short and long.
std::vector<Request> mixed_requests(int count) {
  const int lengths[] = {255, 256, 257, 1031, 1, 31, 32, 33};
  std::vector<Request> out;
  for (int i = 0; i < count; ++i) {
    Request request;
    request.prompt = prompt_of(lengths[i % 8] + (i / 8) * 3, static_cast<uint64_t>(i), kWords);
    request.max_tokens = 6 + i % 5;
    request.sampling.temperature = i % 3 == 0 ? 0.0 : 0.9;
    request.sampling.top_k = i % 4 == 1 ? 20 : 0;
    request.sampling.top_p = i % 4 == 2 ? 0.9 : 1.0;
    request.sampling.repetition_penalty = i % 5 == 3 ? 1.3 : 1.0;
    request.sampling.seed = static_cast<uint64_t>(i) * 77;
    request.logprobs = true;
    out.push_back(std::move(request));
  }
  return out;
}

std::vector<Completion> served_alone(std::shared_ptr<ModelInstance> model, int count) {
  const auto engine = engine_of(std::move(model), {.threads = 1, .tokens_per_tick = 4096});
  std::vector<Completion> out;
  for (const Request& request : mixed_requests(count)) out.push_back(serve(*engine, {request})[0]);
  return out;
}

// `got`: the answers to the first of the expected ones.
void expect_first(const std::vector<Completion>& got, const std::vector<Completion>& expected) {
  ASSERT_LE(got.size(), expected.size());
  expect_same(got, {expected.begin(), expected.begin() + static_cast<int64_t>(got.size())});
}

TEST(Invariance, BatchesThreadsAndChunksChangeNoToken) {
  for (const auto precision : {model::Precision::kNative, model::Precision::kQ8}) {
    const auto alone = served_alone(load(small_model(), precision), 17);
    for (const int threads : {1, 2, 4}) {
      for (const int chunk : {1, 64, 512, 4096}) {
        // One tick a token is slow, and one thread suffices to show it.
        if (chunk == 1 && threads != 1) continue;
        // Instrumented, each count of threads has one size of chunk above that.
        const int paired = threads == 1 ? 64 : threads == 2 ? 512 : 4096;
        if (kInstrumented && chunk > 1 && chunk != paired) continue;
        SCOPED_TRACE(testing::Message() << name_of(precision) << " threads " << threads
                                        << " chunk " << chunk);
        const auto engine = engine_of(load(small_model(), precision),
                                      {.threads = threads, .tokens_per_tick = chunk});
        for (const int batch : {1, 3, 16, 17}) {
          if (chunk == 1 && batch > 3) continue;
          if (kInstrumented && (batch == 1 || batch == 16)) continue;
          expect_first(serve(*engine, mixed_requests(batch)), alone);
        }
      }
    }
  }
}

TEST(Invariance, HoldsForEveryHeadSize) {
  for (const int head_dim : {40, 80, 128}) {
    SCOPED_TRACE(head_dim);
    Shape shape;
    shape.head_dim = head_dim;
    const RandomModel random(shape);
    const auto alone = served_alone(load(random), 8);
    const auto engine = engine_of(load(random), {.threads = 2, .tokens_per_tick = 100});
    expect_first(serve(*engine, mixed_requests(8)), alone);
  }
}

TEST(Invariance, HoldsForEveryTypeOfCache) {
  for (const auto kv : {tensor::KvType::kF32, tensor::KvType::kF16, tensor::KvType::kQ8}) {
    SCOPED_TRACE(name_of(kv));
    Shape shape;
    shape.head_dim = 40;
    const RandomModel random(shape);
    const auto alone = served_alone(load(random, model::Precision::kQ8, kv), 8);
    const auto engine = engine_of(load(random, model::Precision::kQ8, kv),
                                  {.threads = 2, .tokens_per_tick = 100});
    expect_first(serve(*engine, mixed_requests(8)), alone);
  }
}

// Few blocks: most requests wait for others to finish.
TEST(Invariance, WaitingChangesNoToken) {
  const auto alone = served_alone(load(small_model()), 17);
  // layers, kv heads, head_dim, k and v, positions, bytes of half precision
  const size_t block = size_t{2} * 2 * 32 * 2 * 32 * 2;
  const auto engine = engine_of(load(small_model()), {.threads = 1, .tokens_per_tick = 128,
                                                      .kv_bytes_max = block * 40});
  EXPECT_EQ(engine->context(), 40 * 32);
  expect_first(serve(*engine, mixed_requests(17)), alone);
  EXPECT_EQ(engine->stats().blocks, 40);
}

// Cut off anywhere, given back what it had: the same end, to the bit, in any company.
TEST(Invariance, ResumingChangesNoToken) {
  const auto alone = served_alone(load(small_model()), 12);
  const auto engine = engine_of(load(small_model()), {.threads = 1, .tokens_per_tick = 64});
  for (const size_t cut : {1u, 2u, 4u, 5u}) {
    std::vector<Request> requests = mixed_requests(12);
    for (size_t i = 0; i < requests.size(); ++i) {
      for (size_t t = 0; t < std::min(cut, alone[i].tokens.size()); ++t) {
        Sampled token{alone[i].tokens[t], alone[i].logprobs[t]};
        token.resumed = true;
        requests[i].resumed.push_back(std::move(token));
      }
    }
    SCOPED_TRACE(testing::Message() << "cut at " << cut);
    expect_first(serve(*engine, requests), alone);
  }
}

// Nonsense in the record is no token of the answer.
TEST(Engine, ARecordThatDoesNotFitIsGeneratedAnew) {
  const auto engine = engine_of(load(small_model()), {.threads = 1});
  Request request;
  request.prompt = prompt_of(40, 5, kWords);
  request.max_tokens = 8;
  const Completion plain = serve(*engine, {request})[0];
  request.resumed = {Sampled{plain.tokens[0]}, Sampled{-7}, Sampled{1 << 30}};
  EXPECT_EQ(serve(*engine, {request})[0].tokens, plain.tokens);
}

TEST(Engine, StreamsAndCounts) {
  const auto engine = engine_of(load(small_model()), {.threads = 1});
  std::vector<TokenId> streamed;
  Request request;
  request.prompt = prompt_of(300, 5, kWords);
  request.max_tokens = 9;
  request.sampling.temperature = 0;
  request.on_token = [&](const Sampled& token) { streamed.push_back(token.id); };
  const Completion done = serve(*engine, {request})[0];
  EXPECT_EQ(done.finish, Finish::kLength);
  EXPECT_EQ(done.tokens, streamed);
  EXPECT_EQ(done.usage.generated_tokens, 9);
  EXPECT_EQ(done.usage.prompt_tokens, 300);
  EXPECT_GT(done.usage.prefill_seconds, 0);
  EXPECT_GT(done.usage.decode_seconds, 0);
  // The last statistics are published right after the last callback.
  for (int i = 0; i < 1000 && engine->stats().running > 0; ++i) real_env().sleep_us(1000);
  const EngineStats stats = engine->stats();
  EXPECT_EQ(stats.prompt_tokens, 300);
  EXPECT_EQ(stats.generated_tokens, 9);
  EXPECT_EQ(stats.running, 0);
  EXPECT_EQ(stats.blocks_used, 0);
  EXPECT_GT(stats.busy_seconds, 0);
  request.stop_tokens = {streamed[4]};
  request.on_token = nullptr;
  const Completion stopped = serve(*engine, {request})[0];
  EXPECT_EQ(stopped.finish, Finish::kStop);
  const auto first = std::find(streamed.begin(), streamed.end(), streamed[4]);
  EXPECT_EQ(stopped.tokens, std::vector<TokenId>(streamed.begin(), first + 1));
}

TEST(Engine, RefusesWhatDoesNotFit) {
  Shape shape;
  shape.context = 100;
  const RandomModel random(shape);
  const auto engine = engine_of(load(random), {.threads = 1});
  const auto refusal = [&](Request request) {
    const auto handle = engine->submit(std::move(request));
    return handle.ok() ? "accepted" : handle.error().text();
  };
  Request request;
  EXPECT_NE(refusal(request).find("no token"), std::string::npos);
  request.prompt = {1, 256};
  EXPECT_NE(refusal(request).find("token 256 at index 1"), std::string::npos);
  request.prompt = {-1};
  EXPECT_NE(refusal(request).find("token -1"), std::string::npos);
  request.prompt = prompt_of(100, 1, kWords);
  EXPECT_NE(refusal(request).find("the prompt has 100 tokens, the model's context holds 100"),
            std::string::npos);
  request.prompt = {1};
  request.max_tokens = 0;
  EXPECT_NE(refusal(request).find("max_tokens"), std::string::npos);
  request.max_tokens = 5;
  request.sampling.top_p = 2;
  EXPECT_NE(refusal(request).find("top_p"), std::string::npos);
  Request longest;
  longest.prompt = prompt_of(95, 1, kWords);
  longest.max_tokens = 50;
  EXPECT_EQ(serve(*engine, {longest})[0].tokens.size(), 5u);  // what the context leaves
}

// A guide from a list: non-negative = forced, -1 = free, -2 = only the tokens of `allowed`.
class ListGuide final : public grammar::Guide {
 public:
  ListGuide(std::vector<int> plan, std::vector<TokenId> allowed)
      : plan_(std::move(plan)), allowed_(std::move(allowed)) {}
  std::optional<TokenId> forced() override {
    const int next = plan_.at(seen.size());
    return next >= 0 ? std::optional<TokenId>(next) : std::nullopt;
  }
  bool mask(grammar::TokenMask& mask) override {
    if (plan_.at(seen.size()) == -1) return false;
    mask.clear();
    for (const TokenId id : allowed_) mask.allow(id);
    return true;
  }
  grammar::Verdict on_token(TokenId id) override {
    seen.push_back(id);
    return seen.size() == plan_.size() ? grammar::Verdict::kStop : grammar::Verdict::kContinue;
  }
  std::vector<TokenId> seen;

 private:
  std::vector<int> plan_;
  std::vector<TokenId> allowed_;
};

TEST(Engine, ObeysItsGuide) {
  for (const int chunk : {3, 256}) {
    const auto engine = engine_of(load(small_model()), {.threads = 1, .tokens_per_tick = chunk});
    Request request;
    request.prompt = prompt_of(50, 9, kWords);
    request.max_tokens = 100;
    const auto guide = std::make_shared<ListGuide>(
        std::vector<int>{200, 201, -1, -2, 7, 8, 9, 10, -2, -1, 33}, std::vector<TokenId>{90, 91});
    request.guide = guide;
    const Completion done = serve(*engine, {request})[0];
    EXPECT_EQ(done.finish, Finish::kStop);
    ASSERT_EQ(done.tokens.size(), 11u);
    EXPECT_EQ(done.tokens, guide->seen);
    EXPECT_EQ(done.tokens[0], 200);
    EXPECT_EQ(done.tokens[4], 7);
    EXPECT_EQ(done.tokens[10], 33);
    EXPECT_TRUE(done.tokens[3] == 90 || done.tokens[3] == 91);
    // Forced tokens are context like any other: the same text given as a prompt goes on alike.
    Request plain;
    plain.prompt = request.prompt;
    plain.prompt.insert(plain.prompt.end(), done.tokens.begin(), done.tokens.begin() + 9);
    plain.max_tokens = 1;
    EXPECT_EQ(serve(*engine, {plain})[0].tokens[0], done.tokens[9]);
  }
  // A guide that forces from the start and ends: the model is not needed.
  const auto engine = engine_of(load(small_model()), {.threads = 1});
  Request request;
  request.prompt = {1, 2, 3};
  request.guide = std::make_shared<ListGuide>(std::vector<int>{5, 6}, std::vector<TokenId>{});
  EXPECT_EQ(serve(*engine, {request})[0].tokens, (std::vector<TokenId>{5, 6}));
}

TEST(Engine, ReportsAGuideThatForbidsEverything) {
  const auto engine = engine_of(load(small_model()), {.threads = 1});
  Request request;
  request.prompt = {1, 2, 3};
  request.guide = std::make_shared<ListGuide>(std::vector<int>{-2, -2}, std::vector<TokenId>{});
  const Completion done = serve(*engine, {request})[0];
  EXPECT_EQ(done.finish, Finish::kError);
  EXPECT_EQ(done.error->code, "E0732");
}

TEST(Engine, CancelsDuringPrefillAndDecode) {
  const auto engine = engine_of(load(small_model()), {.threads = 1, .tokens_per_tick = 1});
  std::promise<Completion> promise;
  Request request;
  request.prompt = prompt_of(3000, 3, kWords);
  request.on_done = [&](Completion done) { promise.set_value(std::move(done)); };
  const Handle handle = engine->submit(request).value();
  handle.cancel();
  const Completion early = promise.get_future().get();
  EXPECT_EQ(early.finish, Finish::kCancelled);
  EXPECT_TRUE(early.tokens.empty());

  std::promise<Completion> late;
  std::promise<void> third;
  request.prompt = {1, 2};
  request.max_tokens = 4000;
  int count = 0;
  request.on_token = [&](const Sampled&) {
    if (++count == 3) third.set_value();
  };
  request.on_done = [&](Completion done) { late.set_value(std::move(done)); };
  const Handle second = engine->submit(request).value();
  third.get_future().wait();
  second.cancel();
  second.cancel();
  const Completion done = late.get_future().get();
  EXPECT_EQ(done.finish, Finish::kCancelled);
  EXPECT_GE(done.tokens.size(), 3u);
  EXPECT_LT(done.tokens.size(), 4000u);
}

TEST(Engine, CompletesEverythingWhenItEnds) {
  std::atomic<int> cancelled = 0;
  {
    const auto engine = engine_of(load(small_model()), {.threads = 2});
    for (int i = 0; i < 20; ++i) {
      Request request;
      request.prompt = prompt_of(100, static_cast<uint64_t>(i), kWords);
      request.max_tokens = 3000;
      request.on_done = [&](const Completion& done) {
        if (done.finish == Finish::kCancelled) ++cancelled;
      };
      ASSERT_TRUE(engine->submit(std::move(request)).ok());
    }
  }
  EXPECT_EQ(cancelled, 20);
}

TEST(Engine, ServesManySubmitters) {
  const auto engine = engine_of(load(small_model()), {.threads = 2, .sequences_max = 5});
  std::vector<std::thread> people;
  std::atomic<int> answers = 0;
  for (int person = 0; person < 4; ++person) {
    people.emplace_back([&, person] {
      for (int i = 0; i < 5; ++i) {
        Request request;
        request.prompt = prompt_of(20 + i, static_cast<uint64_t>(person), kWords);
        request.max_tokens = 4;
        answers += serve(*engine, {request})[0].tokens.size() == 4 ? 1 : 0;
      }
    });
  }
  for (std::thread& person : people) person.join();
  EXPECT_EQ(answers, 20);
}

}  // namespace
}  // namespace weft::runtime
