// SPDX-License-Identifier: Apache-2.0
#include "server/models_api.h"

#include <algorithm>

#include "backend/direct.h"
#include "backend/remote.h"
#include "server/access.h"
#include "server/fields.h"
#include "server/openai_error.h"
#include "server/problem.h"
#include "server/prompts.h"

namespace weft::server {
namespace {

json::Object model_object(const ServerContext& context, const std::string& name,
                          const std::string& meaning) {
  return {{"id", name}, {"object", "model"}, {"created", context.started_s},
          {"owned_by", "weft"}, {"root", meaning}};
}

using ModelName = std::pair<std::string, std::string>;  // and what it means

std::vector<ModelName> all_models(const ServerContext& context) {
  std::vector<ModelName> out = backend::model_names(context.backend);
  if (context.remote == nullptr) return out;
  for (std::string& name : context.remote->names()) {
    out.emplace_back(std::move(name), "another server's");
  }
  return out;
}

// Two addresses lead to a model: OpenAI's, and that of the pages.
net::HttpResponse refusal_of(const ExchangePtr& exchange, const Error& error) {
  const auto& segments = exchange->request().segments;
  const bool ours = !segments.empty() && segments[0] == "models";
  return ours ? problem(error) : openai_error(error);
}

// Hands a result of the backend's thread to the exchange, on the loop.
template <class T, class Show>
std::function<void(Result<T>)> answering(ServerContext& context, const ExchangePtr& exchange,
                                         Show show) {
  return [&context, exchange, show](Result<T> result) {
    auto told = std::make_shared<Result<T>>(std::move(result));
    context.loop.post([exchange, told, show] {
      exchange->respond(told->ok() ? json_response(show(**told))
                                   : refusal_of(exchange, told->error()));
    });
  };
}

Status start_tokenize(ServerContext& context, const ExchangePtr& exchange,
                      Result<json::Object> given) {
  const json::Object body = TRY(std::move(given));
  Fields fields(body);
  backend::TokenizeRequest request;
  request.model = TRY(fields.text("model")).value_or("default");
  // vLLM's name, llama.cpp's name.
  const auto prompt = TRY(fields.text("prompt"));
  const auto content = TRY(fields.text("content"));
  if (const json::Array* messages = TRY(fields.list("messages"))) request.messages = *messages;
  const int given_count = (prompt ? 1 : 0) + (content ? 1 : 0) + (request.messages.empty() ? 0 : 1);
  if (given_count != 1) {
    return wrong_field("prompt", "one of prompt, content and messages",
                       std::to_string(given_count));
  }
  request.text = prompt ? *prompt : content.value_or("");
  request.generation_prompt = TRY(fields.boolean("add_generation_prompt")).value_or(true);
  request.pieces = TRY(fields.boolean("return_token_strs")).value_or(false) ||
                   TRY(fields.boolean("with_pieces")).value_or(false);
  fields.known({"add_special_tokens", "add_special", "parse_special"});
  TRY(fields.finish());
  TRY(check_model_name(context, request.model));
  TRY(may_use_model(exchange->request(), request.model));
  backend::tokenize(context.backend, std::move(request),
                    answering<backend::Tokens>(context, exchange, [](const backend::Tokens& out) {
                      json::Object shown;
                      shown["count"] = out.ids.size();
                      shown["max_model_len"] = out.context;
                      shown["tokens"] = json::Array(out.ids.begin(), out.ids.end());
                      if (!out.pieces.empty()) {
                        shown["token_strs"] = json::Array(out.pieces.begin(), out.pieces.end());
                      }
                      return shown;
                    }));
  return ok_status();
}

Status start_detokenize(ServerContext& context, const ExchangePtr& exchange,
                        Result<json::Object> given) {
  const json::Object body = TRY(std::move(given));
  Fields fields(body);
  const std::string model = TRY(fields.text("model")).value_or("default");
  const json::Array* tokens = TRY(fields.list("tokens"));
  TRY(fields.finish());
  if (tokens == nullptr) return wrong_field("tokens", "a list of token ids", "nothing");
  std::vector<int32_t> ids = TRY(read_ids(*tokens, "tokens"));
  TRY(check_model_name(context, model));
  TRY(may_use_model(exchange->request(), model));
  backend::detokenize(context.backend, model, std::move(ids),
                      answering<std::string>(context, exchange, [](const std::string& text) {
                        // vLLM's name for it, and llama.cpp's
                        return json::Object{{"prompt", text}, {"content", text}};
                      }));
  return ok_status();
}

}  // namespace

void list_models(ServerContext& context, const ExchangePtr& exchange) {
  json::Array data;
  for (const auto& [name, meaning] : all_models(context)) {
    data.push_back(model_object(context, name, meaning));
  }
  exchange->respond(json_response(json::Object{{"object", "list"}, {"data", std::move(data)}}));
}

// Only looks: a key that may read shall neither make this machine load nor make models leave.
void show_model(ServerContext& context, const ExchangePtr& exchange) {
  const std::string name = exchange->request().parameter("id");
  const auto models = all_models(context);
  const auto found = std::ranges::find(models, name, &ModelName::first);
  if (found == models.end()) {
    return exchange->respond(openai_error(check_model_name(context, name).error()));
  }
  json::Object shown = model_object(context, name, found->second);
  if (const auto facts = backend::facts_if_loaded(context.backend, name)) {
    shown["max_model_len"] = facts->context;
    shown["system_fingerprint"] = facts->fingerprint;
  }
  exchange->respond(json_response(shown));
}

void unload_model(ServerContext& context, const ExchangePtr& exchange) {
  const std::string name = exchange->request().parameter("id");
  if (const Status known = check_model_name(context, name); !known.ok()) {
    return exchange->respond(refusal_of(exchange, known.error()));
  }
  if (const Status allowed = may_manage_model(exchange->request(), name); !allowed.ok()) {
    return exchange->respond(refusal_of(exchange, allowed.error()));
  }
  backend::unload_model(context.backend, name,
                        answering<bool>(context, exchange, [name](bool left) {
                          return json::Object{{"id", name}, {"unloaded", left}};
                        }));
}

void tokenize(ServerContext& context, const ExchangePtr& exchange) {
  with_body(context, exchange, [&context, exchange](Result<json::Object> body) {
    const Status started = start_tokenize(context, exchange, std::move(body));
    if (!started.ok()) exchange->respond(openai_error(started.error()));
  });
}

void detokenize(ServerContext& context, const ExchangePtr& exchange) {
  with_body(context, exchange, [&context, exchange](Result<json::Object> body) {
    const Status started = start_detokenize(context, exchange, std::move(body));
    if (!started.ok()) exchange->respond(openai_error(started.error()));
  });
}

}  // namespace weft::server
