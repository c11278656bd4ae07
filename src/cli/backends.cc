// SPDX-License-Identifier: Apache-2.0
#include "cli/backends.h"

#include <fmt/format.h>

#include "base/strings.h"
#include "cli/config.h"

namespace weft::cli {
namespace {

// "big-model" has its key in WEFT_BACKEND_KEY_BIG_MODEL.
std::string key_variable(const std::string& name) {
  std::string out = "WEFT_BACKEND_KEY_";
  for (const char c : name) {
    const bool lower = c >= 'a' && c <= 'z';
    const bool plain = (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    out += lower ? static_cast<char>(c - 'a' + 'A') : plain ? c : '_';
  }
  return out;
}

Result<backend::RemoteModels> remote_models(const Grants& grants, backend::RemoteModels out) {
  for (const std::string& given : grants.backends) {
    const size_t equals = given.find('=');
    const std::string name = given.substr(0, equals);
    if (equals == std::string::npos || name.empty()) {
      return make_error("E0905", fmt::format("--backend {} should be NAME=[KIND:]URL", given),
                        "--backend big=vllm:http://10.0.0.5:8000/v1#Qwen/Qwen3-32B");
    }
    backend::RemoteModel model = TRY(backend::remote_model_of(name, given.substr(equals + 1)));
    model.api_key = environment(key_variable(name)).value_or("");
    if (!out.emplace(name, std::move(model)).second) {
      return make_error("E0905", fmt::format("--backend {} is given twice", quoted(name)),
                        "several endpoints of one model: NAME=URL,URL");
    }
  }
  return out;
}

// A rule about a model that nobody has would be found out by the request that it stops.
Status check_rules(const backend::RoutingConfig& rules, const backend::ModelsOptions& models,
                   const backend::RemoteModels& others) {
  const auto check = [&](const std::string& name, std::string_view where) -> Status {
    const bool usual = name == "default" || name == "fast" || name == "deep";
    if (name.empty() || usual || models.names.contains(name) || others.contains(name)) {
      return ok_status();
    }
    std::vector<std::string> known;
    for (const auto& [one, source] : models.names) known.push_back(one);
    for (const auto& [one, server] : others) known.push_back(one);
    return make_error("E0773", fmt::format("{}: there is no model {}", where, quoted(name)),
                      name_hint(name, known));
  };
  for (const auto& [device, name] : rules.devices) TRY(check(name, "routing.devices." + device));
  TRY(check(rules.general, "routing.complexity.general"));
  TRY(check(rules.deep, "routing.complexity.deep"));
  for (const auto& [one, profile] : rules.classes) {
    TRY(check(profile.model, "routing.classes." + one));
  }
  for (const auto& [one, profile] : rules.profiles) {
    TRY(check(profile.model, "routing.profiles." + one));
  }
  if (rules.device.empty() || rules.devices.contains(rules.device)) return ok_status();
  return make_error("E0773", fmt::format("routing.device: {} is none of routing.devices",
                                         quoted(rules.device)));
}

}  // namespace

Result<std::unique_ptr<backend::Router>> open_router(backend::ModelsOptions models,
                                                     const Grants& grants,
                                                     const ModelsConfig& config) {
  if (config.numerics) models.load.numerics = *config.numerics;
  TRY(grants.model.set(models.load));
  for (const auto& [name, source] : config.local) models.names[name] = source;
  models.limits = config.limits;
  backend::RemoteModels others = TRY(remote_models(grants, config.remote));
  for (const auto& [name, server] : others) models.other_names.push_back(name);
  for (const auto& [name, profile] : config.rules.profiles) models.other_names.push_back(name);
  for (const auto& [name, profile] : config.rules.classes) models.other_names.push_back(name);
  if (!config.rules.general.empty()) models.other_names.emplace_back("auto");
  TRY(check_rules(config.rules, models, others));
  std::unique_ptr<backend::RemoteBackend> remote;
  if (!others.empty()) remote = std::make_unique<backend::RemoteBackend>(std::move(others));
  return std::make_unique<backend::Router>(
      std::make_unique<backend::LocalBackend>(std::move(models)), std::move(remote),
      config.rules);
}

}  // namespace weft::cli
