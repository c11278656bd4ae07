// SPDX-License-Identifier: Apache-2.0
//
// A run as a page draws it: every step with its place in the graph, its status and its times in one
// document without outputs, small enough to be read again after each change; and one step whole:
// what it was told to do, what it gave, why, and every call of a model behind it.
//
//   run   {task_id, workflow_id, title, definition, status, created_ms, started_ms, finished_ms,
//          now_ms, sequence, priority, parent, origin, input, output, error?, why: [..],
//          tokens: {prompt, reasoning, answer}, steps: [{id, type, after: [index], join?, when?,
//          status, attempts, started_ms, finished_ms, items?: {total, ended, failed}, error?}]}
//   step  {id, type, parameters, output, error?, why, history, calls: [{model, reasoning, chosen,
//          tokens, prompt_ids, output_ids, ..}], notes, items}
//
// Times are milliseconds since 1970, 0 where there is none. Made from what is stored and nothing
// else. E0601 no such run or step, E0604 unreadable.
#pragma once

#include <string_view>

#include "base/error.h"
#include "base/json.h"
#include "store/db.h"

namespace weft::worker {

Result<json::Object> read_run_view(store::Db& db, std::string_view run);
Result<json::Object> read_step_view(store::Db& db, std::string_view run, std::string_view step);

}  // namespace weft::worker
