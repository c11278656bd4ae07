// SPDX-License-Identifier: Apache-2.0
#include "net/url.h"

#include <gtest/gtest.h>

namespace weft::net {
namespace {

TEST(Url, DotSegmentsAreRefusedHoweverTheyAreWritten) {
  for (const char* text :
       {"http://h/customers/../orders", "http://h/customers/./orders", "http://h/..",
        "http://h/a/.", "http://h/a/%2e%2e/b", "http://h/a/.%2E/b",
        "http://h/a/%252e%252e/b", "http://h/a/..%2fb",
        "http://h/a/..%5Cb", "http://h/a/..;x=1/b", "http://h/a\\..\\b", "http:/h/../b",
        "/a/../b", "http://h/a/../b?q"}) {
    const Status status = refuse_dot_segments(text);
    ASSERT_FALSE(status.ok()) << text;
    EXPECT_EQ(status.error().code, "E0802");
    EXPECT_NE(status.error().message.find("segment"), std::string::npos);
  }
}

TEST(Url, OtherDotsAreNot) {
  for (const char* text :
       {"http://h", "http://h/", "http://h/a..b/...", "http://h/a.b/.well-known/x",
        "http://h/v1..2", "http://h/a?path=../b", "http://h?next=/../b",
        "http://h/a#/../b", "http://h/%E2%80%A6/%",
        "http://h/a%2Fb%20c", "http://h../a"}) {
    EXPECT_TRUE(refuse_dot_segments(text).ok()) << text;
  }
}

}  // namespace
}  // namespace weft::net
