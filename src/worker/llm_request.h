// SPDX-License-Identifier: Apache-2.0
//
// What the step types that ask a model share: their parameters as a request of the backend, and a
// result as the evidence that the journal keeps. The rules of both are those of the `llm` step,
// where they are written.
//
// No prompt of its own, and no judgement of answers: those differ from type to type.
#pragma once

#include "backend/backend.h"
#include "worker/step_type.h"

namespace weft::worker {

// Model, seed, thinking, sampling, messages, output schema. E0603: a parameter of the wrong kind.
Result<backend::ChatRequest> chat_request_of(const StepContext& context);

// The model that the step names, or that was chosen for the whole run.
std::string model_name_of(const json::Object& parameters, const json::Object& run_context);

// Whether a step wants thinking, and which word of the document says so: non_reasoning, reasoning,
// adaptive or auto (`one_answer` steps leave adaptive to the model). E0603: another word.
struct AskedMode {
  std::string mode, why;
};
Result<AskedMode> asked_mode(const StepContext& context, bool one_answer = false);

// `asked` is kept beside what a router chose.
AiCallRow evidence_of(const backend::ChatResult& result, const AskedMode& asked = {});

// Gives the backend what a crash left of the answer, and keeps this one as it comes.
void keep_partials(const StepContext& context, backend::ChatRequest& request,
                   backend::ChatCallbacks& callbacks);

// What broke off counts against the limits of the run's key as answers do.
void count_lost(const StepContext& context, backend::ChatCallbacks& callbacks);

// A chat call under way; cancelling it cancels the call.
std::unique_ptr<Activity> chat_activity(std::shared_ptr<backend::ChatCall> call);

}  // namespace weft::worker
