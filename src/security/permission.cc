// SPDX-License-Identifier: Apache-2.0
#include "security/permission.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/strings.h"

namespace weft::security {
namespace {

constexpr std::array<std::string_view, 17> kActions = {
    "overview:read",  "metrics:read",      "runs:read",        "runs:execute",
    "runs:act",       "runs:delete",       "approvals:read",   "approvals:decide",
    "definitions:read", "definitions:write", "models:read",    "models:use",
    "models:manage",  "tools:read",        "tools:call",       "keys:manage",
    "audit:read",
};

struct Role {
  std::string_view name;
  std::string_view actions;  // separated by spaces; "*": all
};
#define WEFT_VIEWS "overview:read metrics:read runs:read approvals:read definitions:read " \
                   "models:read tools:read"
#define WEFT_OPERATES WEFT_VIEWS " runs:execute runs:act models:use tools:call"
constexpr Role kRoles[] = {
    {"viewer", WEFT_VIEWS},
    {"operator", WEFT_OPERATES},
    {"author", WEFT_OPERATES " definitions:write"},
    {"approver", WEFT_VIEWS " approvals:decide"},
    {"admin", "*"},
};
#undef WEFT_OPERATES
#undef WEFT_VIEWS

bool grants(const Role& role, std::string_view action) {
  if (role.actions == "*") return true;
  const auto list = split(role.actions, ' ');
  return std::find(list.begin(), list.end(), action) != list.end();
}

bool role_grants(const Caller& caller, std::string_view action) {
  if (caller.everything) return true;
  return std::any_of(std::begin(kRoles), std::end(kRoles), [&](const Role& role) {
    return std::find(caller.roles.begin(), caller.roles.end(), role.name) != caller.roles.end() &&
           grants(role, action);
  });
}

bool covers(const Scope& scope, std::string_view resource) {
  if (!scope.resource.ends_with('*')) return scope.resource == resource;
  return resource.starts_with(std::string_view(scope.resource).substr(
      0, scope.resource.size() - 1));
}

}  // namespace

Result<Scope> parse_scope(std::string_view given) {
  const size_t first = given.find(':');
  const size_t second = first == given.npos ? given.npos : given.find(':', first + 1);
  Scope scope{std::string(given.substr(0, second)), "*"};
  if (second != given.npos) scope.resource = given.substr(second + 1);
  const std::vector<std::string> names(kActions.begin(), kActions.end());
  if (std::find(names.begin(), names.end(), scope.action) == names.end()) {
    return make_error("E0763", fmt::format("scope {}: expected ACTION or ACTION:RESOURCE, found "
                                           "the action {}", quoted(given), quoted(scope.action)),
                      name_hint(scope.action, names));
  }
  if (scope.resource.empty() || invalid_utf8_at(scope.resource)) {
    return make_error("E0763", fmt::format("scope {} names no resource", quoted(given)),
                      "leave the last colon out for all of them");
  }
  return scope;
}

std::string text(const Scope& scope) {
  return scope.resource == "*" ? scope.action : scope.action + ":" + scope.resource;
}

bool may(const Caller& caller, std::string_view action) {
  if (!role_grants(caller, action)) return false;
  return caller.scopes.empty() ||
         std::any_of(caller.scopes.begin(), caller.scopes.end(),
                     [&](const Scope& scope) { return scope.action == action; });
}

bool may(const Caller& caller, std::string_view action, std::string_view resource) {
  if (!role_grants(caller, action)) return false;
  return caller.scopes.empty() ||
         std::any_of(caller.scopes.begin(), caller.scopes.end(), [&](const Scope& scope) {
           return scope.action == action && covers(scope, resource);
         });
}

Error insufficient(const Caller& caller, std::string_view action, std::string_view resource) {
  const std::string on = resource.empty() ? "" : fmt::format(" on {}", quoted(resource));
  std::string who = "none of this caller's roles grants it";
  if (role_grants(caller, action)) who = "the scopes of this key do not cover it";
  return make_error("E0761",
                    fmt::format("Insufficient privileges: {}{} is missing", action, on), who);
}

Status require(const Caller& caller, std::string_view action, std::string_view resource) {
  if (may(caller, action, resource)) return ok_status();
  return insufficient(caller, action, resource);
}

std::vector<std::string> role_names() {
  std::vector<std::string> names;
  for (const Role& role : kRoles) names.emplace_back(role.name);
  return names;
}

std::span<const std::string_view> action_names() { return kActions; }

std::vector<std::string> allowed_actions(const Caller& caller) {
  std::vector<std::string> out;
  for (const std::string_view action : kActions) {
    if (may(caller, action)) out.emplace_back(action);
  }
  return out;
}

}  // namespace weft::security
