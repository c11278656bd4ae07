// SPDX-License-Identifier: Apache-2.0
#include "cli/eval_subject.h"

#include <utility>

#include "cli/backends.h"

namespace weft::cli {

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

std::vector<eval::CaseResult> ended_cases(CaseResults results) {
  std::vector<eval::CaseResult> out;
  for (auto& result : results) {
    if (result) out.push_back(std::move(*result));
  }
  return out;
}

}  // namespace weft::cli
