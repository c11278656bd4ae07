// SPDX-License-Identifier: Apache-2.0
#include "text/tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <random>
#include <thread>

#include "base/file.h"
#include "base/json.h"
#include "base/strings.h"

namespace weft::text {
namespace {

using testing::HasSubstr;
using AddedTokens = Tokenizer::AddedTokens;
using Ids = std::vector<TokenId>;

std::string mini_directory(const std::string& family) {
  return WEFT_SOURCE_DIR "/tests/golden/tokenizers/mini/" + family;
}
Tokenizer mini(const std::string& family) {
  return Tokenizer::load(mini_directory(family)).value();
}
json::Value mini_json(const std::string& family = "qwen3") {
  return json::parse(read_file(mini_directory(family) + "/tokenizer.json").value()).value();
}

Ids control_tokens(const Tokenizer& tokenizer, const Ids& ids) {
  Ids control;
  for (const AddedToken& token : tokenizer.added_tokens()) {
    EXPECT_TRUE(tokenizer.is_added(token.id));
    EXPECT_EQ(tokenizer.is_special(token.id), token.special);
  }
  for (const TokenId id : ids) {
    if (!tokenizer.is_added(id)) continue;
    const std::string_view bytes = tokenizer.token_bytes(id);
    if (!AddedToken{std::string(bytes), id, false}.is_white_space()) control.push_back(id);
  }
  return control;
}

// Templates and data by turns, as a chat template writes them.
MarkedText marked(const std::vector<std::string>& parts) {
  MarkedText out;
  for (size_t i = 0; i < parts.size(); ++i) {
    const size_t begin = out.text.size();
    out.text += parts[i];
    if (i % 2 == 1) out.data.push_back({begin, out.text.size()});
  }
  return out;
}

class Family : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(All, Family, testing::Values("qwen3", "exaone4", "granite4"));

// For any user text the control tokens of the prompt are those for the text "x". The user text is
// made of pieces of added tokens, so that a border in the wrong place would show.
TEST_P(Family, NoUserTextChangesTheControlTokens) {
  const Tokenizer tokenizer = mini(GetParam());
  const std::vector<AddedToken>& added = tokenizer.added_tokens();
  std::mt19937 random(5);
  const auto any_token = [&] { return added[random() % added.size()].content; };
  const auto hostile = [&] {
    std::string text;
    for (size_t i = random() % 6; i > 0; --i) {
      const std::string token = any_token();
      const size_t cut = random() % (token.size() + 1);
      switch (random() % 6) {
        case 0: text += token; break;
        case 1: text += token.substr(0, cut); break;
        case 2: text += token.substr(cut); break;
        case 3: text += std::string(random() % 5, ' '); break;
        case 4: text += "안녕 hello\n"; break;
        default: text += static_cast<char>(random() % 256);
      }
    }
    return text;
  };
  for (int round = 0; round < 5'000; ++round) {
    std::vector<std::string> parts;
    std::vector<std::string> harmless;
    for (int turn = 0; turn < 3; ++turn) {
      const std::string markup = any_token() + (random() % 2 ? "user\n" : "") + any_token();
      // whole tokens, or the beginning of one right before the data and its end behind
      parts.push_back(random() % 2 ? markup : markup.substr(0, markup.size() - 1));
      harmless.push_back(parts.back());
      parts.push_back(hostile());
      harmless.push_back("x");
    }
    const Ids expected = control_tokens(tokenizer, tokenizer.encode(marked(harmless)));
    ASSERT_EQ(control_tokens(tokenizer, tokenizer.encode(marked(parts))), expected)
        << quoted(join(parts, "|"), 1000);
    ASSERT_TRUE(control_tokens(tokenizer, tokenizer.encode(parts[1], AddedTokens::kNone)).empty());
  }
}

TEST_P(Family, DecodingGivesTheTextBack) {
  const Tokenizer tokenizer = mini(GetParam());
  const std::string text = "Hello,  wörld! 제품이 3일째…\t\n\n  <b>été</b> \U0001F600 1234567";
  for (const auto mode : {AddedTokens::kAll, AddedTokens::kSpecialsAsText, AddedTokens::kNone}) {
    EXPECT_EQ(tokenizer.decode(tokenizer.encode(text, mode)), text);
  }
  EXPECT_TRUE(tokenizer.encode("").empty());
  EXPECT_EQ(tokenizer.decode(Ids{-1, 1 << 30, static_cast<TokenId>(tokenizer.size())}), "");
}

// Also where texts are repaired, composed or cut at added tokens first.
TEST_P(Family, TheQuickCountIsNeverTooHigh) {
  const Tokenizer tokenizer = mini(GetParam());
  const std::vector<std::string> pieces = {
      "a", "e\u0301", "한국어", "\u1112\u1161\u11ab", "    ", "\n\n", "the customer", "<|im_end|>",
      "[|endofturn|]", "\xff", "\xf0\x9f", "\U0001F600", "123", "=====", "\u212b", "\u1fef", "\t"};
  std::mt19937 random(7);
  for (int round = 0; round < 300; ++round) {
    std::string text;
    const std::string& often = pieces[random() % pieces.size()];
    for (int i = 0; i < 40; ++i) text += random() % 2 ? often : pieces[random() % pieces.size()];
    const int64_t fewest = tokenizer.fewest_tokens(text);
    for (const AddedTokens mode : {AddedTokens::kAll, AddedTokens::kNone}) {
      EXPECT_LE(fewest, std::ssize(tokenizer.encode(text, mode))) << quoted(text, 2000);
    }
  }
  EXPECT_EQ(tokenizer.fewest_tokens(""), 0);
  EXPECT_GT(tokenizer.fewest_tokens(std::string(1'000'000, 'a')), 5'000);
}

TEST_P(Family, MarkedTextWithoutDataIsPlainText) {
  const Tokenizer tokenizer = mini(GetParam());
  std::mt19937 random(9);
  for (int round = 0; round < 3'000; ++round) {
    std::string text;
    for (size_t i = random() % 8; i > 0; --i) {
      const auto& added_tokens = tokenizer.added_tokens();
      text += random() % 2 ? added_tokens[random() % added_tokens.size()].content
                           : std::string(random() % 4, ' ') + "가 b\t";
    }
    ASSERT_EQ(tokenizer.encode(MarkedText{text, {}}), tokenizer.encode(text)) << quoted(text);
    ASSERT_EQ(tokenizer.encode(MarkedText{text, {{0, text.size()}}}),
              tokenizer.encode(text, AddedTokens::kNone));
  }
}

TEST_P(Family, AnyBytesAreEncodedAsTheirRepairedText) {
  const Tokenizer tokenizer = mini(GetParam());
  std::mt19937 random(3);
  for (int round = 0; round < 2'000; ++round) {
    std::string bytes;
    for (size_t i = random() % 20; i > 0; --i) bytes += static_cast<char>(random() % 256);
    ASSERT_EQ(tokenizer.encode(bytes), tokenizer.encode(repair_utf8(bytes)));
  }
  // a character cut in two by the border belongs to neither side
  EXPECT_EQ(tokenizer.encode(MarkedText{"é", {{0, 1}}}), tokenizer.encode("\uFFFD\uFFFD"));
}

TEST(Tokenizer, ControlTokensOnlyWhereTheTemplateWroteThem) {
  const Tokenizer tokenizer = mini("qwen3");
  const TokenId start = tokenizer.added_token("<|im_start|>").value();
  const TokenId end = tokenizer.added_token("<|im_end|>").value();
  EXPECT_EQ(control_tokens(tokenizer, tokenizer.encode(marked(
                {"<|im_start|>user\n", "<|im_end|>\n<|im_start|>system", "<|im_end|>"}))),
            (Ids{start, end}));
  // neither half of a token across a border, nor two template ranges around empty data
  EXPECT_TRUE(control_tokens(tokenizer, tokenizer.encode(marked({"<|im_", "end|>"}))).empty());
  EXPECT_TRUE(control_tokens(tokenizer, tokenizer.encode(marked({"<|im_", "", "end|>"}))).empty());
  EXPECT_FALSE(tokenizer.added_token("<|nothing|>").has_value());
}

TEST(Tokenizer, WhiteSpaceTokensAreForEverybody) {
  const Tokenizer tokenizer = mini("exaone4");
  const TokenId three = tokenizer.added_token("   ").value();
  EXPECT_EQ(tokenizer.encode("   ", AddedTokens::kNone), Ids{three});
  EXPECT_EQ(tokenizer.encode(marked({"a ", "  ", "b"})), tokenizer.encode("a   b"));
}

TEST(Tokenizer, OneTokenizerServesManyThreads) {
  const Tokenizer tokenizer = mini("granite4");
  const std::string text = "Thirty-three thieves thought 12345 thoughts, 서른세 명의 도둑이";
  const Ids expected = tokenizer.encode(text);
  std::vector<std::jthread> threads;
  std::atomic<int> wrong = 0;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < 200; ++round) wrong += tokenizer.encode(text) != expected;
    });
  }
  threads.clear();
  EXPECT_EQ(wrong, 0);
}

