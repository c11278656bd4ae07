// SPDX-License-Identifier: Apache-2.0
#include "security/oidc_claims.h"

#include <gtest/gtest.h>

namespace weft::security {
namespace {

const ClaimRules kRules{.map = {{"staff", {"viewer", "operator"}}, {"boss", {"approver"}}}};

Result<Caller> caller(std::string_view claims, const ClaimRules& rules = kRules) {
  return caller_of_claims(json::parse(claims)->as_object(), rules);
}

using Roles = std::vector<std::string>;

TEST(OidcClaims, GroupsGrantWhatIsWrittenDown) {
  const auto one = caller(R"({"sub":"7","email":"ada@example.com","groups":["staff","x"]})");
  ASSERT_TRUE(one.ok());
  EXPECT_EQ(one->name, "ada@example.com");
  EXPECT_EQ(one->key, "oidc:7");
  EXPECT_EQ(one->roles, (Roles{"viewer", "operator"}));
  EXPECT_FALSE(one->everything);
  EXPECT_TRUE(may(*one, "runs:execute"));
  EXPECT_FALSE(may(*one, "keys:manage"));
  EXPECT_EQ(caller(R"({"sub":"7","groups":"boss"})")->roles, Roles{"approver"});
  EXPECT_EQ(caller(R"({"sub":"7","groups":["boss","staff","boss"]})")->roles.size(), 3U);
  for (const char* none : {R"({"sub":"7"})", R"({"sub":"7","groups":[]})",
                           R"({"sub":"7","groups":["admin","Staff"]})",
                           R"({"sub":"7","groups":{"staff":true}})", R"({"groups":["staff"]})",
                           R"({"sub":"","groups":["staff"]})", R"({"sub":7,"groups":["staff"]})",
                           "{\"sub\":\"a\\nb\",\"groups\":[\"staff\"]}"}) {
    const auto got = caller(none);
    ASSERT_FALSE(got.ok()) << none;
    EXPECT_EQ(got.error().code, "E0783");
  }
}

TEST(OidcClaims, NamesThatNobodyHasCheckedAreNotUsed) {
  EXPECT_EQ(caller(R"({"sub":"7","email":"a@b","email_verified":false,"groups":"boss"})")->name,
            "7");
  EXPECT_EQ(caller("{\"sub\":\"7\",\"email\":\"a\\u0007\",\"groups\":\"boss\"}")->name, "7");
  const std::string large(300, 'x');
  EXPECT_EQ(caller(fmt::format(R"({{"sub":"7","email":"{}","groups":"boss"}})", large))->name, "7");
}

TEST(OidcClaims, DeeperClaimsAndRolesOfEverybody) {
  ClaimRules rules = kRules;
  rules.roles = "realm_access.roles";
  EXPECT_EQ(caller(R"({"sub":"7","realm_access":{"roles":["boss"]}})", rules)->roles.size(), 1U);
  EXPECT_EQ(caller(R"({"sub":"7","realm_access.roles":["boss"]})", rules)->roles.size(), 1U);
  EXPECT_FALSE(caller(R"({"sub":"7","realm_access":"boss"})", rules).ok());
  rules.everybody = {"viewer"};
  EXPECT_EQ(caller(R"({"sub":"7"})", rules)->roles, Roles{"viewer"});
}

json::Object said(std::string_view text) { return json::parse(text)->as_object(); }

TEST(OidcClaims, UserinfoSaysWhatTheTokenDoesNot) {
  const ClaimRules& rules = kRules;
  EXPECT_TRUE(wants_userinfo(said(R"({"sub":"7"})"), rules));
  EXPECT_FALSE(wants_userinfo(said(R"({"sub":"7","groups":[]})"), rules));
  EXPECT_FALSE(wants_userinfo(said(R"({"sub":"7"})"), {.everybody = {"viewer"}}));
  json::Object claims = said(R"({"sub":"7","name":"x"})");
  ASSERT_TRUE(add_userinfo(claims, said(R"({"sub":"7","groups":["boss"],"email":"a@b",
      "email_verified":true,"tenant":"acme"})"), rules).ok());
  EXPECT_EQ(caller_of_claims(claims, rules)->roles, Roles{"approver"});
  EXPECT_EQ(caller_of_claims(claims, rules)->name, "a@b");
  EXPECT_FALSE(claims.contains("tenant"));  // nobody asked
  // what the token says stands
  claims = said(R"({"sub":"7","groups":["staff"],"email":"me@b","email_verified":false})");
  ASSERT_TRUE(add_userinfo(claims, said(R"({"sub":"7","groups":["boss"],"email":"a@b",
      "email_verified":true})"), rules).ok());
  EXPECT_EQ(caller_of_claims(claims, rules)->roles, (Roles{"viewer", "operator"}));
  EXPECT_EQ(caller_of_claims(claims, rules)->name, "7");
  claims = said(R"({"sub":"7"})");
  ASSERT_TRUE(add_userinfo(claims, said(R"({"sub":"7","groups":"boss","email":"a@b",
      "email_verified":false})"), rules).ok());
  EXPECT_EQ(caller_of_claims(claims, rules)->name, "7");
}

TEST(OidcClaims, UserinfoOfDeeperClaimsAndTenants) {
  ClaimRules rules = kRules;
  rules.roles = "realm_access.roles";
  rules.tenant = "org";
  json::Object claims = said(R"({"sub":"7","realm_access":{"roles":["boss"]}})");
  EXPECT_TRUE(wants_userinfo(claims, rules));  // for the tenant
  claims = said(R"({"sub":"7","realm_access":{"x":1}})");
  ASSERT_TRUE(add_userinfo(claims, said(R"({"sub":"7","realm_access":{"roles":["boss"]},
      "org":"acme"})"), rules).ok());
  EXPECT_EQ(caller_of_claims(claims, rules)->tenant, "acme");
  EXPECT_EQ(caller_of_claims(claims, rules)->roles, Roles{"approver"});
  EXPECT_FALSE(wants_userinfo(claims, rules));
}

TEST(OidcClaims, UserinfoAboutSomebodyElseIsNotBelieved) {
  for (const char* other : {R"({"groups":["boss"]})", R"({"sub":"8","groups":["boss"]})",
                            R"({"sub":7,"groups":["boss"]})"}) {
    json::Object claims = said(R"({"sub":"7"})");
    EXPECT_EQ(add_userinfo(claims, said(other), kRules).error().code, "E0782") << other;
    EXPECT_FALSE(claims.contains("groups"));
  }
  json::Object nobody = said(R"({"x":1})");
  EXPECT_FALSE(add_userinfo(nobody, said(R"({"groups":["boss"]})"), kRules).ok());
}

TEST(OidcClaims, ATenantIsNeededWhereOneIsAskedFor) {
  ClaimRules rules = kRules;
  rules.tenant = "org";
  EXPECT_EQ(caller(R"({"sub":"7","groups":"boss","org":"acme"})", rules)->tenant, "acme");
  for (const char* none : {R"({"sub":"7","groups":"boss"})",
                           R"({"sub":"7","groups":"boss","org":""})",
                           R"({"sub":"7","groups":"boss","org":["acme"]})",
                           R"({"sub":"7","groups":"boss","org":"../x"})"}) {
    EXPECT_FALSE(caller(none, rules).ok()) << none;
  }
}

}  // namespace
}  // namespace weft::security
