// SPDX-License-Identifier: Apache-2.0
#include "schema/uri.h"

#include <gtest/gtest.h>

namespace weft::schema {
namespace {

// RFC 3986, sections 5.4.1 and 5.4.2.
TEST(Uri, ResolvesTheExamplesOfTheRfc) {
  const std::pair<const char*, const char*> cases[] = {
      {"g:h", "g:h"},
      {"g", "http://a/b/c/g"},
      {"./g", "http://a/b/c/g"},
      {"g/", "http://a/b/c/g/"},
      {"/g", "http://a/g"},
      {"//g", "http://g"},
      {"?y", "http://a/b/c/d;p?y"},
      {"g?y", "http://a/b/c/g?y"},
      {"#s", "http://a/b/c/d;p?q#s"},
      {"g#s", "http://a/b/c/g#s"},
      {"g?y#s", "http://a/b/c/g?y#s"},
      {";x", "http://a/b/c/;x"},
      {"g;x?y#s", "http://a/b/c/g;x?y#s"},
      {"", "http://a/b/c/d;p?q"},
      {".", "http://a/b/c/"},
      {"./", "http://a/b/c/"},
      {"..", "http://a/b/"},
      {"../", "http://a/b/"},
      {"../g", "http://a/b/g"},
      {"../..", "http://a/"},
      {"../../g", "http://a/g"},
      {"../../../g", "http://a/g"},
      {"/./g", "http://a/g"},
      {"/../g", "http://a/g"},
      {"g.", "http://a/b/c/g."},
      {"..g", "http://a/b/c/..g"},
      {"./../g", "http://a/b/g"},
      {"g/./h", "http://a/b/c/g/h"},
      {"g/../h", "http://a/b/c/h"},
      {"g?y/./x", "http://a/b/c/g?y/./x"}};
  for (const auto& [reference, expected] : cases) {
    EXPECT_EQ(resolve_uri("http://a/b/c/d;p?q", reference), expected) << reference;
  }
}

TEST(Uri, ResolvesFragmentsOfUrnsAndOfNothing) {
  EXPECT_EQ(resolve_uri("urn:uuid:deadbeef", "#/a"), "urn:uuid:deadbeef#/a");
  EXPECT_EQ(resolve_uri("", "#/a"), "#/a");
  EXPECT_EQ(resolve_uri("", "x.json"), "x.json");
}

TEST(Uri, DecodesPercent) {
  EXPECT_EQ(percent_decoded("a%20b%25"), "a b%");
  EXPECT_FALSE(percent_decoded("%2").has_value());
  EXPECT_FALSE(percent_decoded("%zz").has_value());
}

}  // namespace
}  // namespace weft::schema
