// SPDX-License-Identifier: Apache-2.0
//
// The sections `models`, `memory`, `inference` and `routing` of weft.yaml (config_file.h): which
// models there are, here and on other servers, what they cost, how much memory those of this
// process may take, how they compute, and the rules that choose among them.
//
//   models:
//     small: { source: ./EXAONE-4.0-1.2B, price: { hour: 0.40 }, memory: 4GiB }
//     big: { server: vllm, endpoints: ["http://10.0.0.5:8000/v1"], model: EXAONE-4.0-32B }
//   routing: { device: server, devices: { server: big }, complexity: { general: small, deep: big }}
#pragma once

#include <map>
#include <optional>
#include <string>

#include "backend/models.h"
#include "backend/remote.h"
#include "backend/routing.h"

namespace weft::workflow {
class Fields;
}

namespace weft::cli {

struct ConfigScope;

struct ModelsConfig {
  std::map<std::string, std::string> local;  // name -> directory or .gguf file
  std::map<std::string, uint64_t> limits;    // of these: bytes of weights and cache
  std::optional<uint64_t> memory_bytes;      // of all models' weights and caches together
  std::optional<uint64_t> kv_bytes;          // of each model's cache
  std::optional<tensor::Numerics> numerics;  // of the models of this process
  backend::RemoteModels remote;
  backend::RoutingConfig rules;              // prices stand with their models
};
void read_models(workflow::Fields& fields, const ConfigScope& scope, ModelsConfig& out);
void read_memory(workflow::Fields& fields, const ConfigScope& scope, ModelsConfig& out);
void read_inference(workflow::Fields& fields, const ConfigScope& scope, ModelsConfig& out);
void read_routing(workflow::Fields& fields, const ConfigScope& scope, ModelsConfig& out);

// How the models of this process are loaded, as far as the file says.
backend::ModelsOptions models_options(const ModelsConfig& config);

}  // namespace weft::cli
