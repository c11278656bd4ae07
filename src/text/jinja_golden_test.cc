// SPDX-License-Identifier: Apache-2.0
//
// Every recorded rendering of the families' chat templates by Python's jinja2, and the tokens of
// what the main templates render. The templates are third-party and stay outside the repository.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "base/file.h"
#include "base/json.h"
#include "base/strings.h"
#include "text/jinja.h"
#include "text/tokenizer.h"
#include "tests/golden/golden.h"

namespace weft::text {
namespace {

std::string field_text(const json::Object& record, std::string_view field) {
  return std::string(record.at(field).as_string());
}

// Everything a record names, read once.
class Goldens {
 public:
  explicit Goldens(std::string directory) : directory_(std::move(directory)) {
    variants_ = json::parse(read_file(directory_ + "/common/variants.json").value())->as_object();
    const std::string lines = read_file(directory_ + "/common/conversations.jsonl").value();
    for (const std::string_view line : split(lines, '\n')) {
      if (line.empty()) continue;
      const std::string id = field_text(json::parse(line)->as_object(), "id");
      conversations_.emplace(id, Variables::parse(line).value());
    }
  }

  Variables variables(const json::Object& record) const {
    Variables out = conversations_.at(field_text(record, "conv"));
    const json::Object& variant =
        variants_.at("variants").as_object().at(field_text(record, "variant")).as_object();
    out.set("add_generation_prompt", variant.at("add_generation_prompt"));
    for (const auto& [name, value] : variant.at("kwargs").as_object()) out.set(name, value);
    const std::string family =
        field_text(variants_.at("templates").as_object(), field_text(record, "template"));
    const auto& specials = variants_.at("special_token_variables").as_object().at(family);
    for (const auto& [name, value] : specials.as_object()) {
      out.set_markup(name, std::string(value.as_string()));
    }
    return out;
  }

 private:
  std::string directory_;
  json::Object variants_;
  std::map<std::string, Variables> conversations_;
};

RenderOptions golden_options() {
  RenderOptions options;
  options.now = RenderOptions::Time{2026, 1, 15, 9, 30, 0, 0};
  return options;
}

class ChatGolden : public testing::TestWithParam<const char*> {};

void check_tokens(const Tokenizer& tokenizer, const MarkedText& marked,
                  const json::Object& record) {
  std::vector<TokenId> wanted;
  for (const json::Value& id : record.at("ids").as_array()) {
    wanted.push_back(static_cast<TokenId>(id.as_int64()));
  }
  EXPECT_EQ(tokenizer.encode(marked.text), wanted) << field_text(record, "conv");
}

TEST_P(ChatGolden, RendersAsPythonDoes) {
  const std::string root = golden::tokenizers_directory();
  WEFT_SKIP_WITHOUT(root);
  const Goldens goldens(root);
  const std::string family = root + "/" + GetParam();
  const std::string packed = family + "/tokenizer.json.gz";
  const Tokenizer tokenizer = Tokenizer::parse(golden::unpacked(packed)).value();
  std::map<std::string, Template> templates;
  const std::string lines = read_file(family + "/chat.jsonl").value();
  size_t rendered = 0;
  size_t refused = 0;
  size_t tokens = 0;
  for (const std::string_view line : split(lines, '\n')) {
    if (line.empty()) continue;
    const json::Object record = json::parse(line)->as_object();
    const std::string name = field_text(record, "template");
    if (!templates.contains(name)) {
      const std::string source = read_file(family + "/templates/" + name + ".jinja").value();
      auto parsed = Template::parse(source, name);
      ASSERT_TRUE(parsed.ok()) << parsed.error().text();
      templates.emplace(name, std::move(parsed).value());
    }
    SCOPED_TRACE(name + " " + field_text(record, "conv") + " " + field_text(record, "variant"));
    const auto text = templates.at(name).render(goldens.variables(record), golden_options());
    if (record.contains("error")) {
      ++refused;
      ASSERT_FALSE(text.ok()) << "expected " << field_text(record, "error_message");
      if (field_text(record, "error") == "TemplateError") {
        EXPECT_EQ(text.error().code, "E0134");
        EXPECT_TRUE(text.error().message.ends_with(field_text(record, "error_message")))
            << text.error().text();
      }
      continue;
    }
    ++rendered;
    ASSERT_TRUE(text.ok()) << text.error().text();
    EXPECT_EQ(text->text, field_text(record, "rendered"));
    if (record.contains("ids")) {
      ++tokens;
      check_tokens(tokenizer, *text, record);
    }
  }
  EXPECT_GT(rendered, 500u);
  std::printf("%s: %zu rendered, %zu refused as wanted, %zu with tokens\n", GetParam(), rendered,
              refused, tokens);
}

INSTANTIATE_TEST_SUITE_P(Families, ChatGolden, testing::Values("qwen3", "exaone4", "granite4"),
                         [](const auto& family) { return std::string(family.param); });

}  // namespace
}  // namespace weft::text
