// SPDX-License-Identifier: Apache-2.0
#include "net/http_message.h"

#include <gtest/gtest.h>

#include "net/http_router.h"

namespace weft::net {
namespace {

using Segments = std::vector<std::string>;

Segments segments(std::string_view target) {
  auto parsed = parse_target(target);
  return parsed.ok() ? parsed->segments : Segments{"refused"};
}

TEST(Target, SegmentsAreDecodedOneByOne) {
  EXPECT_EQ(segments("/v1/models"), (Segments{"v1", "models"}));
  EXPECT_EQ(segments("/v1/models/"), (Segments{"v1", "models"}));
  EXPECT_EQ(segments("/"), Segments{});
  EXPECT_EQ(segments("/v1/models/a%2Fb"), (Segments{"v1", "models", "a/b"}));
  EXPECT_EQ(segments("/a//b"), (Segments{"a", "", "b"}));
  EXPECT_EQ(segments("/%EA%B0%80"), Segments{"가"});
  EXPECT_EQ(segments("/a+b"), Segments{"a+b"});
  EXPECT_EQ(segments("http://host:80/a/b?c=d"), (Segments{"a", "b"}));
  EXPECT_EQ(segments("http://host"), Segments{});
  EXPECT_EQ(segments("/a#fragment"), Segments{"a"});
}

TEST(Target, WhatCouldMeanTwoThingsIsRefused) {
  for (const char* target : {"", "*", "a/b", "/a/../b", "/%2e%2E/b", "/.", "/%zz", "/%4", "/%",
                             "/a%00b", "/%ff", "/?q=%ff", "/?%c0%80=1", "/?a=%0"}) {
    EXPECT_FALSE(parse_target(target).ok()) << target;
  }
  std::string deep;
  for (int i = 0; i < 40; ++i) deep += "/a";
  EXPECT_FALSE(parse_target(deep).ok());
  std::string many = "/?";
  for (int i = 0; i < 100; ++i) many += "a=b&";
  EXPECT_FALSE(parse_target(many).ok());
}

TEST(Target, Query) {
  auto target = parse_target("/runs?limit=3&status=a+b%26c&empty=&flag&&x=1=2");
  ASSERT_TRUE(target.ok());
  EXPECT_EQ(target->query, (Parameters{{"limit", "3"}, {"status", "a b&c"}, {"empty", ""},
                                       {"flag", ""}, {"x", "1=2"}}));
  EXPECT_EQ(*find_parameter(target->query, "limit"), "3");
  EXPECT_EQ(find_parameter(target->query, "Limit"), nullptr);
}

TEST(Head, NothingEndsAHeaderEarly) {
  EXPECT_EQ(response_head(200, {{"A", "b"}, {"C", "x\r\nEvil: y"}}),
            "HTTP/1.1 200 OK\r\nA: b\r\nC: x  Evil: y\r\n\r\n");
}

TEST(Head, NamesWithoutCase) {
  const std::vector<Header> headers = {{"Content-Type", "a"}, {"content-type", "b"}};
  EXPECT_EQ(*find_header(headers, "CONTENT-TYPE"), "a");
  EXPECT_EQ(find_header(headers, "Content"), nullptr);
}

TEST(Router, FindsByMethodAndPattern) {
  HttpRouter router;
  const HttpHandler handler = [](const std::shared_ptr<Exchange>&) {};
  router.add({.method = "GET", .pattern = "/workflows/{id}", .handler = handler});
  router.add({.method = "POST", .pattern = "/workflows/execute", .handler = handler});
  router.add({.method = "GET", .pattern = "/", .handler = handler});
  auto match = router.find("GET", {"workflows", "run/1"});
  ASSERT_NE(match.route, nullptr);
  EXPECT_EQ(match.parameters, (Parameters{{"id", "run/1"}}));
  EXPECT_EQ(router.find("HEAD", {"workflows", "x"}).route, match.route);
  EXPECT_EQ(router.find("POST", {"workflows", "execute"}).route->pattern, "/workflows/execute");
  EXPECT_NE(router.find("GET", {}).route, nullptr);
  match = router.find("DELETE", {"workflows", "execute"});
  EXPECT_EQ(match.route, nullptr);
  EXPECT_EQ(match.allowed, (Segments{"GET", "POST"}));
  match = router.find("GET", {"workflows"});
  EXPECT_EQ(match.route, nullptr);
  EXPECT_TRUE(match.allowed.empty());
  EXPECT_EQ(router.find("GET", {"workflows", ""}).route, nullptr);
  EXPECT_EQ(router.names().front(), "GET /workflows/{id}");
}

TEST(RouterDeathTest, TheSameRouteTwiceIsABug) {
  HttpRouter router;
  const HttpHandler handler = [](const std::shared_ptr<Exchange>&) {};
  router.add({.method = "GET", .pattern = "/a", .handler = handler});
  EXPECT_DEATH(router.add({.method = "GET", .pattern = "/a", .handler = handler}), "twice");
}

}  // namespace
}  // namespace weft::net
