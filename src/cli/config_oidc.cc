// SPDX-License-Identifier: Apache-2.0
#include "cli/config_oidc.h"

#include <fmt/format.h>

#include "base/strings.h"
#include "cli/config_file.h"
#include "net/url.h"

namespace weft::cli {
namespace {

constexpr std::string_view kCallback = "/session/oidc/callback";
constexpr int64_t kSessionUsMax = int64_t{7} * 86'400 * 1'000'000;

std::string needed(workflow::Fields& fields, std::string_view key, std::string_view expected) {
  const workflow::YamlTree::Node node = fields.required(key, expected);
  if (!node.ok()) return {};
  if (node.is_text() && !node.text().empty()) return std::string(node.text());
  fields.wrong(node, key, expected);
  return {};
}

bool is_here(const net::Url& url) {
  return url.host == "localhost" || url.host == "[::1]" || url.host.starts_with("127.");
}

// https, except on this machine.
void check_url(workflow::Fields& fields, std::string_view key, const std::string& text) {
  if (text.empty()) return;
  const auto url = net::parse_url(text);
  if (url.ok() && (url->scheme == "https" || is_here(*url))) return;
  fields.problems().add("E0412", fields.place(),
                        fmt::format("oidc: '{}' expected an https URL, found {}", key,
                                    quoted(text)),
                        "http is taken for this machine only");
}

std::vector<std::string> roles_of(workflow::Fields& fields, workflow::YamlTree::Node node) {
  std::vector<std::string> out;
  const auto add = [&](workflow::YamlTree::Node one) {
    const bool word = one.is_text() && !one.text().empty() &&
                      one.text().find_first_of(" ,\t\n") == std::string_view::npos;
    if (word) return out.emplace_back(one.text()), void();
    fields.wrong(one, "roles", "a role, or a list of roles");
  };
  if (!node.is_list()) {
    add(node);
    return out;
  }
  for (const workflow::YamlTree::Node one : node) add(one);
  return out;
}

}  // namespace

void read_oidc(workflow::Fields& fields, const ConfigScope& scope, security::OidcOptions& out) {
  out.issuer = needed(fields, "issuer", "the identity provider's URL");
  out.client_id = needed(fields, "client_id", "the name of weft at the provider");
  out.redirect_url = needed(fields, "redirect_url", "the URL of this server, for browsers");
  out.client_secret = secret(fields, "client_secret", scope);
  check_url(fields, "issuer", out.issuer);
  check_url(fields, "redirect_url", out.redirect_url);
  if (!out.redirect_url.empty() && !out.redirect_url.ends_with(kCallback)) {
    fields.problems().add("E0412", fields.place(),
                          fmt::format("oidc: 'redirect_url' must end in {}", kCallback),
                          fmt::format("https://weft.example.com{}", kCallback));
  }
  if (const auto scopes = texts(fields, "scopes"); !scopes.empty()) out.scopes = scopes;
  out.label = fields.text("label").value_or("");
  if (const auto url = net::parse_url(out.issuer); out.label.empty() && url.ok()) {
    out.label = url->host;
  }
  if (const auto file = fields.text("ca_file")) out.ca_file = scope.path(*file);
  security::ClaimRules& rules = out.rules;
  rules.name = fields.text("name_claim").value_or(rules.name);
  rules.roles = fields.text("roles_claim").value_or(rules.roles);
  rules.tenant = fields.text("tenant_claim").value_or("");
  rules.everybody = texts(fields, "everybody");
  for (const auto& [group, roles] : members(fields, "roles")) {
    rules.map.emplace_back(group, roles_of(fields, roles));
  }
  if (rules.map.empty() && rules.everybody.empty()) {
    fields.problems().add("E0411", fields.place(),
                          "oidc: 'roles' or 'everybody' is missing: nobody could do anything",
                          "roles: { weft-admins: [admin] }");
  }
  if (const auto session_us = fields.duration_us("session")) {
    if (*session_us < 60'000'000 || *session_us > kSessionUsMax) {
      fields.problems().add("E0412", fields.place(), "oidc: 'session' expected 1m to 7d", "8h");
    }
    out.session_us = *session_us;
  }
  out.userinfo = fields.boolean("userinfo").value_or(true);
  out.leave_provider = fields.boolean("sign_out_of_provider").value_or(false);
}

}  // namespace weft::cli
