// SPDX-License-Identifier: Apache-2.0
#include "text/jinja.h"

#include <gtest/gtest.h>

namespace weft::text {
namespace {

std::string rendered(std::string source, std::string_view variables = "{}") {
  const auto parsed = Template::parse(std::move(source));
  if (!parsed.ok()) return parsed.error().text();
  const auto text = parsed->render(*Variables::parse(variables));
  return text.ok() ? text->text : text.error().text();
}

TEST(Template, Basics) {
  EXPECT_EQ(rendered("a {{ 1 + 2 }} b"), "a 3 b");
  EXPECT_EQ(rendered("{% for x in [1, 2, 3] if x != 2 %}{{ loop.index }}:{{ x }} {% endfor %}"),
            "1:1 2:3 ");
  EXPECT_EQ(rendered("{{ x }}|{{ x.y is defined }}", R"({"x": {"z": 1}})"), "{'z': 1}|False");
}

}  // namespace
}  // namespace weft::text
