// SPDX-License-Identifier: Apache-2.0
//
// Tokens signed with keys made here by OpenSSL, and every way to forge one that comes to mind.
#include "security/id_token.h"

#include <gtest/gtest.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include <fmt/format.h>

#include "security/jwk.h"

namespace weft::security {
namespace {

constexpr int64_t kNowS = 1'790'000'000;

std::string number_bytes(EVP_PKEY* key, const char* name, int bytes) {
  BIGNUM* number = nullptr;
  EVP_PKEY_get_bn_param(key, name, &number);
  std::string out(static_cast<size_t>(bytes == 0 ? BN_num_bytes(number) : bytes), '\0');
  BN_bn2binpad(number, reinterpret_cast<unsigned char*>(out.data()), static_cast<int>(out.size()));
  BN_free(number);
  return out;
}

class Signer {
 public:
  Signer(std::string algorithm, std::string id, unsigned int bits = 2048)
      : algorithm_(std::move(algorithm)), id_(std::move(id)) {
    key_ = algorithm_ == "RS256" ? EVP_RSA_gen(bits) : EVP_EC_gen("P-256");
  }
  ~Signer() { EVP_PKEY_free(key_); }
  Signer(const Signer&) = delete;
  std::string jwk(std::string_view more = "") const {
    if (algorithm_ == "RS256") {
      return fmt::format(R"({{"kty":"RSA","kid":"{}","n":"{}","e":"{}"{}}})", id_,
                         base64url(number_bytes(key_, OSSL_PKEY_PARAM_RSA_N, 0)),
                         base64url(number_bytes(key_, OSSL_PKEY_PARAM_RSA_E, 0)), more);
    }
    return fmt::format(R"({{"kty":"EC","crv":"P-256","kid":"{}","x":"{}","y":"{}"{}}})", id_,
                       base64url(number_bytes(key_, OSSL_PKEY_PARAM_EC_PUB_X, 32)),
                       base64url(number_bytes(key_, OSSL_PKEY_PARAM_EC_PUB_Y, 32)), more);
  }
  std::string token(const std::string& claims, std::string head = "") const {
    if (head.empty()) head = fmt::format(R"({{"alg":"{}","kid":"{}"}})", algorithm_, id_);
    const std::string text = base64url(head) + "." + base64url(claims);
    return text + "." + base64url(signature(text));
  }