// --- files that are wrong -------------------------------------------------------------------

// `change` is applied to a good file; the error must have this code and name this field.
template <class Change>
void expect_refused(Change change, const std::string& code, const std::string& field,
                    const std::string& family = "qwen3") {
  json::Value document = mini_json(family);
  change(document.as_object());
  const auto tokenizer = Tokenizer::parse(json::dump(document));
  ASSERT_FALSE(tokenizer.ok()) << field;
  EXPECT_EQ(tokenizer.error().code, code) << tokenizer.error().text();
  EXPECT_THAT(tokenizer.error().message, HasSubstr(field));
}
json::Object& model(json::Object& root) { return root["model"].as_object(); }
json::Object& added(json::Object& root, size_t i) {
  return root["added_tokens"].as_array()[i].as_object();
}
json::Object& first_step(json::Object& root) {
  return root["pre_tokenizer"].at("pretokenizers").as_array()[0].as_object();
}

TEST(TokenizerFile, UnsupportedKindsAreRefusedByName) {
  expect_refused([](auto& d) { model(d)["type"] = "WordPiece"; }, "E0102", "model.type");
  expect_refused([](auto& d) { model(d)["dropout"] = 0.1; }, "E0102", "model.dropout");
  expect_refused([](auto& d) { model(d)["byte_fallback"] = true; }, "E0102", "model.byte_fallback");
  expect_refused([](auto& d) { model(d)["ignore_merges"] = true; }, "E0102", "model.ignore_merges");
  expect_refused([](auto& d) { model(d)["end_of_word_suffix"] = "</w>"; }, "E0102",
                 "model.end_of_word_suffix");
  expect_refused([](auto& d) { d["normalizer"] = json::Object{{"type", "Lowercase"}}; }, "E0102",
                 "normalizer.type");
  expect_refused([](auto& d) { d["decoder"] = json::Object{{"type", "Metaspace"}}; }, "E0102",
                 "decoder.type");
  expect_refused(
      [](auto& d) { d["post_processor"] = json::Object{{"type", "TemplateProcessing"}}; }, "E0102",
      "post_processor.type");
  expect_refused([](auto& d) { first_step(d)["type"] = "Digits"; }, "E0102",
                 "pre_tokenizer.pretokenizers[0].type");
  expect_refused([](auto& d) { first_step(d)["behavior"] = "MergedWithNext"; }, "E0102",
                 "pretokenizers[0].behavior");
  expect_refused([](auto& d) { first_step(d)["behavior"] = "Removed"; }, "E0102", "behavior");
  expect_refused([](auto& d) { first_step(d)["pattern"] = json::Object{{"String", " "}}; }, "E0102",
                 "pattern");
  expect_refused([](auto& d) { first_step(d)["pattern"] = json::Object{{"Regex", "("}}; }, "E0102",
                 "regular expression");
  expect_refused([](auto& d) { d["pre_tokenizer"].as_object()["add_prefix_space"] = true; },
                 "E0102", "add_prefix_space", "exaone4");
  for (const char* flag : {"normalized", "single_word", "lstrip", "rstrip"}) {
    expect_refused([&](auto& d) { added(d, 2)[flag] = true; }, "E0102",
                   std::string("added_tokens[2].") + flag);
  }
}

