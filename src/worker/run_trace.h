// SPDX-License-Identifier: Apache-2.0
//
// An ended run as OpenTelemetry sees it: one trace, a span for the run, one for each step that
// began, one for each answer of a model with the GenAI names (gen_ai.request.model,
// gen_ai.usage.input_tokens, …). Ids follow from the run's id: telling a run twice tells the same
// trace.
//
// It reads what is stored and holds no prompt and no answer. Sending it is server/otlp's work.
#pragma once

#include <string_view>

#include "base/json.h"
#include "store/db.h"

namespace weft::worker {

// The body of a POST to /v1/traces (OTLP as JSON). E0601.
Result<json::Object> run_trace(store::Db& db, std::string_view run);

// 32 hexadecimal digits: under which a collector knows the run.
std::string trace_id(std::string_view run);

}  // namespace weft::worker
