// SPDX-License-Identifier: Apache-2.0
#include "base/html.h"

#include <gtest/gtest.h>

namespace weft {
namespace {

TEST(Html, MarkupIsShownNotObeyed) {
  EXPECT_EQ(html_text("<a href=\"x\">Tom & 'Jo'</a>"),
            "&lt;a href=&quot;x&quot;&gt;Tom &amp; &#39;Jo&#39;&lt;/a&gt;");
  EXPECT_EQ(html_text(std::string_view("a\0b", 3)), "a\xef\xbf\xbd" "b");
  EXPECT_EQ(html_text("한국어 é"), "한국어 é");
  EXPECT_EQ(html_text(""), "");
}

}  // namespace
}  // namespace weft
