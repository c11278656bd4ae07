// SPDX-License-Identifier: Apache-2.0
#include "cli/config_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weft::cli {
namespace {

using testing::HasSubstr;

TEST(ConfigFile, EmptyFilesChangeNothing) {
  for (const char* text : {"", "# nothing\n", "server:\n", "{}"}) {
    const auto config = parse_config(text, "weft.yaml");
    ASSERT_TRUE(config.ok()) << config.error().text();
    EXPECT_FALSE(config->server.host.has_value());
    EXPECT_EQ(config->log.level, "warning");
  }
}

TEST(ConfigFile, ReadsValuesAndResolvesPaths) {
  const auto config = parse_config(R"(
server:
  host: 0.0.0.0
  port: 9000
  store: data/weft.db
  workflows: [flows/a.yaml, /abs/b.yaml]
  allow_origins: ["https://example.com"]
  drain: 1m
  preload: false
log: { level: info, format: json }
)", "/etc/weft/weft.yaml");
  ASSERT_TRUE(config.ok()) << config.error().text();
  EXPECT_EQ(config->server.host, "0.0.0.0");
  EXPECT_EQ(config->server.port, 9000);
  EXPECT_EQ(config->server.store, "/etc/weft/data/weft.db");
  EXPECT_THAT(config->server.workflows,
              testing::ElementsAre("/etc/weft/flows/a.yaml", "/abs/b.yaml"));
  EXPECT_EQ(config->server.drain_s, 60);
  EXPECT_EQ(config->server.preload, false);
  EXPECT_EQ(config->log.level, "info");
  EXPECT_TRUE(config->log.json);
}

TEST(ConfigFile, SecretsComeFromAVariableOrAFile) {
  const auto config = parse_config(R"(
secrets:
  CRM: { env: WEFT_TEST_NO_SUCH_VARIABLE, hosts: [CRM.example.com] }
  HOOK: { file: run/hook, tenants: [acme] }
)", "/etc/weft/weft.yaml");
  ASSERT_TRUE(config.ok()) << config.error().text();
  const auto& crm = config->secrets.at("CRM");
  EXPECT_FALSE(crm.value.has_value()) << "a missing one is said when it is needed";
  EXPECT_EQ(crm.origin, "env:WEFT_TEST_NO_SUCH_VARIABLE");
  EXPECT_EQ(crm.hosts, std::vector<std::string>{"crm.example.com"});
  EXPECT_TRUE(crm.serves("anybody"));
  const auto& hook = config->secrets.at("HOOK");
  EXPECT_EQ(hook.file, "/etc/weft/run/hook");
  EXPECT_TRUE(hook.serves("acme") && !hook.serves("") && !hook.hosts);
  for (const char* wrong : {"A: value", "A: {}", "A: { env: B, file: C }", "A-B: { env: C }",
                            "A: { env: B, host: c }"}) {
    const auto bad = parse_config(std::string("secrets:\n  ") + wrong + "\n", "w.yaml");
    EXPECT_FALSE(bad.ok()) << wrong;
  }
}

TEST(ConfigFile, OfTlsBothFilesOrNone) {
  const auto config = parse_config(
      "tls: { certificate: tls/cert.pem, key: /abs/key.pem, min_version: 1.3, hsts: 30d }",
      "/etc/weft/weft.yaml");
  ASSERT_TRUE(config.ok()) << config.error().text();
  EXPECT_EQ(config->tls.files.certificate, "/etc/weft/tls/cert.pem");
  EXPECT_EQ(config->tls.files.key, "/abs/key.pem");
  EXPECT_TRUE(config->tls.files.only_13);
  EXPECT_EQ(config->tls.hsts_s, 30 * 86'400);
  EXPECT_FALSE(parse_config("tls: { min_version: 1.2 }", "weft.yaml")->tls.files.only_13);
  const auto half = parse_config("tls: { key: a.pem }", "weft.yaml");
  ASSERT_FALSE(half.ok());
  EXPECT_THAT(half.error().text(), HasSubstr("belong together"));
  for (const char* least : {"1.1", "1.30", "[1.2]", "newest"}) {
    const auto wrong = parse_config(std::string("tls: { min_version: ") + least + " }", "w.yaml");
    ASSERT_FALSE(wrong.ok()) << least;
    EXPECT_THAT(wrong.error().text(), HasSubstr("1.2 or 1.3"));
  }
}

TEST(ConfigFile, MemoryOfModels) {
  const auto config = parse_config(
      "memory: { models: 8GiB, kv: 512 MiB }\n"
      "models:\n"
      "  small: { source: embedded, memory: 1.5GiB }\n"
      "  big: { server: vllm, endpoints: ['http://a'], retries: 5, timeouts: { first: 10m } }\n",
      "weft.yaml");
  ASSERT_TRUE(config.ok()) << config.error().text();
  const backend::ModelsOptions models = models_options(config->models);
  EXPECT_EQ(models.memory_bytes_max, uint64_t{8} << 30);
  EXPECT_EQ(models.engine.kv_bytes_max, size_t{512} << 20);
  EXPECT_EQ(config->models.limits.at("small"), uint64_t{3} << 29);
  EXPECT_EQ(config->models.remote.at("big").retries_max, 5);
  EXPECT_EQ(config->models.remote.at("big").first_timeout_ms, 600'000);
  EXPECT_EQ(models_options({}).memory_bytes_max, 0U);
  for (const char* wrong :
       {"memory: { models: 8 }", "memory: { kv: 8GB }", "memory: { kv: -1GiB }",
        "memory: { models: '' }", "memory: { all: 8GiB }",
        "models: { a: { source: embedded, memory: much } }",
        "models: { a: { server: vllm, endpoints: ['http://a'], memory: 1GiB } }"}) {
    EXPECT_FALSE(parse_config(wrong, "weft.yaml").ok()) << wrong;
  }
}

TEST(ConfigFile, NumericsOfModels) {
  using tensor::Numerics;
  EXPECT_EQ(parse_config("inference: { numerics: fast }", "w.yaml")->models.numerics,
            Numerics::kFast);
  EXPECT_EQ(parse_config("inference: { numerics: portable }", "w.yaml")->models.numerics,
            Numerics::kPortable);
  EXPECT_FALSE(parse_config("memory: { models: 8GiB }", "w.yaml")->models.numerics.has_value());
  for (const char* wrong : {"inference: { numerics: quick }", "inference: { numeric: fast }",
                            "inference: fast"}) {
    EXPECT_FALSE(parse_config(wrong, "weft.yaml").ok()) << wrong;
  }
}

TEST(ConfigFile, DatabaseAddressesStay) {
  const auto config = parse_config("server: { store: 'postgres://host/weft' }", "/etc/weft.yaml");
  ASSERT_TRUE(config.ok());
  EXPECT_EQ(config->server.store, "postgres://host/weft");
}

TEST(ConfigFile, AllProblemsAtOnceWithPlaceAndHint) {
  const auto config = parse_config(
      "server:\n  prot: 80\n  drain: soon\nlog:\n  level: verbose\nsecurty: {}\n", "weft.yaml");
  ASSERT_FALSE(config.ok());
  const std::string text = config.error().text();
  EXPECT_THAT(text, HasSubstr("weft.yaml:2:3: server: unknown key 'prot'"));
  EXPECT_THAT(text, HasSubstr("did you mean 'port'?"));
  EXPECT_THAT(text, HasSubstr("weft.yaml:3:10: server: 'drain' expected a duration"));
  EXPECT_THAT(text, HasSubstr("weft.yaml:5:10: log: 'level' expected one of debug, info"));
  EXPECT_THAT(text, HasSubstr("unknown key 'securty'"));
}

TEST(ConfigFile, WrongShapesAreProblems) {
  for (const char* text : {"[]", "server: 7", "server: { workflows: a.yaml }",
                           "server: { workflows: [[]] }", "server: { port: 70000 }", "a: b: c",
                           "server: {}\nserver: {}"}) {
    EXPECT_FALSE(parse_config(text, "weft.yaml").ok()) << text;
  }
}

}  // namespace
}  // namespace weft::cli
