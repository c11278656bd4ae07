// SPDX-License-Identifier: Apache-2.0
//
// What the models are and how they read text: /v1/models, /tokenize, /detokenize. Only models that
// have a name here are shown; paths of this machine are neither taken nor listed by themselves.
// Tokens are those of user text: no control token comes out of what a client sends.
#pragma once

#include "server/context.h"

namespace weft::server {

void list_models(ServerContext& context, const ExchangePtr& exchange);
void show_model(ServerContext& context, const ExchangePtr& exchange);
void unload_model(ServerContext& context, const ExchangePtr& exchange);
void tokenize(ServerContext& context, const ExchangePtr& exchange);
void detokenize(ServerContext& context, const ExchangePtr& exchange);

}  // namespace weft::server
