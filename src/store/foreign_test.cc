// SPDX-License-Identifier: Apache-2.0
//
// Finding :name in SQL without understanding SQL: the scanner must never see a value inside of
// quoted text, and never miss one outside.
#include "store/foreign.h"

#include <gtest/gtest.h>

namespace weft::store {
namespace {

struct ScanCase {
  std::string_view sql, out;
  std::vector<std::string> names;
};

TEST(NumberedSql, NamesOutsideOfQuotedTextOnly) {
  const ScanCase cases[] = {
      {"select :a", "select $1", {"a"}},
      {"select :a, :b, :a", "select $1, $2, $1", {"a", "b"}},
      {"select ':a' || :b", "select ':a' || $1", {"b"}},
      {"select 'it''s :a' || :b", "select 'it''s :a' || $1", {"b"}},
      {"select \":a\", :b", "select \":a\", $1", {"b"}},
      {"select a::text, :b", "select a::text, $1", {"b"}},
      {"select 1 -- :a\n, :b", "select 1 -- :a\n, $1", {"b"}},
      {"select /* :a */ :b", "select /* :a */ $1", {"b"}},
      {"select ':", "", {}},
  };
  for (const ScanCase& one : cases) {
    const auto found = numbered(one.sql);
    if (one.out.empty()) {
      ASSERT_FALSE(found.ok()) << one.sql;
      EXPECT_EQ(found.error().code, "E0626");
      continue;
    }
    ASSERT_TRUE(found.ok()) << one.sql << found.error().text();
    EXPECT_EQ(found->sql, one.out);
    EXPECT_EQ(found->names, one.names) << one.sql;
  }
}

TEST(NumberedSql, QuotesThatDoNotEndAreRefused) {
  for (const char* sql : {"select 'a", "select \"a", "select /* a"}) {
    const auto found = numbered(sql);
    ASSERT_FALSE(found.ok()) << sql;
    EXPECT_EQ(found.error().code, "E0626") << sql;
  }
}

TEST(OnlyReads, ByTheFirstWord) {
  for (const char* sql : {"select 1", "  SELECT 1", "values (1)"}) EXPECT_TRUE(only_reads(sql));
  for (const char* sql : {"insert into a values (1)", "delete from a", "update a set b = 1",
                          "drop table a", ""}) {
    EXPECT_FALSE(only_reads(sql)) << sql;
  }
}

}  // namespace
}  // namespace weft::store
