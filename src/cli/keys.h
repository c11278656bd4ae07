// SPDX-License-Identifier: Apache-2.0
//
// `weft keys`: makes, lists, revokes and rotates the API keys of a store. Whoever may write to the
// store and read the pepper beside it is its administrator; servers notice within a second.
//
// Keys are shown once, on stdout, and are stored as hashes (security/keys).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cli/config_encryption.h"

namespace weft::cli {

struct KeysOptions {
  std::string act;                  // create, list, revoke, rotate, rotate-master
  std::string id;                   // revoke, rotate
  std::string name;
  std::string tenant;
  std::vector<std::string> roles;
  std::vector<std::string> scopes;
  std::string lifetime;             // "90d"; empty: for ever
  std::string grace = "0";          // rotate: how long the old key still holds
  int64_t requests_per_minute = 0;
  int64_t tokens_per_minute = 0;
  std::string config;               // weft.yaml
  StoreFlags store;
  bool renew = false;               // rotate-master: new data keys too
  bool json = false;
};

int act_on_keys(const KeysOptions& options);

}  // namespace weft::cli
