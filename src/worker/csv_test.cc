// SPDX-License-Identifier: Apache-2.0
#include "worker/csv.h"

#include <gtest/gtest.h>

namespace weft::worker {
namespace {

std::string parsed(std::string_view text, const CsvOptions& options = {}) {
  const auto rows = parse_csv(text, options);
  return rows.ok() ? json::dump(json::Value(*rows)) : rows.error().message;
}

TEST(Csv, HeaderNamesTheColumns) {
  EXPECT_EQ(parsed("a,b\n1,2\n3,4"), R"([{"a":"1","b":"2"},{"a":"3","b":"4"}])");
  EXPECT_EQ(parsed("\xEF\xBB\xBF" "a;b\r\n1;2\r\n", {.separator = ';'}), R"([{"a":"1","b":"2"}])");
  EXPECT_EQ(parsed(""), "[]");
  EXPECT_EQ(parsed("a,b\n"), "[]");
}

TEST(Csv, QuotesHoldSeparatorsQuotesAndLines) {
  EXPECT_EQ(parsed("\"a,\"\"b\"\"\nc\",d\n", {.header = false}), R"([["a,\"b\"\nc","d"]])");
}

TEST(Csv, ErrorsNameTheLine) {
  EXPECT_EQ(parsed("a,b\n1\n"), "CSV line 2: expected 2 fields as in the header, found 1");
  EXPECT_EQ(parsed("a\n\"x\n"), "CSV line 2: a quoted field that never ends");
  EXPECT_EQ(parsed("a,a\n"), "CSV line 1: column 'a' stands twice");
  EXPECT_EQ(parsed("a\nb\"c\n"),
            "CSV line 2: a quote inside a field that does not begin with one");
  EXPECT_EQ(parsed("a\n\"b\"c\n"), "CSV line 2: text after the closing quote");
}

TEST(Csv, LimitsHold) {
  EXPECT_EQ(parsed("1\n2\n3\n", {.header = false, .rows_max = 2}), "CSV line 3: more than 2 rows");
  EXPECT_EQ(parsed("1,2,3\n", {.header = false, .columns_max = 2}),
            "CSV line 1: more than 2 fields");
}

TEST(Csv, ColumnsStandOnceInWideTablesToo) {
  std::string header;
  for (int i = 0; i < 2000; ++i) header += "c" + std::to_string(i) + ",";
  EXPECT_EQ(parsed(header + "c7\n"), "CSV line 1: column 'c7' stands twice");
}

}  // namespace
}  // namespace weft::worker
