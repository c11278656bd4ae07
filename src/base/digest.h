// SPDX-License-Identifier: Apache-2.0
//
// SHA-256 (FIPS 180-4), by OpenSSL. Identifies weights, definitions, prompts and journal entries.
// And a checksum. Not for passwords and not for keys: those have their own functions in security/.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace weft {

using Sha256 = std::array<uint8_t, 32>;

// For data that comes in pieces. One thread at a time.
class Sha256Stream {
 public:
  Sha256Stream();
  ~Sha256Stream();
  Sha256Stream(Sha256Stream&&) noexcept;
  Sha256Stream& operator=(Sha256Stream&&) noexcept;
  void add(std::string_view bytes);
  Sha256 finish();  // once; then the stream is spent

 private:
  struct State;
  std::unique_ptr<State> state_;
};

Sha256 sha256(std::string_view bytes);
std::string hex(const Sha256& digest);
std::string sha256_hex(std::string_view bytes);

// CRC-32C (Castagnoli), by the processor's instruction where there is one: for damage by accident,
// at the speed of reading. crc32c("123456789") = 0xe3069283.
uint32_t crc32c(std::string_view bytes);

}  // namespace weft
