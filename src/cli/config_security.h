// SPDX-License-Identifier: Apache-2.0
//
// The section `security` of weft.yaml: the pepper that keys are hashed under, and what a key may
// use a minute unless its own limits say otherwise.
//
//   security: { pepper: "env:WEFT_PEPPER", requests_per_minute: 600, tokens_per_minute: 100000 }
//
// Without a pepper of its own an installation makes one in its data directory when it first needs
// it; servers that share a PostgreSQL store must be given the same.
#pragma once

#include <cstdint>
#include <string>

#include "base/error.h"
#include "security/crypto.h"

namespace weft::workflow {
class Fields;
}

namespace weft::cli {

struct Config;
struct ConfigScope;

struct SecurityConfig {
  std::string pepper;  // empty: a file of the data directory
  int64_t requests_per_minute = 0;
  int64_t tokens_per_minute = 0;
};
void read_security(workflow::Fields& fields, const ConfigScope& scope, SecurityConfig& out);

// The configured pepper, or that of the data directory, which is made if it is missing.
Result<security::Secret> pepper_of(const Config& config);
bool has_pepper(const Config& config);

}  // namespace weft::cli
