// SPDX-License-Identifier: Apache-2.0
#include "security/permission.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weft::security {
namespace {

Caller with(std::vector<std::string> roles, std::vector<std::string> scopes = {}) {
  Caller caller;
  caller.roles = std::move(roles);
  for (const std::string& scope : scopes) caller.scopes.push_back(parse_scope(scope).value());
  return caller;
}

TEST(Permission, RolesGrantWhatTheyAreFor) {
  EXPECT_TRUE(may(with({"viewer"}), "runs:read"));
  EXPECT_FALSE(may(with({"viewer"}), "runs:execute"));
  EXPECT_FALSE(may(with({"viewer"}), "models:use"));
  EXPECT_TRUE(may(with({"operator"}), "runs:execute", "triage"));
  EXPECT_FALSE(may(with({"operator"}), "definitions:write"));
  EXPECT_FALSE(may(with({"operator"}), "approvals:decide"));
  EXPECT_TRUE(may(with({"author"}), "definitions:write"));
  EXPECT_TRUE(may(with({"approver"}), "approvals:decide"));
  EXPECT_FALSE(may(with({"approver"}), "runs:act"));
  for (const std::string_view action : action_names()) {
    EXPECT_TRUE(may(with({"admin"}), action)) << action;
    EXPECT_FALSE(may(with({}), action)) << action;
    EXPECT_FALSE(may(with({"boss", "Admin", "admin "}), action)) << action;
  }
  EXPECT_TRUE(may(with({"viewer", "approver"}), "approvals:decide"));
}

TEST(Permission, ScopesOnlyTakeAway) {
  const Caller narrow = with({"operator"}, {"runs:execute:triage-*", "runs:read", "keys:manage"});
  EXPECT_TRUE(may(narrow, "runs:execute", "triage-mail"));
  EXPECT_FALSE(may(narrow, "runs:execute", "billing"));
  EXPECT_FALSE(may(narrow, "runs:execute", "triage"));
  EXPECT_TRUE(may(narrow, "runs:execute"));
  EXPECT_TRUE(may(narrow, "runs:read", "billing"));
  EXPECT_FALSE(may(narrow, "models:use", "default"));  // granted by the role, in no scope
  EXPECT_FALSE(may(narrow, "keys:manage"));            // in a scope, granted by no role
  EXPECT_TRUE(may(with({"operator"}, {"models:use:a"}), "models:use", "a"));
  EXPECT_FALSE(may(with({"operator"}, {"models:use:a"}), "models:use", "ab"));
}

TEST(Permission, RefusalsSayWhatIsMissing) {
  const Error error = insufficient(with({"viewer"}), "runs:execute", "triage");
  EXPECT_EQ(error.code, "E0761");
  EXPECT_EQ(error.message, "Insufficient privileges: runs:execute on 'triage' is missing");
  EXPECT_THAT(insufficient(with({"operator"}, {"runs:read"}), "runs:execute").hint,
              testing::HasSubstr("scopes"));
}

TEST(Permission, ScopesAreCheckedWhenRead) {
  EXPECT_EQ(text(parse_scope("runs:execute").value()), "runs:execute");
  EXPECT_EQ(text(parse_scope("runs:execute:a:b").value()), "runs:execute:a:b");
  for (const char* wrong : {"", "runs", "runs:", "runs:exec", "runs:execute:", "*", ":", "a:b:c"}) {
    EXPECT_FALSE(parse_scope(wrong).ok()) << wrong;
  }
}

}  // namespace
}  // namespace weft::security
