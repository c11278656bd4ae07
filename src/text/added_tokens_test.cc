// SPDX-License-Identifier: Apache-2.0
#include "text/added_tokens.h"

#include <gtest/gtest.h>

namespace weft::text {
namespace {

AddedTokenFinder finder_of(std::vector<std::string> contents) {
  AddedTokenFinder finder;
  TokenId id = 0;
  for (std::string& content : contents) finder.add({std::move(content), id++, true});
  return finder;
}
std::vector<std::pair<size_t, TokenId>> found_in(const AddedTokenFinder& finder,
                                                 std::string_view text) {
  std::vector<std::pair<size_t, TokenId>> found;
  for (auto match = finder.find(text, 0); match; match = finder.find(text, match->end)) {
    found.emplace_back(match->begin, match->id);
  }
  return found;
}
using Found = std::vector<std::pair<size_t, TokenId>>;

TEST(AddedTokens, LeftmostThenLongest) {
  const AddedTokenFinder finder = finder_of({"<a>", "<a>b", "b<c>d", "x", "<"});
  EXPECT_EQ(found_in(finder, "<a>b<c>d"), (Found{{0, 1}, {4, 4}}));
  EXPECT_EQ(found_in(finder, "<a>c"), (Found{{0, 0}}));
  EXPECT_EQ(found_in(finder, "<a"), (Found{{0, 4}}));
  EXPECT_EQ(found_in(finder, "ax"), (Found{{1, 3}}));
  EXPECT_EQ(found_in(finder, "b<c>"), (Found{{1, 4}}));
  EXPECT_EQ(found_in(finder, ""), Found{});
}

TEST(AddedTokens, EmptyFinderFindsNothing) {
  EXPECT_EQ(found_in(AddedTokenFinder(), "<a>"), Found{});
}

TEST(AddedTokens, BytesAboveAscii) {
  const AddedTokenFinder finder = finder_of({"한글", "\xC2\xA0\xC2\xA0"});
  EXPECT_EQ(found_in(finder, "한한글"), (Found{{3, 0}}));
  EXPECT_EQ(found_in(finder, "\xC2\xA0\xC2\xA0\xC2\xA0"), (Found{{0, 1}}));
}

TEST(AddedTokens, WhiteSpaceIsUnicodes) {
  EXPECT_TRUE((AddedToken{"  ", 0, false}).is_white_space());
  EXPECT_TRUE((AddedToken{"\t\u3000\n", 0, false}).is_white_space());
  EXPECT_FALSE((AddedToken{" x", 0, false}).is_white_space());
  EXPECT_FALSE((AddedToken{"\u200B", 0, false}).is_white_space());
}

}  // namespace
}  // namespace weft::text
