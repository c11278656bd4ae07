// SPDX-License-Identifier: Apache-2.0
#include "security/jwk.h"

#include <fmt/format.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

#include <algorithm>

#include "base/base64.h"
#include "base/freed_by.h"
#include "base/json.h"
#include "base/strings.h"

namespace weft::security {
namespace {

constexpr size_t kKeysMax = 32;  // each is checked on the loop
constexpr size_t kSetBytesMax = size_t{256} << 10;
constexpr size_t kRsaBytesMin = 256, kRsaBytesMax = 1024;  // 2048 to 8192 bits
constexpr size_t kExponentBytesMax = 4;  // a large one only makes checking slow
constexpr size_t kCoordinateBytes = 32;

using Number = std::unique_ptr<BIGNUM, FreedBy<BN_free>>;
using PublicKey = std::unique_ptr<EVP_PKEY, FreedBy<EVP_PKEY_free>>;
using KeyContext = std::unique_ptr<EVP_PKEY_CTX, FreedBy<EVP_PKEY_CTX_free>>;
using Params = std::unique_ptr<OSSL_PARAM, FreedBy<OSSL_PARAM_free>>;
using Builder = std::unique_ptr<OSSL_PARAM_BLD, FreedBy<OSSL_PARAM_BLD_free>>;
using Digest = std::unique_ptr<EVP_MD_CTX, FreedBy<EVP_MD_CTX_free>>;
using Signature = std::unique_ptr<ECDSA_SIG, FreedBy<ECDSA_SIG_free>>;

Error bad_set(std::string_view why) {
  return make_error("E0780", fmt::format("the identity provider's keys: {}", why),
                    "jwks_uri of its configuration should answer with a JSON Web Key Set");
}

const unsigned char* octets_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

Number number_of(std::string_view bytes) {
  return Number(BN_bin2bn(octets_of(bytes), static_cast<int>(bytes.size()), nullptr));
}

std::string text_of(const json::Object& object, std::string_view name) {
  const json::Value* value = object.if_contains(name);
  return value != nullptr && value->is_string() ? std::string(value->as_string()) : std::string();
}

PublicKey built(const char* kind, OSSL_PARAM_BLD* builder) {
  const Params params(OSSL_PARAM_BLD_to_param(builder));
  const KeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, kind, nullptr));
  EVP_PKEY* key = nullptr;
  const bool good = params && context && EVP_PKEY_fromdata_init(context.get()) == 1 &&
                    EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY,
                                      params.get()) == 1;
  PublicKey out(key);
  ERR_clear_error();
  if (!good) return nullptr;
  // a point that is not on the curve, and the like
  const KeyContext check(EVP_PKEY_CTX_new_from_pkey(nullptr, out.get(), nullptr));
  if (!check || EVP_PKEY_public_check(check.get()) != 1) out.reset();
  ERR_clear_error();
  return out;
}

PublicKey rsa_key(const json::Object& jwk) {
  auto modulus = from_base64url(text_of(jwk, "n"));
  const auto exponent = from_base64url(text_of(jwk, "e"));
  if (!modulus || !exponent) return nullptr;
  modulus->erase(0, modulus->find_first_not_of('\0'));
  if (modulus->size() < kRsaBytesMin || modulus->size() > kRsaBytesMax || exponent->empty() ||
      exponent->size() > kExponentBytesMax) {
    return nullptr;
  }
  const Number n = number_of(*modulus), e = number_of(*exponent);
  const Builder builder(OSSL_PARAM_BLD_new());
  if (!n || !e || !builder || BN_is_odd(e.get()) == 0 || BN_is_one(e.get()) == 1 ||
      OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, n.get()) != 1 ||
      OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, e.get()) != 1) {
    return nullptr;
  }
  return built("RSA", builder.get());
}

PublicKey curve_key(const json::Object& jwk) {
  const auto x = from_base64url(text_of(jwk, "x")), y = from_base64url(text_of(jwk, "y"));
  if (!x || !y || x->size() != kCoordinateBytes || y->size() != kCoordinateBytes) return nullptr;
  const std::string point = "\x04" + *x + *y;
  const Builder builder(OSSL_PARAM_BLD_new());
  if (!builder ||
      OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, "P-256", 0) != 1 ||
      OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(),
                                       point.size()) != 1) {
    return nullptr;
  }
  return built("EC", builder.get());
}

