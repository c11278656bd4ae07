// SPDX-License-Identifier: Apache-2.0
//
// What weft needs of cryptography, by libsodium: hashes under a key (BLAKE2b-256), signatures
// (Ed25519), message authentication as others check it (HMAC-SHA-256), sealing
// (XChaCha20-Poly1305), random secrets, comparison in constant time. The only unit that includes
// the library.
//
// Keys are 32 bytes in a Secret, which has no formatter and is wiped when it goes. Secrets of this
// installation lie in files of mode 0600 that are made when they are first needed.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"

namespace weft::security {

class Secret {
 public:
  static constexpr size_t kBytes = 32;
  Secret() = default;
  Secret(const Secret&) = default;
  Secret& operator=(const Secret&) = default;
  ~Secret();
  static Secret random();
  static Secret derived(std::string_view text);  // from any text, by BLAKE2b
  const uint8_t* data() const { return bytes_.data(); }
  uint8_t* data() { return bytes_.data(); }

 private:
  std::array<uint8_t, kBytes> bytes_{};
};

// 64 hexadecimal digits in a file. E0764: not that, or readable by others. `create`: a file that is
// missing is made, with a new secret; else E0764.
Result<Secret> secret_file(const std::string& path, bool create);

std::string keyed_hash(const Secret& key, std::string_view bytes);      // 32 bytes
std::string hmac_sha256(std::string_view key, std::string_view bytes);  // 32 bytes
bool equal(std::string_view a, std::string_view b);  // in constant time, if of one length

// Ed25519. The secret is the seed; public keys have 32 bytes, signatures 64.
std::string public_key(const Secret& seed);
std::string sign(const Secret& seed, std::string_view bytes);
bool signature_fits(std::string_view public_key, std::string_view bytes,
                    std::string_view signature);

// Authenticated encryption (XChaCha20-Poly1305-IETF): 24 random bytes of nonce, the ciphertext, 16
// bytes of tag. `beside` is not in it, and must be the same to open it; nothing if it does not fit.
constexpr size_t kSealBytes = 40;  // longer than what was sealed
std::string seal(const Secret& key, std::string_view beside, std::string_view plain);
std::optional<std::string> unseal(const Secret& key, std::string_view beside,
                                  std::string_view sealed);

// Argon2id of a person's password, with its salt and cost in it (64 MiB, two passes); empty: there
// is no memory for it. Takes some 100 ms, as does comparing.
std::string password_hash(std::string_view password);
bool password_fits(const std::string& hash, std::string_view password);

std::string random_text(size_t characters);      // of 0-9 a-z without i l o u: 5 bits each
std::string to_hex(std::string_view bytes);
Result<std::string> from_hex(std::string_view text);  // E0764

}  // namespace weft::security
