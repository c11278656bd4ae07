// SPDX-License-Identifier: Apache-2.0
#include "server/chat_api.h"

#include <fmt/format.h>

#include "server/access.h"
#include "server/answer.h"
#include "server/chat_reply.h"
#include "server/chat_request.h"
#include "server/openai_error.h"

namespace weft::server {
namespace {

using backend::ChatDelta;
using backend::ChatResult;

class ChatForm final : public ReplyForm {
 public:
  ChatForm(ReplyHead head, const ChatParameters& parameters)
      : head_(std::move(head)), logprobs_(parameters.request.logprobs),
        top_logprobs_(parameters.request.top_logprobs), reasoning_(parameters.include_reasoning),
        usage_(parameters.streaming.include_usage),
        counts_(parameters.streaming.usage_so_far),
        calls_("call_" + head_.id.substr(head_.id.find('-') + 1)) {}

  void set_facts(const backend::ModelFacts& facts) override {
    head_.fingerprint = facts.fingerprint;
  }

  json::Value whole(std::span<const ChatResult> results) override {
    json::Object out = reply_object(head_);
    json::Array choices;
    for (size_t i = 0; i < results.size(); ++i) {
      choices.push_back(chat_choice(static_cast<int>(i), results[i],
                                    {logprobs_, top_logprobs_, reasoning_, calls_}));
    }
    out["choices"] = std::move(choices);
    out["usage"] = usage_of(results);
    return out;
  }

  std::string opening(int choice) override {
    return chunk(choice, {{"role", "assistant"}, {"content", ""}}, nullptr, nullptr);
  }

  std::string delta(int choice, const ChatDelta& delta) override {
    if (counts_) so_far_ = usage_so_far(delta.tokens);
    // Reasoning comes before the answer, and calls behind it: what was joined comes apart again.
    std::string text;
    if (reasoning_ && !delta.reasoning.empty()) {
      text += chunk(choice,
                    {{"reasoning_content", delta.reasoning}, {"reasoning", delta.reasoning}},
                    nullptr, nullptr);
    }
    if (!delta.content.empty()) {
      json::Value logprobs;
      if (logprobs_) logprobs = json::Object{{"content", 
            content_logprobs(delta.generated, top_logprobs_)}};
      text += chunk(choice, {{"content", delta.content}}, std::move(logprobs), nullptr);
    }
    for (const chat::CallPiece& piece : delta.calls) text += call_chunks(choice, piece);
    return text;
  }

  std::string closing(int choice, const ChatResult& result) override {
    if (counts_) so_far_ = usage_so_far(result.tokens);
    stop_reason_ = result.stop_reason;
    return chunk(choice, {}, nullptr, json::Value(result.finish_reason));
  }

  std::string ending(std::span<const ChatResult> results) override {
    std::string text;
    if (usage_) {
      json::Object out = reply_object(head_);
      out["choices"] = json::Array();
      out["usage"] = usage_of(results);
      text = event(out);
    }
    return text + std::string(kDoneEvent);
  }

  std::string failure(const Error& error) override { return event(openai_error_body(error)); }

 private:
  // Who is called first, with no arguments yet; then these as they are written.
  std::string call_chunks(int choice, const chat::CallPiece& piece) {
    std::string text;
    if (!piece.name.empty()) {
      chat::CallPiece head = piece;
      head.arguments.clear();
      const json::Object shown = reply_tool_call(head, fmt::format("{}_{}", calls_, choice));
      json::Object begun{{"index", piece.index}};
      begun.insert(shown.begin(), shown.end());
      text += call_chunk(choice, std::move(begun));
    }
    if (!piece.arguments.empty()) {
      text += call_chunk(choice, {{"index", piece.index},
                                  {"function", json::Object{{"arguments", piece.arguments}}}});
    }
    return text;
  }
  std::string call_chunk(int choice, json::Object call) {
    return chunk(choice, {{"tool_calls", json::Array{std::move(call)}}}, nullptr, nullptr);
  }

  std::string chunk(int choice, json::Object delta, json::Value logprobs, json::Value finish) {
    json::Object out = reply_object(head_);
    json::Object entry{{"index", choice}, {"delta", std::move(delta)}};
    entry["logprobs"] = std::move(logprobs);
    if (!finish.is_null() && !stop_reason_.empty()) entry["stop_reason"] = stop_reason_;
    entry["finish_reason"] = std::move(finish);
    out["choices"] = json::Array{std::move(entry)};
    if (usage_) out["usage"] = so_far_;
    return event(out);
  }

  ReplyHead head_;
  const bool logprobs_;
  const int top_logprobs_;
  const bool reasoning_, usage_, counts_;
  json::Value so_far_;                    // usage in the next chunk
  std::string stop_reason_;               // in the chunk that ends a choice
  const std::string calls_;               // ids of tool calls begin with it
};

Status start_chat(ServerContext& context, const ExchangePtr& exchange,
                  Result<json::Object> body) {
  ChatParameters parameters = TRY(parse_chat_request(TRY(std::move(body))));
  TRY(check_chat_model_name(context, parameters.request.model));
  TRY(may_use_model(exchange->request(), parameters.request.model));
  parameters.request.cache_salt = tenant_name(exchange->request(), parameters.request.cache_salt);
  charge_caller(exchange->request(), parameters.request);
  if (!parameters.seeded) parameters.request.seed = random_seed(context.env);
  ReplyHead head{.id = new_id(context.env, "chatcmpl-"),
                 .object = parameters.streaming.stream ? "chat.completion.chunk"
                                                       : "chat.completion",
                 .model = parameters.request.model,
                 .created = context.env.wall_us() / 1'000'000,
                 .fingerprint = {}};
  AnswerPlan plan;
  plan.model = parameters.request.model;
  plan.choices = parameters.choices;
  plan.stream = parameters.streaming.stream;
  plan.form = std::make_unique<ChatForm>(std::move(head), parameters);
  if (!parameters.warning.empty()) {
    plan.headers.push_back({"Warning", "299 weft \"" + parameters.warning + "\""});
  }
  plan.words.form = parameters.form;
  plan.redaction = redaction_of_answers(context);
  plan.json_answer = !parameters.request.output_schema.is_null();
  plan.start = [&context, request = std::move(parameters.request)](
                   int choice, backend::ChatCallbacks callbacks) {
    backend::ChatRequest one = request;
    one.choice_index = static_cast<uint32_t>(choice);
    return context.chats.chat(std::move(one), std::move(callbacks));
  };
  answer(context, exchange, std::move(plan));
  return ok_status();
}

}  // namespace

void chat_completions(ServerContext& context, const ExchangePtr& exchange) {
  with_body(context, exchange, [&context, exchange](Result<json::Object> body) {
    const Status started = start_chat(context, exchange, std::move(body));
    if (!started.ok()) exchange->respond(openai_error(started.error()));
  });
}

}  // namespace weft::server
