// SPDX-License-Identifier: Apache-2.0
#include "server/access.h"
#include "server/completion_api.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "backend/direct.h"
#include "server/answer.h"
#include "server/chat_reply.h"
#include "server/chat_request.h"
#include "server/openai_error.h"
#include "server/prompts.h"

namespace weft::server {
namespace {

using backend::ChatDelta;
using backend::ChatResult;

constexpr int64_t kDefaultCompletionTokens = 16;  // OpenAI's

struct CompletionParameters {
  backend::ChatRequest options;
  std::vector<Prompt> prompts;
  bool seeded = false;
  int choices = 1;  // of each prompt
  StreamOptions streaming;
};

Result<CompletionParameters> parse_completion_request(const json::Object& body) {
  CompletionParameters out;
  Fields fields(body);
  out.options.model = TRY(fields.required_text("model"));
  out.prompts = TRY(read_prompts(fields, "prompt"));
  out.seeded = TRY(read_sampling(fields, out.options));
  if (fields.any("max_tokens") == nullptr && fields.any("max_completion_tokens") == nullptr) {
    out.options.max_tokens = kDefaultCompletionTokens;
  }
  out.choices = static_cast<int>(TRY(fields.integer("n", 1, kChoicesMax)).value_or(1));
  const auto logprobs = TRY(fields.integer("logprobs", 0, 20));
  out.options.logprobs = logprobs.has_value();
  out.options.top_logprobs = static_cast<int>(logprobs.value_or(0));
  out.streaming = TRY(read_stream_options(fields));
  if (const auto suffix = TRY(fields.text("suffix")); suffix && !suffix->empty()) {
    return unsupported_field("suffix", "these models continue text, they do not fill gaps");
  }
  TRY(ignore_harmless(fields));
  TRY(refuse_unsupported(fields));
  TRY(fields.finish());
  return out;
}

class CompletionForm final : public ReplyForm {
 public:
  CompletionForm(ReplyHead head, const CompletionParameters& parameters)
      : head_(std::move(head)), logprobs_(parameters.options.logprobs),
        usage_(parameters.streaming.include_usage),
        counts_(parameters.streaming.usage_so_far),
        top_logprobs_(parameters.options.top_logprobs),
        choices_of_prompt_(static_cast<size_t>(parameters.choices)) {}

  void set_facts(const backend::ModelFacts& facts) override {
    head_.fingerprint = facts.fingerprint;
  }
  json::Value whole(std::span<const ChatResult> results) override {
    json::Array choices;
    for (size_t i = 0; i < results.size(); ++i) {
      choices.push_back(choice_object(static_cast<int>(i), results[i].content,
                                      results[i].generated, json::Value(results[i].finish_reason)));
      if (results[i].stop_reason.empty()) continue;
      choices.back().as_object()["stop_reason"] = results[i].stop_reason;
    }
    json::Object out = reply_object(head_);
    out["choices"] = std::move(choices);
    out["usage"] = usage(results);
    return out;
  }
  std::string opening(int) override { return {}; }
  std::string delta(int choice, const ChatDelta& delta) override {
    if (counts_) so_far_ = usage_so_far(delta.tokens);
    return chunk(choice_object(choice, delta.content, delta.generated, nullptr));
  }
  std::string closing(int choice, const ChatResult& result) override {
    if (counts_) so_far_ = usage_so_far(result.tokens);
    json::Object end = choice_object(choice, "", {}, json::Value(result.finish_reason));
    if (!result.stop_reason.empty()) end["stop_reason"] = result.stop_reason;
    return chunk(std::move(end));
  }
  std::string ending(std::span<const ChatResult> results) override {
    std::string text;
    if (usage_) {
      json::Object out = reply_object(head_);
      out["choices"] = json::Array();
      out["usage"] = usage(results);
      text = event(out);
    }
    return text + std::string(kDoneEvent);
  }
  std::string failure(const Error& error) override { return event(openai_error_body(error)); }

 private:
  std::string chunk(json::Object choice) {
    json::Object out = reply_object(head_);
    out["choices"] = json::Array{std::move(choice)};
    if (usage_) out["usage"] = so_far_;
    return event(out);
  }

