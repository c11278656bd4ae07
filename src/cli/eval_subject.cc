// SPDX-License-Identifier: Apache-2.0
#include "cli/eval_subject.h"

#include <fmt/format.h>

#include <utility>

#include "cli/backends.h"

namespace weft::cli {
namespace {

constexpr double kWorkflowLimitSeconds = 120;

}  // namespace

Result<std::unique_ptr<backend::Router>> eval_models(const EvalOptions& options,
                                                     const Config& config) {
  return open_router(models_options(config.models), options.grants, config.models);
}

Result<std::shared_ptr<backend::LoadedModel>> eval_model(backend::Router& router,
                                                         const std::string& name) {
  const backend::RoutingConfig& rules = router.config();
  const bool outside = router.remote() != nullptr && router.remote()->knows(name);
  const bool chosen = rules.classes.contains(name) || rules.profiles.contains(name) ||
                      (name == "auto" && !rules.general.empty()) ||
                      (name == "default" && rules.devices.contains(rules.device));
  if (outside || chosen) return std::shared_ptr<backend::LoadedModel>();
  return router.local().models().get(name);
}

std::optional<double> case_limit_s(const EvalOptions& options) {
  if (options.case_timeout_s) {
    return *options.case_timeout_s > 0 ? options.case_timeout_s : std::nullopt;
  }
  return options.workflow.empty() ? std::nullopt : std::optional(kWorkflowLimitSeconds);
}

Error case_too_long(const eval::Case& item, double limit_s) {
  return make_error("E0926",
                    fmt::format("{}: no answer within the limit of {:g} s", item.place, limit_s),
                    "--case-timeout SECONDS allows more; 0: as long as it takes");
}

std::vector<eval::CaseResult> ended_cases(CaseResults results) {
  std::vector<eval::CaseResult> out;
  for (auto& result : results) {
    if (result) out.push_back(std::move(*result));
  }
  return out;
}

}  // namespace weft::cli