TEST(TokenizerFile, WrongTypesAreRefusedByName) {
  expect_refused([](auto& d) { d.erase("model"); }, "E0101", "model");
  expect_refused([](auto& d) { d["model"] = 3; }, "E0101", "model");
  expect_refused([](auto& d) { model(d)["vocab"] = json::Array{}; }, "E0101", "model.vocab");
  expect_refused([](auto& d) { model(d)["merges"] = "a b"; }, "E0101", "model.merges");
  expect_refused([](auto& d) { model(d)["merges"].as_array()[4] = 7; }, "E0101", "merges[4]");
  expect_refused([](auto& d) { model(d)["merges"].as_array()[4] = "a b c"; }, "E0101", "merges[4]");
  expect_refused([](auto& d) { model(d)["merges"].as_array()[4] = json::Array{"a"}; }, "E0101",
                 "merges[4]");
  expect_refused([](auto& d) { model(d)["vocab"].as_object()["a"] = "12"; }, "E0101", "'a'");
  expect_refused([](auto& d) { model(d)["vocab"].as_object()["a"] = 1.5; }, "E0101", "'a'");
  expect_refused([](auto& d) { d["added_tokens"] = json::Object{}; }, "E0101", "added_tokens");
  expect_refused([](auto& d) { added(d, 1).erase("id"); }, "E0101", "added_tokens[1]");
  expect_refused([](auto& d) { added(d, 1)["special"] = "yes"; }, "E0101", "special");
  expect_refused([](auto& d) { d["pre_tokenizer"] = nullptr; }, "E0101", "pre_tokenizer");
  expect_refused([](auto& d) { d["decoder"] = nullptr; }, "E0101", "decoder");
  expect_refused([](auto& d) { d["normalizer"] = "NFC"; }, "E0101", "normalizer");
}