 private:
  std::string signature(const std::string& text) const {
    EVP_MD_CTX* context = EVP_MD_CTX_new();
    EVP_DigestSignInit(context, nullptr, EVP_sha256(), nullptr, key_);
    std::string out(1024, '\0');
    size_t bytes = out.size();
    EVP_DigestSign(context, reinterpret_cast<unsigned char*>(out.data()), &bytes,
                   reinterpret_cast<const unsigned char*>(text.data()), text.size());
    EVP_MD_CTX_free(context);
    out.resize(bytes);
    if (algorithm_ == "RS256") return out;
    const auto* at = reinterpret_cast<const unsigned char*>(out.data());
    ECDSA_SIG* pair = d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(out.size()));
    std::string raw(64, '\0');
    auto* place = reinterpret_cast<unsigned char*>(raw.data());
    BN_bn2binpad(ECDSA_SIG_get0_r(pair), place, 32);
    BN_bn2binpad(ECDSA_SIG_get0_s(pair), place + 32, 32);
    ECDSA_SIG_free(pair);
    return raw;
  }
  const std::string algorithm_, id_;
  EVP_PKEY* key_ = nullptr;
};

JwkSet set_of(const std::string& keys) {
  auto set = JwkSet::parse("{\"keys\":[" + keys + "]}");
  EXPECT_TRUE(set.ok()) << set.error().text();
  return std::move(*set);
}

const TokenDemands kDemands{"https://id.example", "weft", "n-1", kNowS};

std::string claims(std::string_view more = "", std::string_view issuer = "https://id.example",
                   std::string_view audience = "\"weft\"", int64_t ends_s = kNowS + 300,
                   std::string_view nonce = "n-1") {
  return fmt::format(R"({{"iss":"{}","aud":{},"exp":{},"iat":{},"nonce":"{}","sub":"u1"{}}})",
                     issuer, audience, ends_s, kNowS - 5, nonce, more);
}

class IdTokenTest : public ::testing::Test {
 protected:
  // Why it is refused; empty: it is believed.
  std::string refusal(const std::string& token) const {
    const auto got = verify_id_token(token, keys_, kDemands);
    if (got.ok()) return "";
    EXPECT_EQ(got.error().code, "E0782");
    return got.error().message;
  }
  void refused(const std::string& token, std::string_view why) const {
    EXPECT_NE(refusal(token).find(why), std::string::npos) << why << ": " << refusal(token);
  }
  // made once: good primes take a while
  struct Keys {
    const Signer rsa{"RS256", "r"}, curve{"ES256", "e"};
    const JwkSet set = set_of(rsa.jwk() + "," + curve.jwk());
  };
  static const Keys& made() {
    static const Keys keys;
    return keys;
  }
  const Signer& rsa_ = made().rsa;
  const Signer& curve_ = made().curve;
  const JwkSet& keys_ = made().set;
};

TEST_F(IdTokenTest, BothAlgorithmsAreBelieved) {
  EXPECT_EQ(keys_.size(), 2U);
  for (const Signer* signer : {&rsa_, &curve_}) {
    const auto got = verify_id_token(signer->token(claims(",\"groups\":[\"a\"]")), keys_, kDemands);
    ASSERT_TRUE(got.ok()) << got.error().text();
    EXPECT_EQ(got->at("sub"), "u1");
    EXPECT_EQ(got->at("groups").as_array().size(), 1U);
  }
  EXPECT_EQ(refusal(rsa_.token(claims(), R"({"alg":"RS256"})")), "");  // one key fits
}

TEST_F(IdTokenTest, ForgedSignatures) {
  const std::string good = rsa_.token(claims());
  const size_t dot = good.rfind('.');
  refused(good.substr(0, dot + 1), "signature is wrong");
  for (const size_t at : {dot + 1, dot + 100, good.size() - 3}) {
    std::string changed = good;
    changed[at] = changed[at] == 'A' ? 'B' : 'A';
    refused(changed, "signature is wrong");
  }
  const std::string other = rsa_.token(claims(",\"groups\":[\"admin\"]"));
  refused(other.substr(0, other.rfind('.')) + good.substr(dot), "signature is wrong");
  const Signer stranger("RS256", "r");
  refused(stranger.token(claims()), "signature is wrong");
  refused(Signer("ES256", "x").token(claims()), "no key");
  // the right text under the other's algorithm and name
  refused(rsa_.token(claims(), R"({"alg":"ES256","kid":"e"})"), "signature is wrong");
  refused(curve_.token(claims(), R"({"alg":"RS256","kid":"r"})"), "signature is wrong");
  refused(curve_.token(claims(), R"({"alg":"RS256","kid":"e"})"), "no key");
}

TEST_F(IdTokenTest, OtherAlgorithmsDoNotExist) {
  for (const char* name : {"none", "None", "HS256", "RS512", "PS256", "", "rs256"}) {
    const std::string head = fmt::format(R"({{"alg":"{}","kid":"r"}})", name);
    refused(base64url(head) + "." + base64url(claims()) + ".", "only RS256 and ES256");
    refused(rsa_.token(claims(), head), "only RS256 and ES256");
  }
  refused(rsa_.token(claims(), R"({"kid":"r"})"), "only RS256 and ES256");
  refused(rsa_.token(claims(), R"({"alg":"RS256","kid":"r","crit":["x"]})"), "extensions");
  // its own key is not looked at
  const Signer own("RS256", "r");
  refused(own.token(claims(), fmt::format(R"({{"alg":"RS256","kid":"r","jwk":{}}})", own.jwk())),
          "signature is wrong");
}

TEST_F(IdTokenTest, EachDemandIsMade) {
  refused(rsa_.token(claims("", "https://id.example/")), "comes from");
  refused(rsa_.token(claims("", "https://id.example", "\"other\"")), "another client");
  refused(rsa_.token(claims("", "https://id.example", "[]")), "another client");
  refused(rsa_.token(claims("", "https://id.example", "[\"weft\",\"b\"]")), "azp");
  EXPECT_EQ(refusal(rsa_.token(claims(",\"azp\":\"weft\"", "https://id.example",
                                      "[\"weft\",\"b\"]"))), "");
  refused(rsa_.token(claims(",\"azp\":\"b\"")), "azp");
  refused(rsa_.token(claims("", "https://id.example", "[\"weft\",7]")), "no list of texts");
  refused(rsa_.token(claims("", "https://id.example", "\"weft\"", kNowS - 61)), "expired");
  EXPECT_EQ(refusal(rsa_.token(claims("", "https://id.example", "\"weft\"", kNowS - 59))), "");
  refused(rsa_.token(claims(fmt::format(",\"nbf\":{}", kNowS + 100))), "not hold yet");
  refused(rsa_.token(claims("", "https://id.example", "\"weft\"", kNowS + 300, "n-2")), "nonce");
  refused(rsa_.token(R"({"iss":"https://id.example","aud":"weft","nonce":"n-1","sub":"u1"})"),
          "no 'exp'");
  refused(rsa_.token(R"({"iss":"https://id.example","aud":"weft","exp":"soon"})"), "no time");
  refused(rsa_.token(fmt::format(
              R"({{"iss":"https://id.example","aud":"weft","exp":{},"iat":{}}})", kNowS + 900,
              kNowS + 100)),
          "future");
  refused(rsa_.token(fmt::format(
              R"({{"iss":"https://id.example","aud":"weft","exp":{},"iat":{},"nonce":"n-1"}})",
              kNowS + 900, kNowS)),
          "nobody");
  TokenDemands nothing_asked = kDemands;
  nothing_asked.nonce.clear();
  EXPECT_FALSE(verify_id_token(rsa_.token(claims("", "https://id.example", "\"weft\"",
                                                 kNowS + 300, "")),
                               keys_, nothing_asked).ok());
}

TEST_F(IdTokenTest, WhatIsNoToken) {
  const std::string good = curve_.token(claims());
  for (size_t bytes = 0; bytes < good.size(); ++bytes) {
    EXPECT_NE(refusal(good.substr(0, bytes)), "") << bytes;
  }
  refused(std::string(70'000, 'a'), "64 KB");
  refused("a.b.c.d", "three parts");
  refused("\xff.\xff.\xff", "not base 64");
  refused(base64url("[]") + ".e30.", "no JSON object");
  refused(curve_.token("[1]"), "body is no JSON object");
  refused(curve_.token(R"({"iss":"a","iss":"b"})"), "body is no JSON object");
}

TEST(JwkSetTest, KeysThatAreNotUsedArePassedOverAndBadOnesAreNot) {
  const Signer rsa("RS256", "r");
  EXPECT_EQ(set_of(R"({"kty":"oct","k":"AA"},{"kty":"EC","crv":"P-384"},{"kty":"OKP"},)" +
                   rsa.jwk(",\"use\":\"enc\"") + "," + rsa.jwk(",\"alg\":\"RS512\"")).size(), 0U);
  EXPECT_EQ(set_of(rsa.jwk(R"(,"use":"sig","alg":"RS256")")).size(), 1U);
  const auto two = set_of(rsa.jwk() + "," + rsa.jwk());
  EXPECT_FALSE(two.knows("RS256", "r"));  // which of them is unclear
  const auto refused = [](const std::string& text) {
    const auto set = JwkSet::parse(text);
    return !set.ok() && set.error().code == "E0780";
  };
  EXPECT_TRUE(refused(""));
  EXPECT_TRUE(refused("[]"));
  EXPECT_TRUE(refused("{\"keys\":{}}"));
  EXPECT_TRUE(refused("{\"keys\":[7]}"));
  EXPECT_TRUE(refused("{\"keys\":[" + Signer("RS256", "weak", 1024).jwk() + "]}"));
  EXPECT_TRUE(refused(R"({"keys":[{"kty":"RSA","n":"AA","e":"AQAB"}]})"));
  const std::string zeros = base64url(std::string(32, '\0'));
  EXPECT_TRUE(refused(fmt::format(  // a point that is not on the curve
      R"({{"keys":[{{"kty":"EC","crv":"P-256","x":"{0}","y":"{0}"}}]}})", zeros)));
  const std::string even = base64url(std::string(256, '\x80'));
  EXPECT_TRUE(refused(fmt::format(R"({{"keys":[{{"kty":"RSA","n":"{}","e":"AAAAAAAB"}}]}})",
                                  even)));
  std::string many = "{\"keys\":[{\"kty\":\"oct\"}";
  for (int i = 0; i < 40; ++i) many += ",{\"kty\":\"oct\"}";
  EXPECT_TRUE(refused(many + "]}"));
}

}  // namespace
}  // namespace weft::security
