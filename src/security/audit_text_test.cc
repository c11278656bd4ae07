// SPDX-License-Identifier: Apache-2.0
#include "security/audit_text.h"

#include <gtest/gtest.h>

#include "base/json.h"

namespace weft::security {
namespace {

AuditRow exported_row() {
  AuditRow row;
  row.record = {.at_us = 1'700'000'000'000'000, .tenant = "acme", .user = "a \"b\", c",
                .action = "keys:manage", .resource = "/keys", .outcome = "ok",
                .details = R"({"method":"POST"})"};
  row.writer = "w_1";
  row.epoch = 3;
  row.n = 9;
  return row;
}

TEST(AuditText, CsvQuotesWhatWouldBreakALine) {
  std::string text(audit_heading(AuditFormat::kCsv));
  append_audit_line(text, exported_row(), AuditFormat::kCsv);
  EXPECT_EQ(text, "timestamp,tenant,user,action,resource,outcome,details,writer,epoch,n\n"
                  "2023-11-14T22:13:20.000Z,acme,\"a \"\"b\"\", c\",keys:manage,/keys,ok,"
                  "\"{\"\"method\"\":\"\"POST\"\"}\",w_1,3,9\n");
}

TEST(AuditText, JsonLinesHoldTheDetailsAsAnObject) {
  std::string text(audit_heading(AuditFormat::kJsonLines));
  append_audit_line(text, exported_row(), AuditFormat::kJsonLines);
  ASSERT_TRUE(text.ends_with("}\n"));
  const auto parsed = json::parse(text);
  ASSERT_TRUE(parsed.ok());
  EXPECT_EQ(parsed->at("details").at("method").as_string(), "POST");
  EXPECT_EQ(parsed->at("user").as_string(), "a \"b\", c");
}

TEST(AuditText, FormatsByName) {
  EXPECT_EQ(audit_format_of("csv"), AuditFormat::kCsv);
  EXPECT_EQ(audit_format_of("jsonl"), AuditFormat::kJsonLines);
  EXPECT_FALSE(audit_format_of("xml"));
}

}  // namespace
}  // namespace weft::security
