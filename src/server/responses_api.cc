// SPDX-License-Identifier: Apache-2.0
#include "server/responses_api.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/strings.h"
#include "server/access.h"
#include "server/fields.h"
#include "server/openai_error.h"
#include "server/responses_reply.h"
#include "server/responses_request.h"
#include "server/stored_responses.h"

namespace weft::server {
namespace {

constexpr int64_t kItemsShown = 20;  // OpenAI's, unless `limit` says otherwise
constexpr int64_t kItemsShownMax = 100;

Error no_response(std::string_view name, const std::string& id) {
  return make_error("E0755", fmt::format("{}: no response {} is remembered here", name, quoted(id)),
                    "responses are kept in memory, the oldest go first; send the conversation "
                    "as input instead");
}

// Under its name within the caller's tenant.
std::shared_ptr<const StoredResponse> find_response(ServerContext& context,
                                                    const ExchangePtr& exchange,
                                                    const std::string& id) {
  return context.responses->find(tenant_name(exchange->request(), id));
}

Result<json::Array> history_of(ServerContext& context, const ExchangePtr& exchange,
                               const std::string& previous) {
  if (previous.empty()) return json::Array();
  const auto stored = find_response(context, exchange, previous);
  if (stored == nullptr) return no_response("previous_response_id", previous);
  return stored->messages;
}

std::unique_ptr<ResponsesForm> form_of(ServerContext& context, const ExchangePtr& exchange,
                                       ReplyHead head, const ResponsesParameters& parameters) {
  json::Object echo = parameters.echo;
  echo["store"] = parameters.store;
  if (!parameters.previous.empty()) echo["previous_response_id"] = parameters.previous;
  auto self = std::make_shared<ResponsesForm*>(nullptr);
  ResponsesForm::Finished keep;
  if (parameters.store) {
    const std::string name = tenant_name(exchange->request(), head.id);
    keep = [&context, self, id = name, messages = parameters.conversation,
            input = parameters.input](const json::Object& response,
                                      const backend::ChatResult& result) mutable {
      messages.push_back((*self)->message_of(result));
      context.responses->put(id, {response, std::move(messages), std::move(input)});
    };
  }
  auto form = std::make_unique<ResponsesForm>(std::move(head), std::move(echo), std::move(keep),
                                              parameters.chat.request.logprobs
                                                  ? parameters.chat.request.top_logprobs
                                                  : -1);
  *self = form.get();
  return form;
}

Status start_response(ServerContext& context, const ExchangePtr& exchange,
                      Result<json::Object> given) {
  const json::Object body = TRY(std::move(given));
  const std::string previous = TRY(previous_response_of(body));
  ResponsesParameters parameters =
      TRY(parse_responses_request(body, TRY(history_of(context, exchange, previous))));
  backend::ChatRequest& request = parameters.chat.request;
  TRY(check_chat_model_name(context, request.model));
  TRY(may_use_model(exchange->request(), request.model));
  request.cache_salt = tenant_name(exchange->request(), request.cache_salt);
  charge_caller(exchange->request(), request);
  if (!parameters.chat.seeded) request.seed = random_seed(context.env);
  ReplyHead head{.id = new_id(context.env, "resp_"), .object = "response", .model = request.model,
                 .created = context.env.wall_us() / 1'000'000, .fingerprint = {}};
  AnswerPlan plan;
  plan.model = request.model;
  plan.stream = parameters.chat.streaming.stream;
  plan.form = form_of(context, exchange, std::move(head), parameters);
  plan.words = {.prompt = "input", .tokens = "max_output_tokens",
                .form = parameters.chat.form};
  plan.redaction = redaction_of_answers(context);
  plan.json_answer = !request.output_schema.is_null();
  plan.start = [&context, request = std::move(request)](int, backend::ChatCallbacks callbacks) {
    return context.chats.chat(request, std::move(callbacks));
  };
  answer(context, exchange, std::move(plan));
  return ok_status();
}

// What was given with it, the first in front; texts of messages as parts, as OpenAI has them.
json::Array input_items(const StoredResponse& stored, const std::string& id) {
  json::Array items;
  for (size_t i = 0; i < stored.input.size(); ++i) {
    json::Object item = stored.input[i].as_object();
    if (!item.contains("id")) item["id"] = fmt::format("item_{}_{}", id.substr(5), i);
    const json::Value* content = item.if_contains("content");
    if (item.at("type") == "message" && content != nullptr && content->is_string()) {
      const bool answer = item.at("role") == "assistant";
      json::Object part{{"type", answer ? "output_text" : "input_text"}, {"text", *content}};
      if (answer) part["annotations"] = json::Array();
      item["content"] = json::Array{std::move(part)};
    }
    items.push_back(std::move(item));
  }
  return items;
}

// OpenAI's list: `order` (the last item in front unless it is asc), `after`, `limit`.
Result<json::Object> page_of(const net::HttpRequest& request, json::Array items) {
  const std::string* limit = net::find_parameter(request.query, "limit");
  const auto count = static_cast<size_t>(
      limit == nullptr ? kItemsShown : TRY(whole_number("limit", *limit, 1, kItemsShownMax)));
  const std::string* order = net::find_parameter(request.query, "order");
  if (order != nullptr && *order != "asc" && *order != "desc") {
    return wrong_field("order", "asc or desc", quoted(*order, 40));
  }
  if (order == nullptr || *order == "desc") std::reverse(items.begin(), items.end());
  if (const std::string* after = net::find_parameter(request.query, "after")) {
    const auto last = std::find_if(items.begin(), items.end(), [&](const json::Value& item) {
      const json::Value& id = item.as_object().at("id");
      return id.is_string() && id.as_string() == *after;
    });
    if (last == items.end()) {
      return wrong_field("after", "the id of an item of this response", quoted(*after, 60));
    }
    items.erase(items.begin(), last + 1);
  }
  const bool more = items.size() > count;
  if (more) items.erase(items.begin() + static_cast<ptrdiff_t>(count), items.end());
  json::Object out{{"object", "list"}};
  out["first_id"] = items.empty() ? json::Value() : items.front().as_object().at("id");
  out["last_id"] = items.empty() ? json::Value() : items.back().as_object().at("id");
  out["data"] = std::move(items);
  out["has_more"] = more;
  return out;
}

}  // namespace

void create_response(ServerContext& context, const ExchangePtr& exchange) {
  with_body(context, exchange, [&context, exchange](Result<json::Object> body) {
    const Status started = start_response(context, exchange, std::move(body));
    if (!started.ok()) exchange->respond(openai_error(started.error()));
  });
}

void show_response(ServerContext& context, const ExchangePtr& exchange) {
  const std::string id = exchange->request().parameter("id");
  const auto stored = find_response(context, exchange, id);
  exchange->respond(stored ? json_response(stored->response)
                           : openai_error(no_response("id", id)));
}

void delete_response(ServerContext& context, const ExchangePtr& exchange) {
  const std::string id = exchange->request().parameter("id");
  if (!context.responses->erase(tenant_name(exchange->request(), id))) {
    return exchange->respond(openai_error(no_response("id", id)));
  }
  exchange->respond(
      json_response(json::Object{{"id", id}, {"object", "response"}, {"deleted", true}}));
}

void list_response_input(ServerContext& context, const ExchangePtr& exchange) {
  const std::string id = exchange->request().parameter("id");
  const auto stored = find_response(context, exchange, id);
  if (stored == nullptr) return exchange->respond(openai_error(no_response("id", id)));
  auto page = page_of(exchange->request(), input_items(*stored, id));
  exchange->respond(page.ok() ? json_response(*page) : openai_error(page.error()));
}

}  // namespace weft::server
