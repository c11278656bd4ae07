// SPDX-License-Identifier: Apache-2.0
//
// /v1/embeddings: texts as vectors of a model's hidden states (backend/embedding.h). `pooling`
// ("mean", the default, or "last") is ours; everything else is OpenAI's.
#pragma once

#include "server/context.h"

namespace weft::server {

void embeddings(ServerContext& context, const ExchangePtr& exchange);

}  // namespace weft::server
