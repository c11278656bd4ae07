// SPDX-License-Identifier: Apache-2.0
//
// The workflow routes: start a run, see how it goes, list runs, follow one as server-sent events;
// and the definitions that can be started. `task_id` is the id of a run. What is done to a run from
// outside is acts_api.h.
#pragma once

#include "server/context.h"

namespace weft::server {

void execute_workflow(ServerContext& context, const ExchangePtr& exchange);
void show_run(ServerContext& context, const ExchangePtr& exchange);
void list_runs(ServerContext& context, const ExchangePtr& exchange);
void follow_run(ServerContext& context, const ExchangePtr& exchange);
void list_definitions(ServerContext& context, const ExchangePtr& exchange);
void show_definition(ServerContext& context, const ExchangePtr& exchange);

}  // namespace weft::server
