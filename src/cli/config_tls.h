// SPDX-License-Identifier: Apache-2.0
//
// The section `tls` of weft.yaml: the certificate that the server shows, and what it asks of those
// who connect.
//
//   tls: { certificate: tls/cert.pem, key: tls/key.pem, min_version: 1.3, hsts: 365d }
//
// `hsts` is for how long browsers are told to come by TLS only; 0s never tells them.
#pragma once

#include <cstdint>
#include <optional>

#include "net/tls_identity.h"

namespace weft::workflow {
class Fields;
}

namespace weft::cli {

struct ConfigScope;

struct TlsConfig {
  net::TlsFiles files;
  std::optional<int64_t> hsts_s;  // nothing: a year, but not at addresses of this machine only
};
void read_tls(workflow::Fields& fields, const ConfigScope& scope, TlsConfig& out);

}  // namespace weft::cli
