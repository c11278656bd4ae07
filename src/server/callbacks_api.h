// SPDX-License-Identifier: Apache-2.0
//
// Callbacks over HTTP: which deliveries wait, are done or dead, and sending one again. Delivering
// is worker/callbacks.
#pragma once

#include "server/context.h"

namespace weft::server {

void list_callbacks(ServerContext& context, const ExchangePtr& exchange);
void redrive_callback(ServerContext& context, const ExchangePtr& exchange);

}  // namespace weft::server
