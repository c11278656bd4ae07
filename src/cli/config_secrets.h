// SPDX-License-Identifier: Apache-2.0
//
// The section `secrets` of weft.yaml: values that workflows send without seeing them.
//
//   secrets:
//     CRM_TOKEN: { env: CRM_TOKEN, hosts: [crm.example.com] }
//     HOOK: { file: /run/secrets/hook, tenants: [acme] }
//
// Variables are read here, once; files when a step needs them. That one is missing is no problem of
// the file: `weft secrets list` says so, and the steps that use it fail.
#pragma once

#include <map>
#include <string>

#include "worker/tool_settings.h"

namespace weft::workflow {
class Fields;
}

namespace weft::cli {

struct ConfigScope;

using SecretsConfig = std::map<std::string, worker::SecretSource>;
void read_secrets(workflow::Fields& fields, const ConfigScope& scope, SecretsConfig& out);

}  // namespace weft::cli
