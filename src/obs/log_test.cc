// SPDX-License-Identifier: Apache-2.0
#include "obs/log.h"

#include <gtest/gtest.h>

#include "base/json.h"

namespace weft::obs {
namespace {

TEST(Log, BelowTheLevelNothingIsWritten) {
  configure_log({.level = Level::kWarning});
  testing::internal::CaptureStderr();
  log(Level::kInfo, "test", "quiet {}", 1);
  log(Level::kError, "test", "loud {}", 2);
  const std::string text = testing::internal::GetCapturedStderr();
  EXPECT_EQ(text.find("quiet"), std::string::npos);
  EXPECT_NE(text.find("test: loud 2"), std::string::npos);
}

TEST(Log, JsonLinesAreJson) {
  configure_log({.level = Level::kDebug, .json = true});
  testing::internal::CaptureStderr();
  log(Level::kDebug, "test", "a \"quoted\"\nword");
  const auto line = json::parse(testing::internal::GetCapturedStderr());
  ASSERT_TRUE(line.ok()) << line.error().text();
  EXPECT_EQ(line->as_object().at("message").as_string(), "a \"quoted\"\nword");
  EXPECT_EQ(line->as_object().at("level").as_string(), "debug");
}

TEST(Log, FieldsAreMembersOrWords) {
  configure_log({.level = Level::kDebug, .json = true});
  testing::internal::CaptureStderr();
  log_fields(Level::kInfo, "test", "ended", {{"run", "run_1"}, {"trace", "a\"b"}});
  const auto line = json::parse(testing::internal::GetCapturedStderr());
  ASSERT_TRUE(line.ok()) << line.error().text();
  EXPECT_EQ(line->as_object().at("run").as_string(), "run_1");
  EXPECT_EQ(line->as_object().at("trace").as_string(), "a\"b");
}

}  // namespace
}  // namespace weft::obs
