// SPDX-License-Identifier: Apache-2.0
// The model of the repository (models/weft-mini) through tokenizer, engine and sampler: it answers
// inquiries with JSON and stops by itself, the same from disk and from the program; and what its
// 8-bit arithmetic costs against float32.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <future>

#include "base/json.h"
#include "runtime/engine.h"
#include "runtime/evaluator.h"

namespace weft::runtime {
namespace {

using text::TokenId;

const char* const kMessages[] = {
    "I was charged twice for my subscription this month, please refund one payment.",
    "My package has not arrived and the tracking page shows nothing.",
    "I cannot log in, the site says my password is wrong.",
    "비밀번호를 잊어버렸어요. 어떻게 재설정하나요?",
    "Quiero cancelar mi pedido, lo hice por error.",
    "How do I change the delivery address of my order?",
    "주문한 상품이 파손된 채로 도착했습니다. 환불해 주세요.",
    "The invoice shows the wrong company name."};

std::string framed(const std::string& message) {
  return "<|im_start|>system\nTriage the inquiry as JSON.<|im_end|>\n<|im_start|>user\n" + message +
         "<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n";
}

std::shared_ptr<ModelInstance> load(model::Precision precision = model::Precision::kNative,
                                    std::optional<tensor::KvType> kv = {}) {
  auto loaded = ModelInstance::load(model::ModelFiles(WEFT_SOURCE_DIR "/models/weft-mini"),
                                    {.precision = precision, .kv = kv});
  EXPECT_TRUE(loaded.ok()) << (loaded.ok() ? "" : loaded.error().text());
  return loaded.value();
}

Completion answer(Engine& engine, const std::string& message) {
  std::promise<Completion> promise;
  Request request;
  request.prompt = engine.model().tokenizer->encode(framed(message));
  request.sampling.temperature = 0;
  request.max_tokens = 200;
  request.stop_tokens = engine.model().config.eos;
  request.on_done = [&](Completion done) { promise.set_value(std::move(done)); };
  EXPECT_TRUE(engine.submit(std::move(request)).ok());
  return promise.get_future().get();
}

TEST(WeftMini, AnswersWithJsonAndStops) {
  const auto engine = Engine::create(load()).value();
  ASSERT_TRUE(engine->model().tokenizer.has_value());
  EXPECT_FALSE(engine->model().chat_template.empty());
  int valid = 0;
  for (const char* message : kMessages) {
    Completion done = answer(*engine, message);
    EXPECT_EQ(done.finish, Finish::kStop) << message;
    const std::string text = engine->model().tokenizer->decode(done.tokens, true);
    const auto parsed = json::parse(text);
    const bool good = parsed.ok() && parsed.value().is_object() &&
                      parsed.value().get_object().contains("category");
    valid += good ? 1 : 0;
    if (!good) RecordProperty("invalid", text);
  }
  // A model of this size may miss one; noise would miss all.
  EXPECT_GE(valid, static_cast<int>(std::size(kMessages)) - 1);
}

TEST(WeftMini, IsTheSameInsideTheProgram) {
  auto files = embedded_model_files();
  ASSERT_TRUE(files.ok()) << files.error().text();
  const auto inside = ModelInstance::load(std::move(files).value());
  ASSERT_TRUE(inside.ok()) << inside.error().text();
  const auto outside = load();
  EXPECT_EQ(inside.value()->weights_hash, outside->weights_hash);
  EXPECT_EQ(inside.value()->fingerprint(), outside->fingerprint());
  const auto a = Engine::create(inside.value()).value();
  const auto b = Engine::create(outside, {.threads = 1, .tokens_per_tick = 7}).value();
  EXPECT_EQ(answer(*a, kMessages[0]).tokens, answer(*b, kMessages[0]).tokens);
}

// int8 activations against float32 arithmetic on the same weights and cache, over real text.
TEST(WeftMini, EightBitArithmeticStaysClose) {
  const auto exact = load(model::Precision::kF32);
  const auto q8 = load(model::Precision::kNative, tensor::KvType::kF32);
  const auto ops = tensor::Ops::create({}).value();
  double divergence = 0;
  int agree = 0;
  int count = 0;
  for (const char* message : kMessages) {
    const auto tokens = exact->tokenizer->encode(framed(message));
    Evaluator a(*exact, *ops, 256);
    Evaluator b(*q8, *ops, 256);
    ASSERT_TRUE(a.feed(tokens).ok());
    ASSERT_TRUE(b.feed(tokens).ok());
    for (int i = 0; i < static_cast<int>(tokens.size()); ++i, ++count) {
      std::vector<float> p(static_cast<size_t>(exact->config.vocab_size));
      std::vector<float> q(p.size());
      const auto la = a.logits(i);
      const float sum_a = ops->softmax(p, la);
      const auto lb = b.logits(i);
      const float sum_b = ops->softmax(q, lb);
      agree += ops->argmax(la) == ops->argmax(lb) ? 1 : 0;
      for (size_t id = 0; id < p.size(); ++id) {
        divergence += double{p[id]} * ((double{la[id]} - sum_a) - (double{lb[id]} - sum_b));
      }
    }
  }
  RecordProperty("positions", count);
  RecordProperty("mean_kl", fmt::format("{:.6f}", divergence / count));
  RecordProperty("top1_percent", fmt::format("{:.2f}", 100.0 * agree / count));
  EXPECT_LE(divergence / count, 0.005);
  EXPECT_GE(agree, count * 97 / 100);
}

}  // namespace
}  // namespace weft::runtime
