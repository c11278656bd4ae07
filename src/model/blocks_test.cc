// SPDX-License-Identifier: Apache-2.0
// Every block type against the values that two independent implementations agree on, bit for bit
// (tests/golden/gguf/blocks): random blocks, extreme, subnormal, zero and negative scales.
#include "model/blocks.h"

#include <gtest/gtest.h>

#include <bit>
#include <charconv>
#include <vector>

#include "base/file.h"
#include "base/json.h"

namespace weft::model {
namespace {

std::vector<uint8_t> bytes_of_hex(std::string_view hex) {
  std::vector<uint8_t> out(hex.size() / 2);
  for (size_t i = 0; i < out.size(); ++i) {
    std::from_chars(hex.data() + 2 * i, hex.data() + 2 * i + 2, out[i], 16);
  }
  return out;
}

class Blocks : public testing::TestWithParam<const char*> {};

TEST_P(Blocks, AsTheGoldenValues) {
  const std::string path =
      std::string(WEFT_SOURCE_DIR "/tests/golden/gguf/blocks/") + GetParam() + ".json";
  const json::Value golden = json::parse(read_file(path).value()).value();
  const auto number = static_cast<uint32_t>(golden.at("ggml_type").as_int64());
  const BlockFormat* format = block_format_of_ggml(number);
  ASSERT_NE(format, nullptr);
  EXPECT_EQ(format->name, GetParam());
  EXPECT_EQ(&block_format(format->dtype), format);
  int64_t compared = 0;
  for (const json::Value& block : golden.at("blocks").as_array()) {
    std::vector<uint8_t> bytes = bytes_of_hex(block.at("bytes").as_string());
    const std::vector<uint8_t> expected = bytes_of_hex(block.at("f32").as_string());
    std::vector<float> got(expected.size() / 4);
    ASSERT_EQ(bytes.size(), got.size() / format->elements * format->bytes);
    bytes.insert(bytes.begin(), 0xee);  // an odd address
    read_elements(format->dtype, bytes.data() + 1, got);
    for (size_t i = 0; i < got.size(); ++i) {
      uint32_t raw = 0;
      for (size_t b = 0; b < 4; ++b) raw = raw << 8 | expected[4 * i + b];
      const auto value = std::bit_cast<float>(raw);
      // Equal as numbers: a zero may have either sign (the order of the products decides).
      if (value == 0) {
        ASSERT_EQ(got[i], value) << block.at("kind") << " element " << i;
      } else {
        ASSERT_EQ(std::bit_cast<uint32_t>(got[i]), raw) << block.at("kind") << " element " << i;
      }
      ++compared;
    }
  }
  EXPECT_GE(compared, 32);
}

INSTANTIATE_TEST_SUITE_P(All, Blocks,
                         testing::Values("F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1",
                                         "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ4_NL",
                                         "IQ4_XS"),
                         [](const auto& c) { return c.param; });

TEST(Blocks, UnknownTypesAreNull) {
  EXPECT_EQ(block_format_of_ggml(9), nullptr);
  EXPECT_EQ(block_format_of_ggml(0xffffffffu), nullptr);
}

}  // namespace
}  // namespace weft::model
