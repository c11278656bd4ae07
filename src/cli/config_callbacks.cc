// SPDX-License-Identifier: Apache-2.0
#include "cli/config_callbacks.h"

#include "cli/config.h"
#include "cli/config_file.h"
#include "security/crypto.h"

namespace weft::cli {

void read_callbacks(workflow::Fields& fields, const ConfigScope& scope, CallbacksConfig& out) {
  out.secret = secret(fields, "secret", scope);
}

// The file's text itself, so that a receiver is given what stands there.
Result<std::string> callback_secret(const Config& config) {
  if (!config.callbacks.secret.empty()) return config.callbacks.secret;
  const security::Secret made = TRY(
      security::secret_file(data_directory() + "/callback.secret", true));
  return security::to_hex({reinterpret_cast<const char*>(made.data()), security::Secret::kBytes});
}

}  // namespace weft::cli
