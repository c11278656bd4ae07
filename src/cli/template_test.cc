// SPDX-License-Identifier: Apache-2.0
#include "cli/template.h"

#include <gtest/gtest.h>

namespace weft::cli {
namespace {

std::string answer(std::string source, std::string_view line) {
  const auto chat = chat::ChatTemplate::parse(std::move(source), {{"eos_token", "</s>"}}, "t");
  const auto text = answer_template_line(*chat, line);
  return text.ok() ? *text : text.error().code + " " + text.error().message;
}

TEST(TemplateCommand, Renders) {
  EXPECT_EQ(answer("{{ messages[0].content }}{{ eos_token }}{{ bos_token }}{{ x }}",
                   R"({"messages": [{"role": "user", "content": "a\n"}], "kwargs": {"x": 1.0},
                       "variables": {"bos_token": "<s>"}})"),
            R"({"text":"a\n</s><s>1.0"})");
  EXPECT_EQ(
      answer("{{ strftime_now('%d %B %Y') }}", R"({"messages": [], "now": "2026-01-15T09:30:00"})"),
      R"({"text":"15 January 2026"})");
  EXPECT_EQ(
      answer("{{ messages | tojson }}", R"({"messages": [{"n": 123456789012345678901234567890}]})"),
      R"({"text":"[{\"n\": 123456789012345678901234567890}]"})");
  EXPECT_EQ(answer("{{ tools }}{{ add_generation_prompt }}", R"({"messages": []})"),
            R"({"text":"NoneFalse"})");
}

TEST(TemplateCommand, RefusesOtherLines) {
  EXPECT_EQ(answer("", "[]"), "E0911 expected an object, found array");
  EXPECT_EQ(answer("", "{}"), "E0911 messages: expected a list");
  EXPECT_EQ(answer("", R"({"messages": [], "kwarg": {}})"), "E0911 unknown field 'kwarg'");
  EXPECT_EQ(answer("", R"({"messages": [], "kwargs": 1})"),
            "E0911 kwargs: expected an object, found integer");
  EXPECT_EQ(answer("", R"({"messages": [], "now": "2026-13-01 00:00:00"})"),
            "E0911 now: expected a text YYYY-MM-DD HH:MM:SS, found \"2026-13-01 00:00:00\"");
  EXPECT_EQ(answer("{{ raise_exception('no') }}", R"({"messages": []})"),
            "E0134 t: line 1 column 4: no");
}

}  // namespace
}  // namespace weft::cli
