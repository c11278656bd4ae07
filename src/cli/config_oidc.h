// SPDX-License-Identifier: Apache-2.0
//
// The section `oidc` of weft.yaml: the identity provider that people sign in with, and what its
// groups may do here.
//
//   oidc:
//     issuer: https://login.example.com
//     client_id: weft
//     client_secret: env:WEFT_OIDC_SECRET
//     redirect_url: https://weft.example.com/session/oidc/callback
//     roles: { weft-admins: [admin], finance: [operator, approver] }
#pragma once

#include "security/oidc.h"

namespace weft::workflow {
class Fields;
}

namespace weft::cli {

struct ConfigScope;

void read_oidc(workflow::Fields& fields, const ConfigScope& scope, security::OidcOptions& out);

}  // namespace weft::cli
