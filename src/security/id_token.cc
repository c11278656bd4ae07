// SPDX-License-Identifier: Apache-2.0
#include "security/id_token.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/strings.h"

namespace weft::security {
namespace {

constexpr size_t kTokenBytesMax = size_t{64} << 10;
constexpr int64_t kSkewS = 60;  // clocks of two machines
constexpr int64_t kInstantMax = int64_t{1} << 40;

Error not_believed(std::string_view why) {
  return make_error("E0782", fmt::format("the identity provider's token is not believed: {}", why),
                    "sign in again; if it stays so, compare issuer and client_id with the "
                    "provider's, and the clocks of the two machines");
}

// head.claims.signature, as they stand in the text
using Parts = std::array<std::string_view, 3>;

Result<Parts> token_parts(std::string_view token) {
  if (token.size() > kTokenBytesMax) return not_believed("it is longer than 64 KB");
  const std::vector<std::string_view> parts = split(token, '.');
  if (parts.size() != 3) return not_believed("it does not have three parts");
  return Parts{parts[0], parts[1], parts[2]};
}

Result<json::Object> object_of(std::string_view part, std::string_view what) {
  const auto text = from_base64url(part);
  if (!text) return not_believed(fmt::format("its {} is not base 64", what));
  auto document = json::parse(*text, {.depth_max = 32, .bytes_max = kTokenBytesMax});
  if (!document.ok() || !document->is_object()) {
    return not_believed(fmt::format("its {} is no JSON object", what));
  }
  return std::move(document->as_object());
}

std::string text_at(const json::Object& object, std::string_view name) {
  const json::Value* value = object.if_contains(name);
  return value != nullptr && value->is_string() ? std::string(value->as_string()) : std::string();
}

// Seconds since 1970; providers may write fractions.
Result<int64_t> instant_at(const json::Object& claims, std::string_view name) {
  const json::Value* value = claims.if_contains(name);
  if (value == nullptr) return not_believed(fmt::format("there is no '{}'", name));
  double seconds = -1;
  if (value->is_number()) seconds = value->to_number<double>();
  if (!(seconds >= 0 && seconds < static_cast<double>(kInstantMax))) {
    return not_believed(fmt::format("'{}' is no time", name));
  }
  return static_cast<int64_t>(seconds);
}

Status check_audience(const json::Object& claims, const TokenDemands& demands) {
  const json::Value* given = claims.if_contains("aud");
  std::vector<std::string> all;
  if (given != nullptr && given->is_string()) all.emplace_back(given->as_string());
  if (given != nullptr && given->is_array()) {
    for (const json::Value& one : given->as_array()) {
      if (!one.is_string()) return not_believed("'aud' is no list of texts");
      all.emplace_back(one.as_string());
    }
  }
  if (std::ranges::find(all, demands.audience) == all.end()) {
    return not_believed(fmt::format("it is meant for another client than {}",
                                    quoted(demands.audience)));
  }
  const json::Value* party = claims.if_contains("azp");
  if (party == nullptr && all.size() == 1) return ok_status();
  if (party == nullptr || text_at(claims, "azp") != demands.audience) {
    return not_believed("it was given to another client ('azp')");
  }
  return ok_status();
}

Status check_times(const json::Object& claims, int64_t now_s) {
  if (now_s - kSkewS >= TRY(instant_at(claims, "exp"))) return not_believed("it has expired");
  if (TRY(instant_at(claims, "iat")) > now_s + kSkewS) {
    return not_believed("it comes from the future");
  }
  if (!claims.contains("nbf")) return ok_status();
  if (TRY(instant_at(claims, "nbf")) > now_s + kSkewS) return not_believed("it does not hold yet");
  return ok_status();
}

}  // namespace

Result<TokenHead> token_head(std::string_view token) {
  const Parts parts = TRY(token_parts(token));
  const json::Object head = TRY(object_of(parts[0], "head"));
  TokenHead out{text_at(head, "alg"), text_at(head, "kid")};
  if (out.algorithm != "RS256" && out.algorithm != "ES256") {
    return not_believed(fmt::format("it is signed by {}, only RS256 and ES256 are accepted",
                                    quoted(out.algorithm)));
  }
  if (head.contains("crit")) return not_believed("it demands extensions ('crit')");
  return out;
}

Result<json::Object> verify_id_token(std::string_view token, const JwkSet& keys,
                                     const TokenDemands& demands) {
  const TokenHead head = TRY(token_head(token));
  const Parts parts = TRY(token_parts(token));
  const auto signature = from_base64url(parts[2]);
  const std::string_view text = token.substr(0, parts[0].size() + 1 + parts[1].size());
  if (!keys.knows(head.algorithm, head.key)) {
    return not_believed(fmt::format("the provider has no key {} for {}", quoted(head.key),
                                    head.algorithm));
  }
  if (!signature || !keys.verify(head.algorithm, head.key, text, *signature)) {
    return not_believed("its signature is wrong");
  }
  json::Object claims = TRY(object_of(parts[1], "body"));
  if (text_at(claims, "iss") != demands.issuer) {
    return not_believed(fmt::format("it comes from {}", quoted(text_at(claims, "iss"))));
  }
  TRY(check_audience(claims, demands));
  TRY(check_times(claims, demands.now_s));
  if (demands.nonce.empty() || text_at(claims, "nonce") != demands.nonce) {
    return not_believed("it answers another sign-in ('nonce')");
  }
  if (text_at(claims, "sub").empty()) return not_believed("it names nobody ('sub')");
  return claims;
}

}  // namespace weft::security
