// SPDX-License-Identifier: Apache-2.0
//
// `weft audit`: whether the history of a store is what was written, and the records of who did
// what, for other programs. The proof is worker/audit_check's; here it finds its files and words.
//
// Commands that change who may do what record it by record_act.
#pragma once

#include <string>

#include "base/error.h"
#include "cli/config_encryption.h"
#include "security/audit.h"

namespace weft::cli {

struct Config;

struct AuditVerifyOptions {
  std::string checkpoints;  // file; empty: where the store's are
  std::string key;          // public, in hexadecimal; empty: that of the first checkpoint
  std::string config;
  StoreFlags store;
  bool json = false;
};
// kExitFailed if something does not fit.
int run_audit_verify(const AuditVerifyOptions& options);

struct AuditExportOptions {
  std::string from, to;     // instants
  std::string user, action, tenant;
  std::string format = "jsonl";  // or csv
  std::string config;
  StoreFlags store;
};
int run_audit_export(const AuditExportOptions& options);

struct AuditPruneOptions {
  std::string before;  // an instant: older records go
  std::string keep;    // or a duration until now; both empty: audit.keep of weft.yaml
  bool dry_run = false;
  std::string config;
  StoreFlags store;
  bool json = false;
};
// kExitFailed if the history does not fit: what was changed is not removed with the rest.
int run_audit_prune(const AuditPruneOptions& options);

// One record, in a chain of its own, with its checkpoint.
Status record_act(store::Db& db, const Config& config, const std::string& store,
                  security::AuditRecord record);

}  // namespace weft::cli
