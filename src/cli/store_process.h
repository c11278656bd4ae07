// SPDX-License-Identifier: Apache-2.0
//
// What every process that works on a store (run, serve, worker, mcp) takes from flags and from
// weft.yaml, in one place, so that no setting holds in one command and is forgotten in another.
// How many runs it adopts, and what it tells whom, is the command's own.
#pragma once

#include <memory>

#include "backend/router.h"
#include "base/error.h"
#include "cli/config_file.h"
#include "cli/grants.h"
#include "worker/callbacks.h"
#include "worker/checkpoint_sender.h"
#include "worker/process.h"

namespace weft::cli {

// Grants, tools of MCP servers, models and their ceilings. `router` outlives the process. E0905.
Result<worker::ProcessOptions> process_options(const worker::StorePlace& store,
                                               backend::Router& router, const Grants& grants,
                                               const Config& config);

// Delivers callbacks of that store, signed and redacted as weft.yaml says; not started. E0764.
Result<std::shared_ptr<worker::CallbackSender>> callback_sender(worker::Process& process,
                                                                const worker::StorePlace& store,
                                                                const Config& config);

// Tells the webhook of weft.yaml the checkpoints of that store; null: there is none. Not started.
// E0764.
Result<std::shared_ptr<worker::CheckpointSender>> checkpoint_sender(worker::Process& process,
                                                                    const worker::StorePlace& store,
                                                                    const Config& config);

}  // namespace weft::cli
