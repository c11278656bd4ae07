// SPDX-License-Identifier: Apache-2.0
//
// POST /definitions/draft: a model drafts a workflow from what a person says that it should do. The
// answer is a document that is valid whatever the model is (worker/workflow_draft.h); nothing is
// stored. Whoever may store definitions may ask, if they may use the model, too.
//
//   {description, model?, seed?} -> {text, model, seed, tokens: {prompt, answer}}
//   with Accept: text/event-stream: `progress` {text, tokens} as the model writes, then `draft`
//
// A client that goes away ends the generation.
#pragma once

#include "server/context.h"

namespace weft::server {

void draft_definition(ServerContext& context, const ExchangePtr& exchange);

}  // namespace weft::server
