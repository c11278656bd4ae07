// SPDX-License-Identifier: Apache-2.0
#include "security/crypto.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "base/file.h"
#include "base/hexadecimal.h"
#include "base/strings.h"

namespace weft::security {
namespace {

// The library must be made ready once before anything else; again costs nothing.
void ready() { CHECK(sodium_init() >= 0, "libsodium does not start"); }

const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}
unsigned char* bytes_of(std::string& text) { return reinterpret_cast<unsigned char*>(text.data()); }

Error bad_secret(const std::string& path, std::string_view what, std::string hint) {
  return make_error("E0764", fmt::format("the secret in {}: {}", quoted(path, 300), what),
                    std::move(hint));
}

// Made whole or not at all; who comes second finds the first one's.
Status create_secret(const std::string& path) {
  const std::string directory = std::filesystem::path(path).parent_path().string();
  if (!directory.empty()) TRY(make_directories(directory));
  const std::string draft = path + "." + random_text(12);
  const int file = ::open(draft.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (file < 0) return bad_secret(path, std::strerror(errno), "");
  const Secret secret = Secret::random();
  const std::string text =
      to_hex({reinterpret_cast<const char*>(secret.data()), Secret::kBytes}) + "\n";
  const bool written = ::write(file, text.data(), text.size()) == std::ssize(text) &&
                       ::fsync(file) == 0;
  ::close(file);
  const bool linked = written && (::link(draft.c_str(), path.c_str()) == 0 || errno == EEXIST);
  const int error = errno;
  ::unlink(draft.c_str());
  return linked ? ok_status() : Status(bad_secret(path, std::strerror(error), ""));
}

struct SigningPair {
  std::array<unsigned char, crypto_sign_PUBLICKEYBYTES> open;
  std::array<unsigned char, crypto_sign_SECRETKEYBYTES> hidden;
  explicit SigningPair(const Secret& seed) {
    ready();
    crypto_sign_seed_keypair(open.data(), hidden.data(), seed.data());
  }
  SigningPair(const SigningPair&) = delete;
  ~SigningPair() { sodium_memzero(hidden.data(), hidden.size()); }
};

}  // namespace

Secret::~Secret() { sodium_memzero(bytes_.data(), bytes_.size()); }

Secret Secret::random() {
  ready();
  Secret out;
  randombytes_buf(out.data(), kBytes);
  return out;
}

Secret Secret::derived(std::string_view text) {
  ready();
  Secret out;
  crypto_generichash(out.data(), kBytes, bytes_of(text), text.size(), nullptr, 0);
  return out;
}

Result<Secret> secret_file(const std::string& path, bool create) {
  if (!file_exists(path)) {
    if (!create) {
      return bad_secret(path, "there is no such file",
                        "restore it from a backup; what was made with it is worthless without");
    }
    TRY(create_secret(path));
  }
  struct stat about {};
  const bool there = ::stat(path.c_str(), &about) == 0;
  // root's file may be read by our group as well: so are secrets mounted into containers
  const bool mounted = there && about.st_uid == 0 && ::geteuid() != 0;
  if (there && (about.st_mode & (mounted ? 037 : 077)) != 0) {
    return bad_secret(path, "others than its owner can read it", "chmod 600 " + path);
  }
  const std::string bytes = TRY(from_hex(trim(TRY(read_file(path, 4096)))));
  if (bytes.size() != Secret::kBytes) {
    return bad_secret(path, fmt::format("expected 64 hexadecimal digits, found {}",
                                        2 * bytes.size()), "");
  }
  Secret out;
  std::memcpy(out.data(), bytes.data(), Secret::kBytes);
  return out;
}

std::string keyed_hash(const Secret& key, std::string_view bytes) {
  ready();
  std::string out(32, '\0');
  crypto_generichash(bytes_of(out), out.size(), bytes_of(bytes), bytes.size(), key.data(),
                     Secret::kBytes);
  return out;
}

std::string hmac_sha256(std::string_view key, std::string_view bytes) {
  ready();
  std::string out(crypto_auth_hmacsha256_BYTES, '\0');
  crypto_auth_hmacsha256_state state;
  crypto_auth_hmacsha256_init(&state, bytes_of(key), key.size());
  crypto_auth_hmacsha256_update(&state, bytes_of(bytes), bytes.size());
  crypto_auth_hmacsha256_final(&state, bytes_of(out));
  return out;
}

bool equal(std::string_view a, std::string_view b) {
  return a.size() == b.size() && sodium_memcmp(a.data(), b.data(), a.size()) == 0;
}

std::string public_key(const Secret& seed) {
  const SigningPair pair(seed);
  return {reinterpret_cast<const char*>(pair.open.data()), pair.open.size()};
}

std::string sign(const Secret& seed, std::string_view bytes) {
  const SigningPair pair(seed);
  std::string out(crypto_sign_BYTES, '\0');
  crypto_sign_detached(bytes_of(out), nullptr, bytes_of(bytes), bytes.size(), pair.hidden.data());
  return out;
}

bool signature_fits(std::string_view key, std::string_view bytes, std::string_view signature) {
  ready();
  return key.size() == crypto_sign_PUBLICKEYBYTES && signature.size() == crypto_sign_BYTES &&
         crypto_sign_verify_detached(bytes_of(signature), bytes_of(bytes), bytes.size(),
                                     bytes_of(key)) == 0;
}

std::string seal(const Secret& key, std::string_view beside, std::string_view plain) {
  ready();
  constexpr size_t kNonce = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES;
  static_assert(kNonce + crypto_aead_xchacha20poly1305_ietf_ABYTES == kSealBytes);
  static_assert(crypto_aead_xchacha20poly1305_ietf_KEYBYTES == Secret::kBytes);
  std::string out(plain.size() + kSealBytes, '\0');
  unsigned char* const nonce = bytes_of(out);
  randombytes_buf(nonce, kNonce);
  crypto_aead_xchacha20poly1305_ietf_encrypt(nonce + kNonce, nullptr, bytes_of(plain),
                                             plain.size(), bytes_of(beside), beside.size(),
                                             nullptr, nonce, key.data());
  return out;
}

std::optional<std::string> unseal(const Secret& key, std::string_view beside,
                                  std::string_view sealed) {
  ready();
  if (sealed.size() < kSealBytes) return std::nullopt;
  const std::string_view rest = sealed.substr(crypto_aead_xchacha20poly1305_ietf_NPUBBYTES);
  std::string out(sealed.size() - kSealBytes, '\0');
  if (crypto_aead_xchacha20poly1305_ietf_decrypt(bytes_of(out), nullptr, nullptr, bytes_of(rest),
                                                 rest.size(), bytes_of(beside), beside.size(),
                                                 bytes_of(sealed), key.data()) != 0) {
    return std::nullopt;
  }
  return out;
}

std::string password_hash(std::string_view password) {
  ready();
  std::string out(crypto_pwhash_STRBYTES, '\0');
  const int failed = crypto_pwhash_str_alg(
      out.data(), password.data(), password.size(), crypto_pwhash_OPSLIMIT_INTERACTIVE,
      crypto_pwhash_MEMLIMIT_INTERACTIVE, crypto_pwhash_ALG_ARGON2ID13);
  if (failed != 0) return {};
  out.resize(out.find('\0'));
  return out;
}

bool password_fits(const std::string& hash, std::string_view password) {
  ready();
  return crypto_pwhash_str_verify(hash.c_str(), password.data(), password.size()) == 0;
}

std::string random_text(size_t characters) {
  ready();
  std::string out(characters, '\0');
  randombytes_buf(out.data(), out.size());
  constexpr std::string_view kDigits = "0123456789abcdefghjkmnpqrstvwxyz";
  for (char& c : out) c = kDigits[static_cast<unsigned char>(c) & 31];
  return out;
}

std::string to_hex(std::string_view bytes) {
  std::string out;
  for (const char byte : bytes) {
    fmt::format_to(std::back_inserter(out), "{:02x}", static_cast<unsigned char>(byte));
  }
  return out;
}

Result<std::string> from_hex(std::string_view text) {
  std::string out;
  for (size_t at = 0; at < text.size(); at += 2) {
    const auto byte = hexadecimal(text.substr(at, 2));
    if (text.size() % 2 != 0 || !byte) {
      return make_error("E0764", "expected pairs of hexadecimal digits");
    }
    out += static_cast<char>(*byte);
  }
  return out;
}

}  // namespace weft::security
