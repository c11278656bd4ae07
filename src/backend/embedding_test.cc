// SPDX-License-Identifier: Apache-2.0
#include "backend/embedding.h"

#include <gtest/gtest.h>

#include <cmath>
#include <future>

#include "backend/local.h"
#include "runtime/evaluator.h"

namespace weft::backend {
namespace {

Result<Embeddings> embed(LocalBackend& backend, EmbeddingRequest request) {
  std::promise<Result<Embeddings>> promise;
  const auto call = embed(backend, std::move(request),
                          [&](Result<Embeddings> out) { promise.set_value(std::move(out)); });
  return promise.get_future().get();
}

std::vector<float> reference(runtime::ModelInstance& model, const std::string& text,
                             Pooling pooling) {
  const auto ops = tensor::Ops::create({}).value();
  const auto ids = model.tokenizer->encode(text, text::Tokenizer::AddedTokens::kNone);
  runtime::Evaluator evaluator(model, *ops, static_cast<int>(ids.size()));
  std::vector<double> sum(static_cast<size_t>(model.family->hidden_size()), 0.0);
  for (size_t i = 0; i < ids.size(); ++i) {  // one token at a time: another cut, the same numbers
    EXPECT_TRUE(evaluator.feed(std::span(ids).subspan(i, 1)).ok());
    if (pooling == Pooling::kLast && i + 1 < ids.size()) continue;
    for (size_t k = 0; k < sum.size(); ++k) sum[k] += static_cast<double>(evaluator.hidden(0)[k]);
  }
  double squares = 0;
  for (const double x : sum) squares += x * x;
  std::vector<float> out;
  for (const double x : sum) out.push_back(static_cast<float>(x / std::sqrt(squares)));
  return out;
}

std::string long_text() {
  std::string text;
  for (int i = 0; i < 60; ++i) text += "My order " + std::to_string(i * 31) + " has not arrived. ";
  return text;
}

TEST(Embedding, IsTheModelsHiddenStatesPooled) {
  LocalBackend backend;
  const auto instance =
      runtime::ModelInstance::load(runtime::embedded_model_files().value()).value();
  for (const Pooling pooling : {Pooling::kMean, Pooling::kLast}) {
    EmbeddingRequest request{.inputs = {{"I was charged twice", {}}, {long_text(), {}}}};
    request.pooling = pooling;
    const auto done = embed(backend, request);
    ASSERT_TRUE(done.ok()) << done.error().text();
    ASSERT_EQ(done->vectors.size(), 2U);
    EXPECT_EQ(done->vectors[0], reference(*instance, request.inputs[0].text, pooling));
    EXPECT_EQ(done->vectors[1], reference(*instance, request.inputs[1].text, pooling));
    double squares = 0;
    for (const float x : done->vectors[1]) squares += static_cast<double>(x) * x;
    EXPECT_NEAR(squares, 1, 1e-5);
    EXPECT_NE(done->vectors[0], done->vectors[1]);
  }
}

TEST(Embedding, TheSameBesideGenerations) {
  LocalBackend backend;
  const EmbeddingRequest request{.inputs = {{long_text(), {}}}};
  const auto alone = embed(backend, request);
  std::vector<std::future<void>> chats;
  for (int i = 0; i < 4; ++i) {
    auto ended = std::make_shared<std::promise<void>>();
    chats.push_back(ended->get_future());
    ChatRequest chat;
    chat.messages.push_back(json::Object{{"role", "user"}, {"content", "hello"}});
    chat.seed = static_cast<uint64_t>(i);
    chat.max_tokens = 64;
    backend.chat(chat, {nullptr, [ended](Result<ChatResult>) { ended->set_value(); }});
  }
  const auto beside = embed(backend, request);
  ASSERT_TRUE(alone.ok() && beside.ok());
  EXPECT_EQ(alone->vectors, beside->vectors);
  for (auto& chat : chats) chat.get();
}

TEST(Embedding, DimensionsAreCutAndScaledAgain) {
  LocalBackend backend;
  EmbeddingRequest request{.inputs = {{"refund", {}}}};
  const auto whole = embed(backend, request);
  request.dimensions = 16;
  const auto cut = embed(backend, request);
  ASSERT_TRUE(whole.ok() && cut.ok());
  ASSERT_EQ(cut->vectors[0].size(), 16U);
  const float ratio = cut->vectors[0][0] / whole->vectors[0][0];
  for (size_t i = 0; i < 16; ++i) {
    EXPECT_NEAR(cut->vectors[0][i], whole->vectors[0][i] * ratio, 1e-5);
  }
  double squares = 0;
  for (const float x : cut->vectors[0]) squares += static_cast<double>(x) * x;
  EXPECT_NEAR(squares, 1, 1e-5);
}

TEST(Embedding, RefusesWhatItCannotDo) {
  LocalBackend backend;
  const auto code = [&](EmbeddingRequest request) {
    const auto done = embed(backend, std::move(request));
    return done.ok() ? std::string("ok") : done.error().code;
  };
  EXPECT_EQ(code({.model = "no-such", .inputs = {{"x", {}}}}), "E0710");
  EXPECT_EQ(code({.inputs = {{"", {}}}}), "E0712");
  EXPECT_EQ(code({.inputs = {{"x", {}}}, .dimensions = 1 << 20}), "E0712");
  EXPECT_EQ(code({.inputs = {{"", {1 << 30}}}}), "E0730");
  EXPECT_EQ(code({.inputs = {{"", std::vector<int32_t>(1 << 20, 5)}}}), "E0731");
}

TEST(Embedding, ACancelledOneEnds) {
  LocalBackend backend;
  EmbeddingRequest request;
  for (int i = 0; i < 500; ++i) request.inputs.push_back({long_text(), {}});
  std::promise<Result<Embeddings>> promise;
  const auto call =
      embed(backend, request, [&](Result<Embeddings> out) { promise.set_value(std::move(out)); });
  call->cancel();
  const auto done = promise.get_future().get();
  ASSERT_FALSE(done.ok());
  EXPECT_EQ(done.error().code, "E0713");
}

}  // namespace
}  // namespace weft::backend
