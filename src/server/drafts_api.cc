// SPDX-License-Identifier: Apache-2.0
#include "server/drafts_api.h"

#include <fmt/format.h>

#include "base/strings.h"
#include "server/access.h"
#include "server/answer.h"
#include "server/chat_reply.h"
#include "server/fields.h"
#include "server/problem.h"
#include "worker/workflow_draft.h"

namespace weft::server {
namespace {

constexpr size_t kDescriptionBytesMax = 4000;

struct DraftWish {
  std::string description, model;
  uint64_t seed = 0;
};

class DraftForm final : public ReplyForm {
 public:
  explicit DraftForm(DraftWish wish) : wish_(std::move(wish)) {}

  void set_facts(const backend::ModelFacts&) override {}
  bool tells_problems() const override { return true; }

  Status check(std::span<const backend::ChatResult> results) override {
    CHECK(results.size() == 1, "a draft is one answer");
    auto text = worker::drafted_document(results[0].content, wish_.description);
    const bool none = !text.ok() && text.error().code == "E0907";
    text_ = none ? worker::undrafted_document(wish_.description) : TRY(std::move(text));
    return ok_status();
  }

  json::Value whole(std::span<const backend::ChatResult> results) override {
    CHECK(!text_.empty(), "what was not checked is not answered");
    const backend::TokenCounts& tokens = results[0].tokens;
    return json::Object{{"text", text_},
                        {"model", wish_.model},
                        {"seed", wish_.seed},
                        {"tokens", json::Object{{"prompt", tokens.prompt},
                                                {"answer", tokens.answer}}}};
  }

  std::string opening(int) override { return named_event("progress", progress({}, 0)); }
  std::string delta(int, const backend::ChatDelta& delta) override {
    return named_event("progress", progress(delta.content, delta.tokens.answer));
  }
  std::string closing(int, const backend::ChatResult&) override { return {}; }
  std::string ending(std::span<const backend::ChatResult> results) override {
    return named_event("draft", whole(results));
  }
  std::string failure(const Error& error) override {
    return "event: error\ndata: " + problem(error).body + "\n\n";
  }

 private:
  static json::Object progress(std::string_view text, int64_t tokens) {
    return {{"text", text}, {"tokens", tokens}};
  }

  const DraftWish wish_;
  std::string text_;  // the document, once check() has made it
};

Result<DraftWish> read_draft_wish(ServerContext& context, const json::Object& body) {
  Fields fields(body);
  DraftWish wish;
  wish.description = trim(TRY(fields.required_text("description")));
  if (wish.description.empty() || wish.description.size() > kDescriptionBytesMax) {
    return wrong_field("description", fmt::format("1 to {} bytes", kDescriptionBytesMax),
                       std::to_string(wish.description.size()));
  }
  wish.model = TRY(fields.text("model")).value_or("default");
  // 53 bits: what every reader of JSON takes as it is
  const auto seed = TRY(fields.integer("seed", 0, (int64_t{1} << 53) - 1));
  wish.seed = seed ? static_cast<uint64_t>(*seed) : random_seed(context.env) >> 10;
  TRY(fields.finish());
  return wish;
}

Status start_draft(ServerContext& context, const ExchangePtr& exchange,
                   Result<json::Object> body) {
  const net::HttpRequest& request = exchange->request();
  const security::Caller& caller = caller_of(request);
  if (!security::may(caller, "definitions:write")) {
    return security::insufficient(caller, "definitions:write");
  }
  DraftWish wish = TRY(read_draft_wish(context, TRY(std::move(body))));
  TRY(check_chat_model_name(context, wish.model));
  TRY(may_use_model(request, wish.model));
  backend::ChatRequest chat = worker::draft_request(wish.model, wish.description, wish.seed);
  chat.cache_salt = tenant_name(request, {});
  charge_caller(request, chat);
  const std::string* accept = request.header("Accept");
  AnswerPlan plan;
  plan.model = wish.model;
  plan.stream = accept != nullptr && accept->find("text/event-stream") != std::string::npos;
  plan.form = std::make_unique<DraftForm>(std::move(wish));
  plan.start = [&context, chat = std::move(chat)](int, backend::ChatCallbacks callbacks) {
    return context.chats.chat(chat, std::move(callbacks));
  };
  answer(context, exchange, std::move(plan));
  return ok_status();
}

}  // namespace

void draft_definition(ServerContext& context, const ExchangePtr& exchange) {
  with_body(context, exchange, [&context, exchange](Result<json::Object> body) {
    const Status started = start_draft(context, exchange, std::move(body));
    if (!started.ok()) exchange->respond(problem(started.error()));
  });
}

}  // namespace weft::server
