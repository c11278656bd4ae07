// SPDX-License-Identifier: Apache-2.0
//
// A run as outsiders see it: the one document that `weft run --json`, `weft runs show --json` and
// the HTTP API answer with, made from what is stored and nothing else.
//
//   {run, workflow, status, output, steps: {ID: {status, output, attempts, ms, model?,
//    tokens?: {prompt, reasoning, answer}, items?, error?}}, error?}
#pragma once

#include <span>
#include <string_view>

#include "base/json.h"
#include "store/db.h"
#include "worker/folded_run.h"
#include "worker/records.h"

namespace weft::worker {

json::Object run_document(const FoldedRun& run, std::span<const AiCallRow> calls);

// The same, read from the store. E0601 no such run, E0604 unreadable.
Result<json::Object> read_run_document(store::Db& db, std::string_view run);

// Why steps ran, wait, were skipped or failed, in the order things happened: for `weft explain`.
//   {run, workflow, status, steps: {ID: {status, type, dependencies, join, when?, history: [{at,
//    status, attempt, why?}], calls: [{model, mode, mode_why, sampler, grammar?,
//    chosen?: {POINTER: {value, probability}}, prompt_hash, tokens, …}], effect?}}}
Result<json::Object> explain_run(store::Db& db, std::string_view run, std::string_view step);

}  // namespace weft::worker
