// SPDX-License-Identifier: Apache-2.0
//
// ID tokens and key sets of an identity provider: the first line is a key set, the second a token.
// Nothing that nobody signed is believed.
// sources: src/security/id_token.cc src/security/jwk.cc
#include <cstdint>
#include <string_view>

#include "security/id_token.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const size_t line = text.find('\n');
  const std::string_view token = line == text.npos ? text : text.substr(line + 1);
  const auto head = weft::security::token_head(token);
  const auto keys = weft::security::JwkSet::parse(text.substr(0, line));
  if (!keys.ok()) return 0;
  const weft::security::TokenDemands demands{"https://id.example", "weft", "n", 1'790'000'000};
  const auto claims = weft::security::verify_id_token(token, *keys, demands);
  CHECK(head.ok() || !claims.ok());
  return 0;
}
