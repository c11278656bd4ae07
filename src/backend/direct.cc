// SPDX-License-Identifier: Apache-2.0
#include "backend/direct.h"

#include <fmt/format.h>

#include <algorithm>

#include "backend/local.h"
#include "backend/local_call.h"
#include "base/env.h"
#include "base/strings.h"
#include "chat/message.h"
#include "grammar/guide.h"
#include "runtime/evaluator.h"

namespace weft::backend {
namespace {

Result<text::Tokenizer> tokenizer_of(const LoadedModel& model) {
  if (model.instance->tokenizer) return *model.instance->tokenizer;
  return make_error("E0711", fmt::format("model {} has no tokenizer", model.instance->name),
                    "its directory needs tokenizer.json");
}

ModelFacts facts_of(const LoadedModel& model) {
  const runtime::EngineStats stats = model.engine->stats();
  return {.source = model.instance->name,
          .fingerprint = model.instance->fingerprint(),
          .context = model.engine->context(),
          .requests = stats.requests,
          .prompt_tokens = stats.prompt_tokens,
          .cached_tokens = stats.cached_tokens,
          .generated_tokens = stats.generated_tokens,
          .drafted_tokens = stats.drafted_tokens,
          .accepted_tokens = stats.accepted_tokens,
          .preemptions = stats.preemptions,
          .loops = stats.loops,
          .deadlines = stats.deadlines,
          .evicted_blocks = stats.evicted_blocks,
          .spilled_blocks = stats.spilled_blocks,
          .restored_blocks = stats.restored_blocks,
          .damaged_blocks = stats.damaged_blocks,
          .busy_seconds = stats.busy_seconds,
          .memory_bytes = model.memory_bytes,
          .running = stats.running,
          .waiting = stats.waiting,
          .blocks_used = stats.blocks_used,
          .blocks_cached = stats.blocks_cached,
          .blocks = stats.blocks};
}

// Runs `work` with the loaded model where models are loaded, and hands on what came out.
template <class T, class Work>
void with_model(LocalBackend& backend, std::string name, std::function<void(Result<T>)> done,
                Work work) {
  CHECK(done != nullptr);
  const std::string asked_for = name;
  backend.prepare(asked_for, [&backend, name = std::move(name), done = std::move(done),
                              work = std::move(work)](Status ready) mutable {
    const auto result = [&]() -> Result<T> {
      TRY(std::move(ready));
      const std::shared_ptr<LoadedModel> model = TRY(backend.models().get(name));
      return work(*model);
    };
    done(result());
  });
}

Result<Tokens> tokens_of(const LoadedModel& model, const TokenizeRequest& request) {
  const text::Tokenizer tokenizer = TRY(tokenizer_of(model));
  Tokens out;
  out.context = model.engine->context();
  if (request.messages.empty()) {
    out.ids = tokenizer.encode(request.text, text::Tokenizer::AddedTokens::kNone);
  } else {
    if (!model.chat_template) {
      return make_error("E0711", fmt::format("model {} has no chat template",
                                             model.instance->name));
    }
    chat::PromptRequest prompt;
    prompt.messages = TRY(messages_for(model, request.messages));
    prompt.add_generation_prompt = request.generation_prompt;
    out.ids = tokenizer.encode(TRY(model.chat_template->render(prompt)));
  }
  for (size_t i = 0; request.pieces && i < out.ids.size(); ++i) {
    out.pieces.push_back(tokenizer.decode(std::span(out.ids).subspan(i, 1)));
  }
  return out;
}

// Ends a bare completion at stop texts. What may begin one is held back from whoever reads along.
class TextGuide final : public grammar::Guide {
 public:
  TextGuide(text::Tokenizer tokenizer, std::vector<std::string> stops,
            std::vector<text::TokenId> ends)
      : decoder_(std::move(tokenizer)), stops_(std::move(stops)), ends_(std::move(ends)) {
    std::erase(stops_, std::string());
  }

  grammar::Verdict on_token(text::TokenId id) override {
    if (std::ranges::find(ends_, id) != ends_.end()) return grammar::Verdict::kStop;
    return add(decoder_.push(id)) ? grammar::Verdict::kStop : grammar::Verdict::kContinue;
  }
  // The generation is over: what was held back is text after all, unless a stop text ended it.
  void finish() {
    if (!stopped_) add(decoder_.flush());
    if (!stopped_) text_ += held_;
    held_.clear();
  }
  std::string take_new() {
    return text_.substr(std::exchange(taken_, text_.size()));
  }
  const std::string& text() const { return text_; }

