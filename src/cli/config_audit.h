// SPDX-License-Identifier: Apache-2.0
//
// The section `audit` of weft.yaml: where checkpoints of the history go, and what signs them.
//
//   audit: { checkpoints: /var/log/weft/checkpoints, key: /etc/weft/audit.key, keep: 400d,
//            webhook: { url: "https://witness.example.com/weft", secret: "env:WITNESS_SECRET" } }
//
// Without it a server writes them beside its store, and makes a key in the data directory: that
// finds what is changed in the database alone. A proof against whoever owns the machine needs a
// place that they cannot write to, as the one behind a webhook is.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "base/error.h"
#include "security/checkpoint.h"

namespace weft::workflow {
class Fields;
}

namespace weft::cli {

struct Config;
struct ConfigScope;

struct AuditConfig {
  std::string checkpoints;  // a file; empty: beside the store
  std::string key;          // a file; empty: in the data directory
  int64_t keep_us = 0;      // how long records stay, for `weft audit prune`; 0: for ever
  struct Webhook {
    std::string url;        // empty: none
    std::string secret;     // empty: that of callbacks
    std::string ca_file;    // of a private authority; empty: the system's
  } webhook;
};
void read_audit(workflow::Fields& fields, const ConfigScope& scope, AuditConfig& out);

// Where the checkpoints of that store are.
std::string checkpoints_of(const Config& config, const std::string& store);
// What signs them; made if it is missing. E0764.
Result<security::Secret> audit_key(const Config& config);
// Appends a checkpoint there; the signing key is made if it is missing. E0764.
using Checkpoint = std::function<Status(int64_t at_us, std::span<const security::ChainState>)>;
Result<Checkpoint> checkpoint_of(const Config& config, const std::string& store);

}  // namespace weft::cli
