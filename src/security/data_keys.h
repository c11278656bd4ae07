// SPDX-License-Identifier: Apache-2.0
//
// The data keys of a store, in a table of their own:
//
//   data_key (id, tenant, version, master, wrapped, created_us)
//
// Each is random and seals the payloads of one tenant; `wrapped` is the key sealed by the master
// key that `master` names, bound to id, tenant and version. A tenant's newest version seals, every
// version opens. The keys of tenant "" come with the first master key: a store that has one is
// sealed.
//
//   payload --data key--> sealed value     data key --master key--> wrapped
//
// Functions run inside the caller's transaction. Who makes a key holds the row of tenant "" until
// its transaction ends, so that wrapping anew leaves none out.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "security/crypto.h"
#include "security/master_keys.h"
#include "store/db.h"

namespace weft::security {

struct DataKey {
  std::string id;  // 16 characters
  std::string tenant;
  int64_t version = 0;
  Secret secret = {};
};
struct WrappedKey {
  std::string id;
  std::string tenant;
  int64_t version = 0;
  std::string master;  // id of the master key
  std::string wrapped;
};

// Whether anything in this store may be sealed.
Result<bool> has_data_keys(store::Db& db);
Result<std::optional<WrappedKey>> find_data_key(store::Db& db, std::string_view id);
Result<std::optional<WrappedKey>> newest_data_key(store::Db& db, std::string_view tenant);
Result<std::vector<WrappedKey>> list_data_keys(store::Db& db);

// E0509: none of the master keys wraps it; E0510: the row is not what was written.
Result<DataKey> unwrap(const MasterKeys& masters, const WrappedKey& row);

// That version of the tenant's key, or its newest where another process has just made that one.
Result<WrappedKey> make_data_key(store::Db& db, const MasterKeys& masters, std::string_view tenant,
                                 int64_t version = 1);

struct Rewrapped {
  int64_t keys = 0;     // wrapped anew
  int64_t already = 0;  // were so before
  int64_t fresh = 0;    // new versions
};
// Wraps every data key by masters.current(); `renew`: and makes a new version of each tenant's.
// In a transaction of its own. E0509.
Result<Rewrapped> rewrap_data_keys(store::Db& db, const MasterKeys& masters, bool renew);

}  // namespace weft::security