  // The legacy form: parallel lists instead of a list of tokens. Offsets count characters of the
  // choice's text; a token may begin inside one.
  json::Object legacy_logprobs(int choice, std::span<const backend::GeneratedToken> tokens) {
    json::Array texts, values, tops, offsets;
    int64_t& offset = offsets_[choice];
    for (const json::Value& token : content_logprobs(tokens, top_logprobs_)) {
      const json::Object& entry = token.as_object();
      texts.push_back(entry.at("token"));
      values.push_back(entry.at("logprob"));
      json::Object top;
      for (const json::Value& other : entry.at("top_logprobs").as_array()) {
        top[other.as_object().at("token").as_string()] = other.as_object().at("logprob");
      }
      tops.push_back(std::move(top));
      offsets.push_back(offset);
      for (const json::Value& byte : entry.at("bytes").as_array()) {
        if ((byte.to_number<int>() & 0xC0) != 0x80) ++offset;
      }
    }
    return {{"tokens", std::move(texts)},
            {"token_logprobs", std::move(values)},
            {"top_logprobs", std::move(tops)},
            {"text_offset", std::move(offsets)}};
  }

  json::Object choice_object(int index, std::string_view text,
                             std::span<const backend::GeneratedToken> tokens,
                             json::Value finish) {
    json::Object out{{"text", text}, {"index", index}};
    out["logprobs"] = nullptr;
    if (logprobs_) out["logprobs"] = legacy_logprobs(index, tokens);
    out["finish_reason"] = std::move(finish);
    return out;
  }

  // Each prompt counts once, however many continuations it has.
  json::Object usage(std::span<const ChatResult> results) const {
    int64_t prompt = 0, cached = 0, generated = 0;
    for (size_t i = 0; i < results.size(); ++i) {
      generated += results[i].tokens.answer;
      if (i % choices_of_prompt_ != 0) continue;
      prompt += results[i].tokens.prompt;
      // Of several continuations one has computed the prompt for all.
      int64_t least = results[i].tokens.cached;
      for (size_t j = i; j < std::min(i + choices_of_prompt_, results.size()); ++j) {
        least = std::min<int64_t>(least, results[j].tokens.cached);
      }
      cached += least;
    }
    return {{"prompt_tokens", prompt},
            {"completion_tokens", generated},
            {"total_tokens", prompt + generated},
            {"prompt_tokens_details", json::Object{{"cached_tokens", cached}}}};
  }

  ReplyHead head_;
  const bool logprobs_, usage_, counts_;
  const int top_logprobs_;
  json::Value so_far_;              // usage in the next chunk
  std::map<int, int64_t> offsets_;  // characters told so far, by choice
  const size_t choices_of_prompt_;
};

Status start_completions(ServerContext& context, const ExchangePtr& exchange,
                         Result<json::Object> body) {
  CompletionParameters parameters = TRY(parse_completion_request(TRY(std::move(body))));
  TRY(check_model_name(context, parameters.options.model));
  TRY(may_use_model(exchange->request(), parameters.options.model));
  parameters.options.cache_salt = tenant_name(exchange->request(), parameters.options.cache_salt);
  if (!parameters.seeded) {
    parameters.options.seed = static_cast<uint64_t>(context.env.wall_us());
  }
  const auto total = static_cast<int>(parameters.prompts.size()) * parameters.choices;
  if (total > kCompletionsMax) {
    return wrong_field("prompt", fmt::format("at most {} continuations", kCompletionsMax),
                       std::to_string(total));
  }
  ReplyHead head{.id = new_id(context.env, "cmpl-"), .object = "text_completion",
                 .model = parameters.options.model,
                 .created = context.env.wall_us() / 1'000'000, .fingerprint = {}};
  AnswerPlan plan;
  plan.model = parameters.options.model;
  plan.choices = total;
  plan.stream = parameters.streaming.stream;
  plan.form = std::make_unique<CompletionForm>(std::move(head), parameters);
  plan.words.prompt = "prompt";
  plan.redaction = redaction_of_answers(context);
  plan.json_answer = !parameters.options.output_schema.is_null();
  plan.start = [&context, parameters = std::move(parameters)](int choice,
                                                              backend::ChatCallbacks callbacks) {
    const auto prompt = static_cast<size_t>(choice / parameters.choices);
    backend::CompletionRequest request{parameters.options, parameters.prompts[prompt].text,
                                       parameters.prompts[prompt].ids};
    request.options.choice_index = static_cast<uint32_t>(choice % parameters.choices);
    return backend::complete(context.backend, std::move(request), std::move(callbacks));
  };
  answer(context, exchange, std::move(plan));
  return ok_status();
}

}  // namespace

void completions(ServerContext& context, const ExchangePtr& exchange) {
  with_body(context, exchange, [&context, exchange](Result<json::Object> body) {
    const Status started = start_completions(context, exchange, std::move(body));
    if (!started.ok()) exchange->respond(openai_error(started.error()));
  });
}

}  // namespace weft::server
