// SPDX-License-Identifier: Apache-2.0
//
// A store whose payloads are sealed: the Db of a driver with a Sealer. Everything passes through to
// the driver; the wrapper only follows where transactions begin and end, because a data key that
// was made inside one exists for others if and only if it commits.
//
//   stored text  = "weft:sealed:1:" id-of-data-key ":" base64(nonce ciphertext tag)
//   stored bytes = ff "wS1"         id-of-data-key     nonce ciphertext tag
//   beside it    = tenant of the data key, column, key of the row, each with its length
//
// so that a value opens only where it was written. The nonce is random; XChaCha20's is long enough
// for that. Data keys stay in memory once unwrapped; a newer version is noticed within a minute.
#pragma once

#include <memory>
#include <string>

#include "base/error.h"
#include "security/master_keys.h"
#include "store/db.h"

namespace weft::security {

struct SealedDbOptions {
  MasterKeySource master;
  // A query of the tenant of a run, whose id is $1.
  std::string_view tenant_of_run = {};
  int64_t refresh_ms = 60'000;  // how long a tenant's newest key is taken to be the newest
};
// Takes `db` over. A store without data keys gets its first one. E0509: the master key is not that
// of this store; E0511: there is none to be read.
Result<std::unique_ptr<store::Db>> open_sealed(std::unique_ptr<store::Db> db,
                                               SealedDbOptions options);

// For a store opened without a master key: E0508 if it is sealed.
Status check_plain(store::Db& db);

}  // namespace weft::security
