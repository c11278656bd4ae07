// SPDX-License-Identifier: Apache-2.0
//
// What pages need beyond the API of runs: a run as it is drawn, one step whole, a document checked
// while it is written, tools, and models with their states. All of it is plain JSON that scripts
// may use as well.
//
// Not here: the overview (overview.h), acts on runs (acts_api.h).
#pragma once

#include "server/context.h"

namespace weft::server {

void show_run_view(ServerContext& context, const ExchangePtr& exchange);
void show_step_view(ServerContext& context, const ExchangePtr& exchange);
// {text} -> {valid, errors, warnings: [{code, line, column, message, hint}], workflow?}.
void validate_definition(ServerContext& context, const ExchangePtr& exchange);
// {items: [{type: function, function: {..}, source: "built in" or a workflow's id}]}
void list_tools(ServerContext& context, const ExchangePtr& exchange);
// {items: [{name, source, loaded, ..facts}]}
void list_model_states(ServerContext& context, const ExchangePtr& exchange);
// Answers when it is loaded.
void load_model(ServerContext& context, const ExchangePtr& exchange);

}  // namespace weft::server
