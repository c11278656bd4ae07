// SPDX-License-Identifier: Apache-2.0
//
// ID tokens (OpenID Connect Core 1.0 §2, §3.1.3.7): what an identity provider says about a person,
// as a signed JWT in three parts. It is believed if a key of the provider signed it by RS256 or
// ES256, and if it comes from that provider, is meant for us, answers the question that we asked
// (nonce), and holds now.
//
// Pure: no network, no clock. `alg: none`, shared secrets and keys inside the token do not exist
// here.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/json.h"
#include "security/jwk.h"

namespace weft::security {

struct TokenHead {
  std::string algorithm;  // RS256 or ES256
  std::string key;        // kid; may be empty
};
// E0782: no token, or signed in a way that is not believed.
Result<TokenHead> token_head(std::string_view token);

struct TokenDemands {
  std::string issuer;
  std::string audience;  // our client_id
  std::string nonce;
  int64_t now_s = 0;     // since 1970
};
// The claims. E0782 says which demand is not met.
Result<json::Object> verify_id_token(std::string_view token, const JwkSet& keys,
                                     const TokenDemands& demands);

}  // namespace weft::security
