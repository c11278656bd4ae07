// SPDX-License-Identifier: Apache-2.0
//
// Who a person is here, out of what an identity provider says about them: claims of a token become
// a Caller with roles and a tenant. What nobody wrote down grants nothing: an unknown group has no
// role, and where tenants come from a claim, a person without one belongs to none and stays out.
//
// Providers that keep ID tokens small say the rest at their userinfo endpoint, which is asked where
// the token has no groups, or no tenant though one is wanted.
//
// Pure. Whether the claims are true, id_token has found out.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "security/permission.h"

namespace weft::security {

struct ClaimRules {
  std::string name = "email";     // the claim that people are called by; without it: sub
  std::string roles = "groups";   // a text or a list of texts; "realm_access.roles" looks deeper
  std::vector<std::pair<std::string, std::vector<std::string>>> map = {};  // its value -> roles
  std::vector<std::string> everybody = {};  // roles of all who can sign in
  std::string tenant = {};        // empty: people belong to no tenant
};

// Whether the token lacks what decides who somebody is here.
bool wants_userinfo(const json::Object& claims, const ClaimRules& rules);
// Adds to the token's claims those of the rules that it lacks; what it says itself stands. E0782:
// it is about somebody else.
Status add_userinfo(json::Object& claims, const json::Object& userinfo, const ClaimRules& rules);

// `sub` must be there. E0783: no role, or no tenant where one is asked for.
Result<Caller> caller_of_claims(const json::Object& claims, const ClaimRules& rules);

}  // namespace weft::security
