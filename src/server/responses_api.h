// SPDX-License-Identifier: Apache-2.0
//
// /v1/responses: OpenAI's newer form of a chat, whose conversations the server remembers
// (stored_responses.h), and the routes that show and forget what is remembered.
#pragma once

#include "server/context.h"

namespace weft::server {

void create_response(ServerContext& context, const ExchangePtr& exchange);
void show_response(ServerContext& context, const ExchangePtr& exchange);
void delete_response(ServerContext& context, const ExchangePtr& exchange);
void list_response_input(ServerContext& context, const ExchangePtr& exchange);

}  // namespace weft::server
