// SPDX-License-Identifier: Apache-2.0
//
// `weft models`: what there is, what a model costs and whether it fits this machine, the same model
// with fewer bits a weight, and models from a Hugging Face server (cli/pull.h).
#pragma once

#include <string>

namespace weft::cli {

struct ModelsListOptions {
  bool json = false;
};
struct ModelsShowOptions {
  std::string model;
  bool json = false;
};
struct ModelsQuantizeOptions {
  std::string model;
  std::string directory;
  std::string type = "q8";  // q8 or q4
  std::string text;         // a file whose tokens the logits are compared on; empty: random ids
  int positions = 256;      // of them; 0: no comparison
  int threads = 0;
  bool json = false;
};

// kExitOk; kExitNotFound without such a model; kExitConfiguration if it cannot be used.
int list_models(const ModelsListOptions& options);
int show_model(const ModelsShowOptions& options);
int quantize_model(const ModelsQuantizeOptions& options);

}  // namespace weft::cli
