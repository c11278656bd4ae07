// SPDX-License-Identifier: Apache-2.0
#include "worker/secrets.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/env.h"
#include "worker/run_context.h"
#include "worker/sim_world.h"
#include "workflow/loader.h"

namespace weft::worker {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr const char* kToken = "tok\"4471/abc d";

class Secrets : public ::testing::Test {
 protected:
  Secrets() {
    settings_.secrets["TOKEN"] = {.value = kToken, .origin = "env:TOKEN"};
    settings_.secrets["ACME"] = {
        .value = "of-acme-only", .origin = "env:ACME", .tenants = std::vector<std::string>{"acme"}};
    settings_.secrets["GONE"] = {.origin = "env:GONE"};
  }
  json::Object marks(const RunContext& run) const { return secret_marks(&settings_, to_json(run)); }
  // The values of `names` in {text: TEXT}, of which a template made `sent` instead.
  Result<std::shared_ptr<const SecretValues>> values(std::vector<std::string> names,
                                                     json::Value kept, json::Value sent) {
    services_.tools = &settings_;
    context_.services = &services_;
    context_.parameters = json::Object{{"text", std::move(kept)}};
    context_.secret_use = std::make_shared<const SecretUse>(SecretUse{
        std::move(names), [sent](const json::Object&) -> Result<json::Value> {
          return json::Value(json::Object{{"text", sent}});
        }});
    return SecretValues::put_into(context_);
  }

  ToolSettings settings_;
  SimEnv env_{1};
  SimLoop loop_{env_};
  SimPool pool_{loop_};
  Services services_{env_, loop_, pool_};
  StepContext context_;
};

TEST_F(Secrets, StandInTheRecordAsTheirNames) {
  RunContext proposed;
  proposed.proposed = true;
  EXPECT_EQ(json::dump(marks({})), R"({"GONE":"[secret GONE]","TOKEN":"[secret TOKEN]"})");
  EXPECT_TRUE(marks({.roots = {}, .model = {}, .tenant = "acme"}).contains("ACME"));
  EXPECT_TRUE(marks(proposed).empty()) << "steps that somebody proposed have none";
  EXPECT_TRUE(secret_marks(nullptr, {}).empty());
  EXPECT_TRUE(run_context_from_json(to_json(proposed)).proposed);
}

TEST_F(Secrets, AreTakenOutOfWhateverAStepGivesBack) {
  const auto secrets = values({"TOKEN"}, "Bearer [secret TOKEN]",
                              json::Value(std::string("Bearer ") + kToken));
  ASSERT_TRUE(secrets.ok()) << secrets.error().text();
  EXPECT_EQ(std::string(context_.parameters.at("text").as_string()),
            std::string("Bearer ") + kToken);
  const SecretValues& s = **secrets;
  EXPECT_EQ(s.redacted(std::string("x") + kToken + "y"), "x[secret TOKEN]y");
  EXPECT_EQ(s.redacted(std::string("?k=tok%224471%2Fabc%20d&x")), "?k=[secret TOKEN]&x");
  EXPECT_EQ(s.redacted(std::string(R"({"k":"tok\"4471/abc d"})")), R"({"k":"[secret TOKEN]"})");
  const StepOutcome result = s.redacted(StepOutcome(
      StepResult{json::Object{{kToken, json::Array{kToken, 1}}}, {}}));
  EXPECT_EQ(json::dump(std::get<StepResult>(result).output),
            R"({"[secret TOKEN]":["[secret TOKEN]",1]})");
  Error error = make_error("E1", std::string("no ") + kToken, kToken);
  error.cause = std::make_shared<const Error>(make_error("E2", "cut off: tok\"447…"));
  EXPECT_EQ(s.redacted(error).text().find("tok"), std::string::npos) << s.redacted(error).text();
  EXPECT_EQ(s.redacted(error).code, "E1");
}

TEST_F(Secrets, WhatATemplateMadeOfOneIsOne) {
  const auto secrets = values({"TOKEN"}, "Basic [SECRET TOKEN]", "Basic TOK\"4471/ABC");
  ASSERT_TRUE(secrets.ok());
  EXPECT_EQ((*secrets)->redacted(std::string("got TOK\"4471/ABC!")), "got [secret]!");
}

TEST_F(Secrets, ThatCannotBeReadSayWhy) {
  const auto gone = values({"GONE"}, "", "");
  ASSERT_FALSE(gone.ok());
  EXPECT_EQ(gone.error().code, "E0633");
  EXPECT_THAT(gone.error().message, HasSubstr("env:GONE was not set"));
  const auto brief = secret_value("X", {.value = "tiny-pw", .origin = "env:X"});
  ASSERT_FALSE(brief.ok());
  EXPECT_THAT(brief.error().text(), Not(HasSubstr("tiny")));
  EXPECT_FALSE(secret_value("X", {.file = "/no/such/file", .origin = "file:/no"}).ok());
}

TEST_F(Secrets, GoOnlyToTheirHosts) {
  settings_.secrets["TOKEN"].hosts = std::vector<std::string>{"crm.example.com", "h:8080"};
  const auto secrets = values({"TOKEN"}, "a", "a");
  ASSERT_TRUE(secrets.ok());
  for (const char* good :
       {"https://crm.example.com/x", "http://CRM.example.com:1/", "http://h:8080/"}) {
    EXPECT_TRUE((*secrets)->may_go_to(good).ok()) << good;
  }
  for (const char* bad :
       {"https://crm.example.com.evil/", "https://evil/crm.example.com", "http://h/",
        "http://crm.example.com@evil/", "file:///etc", ""}) {
    EXPECT_FALSE((*secrets)->may_go_to(bad).ok()) << bad;
  }
  EXPECT_EQ((*secrets)->may_go_to("http://evil/").error().code, "E0634");
}

TEST_F(Secrets, MissingOnesAreSaidAtTheStart) {
  const auto workflow = workflow::load_or_error(
      "weft: \"1\"\nid: x\nsteps:\n"
      "  - {id: a, type: http, parameters: {url: \"{{ secrets.TOKN }}\"}}\n",
      "test");
  ASSERT_TRUE(workflow.ok());
  const Status missing = check_secrets(**workflow, &settings_, {});
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.error().code, "E0633");
  EXPECT_THAT(missing.error().text(), HasSubstr("TOKEN"));
  settings_.secrets["TOKN"] = settings_.secrets["TOKEN"];
  EXPECT_TRUE(check_secrets(**workflow, &settings_, {}).ok());
}

}  // namespace
}  // namespace weft::worker
