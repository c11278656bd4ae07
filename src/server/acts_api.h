// SPDX-License-Identifier: Apache-2.0
//
// What people and programs do to runs over HTTP: cancel, signal, approve or reject, settle a
// cut-off effect, retry, fork; and what runs wait for. Thin callers of worker/run_acts: whichever
// process owns the run hears of it, and the answer says what became of it.
//
// An act on a run answers 200 {task_id, act, outcome: applied}, 409 if it came too late, or 202
// {…, outcome: stored} while nobody has taken it yet. An Idempotency-Key makes it one act however
// often it is sent. Retry and fork answer 202 as execute does. A run that has ended can be removed.
#pragma once

#include "server/context.h"

namespace weft::server {

void cancel_run(ServerContext& context, const ExchangePtr& exchange);
void signal_run(ServerContext& context, const ExchangePtr& exchange);
void decide_approval(ServerContext& context, const ExchangePtr& exchange);
void resolve_step(ServerContext& context, const ExchangePtr& exchange);
void retry_run(ServerContext& context, const ExchangePtr& exchange);
void fork_run(ServerContext& context, const ExchangePtr& exchange);
void delete_run(ServerContext& context, const ExchangePtr& exchange);
void list_actions(ServerContext& context, const ExchangePtr& exchange);

}  // namespace weft::server
