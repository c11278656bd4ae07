// SPDX-License-Identifier: Apache-2.0
//
// Whether the server lives, whether it can take work, and what it counts: /health, /livez, /readyz,
// /metrics. They answer on the loop, whatever the models compute meanwhile.
#pragma once

#include "server/context.h"

namespace weft::server {

void health(ServerContext& context, const ExchangePtr& exchange);
void ready(ServerContext& context, const ExchangePtr& exchange);
void metrics(ServerContext& context, const ExchangePtr& exchange);

}  // namespace weft::server
