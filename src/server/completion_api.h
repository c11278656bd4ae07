// SPDX-License-Identifier: Apache-2.0
//
// POST /v1/completions: text or tokens, continued as they are. Older than chat and still what
// evaluation harnesses use. A list of prompts is answered as one: choices of prompt 0 first.
#pragma once

#include "server/context.h"

namespace weft::server {

void completions(ServerContext& context, const ExchangePtr& exchange);

}  // namespace weft::server
