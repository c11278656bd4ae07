// SPDX-License-Identifier: Apache-2.0
//
// Who may do what: a permission is (caller, action, resource). Roles grant actions, scopes of a key
// take away what they do not name: a caller may do what one of its roles grants and, if it has
// scopes, one of them covers. The table of roles stands in permission.cc, on one screen.
//
// Pure: no store, no clock. Who the caller is, key_ring and sessions find out.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace weft::security {

// "runs:execute", or "runs:execute:triage", where a final * stands for any text.
struct Scope {
  std::string action;    // "runs:execute"
  std::string resource;  // "*": any
};
// E0763: not of that form, or an action that does not exist.
Result<Scope> parse_scope(std::string_view text);
std::string text(const Scope& scope);

struct Caller {
  std::string tenant;              // "": the one that everything belongs to without tenants
  std::string name = "local";      // for records: of the key, or of this machine's user
  std::string key;                 // id of the key; empty: none
  std::vector<std::string> roles;  // those below, and any names that approvals ask for
  std::vector<Scope> scopes;       // none: all that the roles grant
  bool everything = false;         // this machine's user where no keys are, and key files
};

// On any resource at all / on this one.
bool may(const Caller& caller, std::string_view action);
bool may(const Caller& caller, std::string_view action, std::string_view resource);
// E0761 "Insufficient privileges: … is missing".
Error insufficient(const Caller& caller, std::string_view action, std::string_view resource = {});
Status require(const Caller& caller, std::string_view action, std::string_view resource);

// viewer, operator, author, approver, admin.
std::vector<std::string> role_names();
// All actions, sorted as people read them.
std::span<const std::string_view> action_names();
// What a caller may do on at least one resource.
std::vector<std::string> allowed_actions(const Caller& caller);

}  // namespace weft::security
