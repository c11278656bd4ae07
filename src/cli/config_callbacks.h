// SPDX-License-Identifier: Apache-2.0
//
// The section `callbacks` of weft.yaml: the secret that callbacks are signed with, which their
// receivers must know.
//
//   callbacks: { secret: "env:WEFT_CALLBACK_SECRET" }
//
// Without it one is made in the data directory when it is first needed (callback.secret).
#pragma once

#include <string>

#include "base/error.h"

namespace weft::workflow {
class Fields;
}

namespace weft::cli {

struct Config;
struct ConfigScope;

struct CallbacksConfig {
  std::string secret;  // empty: a file of the data directory
};
void read_callbacks(workflow::Fields& fields, const ConfigScope& scope, CallbacksConfig& out);

// The text that is the key of the signatures. E0764.
Result<std::string> callback_secret(const Config& config);

}  // namespace weft::cli
