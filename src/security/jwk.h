// SPDX-License-Identifier: Apache-2.0
//
// The public keys that an identity provider signs with (RFC 7517), by OpenSSL: RSA for RS256, curve
// P-256 for ES256. Others in the set are passed over, for providers publish more than we use.
//
// No key is ever taken out of a token, and none is tried under an algorithm that is not its own:
// what a signature must be checked with follows from the set alone.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

struct evp_pkey_st;

namespace weft::security {

class JwkSet {
 public:
  JwkSet();
  // E0780: no JSON, no `keys`, too many, or a key of a kind we use that is malformed or too weak.
  static Result<JwkSet> parse(std::string_view text);
  ~JwkSet();
  JwkSet(JwkSet&&) noexcept;
  JwkSet& operator=(JwkSet&&) noexcept;

  size_t size() const;
  // Whether there is a key of that name for the algorithm; without a name, exactly one must fit.
  bool knows(std::string_view algorithm, std::string_view id) const;
  // Whether its signature stands under `text`. ES256: r and s, 32 bytes each.
  bool verify(std::string_view algorithm, std::string_view id, std::string_view text,
              std::string_view signature) const;

 private:
  struct Key;
  const Key* find(std::string_view algorithm, std::string_view id) const;
  std::vector<Key> keys_;
};

// Base 64 for URLs without padding (RFC 4648 §5); nothing if it is not that.
std::optional<std::string> from_base64url(std::string_view text);
std::string base64url(std::string_view bytes);

}  // namespace weft::security
