// SPDX-License-Identifier: Apache-2.0
#include "server/context.h"

#include <fmt/format.h>

#include <algorithm>

#include "backend/direct.h"
#include "backend/remote.h"
#include "base/strings.h"
#include "server/fields.h"

namespace weft::server {
namespace {

constexpr size_t kParsedHere = size_t{1} << 20;  // takes a few milliseconds; more would hold others

template <class T>
void with_parsed(ServerContext& context, const ExchangePtr& exchange,
                 Result<T> (*parse)(std::string_view), std::function<void(Result<T>)> then) {
  auto body = std::make_shared<std::string>(std::move(exchange->request().body));
  if (body->size() <= kParsedHere) return then(parse(*body));
  context.pool.submit([&context, body, parse, then = std::move(then)]() mutable {
    auto parsed = std::make_shared<Result<T>>(parse(*body));
    context.loop.post([parsed, then = std::move(then)] { then(std::move(*parsed)); });
  });
}

}  // namespace

void with_body(ServerContext& context, const ExchangePtr& exchange,
               std::function<void(Result<json::Object>)> then) {
  with_parsed<json::Object>(context, exchange, parse_body, std::move(then));
}

void with_any_body(ServerContext& context, const ExchangePtr& exchange,
                   std::function<void(Result<json::Value>)> then) {
  with_parsed<json::Value>(context, exchange, parse_any_body, std::move(then));
}

namespace {

Status check_name(ServerContext& context, std::string_view name, std::vector<std::string> names) {
  for (const auto& [known, meaning] : backend::model_names(context.backend)) {
    if (known == name) return ok_status();
    names.push_back(known);
  }
  return make_error("E0710", fmt::format("the model {} does not exist here", quoted(name)),
                    name_hint(name, names));
}

}  // namespace

Status check_model_name(ServerContext& context, std::string_view name) {
  if (context.remote != nullptr && context.remote->knows(std::string(name))) {
    return make_error("E0710", fmt::format("the model {} is another server's: it only chats here",
                                           quoted(name)));
  }
  return check_name(context, name, {});
}

Status check_chat_model_name(ServerContext& context, std::string_view name) {
  std::vector<std::string> names;
  if (context.remote != nullptr) names = context.remote->names();
  names.insert(names.end(), context.routes.begin(), context.routes.end());
  if (std::ranges::find(names, name) != names.end()) return ok_status();
  return check_name(context, name, std::move(names));
}

const security::Redaction* redaction_of_answers(const ServerContext& context) {
  const security::Redaction& rules = context.redaction;
  return rules.answers && !rules.none() ? &rules : nullptr;
}

uint64_t random_seed(Env& env) {
  uint8_t bytes[8];
  env.random(bytes);
  uint64_t seed = 0;
  for (const uint8_t byte : bytes) seed = seed << 8 | byte;
  return seed >> 1;
}

}  // namespace weft::server
