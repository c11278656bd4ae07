// SPDX-License-Identifier: Apache-2.0
//
// POST /v1/chat/completions: OpenAI's conversation, over the models of this process. It translates
// and calls: what a request may say is chat_request's, what an answer looks like chat_reply's, the
// course of it answer's.
#pragma once

#include "server/context.h"

namespace weft::server {

void chat_completions(ServerContext& context, const ExchangePtr& exchange);

}  // namespace weft::server
