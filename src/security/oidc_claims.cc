// SPDX-License-Identifier: Apache-2.0
#include "security/oidc_claims.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/strings.h"
#include "security/keys.h"

namespace weft::security {
namespace {

constexpr size_t kPersonBytesMax = 200;

const json::Value* claim_at(const json::Object& claims, std::string_view name) {
  if (const json::Value* whole = claims.if_contains(name)) return whole;
  const json::Object* object = &claims;
  const json::Value* value = nullptr;
  for (const std::string_view part : split(name, '.')) {
    value = object != nullptr ? object->if_contains(part) : nullptr;
    if (value == nullptr) return nullptr;
    object = value->if_object();
  }
  return value;
}

// A text that may be shown and logged, else nothing.
std::string name_at(const json::Object& claims, std::string_view name) {
  const json::Value* value = claim_at(claims, name);
  if (value == nullptr || !value->is_string()) return {};
  const std::string_view text(value->as_string());
  const bool printable = std::ranges::none_of(text, [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
  });
  const bool fits = text.size() <= kPersonBytesMax && printable && !invalid_utf8_at(text);
  return fits ? std::string(text) : std::string();
}

bool holds(const json::Value* claim, std::string_view wanted) {
  if (claim == nullptr) return false;
  if (claim->is_string()) return claim->as_string() == wanted;
  const json::Array* list = claim->if_array();
  return list != nullptr && std::ranges::any_of(*list, [&](const json::Value& one) {
    return one.is_string() && one.as_string() == wanted;
  });
}

Error stays_out(std::string message) {
  return make_error("E0783", std::move(message),
                    "who administers the sign-in grants it: docs/security.md, \"People\"");
}

}  // namespace

bool wants_userinfo(const json::Object& claims, const ClaimRules& rules) {
  const bool no_groups = !rules.map.empty() && claim_at(claims, rules.roles) == nullptr;
  return no_groups || (!rules.tenant.empty() && claim_at(claims, rules.tenant) == nullptr);
}

Status add_userinfo(json::Object& claims, const json::Object& userinfo, const ClaimRules& rules) {
  // OpenID Connect Core 5.3.2: else the access token may have been exchanged for another's
  const std::string subject = name_at(claims, "sub");
  if (subject.empty() || name_at(userinfo, "sub") != subject) {
    return make_error("E0782", "the identity provider's userinfo is about somebody else",
                      "'sub' must be the one of the ID token");
  }
  const auto add = [&](const std::string& name) {
    const json::Value* said = name.empty() ? nullptr : claim_at(userinfo, name);
    if (said == nullptr || claim_at(claims, name) != nullptr) return;
    claims[name] = *said;  // a name with dots is found as a whole first
    // whether the address is good, the same document says
    if (name == "email" && userinfo.contains("email_verified")) {
      claims["email_verified"] = userinfo.at("email_verified");
    }
  };
  add(rules.roles);
  add(rules.tenant);
  add(rules.name);
  return ok_status();
}

Result<Caller> caller_of_claims(const json::Object& claims, const ClaimRules& rules) {
  const std::string subject = name_at(claims, "sub");
  if (subject.empty()) return stays_out("the identity provider names nobody that can be recorded");
  Caller out;
  out.key = "oidc:" + subject;
  const json::Value* verified = claims.if_contains("email_verified");
  const bool unverified = rules.name == "email" && verified != nullptr && verified->is_bool() &&
                          !verified->as_bool();
  out.name = unverified ? std::string() : name_at(claims, rules.name);
  if (out.name.empty()) out.name = subject;
  const auto add = [&](const std::vector<std::string>& roles) {
    for (const std::string& role : roles) {
      if (std::ranges::find(out.roles, role) == out.roles.end()) out.roles.push_back(role);
    }
  };
  add(rules.everybody);
  const json::Value* groups = claim_at(claims, rules.roles);
  for (const auto& [group, roles] : rules.map) {
    if (holds(groups, group)) add(roles);
  }
  if (out.roles.empty()) {
    return stays_out(fmt::format("{} has no role here: none of the values of {} grants one",
                                 quoted(out.name), quoted(rules.roles)));
  }
  if (rules.tenant.empty()) return out;
  out.tenant = name_at(claims, rules.tenant);
  if (!is_tenant(out.tenant)) {
    return stays_out(fmt::format("{} belongs to no tenant: {} holds none", quoted(out.name),
                                 quoted(rules.tenant)));
  }
  return out;
}

}  // namespace weft::security
