// SPDX-License-Identifier: Apache-2.0
#include "server/embeddings_api.h"

#include <bit>

#include "backend/embedding.h"
#include "base/base64.h"
#include "base/strings.h"
#include "server/access.h"
#include "server/chat_request.h"
#include "server/openai_error.h"
#include "server/prompts.h"

namespace weft::server {
namespace {

static_assert(std::endian::native == std::endian::little, "clients read little-endian floats");

json::Value vector_form(const std::vector<float>& vector, bool as_base64) {
  if (as_base64) {
    return json::Value(base64({reinterpret_cast<const char*>(vector.data()),
                               vector.size() * sizeof(float)}));
  }
  json::Array numbers;
  for (const float x : vector) numbers.push_back(x);
  return numbers;
}

json::Object reply(const backend::Embeddings& done, const std::string& model, bool as_base64) {
  json::Array data;
  for (size_t i = 0; i < done.vectors.size(); ++i) {
    data.push_back(json::Object{{"object", "embedding"},
                                {"index", i},
                                {"embedding", vector_form(done.vectors[i], as_base64)}});
  }
  return {{"object", "list"},
          {"data", std::move(data)},
          {"model", model},
          {"usage", json::Object{{"prompt_tokens", done.tokens}, {"total_tokens", done.tokens}}}};
}

Result<bool> wants_base64(Fields& fields) {
  const std::string form = TRY(fields.text("encoding_format")).value_or("float");
  if (form == "float" || form == "base64") return form == "base64";
  return wrong_field("encoding_format", "float or base64", quoted(form));
}

Status start_embeddings(ServerContext& context, const ExchangePtr& exchange,
                        Result<json::Object> given) {
  const json::Object body = TRY(std::move(given));
  Fields fields(body);
  backend::EmbeddingRequest request;
  request.model = TRY(fields.required_text("model"));
  for (Prompt& prompt : TRY(read_prompts(fields, "input"))) {
    request.inputs.push_back({std::move(prompt.text), std::move(prompt.ids)});
  }
  const std::string pooling = TRY(fields.text("pooling")).value_or("mean");
  if (pooling != "mean" && pooling != "last") {
    return wrong_field("pooling", "mean or last", quoted(pooling));
  }
  request.pooling = pooling == "last" ? backend::Pooling::kLast : backend::Pooling::kMean;
  request.dimensions = TRY(fields.integer("dimensions", 1, 1 << 20));
  const bool as_base64 = TRY(wants_base64(fields));
  TRY(ignore_harmless(fields));
  TRY(fields.finish());
  TRY(check_model_name(context, request.model));
  TRY(may_use_model(exchange->request(), request.model));
  if (context.answers >= context.answers_max) {
    net::HttpResponse later = openai_refusal(429, "too many answers are being made already");
    later.headers.push_back({"Retry-After", "1"});
    exchange->respond(std::move(later));
    return ok_status();
  }
  ++context.answers;
  const auto call = backend::embed(
      context.backend, request,
      [&context, exchange, as_base64, model = request.model](Result<backend::Embeddings> done) {
        auto told = std::make_shared<Result<backend::Embeddings>>(std::move(done));
        context.loop.post([&context, exchange, told, as_base64, model] {
          --context.answers;
          if (told->ok() && context.access != nullptr) {
            context.access->charge(caller_of(exchange->request()).key, (*told)->tokens);
          }
          exchange->respond(told->ok() ? json_response(reply(**told, model, as_base64))
                                       : openai_error(told->error()));
        });
      });
  exchange->on_closed([call] { call->cancel(); });
  return ok_status();
}

}  // namespace

void embeddings(ServerContext& context, const ExchangePtr& exchange) {
  with_body(context, exchange, [&context, exchange](Result<json::Object> body) {
    const Status started = start_embeddings(context, exchange, std::move(body));
    if (!started.ok()) exchange->respond(openai_error(started.error()));
  });
}

}  // namespace weft::server
