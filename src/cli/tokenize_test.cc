// SPDX-License-Identifier: Apache-2.0
#include "cli/tokenize.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/exit.h"

namespace weft::cli {
namespace {

using testing::HasSubstr;

const text::Tokenizer& tokenizer() {
  static const text::Tokenizer loaded =
      text::Tokenizer::load(WEFT_SOURCE_DIR "/tests/golden/tokenizers/mini/qwen3").value();
  return loaded;
}
std::string answered(std::string_view line) {
  return answer_tokenize_line(tokenizer(), line).value();
}

TEST(Tokenize, EncodesByTrust) {
  EXPECT_EQ(answered(R"({"text": "Hello, world!"})"), R"({"ids":[567,11,359,1007,0]})");
  EXPECT_EQ(answered(R"({"text": "<|endoftext|>"})"), R"({"ids":[1156]})");
  EXPECT_EQ(answered(R"({"text": "</think>", "specials_as_text": true})"), R"({"ids":[1181]})");
  EXPECT_NE(answered(R"({"text": "</think>", "untrusted": true})"), R"({"ids":[1181]})");
  EXPECT_EQ(answered(R"({"text": ""})"), R"({"ids":[]})");
}

TEST(Tokenize, Decodes) {
  EXPECT_EQ(answered(R"({"ids": [567, 11, 1156]})"), R"({"text":"Hello,<|endoftext|>"})");
  EXPECT_EQ(answered(R"({"ids": [567, 1156], "skip_special": true})"), R"({"text":"Hello"})");
  EXPECT_EQ(answered(R"({"ids": []})"), R"({"text":""})");
}

TEST(Tokenize, BadLinesAreNamed) {
  const auto refused = [](std::string_view line, const std::string& part) {
    const auto result = answer_tokenize_line(tokenizer(), line);
    ASSERT_FALSE(result.ok()) << line;
    EXPECT_THAT(result.error().text(), HasSubstr(part));
  };
  refused("{", "E0010");
  refused("[1]", "expected an object, found array");
  refused("{}", "neither text nor ids");
  refused(R"({"text": "a", "ids": []})", "both");
  refused(R"({"text": 3})", "text: expected a string");
  refused(R"({"text": "a", "untrusted": 1})", "untrusted: expected true or false");
  refused(R"({"text": "a", "special_as_text": true})", "did you mean 'specials_as_text'");
  refused(R"({"ids": "1"})", "ids: expected an array");
  for (const char* id : {"-1", "1.5", "\"1\"", "1182", "99999999999999999999"}) {
    refused(std::string("{\"ids\": [0, ") + id + "]}",
            "ids[1]: expected an integer from 0 to 1181");
  }
}

TEST(Tokenize, NoSuchModel) {
  EXPECT_EQ(run_tokenize({.model = "/nonexistent"}), kExitNotFound);
}

}  // namespace
}  // namespace weft::cli