 private:
  bool add(std::string_view piece) {
    held_ += piece;
    size_t at = std::string::npos;
    for (const std::string& stop : stops_) at = std::min(at, held_.find(stop));
    stopped_ = at != std::string::npos;
    size_t shown = std::min(at, held_.size());
    for (const std::string& stop : stops_) {
      for (size_t size = std::min(held_.size(), stop.size()); !stopped_ && size > 0; --size) {
        if (!held_.ends_with(std::string_view(stop).substr(0, size))) continue;
        shown = std::min(shown, held_.size() - size);
        break;
      }
    }
    text_.append(held_, 0, shown);
    held_.erase(0, shown);
    return stopped_;
  }

  text::StreamDecoder decoder_;
  std::vector<std::string> stops_;
  const std::vector<text::TokenId> ends_;
  std::string held_;
  std::string text_;
  size_t taken_ = 0;
  bool stopped_ = false;
};

struct Completing {
  std::shared_ptr<TextGuide> guide;
  ChatCallbacks callbacks;
  text::Tokenizer tokenizer;
  bool logprobs = false;
  ChatResult result;
  size_t told_tokens = 0;  // of result.generated

  void on_token(const runtime::Sampled& sampled) {
    ++result.tokens.answer;
    if (logprobs) {
      GeneratedToken token{std::string(tokenizer.token_bytes(sampled.id)), sampled.logprob};
      if (tokenizer.is_special(sampled.id)) token.part = GeneratedToken::Part::kControl;
      for (const runtime::TokenLogprob& other : sampled.top) {
        token.top.push_back({std::string(tokenizer.token_bytes(other.id)), other.logprob});
      }
      result.generated.push_back(std::move(token));
    }
    tell();
  }
  void tell() {
    if (!callbacks.on_delta) return;
    ChatDelta delta;
    delta.content = guide->take_new();
    if (delta.content.empty()) return;
    delta.tokens = result.tokens;
    delta.generated.assign(result.generated.begin() + static_cast<std::ptrdiff_t>(told_tokens),
                           result.generated.end());
    told_tokens = result.generated.size();
    callbacks.on_delta(delta);
  }
  void on_done(runtime::Completion completion) {
    if (completion.error) return callbacks.on_done(std::move(*completion.error));
    guide->finish();
    tell();
    result.content = guide->text();
    result.finish_reason = finish_reason(completion.finish);
    result.stop_reason = stop_reason(completion.finish);
    result.tokens = with_engine_counts(result.tokens, completion.usage);
    result.prefill_seconds = completion.usage.prefill_seconds;
    result.decode_seconds = completion.usage.decode_seconds;
    result.evidence.output_ids.assign(completion.tokens.begin(), completion.tokens.end());
    callbacks.on_done(std::move(result));
  }
};

Status start_completion(Models& models, const CompletionRequest& request,
                        const ChatCallbacks& callbacks, LocalCall& call, int64_t called_ns) {
  const ChatRequest& options = request.options;
  const std::shared_ptr<LoadedModel> model = TRY(models.get(options.model));
  const text::Tokenizer tokenizer = TRY(tokenizer_of(*model));
  if (request.ids.empty()) TRY(check_could_fit(*model, request.text));
  runtime::Request work;
  work.prompt = request.ids.empty()
                    ? tokenizer.encode(request.text, text::Tokenizer::AddedTokens::kNone)
                    : request.ids;
  if (work.prompt.empty()) return make_error("E0730", "prompt: it has no token");
  const Status known = runtime::check_tokens(*model->instance, work.prompt);
  if (!known.ok()) return in_context(known.error(), "prompt");
  work.sampling = TRY(sampling_of(options, model->instance->config.generation));
  work.max_tokens = static_cast<int>(std::clamp<int64_t>(options.max_tokens, 0, 1 << 30));
  work.logprobs = options.logprobs;
  work.top_logprobs = options.top_logprobs;
  TRY(set_service(work, options, called_ns));
  work.end_loops = true;
  const auto& eos = model->instance->config.eos;
  std::vector<text::TokenId> ends(eos.begin(), eos.end());
  if (model->dialect) {
    ends.insert(ends.end(), model->dialect->stops.begin(), model->dialect->stops.end());
  }
  auto guide = std::make_shared<TextGuide>(tokenizer, options.stop, std::move(ends));
  auto completing = std::make_shared<Completing>(
      Completing{guide, callbacks, tokenizer, options.logprobs, {}, 0});
  ChatResult& result = completing->result;
  result.tokens.prompt = std::ssize(work.prompt);
  result.evidence.model = model->instance->name;
  result.evidence.model_hash = model->instance->weights_hash;
  result.evidence.system_fingerprint = model->instance->fingerprint();
  result.evidence.sampler = sampler_record(work.sampling, options);
  result.evidence.prompt_ids.assign(work.prompt.begin(), work.prompt.end());
  work.guide = guide;
  work.on_token = [completing](const runtime::Sampled& token) { completing->on_token(token); };
  work.on_done = [completing](runtime::Completion done) { completing->on_done(std::move(done)); };
  auto handle = model->engine->submit(std::move(work));
  if (!handle.ok()) return std::move(handle).error();
  call.started(*handle);
  return ok_status();
}

}  // namespace

void model_facts(LocalBackend& backend, std::string model,
                 std::function<void(Result<ModelFacts>)> done) {
  with_model<ModelFacts>(backend, std::move(model), std::move(done),
                         [](LoadedModel& loaded) -> Result<ModelFacts> {
                           return facts_of(loaded);
                         });
}

std::optional<ModelFacts> facts_if_loaded(LocalBackend& backend, const std::string& model) {
  const std::shared_ptr<LoadedModel> loaded = backend.models().if_loaded(model);
  if (loaded == nullptr) return std::nullopt;
  return facts_of(*loaded);
}

std::vector<ModelFacts> loaded_models(LocalBackend& backend) {
  std::vector<ModelFacts> out;
  for (const auto& model : backend.models().loaded()) out.push_back(facts_of(*model));
  return out;
}

void unload_model(LocalBackend& backend, std::string model,
                  std::function<void(Result<bool>)> done) {
  CHECK(done != nullptr);
  const std::string name = model;
  backend.prepare(name, [&backend, model = std::move(model),
                         done = std::move(done)](Status ready) mutable {
    const auto result = [&]() -> Result<bool> {
      TRY(std::move(ready));
      return backend.models().unload(model);
    };
    done(result());
  });
}

std::vector<std::pair<std::string, std::string>> model_names(LocalBackend& backend) {
  return backend.models().names();
}

void tokenize(LocalBackend& backend, TokenizeRequest request,
              std::function<void(Result<Tokens>)> done) {
  std::string model = request.model;
  with_model<Tokens>(backend, std::move(model), std::move(done),
                     [request = std::move(request)](LoadedModel& loaded) {
                       return tokens_of(loaded, request);
                     });
}

void detokenize(LocalBackend& backend, std::string model, std::vector<int32_t> ids,
                std::function<void(Result<std::string>)> done) {
  with_model<std::string>(
      backend, std::move(model), std::move(done),
      [ids = std::move(ids)](LoadedModel& loaded) -> Result<std::string> {
        const text::Tokenizer tokenizer = TRY(tokenizer_of(loaded));
        for (size_t i = 0; i < ids.size(); ++i) {
          if (ids[i] >= 0 && static_cast<size_t>(ids[i]) < tokenizer.size()) continue;
          return make_error("E0730",
                            fmt::format("tokens[{}]: {} is no token; the vocabulary has {}", i,
                                        ids[i], tokenizer.size()));
        }
        return tokenizer.decode(ids);
      });
}

std::shared_ptr<ChatCall> complete(LocalBackend& backend, CompletionRequest request,
                                   ChatCallbacks callbacks) {
  CHECK(callbacks.on_done != nullptr);
  auto call = std::make_shared<LocalCall>();
  const int64_t called_ns = real_env().mono_ns();
  const std::string model = request.options.model;
  backend.prepare(model, [&backend, call, called_ns, request = std::move(request),
                          callbacks = std::move(callbacks)](Status ready) {
    if (call->cancelled()) return callbacks.on_done(never_begun(request.options.model));
    if (ready.ok()) {
      ready = start_completion(backend.models(), request, callbacks, *call, called_ns);
    }
    if (!ready.ok()) callbacks.on_done(std::move(ready).error());
  });
  return call;
}

}  // namespace weft::backend
