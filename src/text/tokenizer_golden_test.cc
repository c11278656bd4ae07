// SPDX-License-Identifier: Apache-2.0
//
// Every recorded answer of the reference implementations, for the real tokenizers (outside the
// repository: WEFT_GOLDEN) and for the small ones in tests/golden/tokenizers/mini.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>

#include "base/file.h"
#include "base/json.h"
#include "base/strings.h"
#include "text/tokenizer.h"
#include "tests/golden/golden.h"

namespace weft::text {
namespace {

using AddedTokens = Tokenizer::AddedTokens;
using Ids = std::vector<TokenId>;

std::vector<json::Object> read_lines(const std::string& path) {
  std::vector<json::Object> records;
  const std::string text = read_file(path).value();
  for (const std::string_view line : split(text, '\n')) {
    if (!line.empty()) records.push_back(json::parse(line).value().as_object());
  }
  EXPECT_GT(records.size(), 0u) << path;
  return records;
}

Ids ids_of(const json::Object& record, std::string_view field) {
  Ids ids;
  for (const json::Value& id : record.at(field).as_array()) {
    ids.push_back(static_cast<TokenId>(id.as_int64()));
  }
  return ids;
}
std::string text_member(const json::Object& record, std::string_view field) {
  return std::string(record.at(field).as_string());
}
std::vector<std::string> texts_of(const json::Object& record, std::string_view field) {
  std::vector<std::string> texts;
  for (const json::Value& text : record.at(field).as_array()) {
    texts.emplace_back(text.as_string());
  }
  return texts;
}
// The first of the fields that the record has.
std::string_view first_of(const json::Object& record, std::vector<std::string_view> fields) {
  for (const std::string_view field : fields) {
    if (record.contains(field)) return field;
  }
  ADD_FAILURE() << "none of the fields in " << text_member(record, "id");
  return "id";
}

// `ids_specials_as_text` was recorded with a tokenizer from which the special tokens had been
// taken out, which numbered the others anew: the first one that is not in the base vocabulary got
// the first id behind it. (So '</think>' of Qwen3 stands there as 151654, the id of
// '<|vision_pad|>'.) This gives each such id its token back, one to one.
Ids with_real_numbers(const Tokenizer& tokenizer, Ids recorded) {
  std::vector<TokenId> not_special;
  TokenId base = -1;  // added tokens at the end of the vocabulary begin here
  for (const AddedToken& token : tokenizer.added_tokens()) {
    if (token.id < 100'000) continue;  // EXAONE's stand in the base vocabulary, at its start
    if (base < 0) base = token.id;
    if (!token.special) not_special.push_back(token.id);
  }
  for (TokenId& id : recorded) {
    if (base >= 0 && id >= base) id = not_special.at(static_cast<size_t>(id - base));
  }
  return recorded;
}

Ids expected_specials_as_text(const Tokenizer& tokenizer, const json::Object& record) {
  if (!record.contains("ids_specials_as_text")) return ids_of(record, "ids");
  return with_real_numbers(tokenizer, ids_of(record, "ids_specials_as_text"));
}

void expect_encodings(const Tokenizer& tokenizer, const std::string& path) {
  for (const json::Object& record : read_lines(path)) {
    SCOPED_TRACE(text_member(record, "id"));
    const std::string text = text_member(record, "text");
    const Ids ids = ids_of(record, "ids");
    EXPECT_EQ(tokenizer.encode(text), ids);
    EXPECT_EQ(tokenizer.encode(MarkedText{text, {}}), ids);
    EXPECT_EQ(tokenizer.encode(text, AddedTokens::kSpecialsAsText),
              expected_specials_as_text(tokenizer, record));
    EXPECT_EQ(tokenizer.decode(ids), text_member(record, first_of(record, {"decoded", "text"})));
    EXPECT_EQ(tokenizer.decode(ids, true),
              text_member(record, first_of(record, {"decoded_skip_special", "decoded", "text"})));
    const Ids untrusted = tokenizer.encode(text, AddedTokens::kNone);
    EXPECT_EQ(tokenizer.encode(MarkedText{text, {{0, text.size()}}}), untrusted);
    const bool has_added_space = std::any_of(
        untrusted.begin(), untrusted.end(), [&](TokenId id) { return tokenizer.is_added(id); });
    if (!has_added_space) {  // the goldens do not have our exception for white space
      EXPECT_EQ(untrusted, record.contains("ids_all_added_as_text")
                               ? ids_of(record, "ids_all_added_as_text")
                               : expected_specials_as_text(tokenizer, record));
    }
  }
}

void expect_decodings(const Tokenizer& tokenizer, const std::string& path) {
  for (const json::Object& record : read_lines(path)) {
    SCOPED_TRACE(text_member(record, "id"));
    const Ids ids = ids_of(record, "ids");
    EXPECT_EQ(tokenizer.decode(ids), text_member(record, "text"));
    EXPECT_EQ(tokenizer.decode(ids, true),
              text_member(record, first_of(record, {"text_skip_special", "text"})));
    std::string hex;
    for (const TokenId id : ids) {
      for (const char byte : tokenizer.token_bytes(id)) {
        hex += fmt::format("{:02x}", static_cast<uint8_t>(byte));
      }
    }
    EXPECT_EQ(hex, text_member(record, "bytes_hex"));
  }
}

void expect_stream(StreamDecoder decoder, const Ids& ids, const std::vector<std::string>& chunks,
                   const std::string& flush) {
  ASSERT_EQ(ids.size(), chunks.size());
  for (size_t i = 0; i < ids.size(); ++i) EXPECT_EQ(decoder.push(ids[i]), chunks[i]) << "at " << i;
  EXPECT_EQ(decoder.flush(), flush);
  EXPECT_EQ(decoder.flush(), "");
}

void expect_streams(const Tokenizer& tokenizer, const std::string& path) {
  for (const json::Object& record : read_lines(path)) {
    SCOPED_TRACE(text_member(record, "id"));
    const Ids ids = ids_of(record, "ids");
    const std::string flush = record.contains("flush") ? text_member(record, "flush") : "";
    expect_stream(StreamDecoder(tokenizer), ids, texts_of(record, "chunks"), flush);
    const bool differs = record.contains("chunks_skip_special");
    expect_stream(
        StreamDecoder(tokenizer, true), ids,
        texts_of(record, differs ? "chunks_skip_special" : "chunks"),
        record.contains("flush_skip_special") ? text_member(record, "flush_skip_special") : flush);
  }
}

// Prompts with their tokens, as models were trained on them.
void expect_chats(const Tokenizer& tokenizer, const std::string& path) {
  size_t compared = 0;
  for (const json::Object& record : read_lines(path)) {
    if (!record.contains("ids")) continue;
    EXPECT_EQ(tokenizer.encode(text_member(record, "rendered")), ids_of(record, "ids"))
        << text_member(record, "conv") << " " << text_member(record, "variant");
    ++compared;
  }
  EXPECT_GT(compared, 0u);
}

class RealTokenizer : public testing::TestWithParam<const char*> {};

TEST_P(RealTokenizer, AgreesWithEveryGolden) {
  const std::string directory = golden::tokenizers_directory() + "/" + GetParam();
  WEFT_SKIP_WITHOUT(directory);
  const auto tokenizer = Tokenizer::parse(golden::unpacked(directory + "/tokenizer.json.gz"));
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().text();
  expect_encodings(*tokenizer, directory + "/encode.jsonl");
  expect_decodings(*tokenizer, directory + "/decode.jsonl");
  expect_streams(*tokenizer, directory + "/stream.jsonl");
  expect_chats(*tokenizer, directory + "/chat.jsonl");
}
INSTANTIATE_TEST_SUITE_P(Families, RealTokenizer, testing::Values("qwen3", "exaone4", "granite4"));

TEST(RealTokenizer, NfkcVariantOfExaoneAgreesWithEveryGolden) {
  const std::string directory = golden::tokenizers_directory() + "/exaone4";
  WEFT_SKIP_WITHOUT(directory);
  json::Value document = json::parse(golden::unpacked(directory + "/tokenizer.json.gz")).value();
  document.as_object()["normalizer"] = json::Object{{"type", "NFKC"}};
  const auto tokenizer = Tokenizer::parse(json::dump(document));
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().text();
  for (const json::Object& record : read_lines(directory + "/encode_nfkc_variant.jsonl")) {
    SCOPED_TRACE(text_member(record, "id"));
    const Ids ids = ids_of(record, "ids");
    EXPECT_EQ(tokenizer->encode(text_member(record, "text")), ids);
    EXPECT_EQ(tokenizer->decode(ids), text_member(record, first_of(record, {"decoded", "text"})));
  }
}

class MiniTokenizer : public testing::TestWithParam<const char*> {};

TEST_P(MiniTokenizer, AgreesWithEveryGolden) {
  const std::string directory =
      std::string(WEFT_SOURCE_DIR "/tests/golden/tokenizers/mini/") + GetParam();
  const auto tokenizer = Tokenizer::load(directory);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().text();
  for (const json::Object& record : read_lines(directory + "/encode.jsonl")) {
    SCOPED_TRACE(text_member(record, "id"));
    const Ids ids = ids_of(record, "ids");
    EXPECT_EQ(tokenizer->encode(text_member(record, "text")), ids);
    EXPECT_EQ(tokenizer->encode(MarkedText{text_member(record, "text"), {}}), ids);
    EXPECT_EQ(tokenizer->decode(ids), text_member(record, first_of(record, {"decoded", "text"})));
  }
}
INSTANTIATE_TEST_SUITE_P(Families, MiniTokenizer, testing::Values("qwen3", "exaone4", "granite4"));

}  // namespace
}  // namespace weft::text
