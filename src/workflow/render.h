// SPDX-License-Identifier: Apache-2.0
//
// Expressions at work: what `when`, `for_each`, `parameters`, `output_as`, `idempotency_key` and
// `output` mean in a given state of a run. Pure: the same state, the same values. A string that is
// exactly one {{ }} keeps the type of its value, any other string becomes text; inserted data is
// never evaluated again. Errors carry the field and the nearest valid name. Each expression has its
// limits (text/jinja.h), and all of one call together yield 64 MiB at most.
//
// Names: input, steps.ID (finished steps only; skipped and tolerated ones are null), run (id,
// started, deadline; attempt only for steps with effects), env, secrets, item and index in a
// loop, output in output_as. A step sees only the steps that it depends on; those of them that
// did not succeed (or, behind join any_ok, have not ended) are null. secrets are seen by `when` and
// by the parameters of step types that send them (catalog.h); what stands for them is the caller's:
// text without a secret for everything that is kept, the values only for what is about to be sent.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "text/token.h"
#include "workflow/events.h"
#include "workflow/planner.h"
#include "workflow/state.h"

namespace weft::workflow {

struct RenderContext {
  const Planner& planner;
  const State& state;
  const json::Object& secrets;  // name -> text; only what this run may use
};

// The answer to Command::kDecide for `path`: StepDecided or DecisionFailed.
EventBody decide(const RenderContext& context, std::string_view path, uint16_t alternative);

struct Rendered {
  json::Value parameters;                 // object
  // Prompts and other long texts (catalog.h, kPrompt), by parameter, once more with the marks of
  // what is template and what is data; in document order.
  std::vector<std::pair<std::string, text::MarkedText>> prompts;
  std::string idempotency_key;            // rendered, or RUN/PATH (a fallback: RUN/PATH/ID);
                                          // RUN is that of the first try, through retries of it
  std::vector<std::string> secrets_used;  // names that the parameters read
};
// For Command::kStart. E0450: an expression failed.
Result<Rendered> render_parameters(const RenderContext& context, const Command& start);

// What the step yields, given what its attempt produced: output_as, or `output` itself.
Result<json::Value> render_step_output(const RenderContext& context, std::string_view path,
                                       uint16_t alternative, json::Value output);

// Templates of a tool (definition.h): `args` are what it is called with, `output` what its step
// gave (null before it ran), `run` {id} of the run. A name that is null does not exist.
struct ToolNames {
  const json::Value& args;
  const json::Value& input;
  const json::Value& env;
  const json::Value* output = nullptr;
  const json::Value* run = nullptr;
  const json::Object* secrets = nullptr;              // as in RenderContext; null: none
  std::vector<std::string>* secrets_used = nullptr;   // gets the names that were read
};
Result<json::Value> render_tool(const json::Value& value, std::string_view tool,
                                const ToolNames& names);

// For Command::kFinish of a run that succeeded: `output` of the workflow; without one, an object
// of the outputs of the steps that nothing depends on, by id.
Result<json::Value> render_run_output(const RenderContext& context);

}  // namespace weft::workflow