// As OpenSSL wants it: DER.
std::string der_of(std::string_view signature) {
  if (signature.size() != 2 * kCoordinateBytes) return {};
  const Signature pair(ECDSA_SIG_new());
  Number r = number_of(signature.substr(0, kCoordinateBytes));
  Number s = number_of(signature.substr(kCoordinateBytes));
  if (!pair || !r || !s || ECDSA_SIG_set0(pair.get(), r.get(), s.get()) != 1) return {};
  (void)r.release();
  (void)s.release();
  std::string out(static_cast<size_t>(std::max(0, i2d_ECDSA_SIG(pair.get(), nullptr))), '\0');
  auto* at = reinterpret_cast<unsigned char*>(out.data());
  i2d_ECDSA_SIG(pair.get(), &at);
  return out;
}

// What the key is for, as far as we use it; empty: it is passed over.
std::string_view algorithm_of(const json::Object& jwk) {
  const std::string use = text_of(jwk, "use"), named = text_of(jwk, "alg");
  if (!use.empty() && use != "sig") return {};
  std::string_view out;
  if (text_of(jwk, "kty") == "RSA") out = "RS256";
  if (text_of(jwk, "kty") == "EC" && text_of(jwk, "crv") == "P-256") out = "ES256";
  return named.empty() || named == out ? out : std::string_view();
}

}  // namespace

struct JwkSet::Key {
  std::string id;
  std::string_view algorithm;
  PublicKey key;
};

JwkSet::JwkSet() = default;
JwkSet::~JwkSet() = default;
JwkSet::JwkSet(JwkSet&&) noexcept = default;
JwkSet& JwkSet::operator=(JwkSet&&) noexcept = default;

Result<JwkSet> JwkSet::parse(std::string_view text) {
  const auto document = json::parse(text, {.depth_max = 16, .bytes_max = kSetBytesMax});
  if (!document.ok()) return bad_set(document.error().message);
  const json::Object* object = document->if_object();
  const json::Value* list = object != nullptr ? object->if_contains("keys") : nullptr;
  if (list == nullptr || !list->is_array()) return bad_set("there is no list 'keys'");
  if (list->as_array().size() > kKeysMax) return bad_set("there are more than 32");
  JwkSet out;
  for (const json::Value& entry : list->as_array()) {
    const json::Object* jwk = entry.if_object();
    if (jwk == nullptr) return bad_set("one is no object");
    const std::string_view algorithm = algorithm_of(*jwk);
    if (algorithm.empty()) continue;
    const std::string id = text_of(*jwk, "kid");
    PublicKey key = algorithm == "RS256" ? rsa_key(*jwk) : curve_key(*jwk);
    if (!key) {
      return bad_set(fmt::format("the one of kid {} is malformed, weak or oversized", quoted(id)));
    }
    out.keys_.push_back({id, algorithm, std::move(key)});
  }
  return out;
}

size_t JwkSet::size() const { return keys_.size(); }

const JwkSet::Key* JwkSet::find(std::string_view algorithm, std::string_view id) const {
  const Key* found = nullptr;
  for (const Key& key : keys_) {
    if (key.algorithm != algorithm || (!id.empty() && key.id != id)) continue;
    if (found != nullptr) return nullptr;  // which of them would be a guess
    found = &key;
  }
  return found;
}

bool JwkSet::knows(std::string_view algorithm, std::string_view id) const {
  return find(algorithm, id) != nullptr;
}

bool JwkSet::verify(std::string_view algorithm, std::string_view id, std::string_view text,
                    std::string_view signature) const {
  const Key* key = find(algorithm, id);
  if (key == nullptr) return false;
  const std::string der = algorithm == "ES256" ? der_of(signature) : std::string(signature);
  const Digest digest(EVP_MD_CTX_new());
  const bool good = digest && !der.empty() &&
                    EVP_DigestVerifyInit(digest.get(), nullptr, EVP_sha256(), nullptr,
                                         key->key.get()) == 1 &&
                    EVP_DigestVerify(digest.get(), octets_of(der), der.size(), octets_of(text),
                                     text.size()) == 1;
  ERR_clear_error();
  return good;
}

std::optional<std::string> from_base64url(std::string_view text) {
  std::string plain(text);
  for (char& c : plain) {
    if (c == '+' || c == '/' || c == '=') return std::nullopt;
    if (c == '-') c = '+';
    if (c == '_') c = '/';
  }
  plain.append((4 - plain.size() % 4) % 4, '=');
  return from_base64(plain);
}

std::string base64url(std::string_view bytes) {
  std::string out = base64(bytes);
  while (out.ends_with('=')) out.pop_back();
  for (char& c : out) {
    if (c == '+') c = '-';
    if (c == '/') c = '_';
  }
  return out;
}

}  // namespace weft::security
