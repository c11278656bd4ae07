// SPDX-License-Identifier: Apache-2.0
#include "cli/config_audit.h"

#include "base/digest.h"
#include "cli/config.h"
#include "cli/config_file.h"
#include "net/url.h"

namespace weft::cli {
namespace {

void read_webhook(workflow::YamlTree::Node node, workflow::Problems& problems,
                  const ConfigScope& scope, AuditConfig::Webhook& out) {
  workflow::Fields fields(node, "audit.webhook", problems);
  out.url = fields.text("url").value_or("");
  if (const auto url = net::parse_url(out.url); fields.ok() && !url.ok()) {
    problems.add("E0412", fields.place(), "audit.webhook: 'url': " + url.error().message,
                 "https://witness.example.com/weft");
  }
  out.secret = secret(fields, "secret", scope);
  if (const auto file = fields.text("ca_file")) out.ca_file = scope.path(*file);
  fields.finish();
}

}  // namespace

void read_audit(workflow::Fields& fields, const ConfigScope& scope, AuditConfig& out) {
  if (const auto file = fields.text("checkpoints")) out.checkpoints = scope.path(*file);
  if (const auto file = fields.text("key")) out.key = scope.path(*file);
  if (const auto keep_us = fields.duration_us("keep")) out.keep_us = *keep_us;
  if (const auto node = fields.any("webhook"); node.ok()) {
    read_webhook(node, fields.problems(), scope, out.webhook);
  }
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
