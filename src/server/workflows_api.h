// SPDX-License-Identifier: Apache-2.0
//
// The workflow routes: start a run, see how it goes, list runs, follow one as server-sent events.
// `task_id` is the id of a run. What is done to a run from outside is acts_api.h; which workflows
// there are, definitions_api.h.
#pragma once

#include "server/context.h"

namespace weft::server {

void execute_workflow(ServerContext& context, const ExchangePtr& exchange);
void show_run(ServerContext& context, const ExchangePtr& exchange);
void list_runs(ServerContext& context, const ExchangePtr& exchange);
void follow_run(ServerContext& context, const ExchangePtr& exchange);

}  // namespace weft::server
