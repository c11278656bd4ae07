// SPDX-License-Identifier: Apache-2.0
//
// Random templates against Python's jinja2: the cases were rendered by tests/diff/jinja_cases.py.
#include <gtest/gtest.h>

#include "base/file.h"
#include "base/strings.h"
#include "text/jinja.h"

namespace weft::text {
namespace {

TEST(JinjaDiff, RandomTemplatesRenderAsPythonDoes) {
  const std::string path = WEFT_SOURCE_DIR "/tests/golden/jinja/cases.jsonl";
  const std::string text = read_file(path).value();
  Variables variables;
  size_t rendered = 0;
  size_t refused = 0;
  for (const std::string_view line : split(text, '\n')) {
    if (line.empty()) continue;
    const json::Value parsed = json::parse(line).value();
    const json::Object& record = parsed.as_object();
    if (record.contains("variables")) {
      variables = Variables::parse(line)->members_of("variables");
      continue;
    }
    const std::string source(record.at("source").as_string());
    const auto parsed_template = Template::parse(source);
    const auto result = parsed_template.ok() ? parsed_template->render(variables)
                                             : Result<MarkedText>(parsed_template.error());
    if (record.contains("error")) {
      ++refused;
      EXPECT_FALSE(result.ok()) << source << "\nshould be refused (" << record.at("error")
                                << "), gave " << result->text;
      continue;
    }
    ++rendered;
    EXPECT_TRUE(result.ok()) << source << "\n" << result.error().text();
    if (result.ok()) {
      EXPECT_EQ(result->text, std::string(record.at("text").as_string())) << source;
    }
  }
  EXPECT_GT(rendered, 1000u);
  EXPECT_GT(refused, 50u);
}

}  // namespace
}  // namespace weft::text
