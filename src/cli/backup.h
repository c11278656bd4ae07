// SPDX-License-Identifier: Apache-2.0
//
// `weft backup FILE`: a copy of the embedded store as it is at one moment, while others go on
// writing. What is not in the store (pepper, audit key, checkpoints, configuration) is named, so
// that nobody finds out at the restore.
//
// PostgreSQL has its own tools (pg_dump); for it this only says so.
#pragma once

#include <string>

#include "cli/config_encryption.h"

namespace weft::cli {

struct BackupOptions {
  std::string file;    // must not exist
  StoreFlags store;
  bool json = false;
};
int run_backup(const BackupOptions& options);

}  // namespace weft::cli
