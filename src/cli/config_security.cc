// SPDX-License-Identifier: Apache-2.0
#include "cli/config_security.h"

#include "base/file.h"
#include "cli/config.h"
#include "cli/config_file.h"

namespace weft::cli {
namespace {

constexpr int64_t kRateMax = 1'000'000'000;
constexpr size_t kPepperBytesMin = 32;

std::string pepper_path() { return data_directory() + "/pepper"; }

}  // namespace

void read_security(workflow::Fields& fields, const ConfigScope& scope, SecurityConfig& out) {
  out.pepper = secret(fields, "pepper", scope);
  if (!out.pepper.empty() && out.pepper.size() < kPepperBytesMin) {
    fields.problems().add("E0950", fields.place(), "security: 'pepper' is too short",
                          "32 characters at least: openssl rand -hex 32");
  }
  out.requests_per_minute = fields.integer("requests_per_minute", 0, kRateMax).value_or(0);
  out.tokens_per_minute = fields.integer("tokens_per_minute", 0, kRateMax).value_or(0);
}

bool has_pepper(const Config& config) {
  return !config.security.pepper.empty() || file_exists(pepper_path());
}

Result<security::Secret> pepper_of(const Config& config) {
  if (!config.security.pepper.empty()) return security::Secret::derived(config.security.pepper);
  return security::secret_file(pepper_path(), true);
}

}  // namespace weft::cli
