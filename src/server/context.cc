// SPDX-License-Identifier: Apache-2.0
#include "server/context.h"

#include <fmt/format.h>

#include "backend/direct.h"
#include "base/strings.h"
#include "server/fields.h"

namespace weft::server {
namespace {

constexpr size_t kParsedHere = size_t{1} << 20;  // takes a few milliseconds; more would hold others

}  // namespace

void with_body(ServerContext& context, const ExchangePtr& exchange,
               std::function<void(Result<json::Object>)> then) {
  std::string body = std::move(exchange->request().body);
  if (body.size() <= kParsedHere) return then(parse_body(body));
  context.pool.submit([&context, body = std::move(body), then = std::move(then)]() mutable {
    auto parsed = std::make_shared<Result<json::Object>>(parse_body(body));
    context.loop.post([parsed, then = std::move(then)] { then(std::move(*parsed)); });
  });
}

Status check_model_name(ServerContext& context, std::string_view name) {
  std::vector<std::string> names;
  for (const auto& [known, meaning] : backend::model_names(context.backend)) {
    if (known == name) return ok_status();
    names.push_back(known);
  }
  return make_error("E0710", fmt::format("the model {} does not exist here", quoted(name)),
                    name_hint(name, names));
}

}  // namespace weft::server
