// SPDX-License-Identifier: Apache-2.0
#include "backend/embedding.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cmath>

#include "backend/local.h"
#include "backend/local_call.h"
#include "runtime/evaluator.h"

namespace weft::backend {
namespace {

constexpr int kRowsOfACall = 128;  // of the forward pass, so that others wait no longer than a tick

class EmbeddingCall final : public ChatCall {
 public:
  void cancel() override { cancelled = true; }
  std::atomic<bool> cancelled = false;
};

std::vector<float> unit_vector(const std::vector<double>& sum) {
  double squares = 0;
  for (const double x : sum) squares += x * x;
  const double length = std::sqrt(squares);
  std::vector<float> out;
  out.reserve(sum.size());
  for (const double x : sum) out.push_back(length > 0 ? static_cast<float>(x / length) : 0.0f);
  return out;
}

// The inputs one after the other, a few rows at a time; another request may come between two, so
// that one cache of keys and values is held however many there are. Told exactly once, also if its
// engine ends before it does.
class Embedding {
 public:
  Embedding(std::shared_ptr<runtime::ModelInstance> model, EmbeddingRequest request,
            std::vector<std::vector<int32_t>> inputs, std::shared_ptr<EmbeddingCall> call,
            std::function<void(Result<Embeddings>)> done)
      : model_(std::move(model)), request_(std::move(request)), inputs_(std::move(inputs)),
        call_(std::move(call)), done_(std::move(done)) {}
  ~Embedding() { tell(make_error("E0713", "the model stopped before the embedding was done")); }

  runtime::SideWork work(tensor::Ops& ops) {
    if (call_->cancelled) return tell(make_error("E0713", "nobody waits for the embedding"));
    const std::vector<int32_t>& ids = inputs_[out_.vectors.size()];
    if (!evaluator_) {
      evaluator_.emplace(*model_, ops, static_cast<int>(ids.size()));
      sum_.assign(static_cast<size_t>(model_->family->hidden_size()), 0.0);
    }
    const auto begin = static_cast<size_t>(evaluator_->position());
    const size_t count = std::min<size_t>(kRowsOfACall, ids.size() - begin);
    const Status fed = evaluator_->feed(std::span(ids).subspan(begin, count));
    if (!fed.ok()) return tell(fed.error());
    add_rows(static_cast<int>(count), begin + count == ids.size());
    if (begin + count < ids.size()) return runtime::SideWork::kGoOn;
    out_.tokens += std::ssize(ids);
    out_.vectors.push_back(unit_vector(sum_));
    evaluator_.reset();
    if (out_.vectors.size() < inputs_.size()) return runtime::SideWork::kPause;
    return tell(std::move(out_));
  }

 private:
  void add_rows(int count, bool last) {
    const int first = request_.pooling == Pooling::kMean ? 0 : count - 1;
    if (request_.pooling == Pooling::kLast && !last) return;
    for (int row = first; row < count; ++row) {
      const std::span<const float> hidden = evaluator_->hidden(row);
      for (size_t i = 0; i < sum_.size(); ++i) sum_[i] += static_cast<double>(hidden[i]);
    }
    if (last && request_.dimensions) sum_.resize(static_cast<size_t>(*request_.dimensions));
  }
  runtime::SideWork tell(Result<Embeddings> result) {
    evaluator_.reset();
    if (const auto done = std::exchange(done_, nullptr)) done(std::move(result));
    return runtime::SideWork::kDone;
  }

  const std::shared_ptr<runtime::ModelInstance> model_;
  const EmbeddingRequest request_;
  const std::vector<std::vector<int32_t>> inputs_;
  const std::shared_ptr<EmbeddingCall> call_;
  std::function<void(Result<Embeddings>)> done_;
  std::optional<runtime::Evaluator> evaluator_;  // of the input being computed
  std::vector<double> sum_;
  Embeddings out_;
};

Result<std::vector<std::vector<int32_t>>> ids_of(const LoadedModel& model,
                                                 const EmbeddingRequest& request) {
  const runtime::ModelInstance& instance = *model.instance;
  std::vector<std::vector<int32_t>> out;
  for (size_t i = 0; i < request.inputs.size(); ++i) {
    std::vector<int32_t> ids = request.inputs[i].ids;
    if (ids.empty() && !instance.tokenizer) {
      return make_error("E0711", fmt::format("model {} has no tokenizer", instance.name),
                        "its directory needs tokenizer.json");
    }
    if (ids.empty()) {
      const Status fits = check_could_fit(model, request.inputs[i].text);
      if (!fits.ok()) return in_context(fits.error(), fmt::format("input[{}]", i));
      ids = instance.tokenizer->encode(request.inputs[i].text, text::Tokenizer::AddedTokens::kNone);
    }
    if (ids.empty()) return make_error("E0712", fmt::format("input[{}]: it has no token", i));
    if (const Status known = runtime::check_tokens(instance, ids); !known.ok()) {
      return in_context(known.error(), fmt::format("input[{}]", i));
    }
    if (std::ssize(ids) > model.engine->context()) {
      return make_error("E0731", fmt::format("input[{}]: it has {} tokens, the model's context "
                                             "holds {}", i, ids.size(), model.engine->context()),
                        "cut it into pieces");
    }
    out.push_back(std::move(ids));
  }
  const int width = instance.family->hidden_size();
  if (request.dimensions && (*request.dimensions < 1 || *request.dimensions > width)) {
    return make_error("E0712", fmt::format("dimensions: expected 1 to {}, found {}", width,
                                           *request.dimensions));
  }
  return out;
}

}  // namespace

std::shared_ptr<ChatCall> embed(LocalBackend& backend, EmbeddingRequest request,
                                std::function<void(Result<Embeddings>)> done) {
  CHECK(done != nullptr);
  CHECK(!request.inputs.empty(), "nothing to embed");
  auto call = std::make_shared<EmbeddingCall>();
  const std::string name = request.model;
  backend.prepare(name, [&backend, call, request = std::move(request),
                         done = std::move(done)](Status ready) mutable {
    const auto start = [&]() -> Status {
      TRY(std::move(ready));
      const std::shared_ptr<LoadedModel> model = TRY(backend.models().get(request.model));
      auto inputs = TRY(ids_of(*model, request));
      const auto work = std::make_shared<Embedding>(model->instance, std::move(request),
                                                    std::move(inputs), call, done);
      model->engine->run_beside([work](tensor::Ops& ops) { return work->work(ops); });
      return ok_status();
    };
    if (Status started = start(); !started.ok()) done(std::move(started).error());
  });
  return call;
}

}  // namespace weft::backend
