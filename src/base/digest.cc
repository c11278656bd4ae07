// SPDX-License-Identifier: Apache-2.0
#include "base/digest.h"

#include <nmmintrin.h>
#include <openssl/evp.h>

#include <cstring>

#include "base/error.h"

namespace weft {

struct Sha256Stream::State {
  EVP_MD_CTX* context = nullptr;
  ~State() { EVP_MD_CTX_free(context); }
};

Sha256Stream::Sha256Stream() : state_(std::make_unique<State>()) {
  // Fetched once: with EVP_sha256() every digest would look its provider up again, under locks.
  static const EVP_MD* const algorithm = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  CHECK(algorithm != nullptr);
  state_->context = EVP_MD_CTX_new();
  CHECK(state_->context != nullptr);
  CHECK(EVP_DigestInit_ex(state_->context, algorithm, nullptr) == 1);
}
Sha256Stream::~Sha256Stream() = default;
Sha256Stream::Sha256Stream(Sha256Stream&&) noexcept = default;
Sha256Stream& Sha256Stream::operator=(Sha256Stream&&) noexcept = default;

void Sha256Stream::add(std::string_view bytes) {
  CHECK(EVP_DigestUpdate(state_->context, bytes.data(), bytes.size()) == 1);
}

Sha256 Sha256Stream::finish() {
  Sha256 out{};
  unsigned size = 0;
  CHECK(EVP_DigestFinal_ex(state_->context, out.data(), &size) == 1);
  CHECK(size == out.size());
  return out;
}

Sha256 sha256(std::string_view bytes) {
  Sha256Stream stream;
  stream.add(bytes);
  return stream.finish();
}

std::string hex(const Sha256& digest) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out;
  out.reserve(64);
  for (const uint8_t byte : digest) {
    out += kDigits[byte >> 4];
    out += kDigits[byte & 15];
  }
  return out;
}

std::string sha256_hex(std::string_view bytes) { return hex(sha256(bytes)); }

namespace {

[[gnu::target("sse4.2")]] uint32_t crc32c_instruction(std::string_view bytes) {
  uint64_t crc = 0xffffffff;
  const char* at = bytes.data();
  size_t left = bytes.size();
  for (; left >= 8; left -= 8, at += 8) {
    uint64_t word;
    std::memcpy(&word, at, 8);
    crc = _mm_crc32_u64(crc, word);
  }
  auto out = static_cast<uint32_t>(crc);
  for (; left > 0; --left, ++at) out = _mm_crc32_u8(out, static_cast<uint8_t>(*at));
  return ~out;
}

uint32_t crc32c_bits(std::string_view bytes) {
  uint32_t crc = 0xffffffff;
  for (const char byte : bytes) {
    crc ^= static_cast<uint8_t>(byte);
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ ((crc & 1) != 0 ? 0x82f63b78U : 0);
  }
  return ~crc;
}

}  // namespace

uint32_t crc32c(std::string_view bytes) {
  return __builtin_cpu_supports("sse4.2") != 0 ? crc32c_instruction(bytes) : crc32c_bits(bytes);
}

}  // namespace weft
