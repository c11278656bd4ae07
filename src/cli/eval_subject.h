// SPDX-License-Identifier: Apache-2.0
//
// The two things that cases can be put through: a model, asked directly, and a workflow, executed
// by the ordinary executor in a store of its own that is gone afterwards. Up to `parallel` cases
// run at once; results stand in the order of the cases and do not depend on how many that are.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "backend/router.h"
#include "base/error.h"
#include "cli/config_file.h"
#include "cli/eval.h"
#include "eval/case.h"
#include "eval/report.h"

namespace weft::cli {

struct Evaluated {
  eval::Subject subject;
  std::vector<eval::CaseResult> results;  // of each case; interrupted: of those that had ended
  std::string first_error;                // of a case without an answer, for people
  bool interrupted = false;
};

// Called after every case, on one thread.
using OnCase = std::function<void(const eval::CaseResult&)>;

// The models of an evaluation, behind the rules that choose among them. Errors: open_router().
Result<std::unique_ptr<backend::Router>> eval_models(const EvalOptions& options,
                                                     const Config& config);

// Loads the model of that name, so that one that nobody has is found out before the first case
// (E0710, and errors of loading). Null: another server answers for it, or rules choose.
Result<std::shared_ptr<backend::LoadedModel>> eval_model(backend::Router& router,
                                                         const std::string& name);

// Seconds that one case may take; nothing: as long as it likes. A model is bounded by its tokens,
// a workflow by nothing: it gets two minutes unless the flag says otherwise.
std::optional<double> case_limit_s(const EvalOptions& options);
// E0926: why there is no answer.
Error case_too_long(const eval::Case& item, double limit_s);

// Results by number of case; what is missing has not ended.
using CaseResults = std::vector<std::optional<eval::CaseResult>>;
std::vector<eval::CaseResult> ended_cases(CaseResults results);

// E0923: a case that this subject cannot take. Errors of loading the model.
Result<Evaluated> evaluate_model(const EvalOptions& options, const std::vector<eval::Case>& cases,
                                 const OnCase& on_case);

// E0923 likewise; the problems of the document were shown when this returns E0924.
Result<Evaluated> evaluate_workflow(const EvalOptions& options,
                                    const std::vector<eval::Case>& cases, const OnCase& on_case);

}  // namespace weft::cli
