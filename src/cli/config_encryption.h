// SPDX-License-Identifier: Apache-2.0
//
// The section `encryption` of weft.yaml, and the flag --master-key: where the master key is that
// the payloads of a store are sealed under (docs/security.md). One of
//
//   encryption: { key_file: /etc/weft/master.key }      --master-key file:/etc/weft/master.key
//   encryption: { key_env: WEFT_KEY }                   --master-key env:WEFT_KEY
//   encryption: { key_command: "vault kv get …" }       --master-key "command:vault kv get …"
//
// The flag wins over the file, and the file over $WEFT_MASTER_KEY, which says the same as the flag.
// Without any of them nothing is sealed.
#pragma once

#include <string>

#include "base/error.h"
#include "security/master_keys.h"

namespace weft::workflow {
class Fields;
}

namespace weft::cli {

struct Config;
struct ConfigScope;

struct EncryptionConfig {
  std::string master_key;  // as the flag has it; empty: none
};
void read_encryption(workflow::Fields& fields, const ConfigScope& scope, EncryptionConfig& out);

// A store as flags name it.
struct StoreFlags {
  std::string path = {};        // a file, or postgres://…; empty: the user's own
  std::string master_key = {};  // file:PATH, env:NAME or command:LINE; empty: $WEFT_MASTER_KEY
};
// What the file says, where no flag says otherwise.
StoreFlags with_config(StoreFlags flags, const Config& config);

// Reads the key's text each time it is asked; null where there is no key. E0511: the flag names
// none of the three.
Result<security::MasterKeySource> master_key_of(const StoreFlags& flags);

}  // namespace weft::cli