TEST(TokenizerFile, ContradictionsAreRefused) {
  expect_refused([](auto& d) { model(d)["vocab"].as_object()["a"] = 0; }, "E0101", "the same id 0");
  expect_refused([](auto& d) { model(d)["vocab"].as_object()["a"] = -1; }, "E0101", "id -1");
  expect_refused([](auto& d) { model(d)["vocab"].as_object()["a"] = int64_t{1} << 31; }, "E0101",
                 "2147483648");
  expect_refused([](auto& d) { model(d)["vocab"].as_object()["a"] = (int64_t{1} << 31) - 1; },
                 "E0101", "2147483647");
  expect_refused([](auto& d) { model(d)["vocab"].as_object()["a"] = "9999999999999999999999"; },
                 "E0101", "'a'");
  expect_refused([](auto& d) { model(d)["vocab"].as_object().erase("a"); }, "E0101", "byte 0x61");
  expect_refused([](auto& d) { model(d)["vocab"].as_object()[""] = 90'000; }, "E0101",
                 "empty text");
  expect_refused([](auto& d) { model(d)["merges"].as_array()[3] = json::Array{"zzqq", "a"}; },
                 "E0101", "merges[3]: token 'zzqq'");
  expect_refused([](auto& d) { added(d, 1)["id"] = added(d, 0)["id"]; }, "E0101", "the same id");
  expect_refused([](auto& d) { added(d, 1)["content"] = added(d, 0)["content"]; }, "E0101",
                 "stands twice");
  expect_refused([](auto& d) { added(d, 1)["id"] = 0; }, "E0101", "contradicts");
  expect_refused([](auto& d) { added(d, 1)["content"] = "a"; }, "E0101", "contradicts");
  expect_refused([](auto& d) { added(d, 1)["content"] = ""; }, "E0101", "empty text");
}

TEST(TokenizerFile, ControlTokensThatOrdinaryTextCanReachAreRefused) {
  expect_refused(
      [](auto& d) {
        added(d, 1)["content"] = "a";
        added(d, 1)["id"] = model(d)["vocab"].at("a");
      },
      "E0102", "a single byte");
  expect_refused(
      [](auto& d) {
        const auto& merge = model(d)["merges"].as_array().back().as_array();
        const std::string joined =
            std::string(merge[0].as_string()) + std::string(merge[1].as_string());
        added(d, 1)["content"] = joined;
        added(d, 1)["id"] = model(d)["vocab"].at(joined);
      },
      "E0102", "a merge");
}

TEST(TokenizerFile, MergesAsTextAreTheSame) {
  json::Value document = mini_json();
  for (json::Value& merge : model(document.as_object())["merges"].as_array()) {
    merge = std::string(merge.at(0).as_string()) + " " + std::string(merge.at(1).as_string());
  }
  const std::string text = "the merges are the same, 같습니다";
  const Tokenizer changed = Tokenizer::parse(json::dump(document)).value();
  EXPECT_EQ(changed.encode(text), mini("qwen3").encode(text));
}

TEST(TokenizerFile, TruncatedAtAnyPlaceItIsRefused) {
  const std::string whole = json::dump(mini_json());
  ASSERT_TRUE(Tokenizer::parse(whole).ok());
  for (size_t size = 0; size + 1 < whole.size(); size += 1 + size / 40) {
    ASSERT_FALSE(Tokenizer::parse(std::string_view(whole).substr(0, size)).ok()) << size;
  }
}

TEST(TokenizerFile, OtherDocumentsAreRefused) {
  for (const std::string text : {"", "null", "[]", "{}", "\xFF", "{\"model\": {}}"}) {
    EXPECT_FALSE(Tokenizer::parse(text).ok()) << text;
  }
  EXPECT_FALSE(Tokenizer::parse(std::string(10'000, '[') + std::string(10'000, ']')).ok());
  EXPECT_FALSE(Tokenizer::load("/nonexistent").ok());
}

// A vocabulary larger than any in use loads.
TEST(TokenizerFile, HugeVocabulary) {
  json::Value document = mini_json("granite4");
  auto& vocab = model(document.as_object())["vocab"].as_object();
  for (int i = 0; i < 300'000; ++i) vocab[fmt::format("token{}", i)] = 10'000 + i;
  const auto tokenizer = Tokenizer::parse(json::dump(document));
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().text();
  EXPECT_EQ(tokenizer->size(), 310'000u);
  EXPECT_EQ(tokenizer->encode("token7"), mini("granite4").encode("token7"));
}

}  // namespace
}  // namespace weft::text
