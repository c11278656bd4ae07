// SPDX-License-Identifier: Apache-2.0
#include "server/static_files.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace weft::server {
namespace {

std::string pack_of(std::string_view index, std::string_view bodies = "") {
  return fmt::format("{:08}{}{}", index.size(), index, bodies);
}

constexpr std::string_view kTwo =
    R"({"files":[{"path":"index.html","type":"text/html","etag":"\"a\"","offset":0,"size":5,)"
    R"("gzip":false,"immutable":false},{"path":"assets/x.js","type":"text/javascript",)"
    R"("etag":"\"b\"","offset":5,"size":3,"gzip":true,"immutable":true}]})";

TEST(StaticFiles, ReadsWhatThePackerWrote) {
  const std::string pack = pack_of(kTwo, "<html123");
  const auto files = read_pack(pack);
  ASSERT_TRUE(files.ok()) << files.error().message;
  ASSERT_EQ(files->size(), 2U);
  EXPECT_EQ(files->at("index.html").bytes, "<html");
  EXPECT_EQ(files->at("index.html").etag, "\"a\"");
  EXPECT_FALSE(files->at("index.html").gzip);
  EXPECT_EQ(files->at("assets/x.js").bytes, "123");
  EXPECT_TRUE(files->at("assets/x.js").gzip);
  EXPECT_TRUE(files->at("assets/x.js").immutable);
}

TEST(StaticFiles, AnEmptyPackHasNoFiles) {
  const std::string pack = pack_of(R"({"files":[]})");
  EXPECT_TRUE(read_pack(pack)->empty());
}

TEST(StaticFiles, RefusesWhatIsNoPack) {
  const std::string whole = pack_of(kTwo, "<html123");
  for (size_t length = 0; length < whole.size(); ++length) {
    EXPECT_FALSE(read_pack(std::string_view(whole).substr(0, length)).ok()) << length;
  }
  for (const char* index : {"[]", "{}", R"({"files":1})", R"({"files":[1]})", R"({"files":[{}]})",
                            R"({"files":[{"path":"x","type":"t","etag":"e","offset":-1,)"
                            R"("size":1}]})",
                            R"({"files":[{"path":"x","type":"t","etag":"e","offset":9,)"
                            R"("size":1}]})",
                            R"({"files":[{"path":"x","type":"t","etag":"e","offset":0,)"
                            R"("size":9223372036854775807}]})"}) {
    const std::string pack = pack_of(index, "abc");
    EXPECT_FALSE(read_pack(pack).ok()) << index;
  }
  EXPECT_FALSE(read_pack("99999999{}").ok());
  EXPECT_FALSE(read_pack("-0000002{}").ok());
}

}  // namespace
}  // namespace weft::server
