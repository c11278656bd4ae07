// SPDX-License-Identifier: Apache-2.0
//
// `weft store seal`: a store that was plain gets everything sealed under its new master key
// (worker/store_seal.h).
#pragma once

#include <cstdint>
#include <string>

#include "cli/config_encryption.h"

namespace weft::cli {

struct StoreSealOptions {
  std::string config;
  int64_t batch = 200;  // rows a transaction
  StoreFlags store;
  bool json = false;
};
int run_store_seal(const StoreSealOptions& options);

}  // namespace weft::cli
