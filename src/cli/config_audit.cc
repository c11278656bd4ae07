// SPDX-License-Identifier: Apache-2.0
#include "cli/config_audit.h"

#include "base/digest.h"
#include "cli/config.h"
#include "cli/config_file.h"

namespace weft::cli {

void read_audit(workflow::Fields& fields, const ConfigScope& scope, AuditConfig& out) {
  if (const auto file = fields.text("checkpoints")) out.checkpoints = scope.path(*file);
  if (const auto file = fields.text("key")) out.key = scope.path(*file);
  if (const auto keep_us = fields.duration_us("keep")) out.keep_us = *keep_us;
}

std::string checkpoints_of(const Config& config, const std::string& store) {
  if (!config.audit.checkpoints.empty()) return config.audit.checkpoints;
  if (store.find("://") == store.npos) return store + ".checkpoints";
  const std::string place = store.substr(store.find('@') == store.npos ? 0 : store.find('@'));
  return data_directory() + "/checkpoints-" + sha256_hex(place).substr(0, 12);
}

Result<security::Secret> audit_key(const Config& config) {
  const std::string file =
      config.audit.key.empty() ? data_directory() + "/audit.key" : config.audit.key;
  return security::secret_file(file, true);
}

Result<Checkpoint> checkpoint_of(const Config& config, const std::string& store) {
  const security::Secret seed = TRY(audit_key(config));
  return Checkpoint([seed, path = checkpoints_of(config, store)](
                        int64_t at_us, std::span<const security::ChainState> chains) {
    return security::append_checkpoint(path, seed, at_us, chains);
  });
}

}  // namespace weft::cli
