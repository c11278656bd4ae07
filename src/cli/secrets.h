// SPDX-License-Identifier: Apache-2.0
//
// `weft secrets list`: which secrets the configuration declares, whence they come, where they may
// go, and whether this process could read each. Values are read to know that, and never shown.
#pragma once

#include <string>

namespace weft::cli {

struct SecretsListOptions {
  std::string config;  // weft.yaml
  bool json = false;
};
// kExitFailed if one cannot be read.
int list_secrets(const SecretsListOptions& options);

}  // namespace weft::cli
