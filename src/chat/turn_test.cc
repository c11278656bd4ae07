// SPDX-License-Identifier: Apache-2.0
#include "chat/turn.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "base/strings.h"
#include "chat/prompt.h"
#include "tests/golden/golden.h"

namespace weft::chat {
namespace {

using grammar::TokenMask;
using grammar::Verdict;
using text::TokenId;
using text::Tokenizer;

constexpr const char* kFamilies[] = {"qwen3", "exaone4", "granite4"};

Tokenizer mini(const std::string& family) {
  return Tokenizer::load(WEFT_SOURCE_DIR "/tests/golden/tokenizers/mini/" + family).value();
}

// Feeds tokens until the turn stops; what is forced comes instead of what is given.
void feed(Turn& turn, const std::vector<TokenId>& ids) {
  for (const TokenId id : ids) {
    while (const auto forced = turn.forced()) {
      if (turn.on_token(*forced) == Verdict::kStop) return;
    }
    if (turn.on_token(id) == Verdict::kStop) return;
  }
  turn.finish();
}

TurnResult turn_of(const std::string& family, std::string_view prompt, std::string_view output,
                   TurnOptions options = {}) {
  const Tokenizer tokenizer = mini(family);
  const Dialect dialect = Dialect::recognise(tokenizer).value();
  Turn turn(tokenizer, dialect, tokenizer.encode(prompt), std::move(options));
  feed(turn, tokenizer.encode(output));
  return turn.result();
}

TEST(Turn, SplitsReasoningAndAnswer) {
  const TurnResult result =
      turn_of("qwen3", "<|im_start|>assistant\n", "<think>\nHmm.\n</think>\n\nHello!<|im_end|>");
  EXPECT_EQ(result.reasoning, "Hmm.");
  EXPECT_EQ(result.content, "Hello!");
  EXPECT_TRUE(result.stopped);
  const TurnResult plain = turn_of("qwen3", "<|im_start|>assistant\n<think>\n\n</think>\n\n", "Hi");
  EXPECT_FALSE(plain.reasoning.has_value());
  EXPECT_EQ(plain.content, "Hi");
  EXPECT_FALSE(plain.stopped);
}

TEST(Turn, DeltasAreTheResultPieceByPiece) {
  const Tokenizer tokenizer = mini("qwen3");
  const std::string output =
      "<think>\nOne\n\ntwo 안녕 \n</think>\n\nSay 안녕 to\n them\n<tool_call>\n"
      "{\"name\": \"a\", \"arguments\": {}}\n</tool_call>\nDone.\n<|im_end|>";
  Turn turn(tokenizer, Dialect::recognise(tokenizer).value(), {}, {});
  TurnDelta all;
  for (const TokenId id : tokenizer.encode(output)) {
    const Verdict verdict = turn.on_token(id);
    const TurnDelta delta = turn.take_delta();
    EXPECT_FALSE(invalid_utf8_at(delta.content).has_value());
    all.reasoning += delta.reasoning;
    all.content += delta.content;
    for (const ToolCall& call : delta.tool_calls) all.tool_calls.push_back(call);
    if (verdict == Verdict::kStop) break;
  }
  EXPECT_EQ(all.reasoning, turn.result().reasoning);
  EXPECT_EQ(all.reasoning, "One\n\ntwo 안녕 ");
  EXPECT_EQ(all.content, turn.result().content);
  EXPECT_EQ(all.content, "Say 안녕 to\n them\nDone.\n");
  EXPECT_EQ(all.tool_calls.size(), 1u);
}

TEST(Turn, StopTextsEndTheAnswerAndAreNotShown) {
  TurnOptions options;
  options.stop = {"END", "\nUser:"};
  const TurnResult first = turn_of("granite4", "", "one EN two\nUser: three", options);
  EXPECT_EQ(first.content, "one EN two");
  EXPECT_TRUE(first.stopped);
  const TurnResult held = turn_of("granite4", "", "one EN", options);
  EXPECT_EQ(held.content, "one EN");
  EXPECT_FALSE(held.stopped);
  // Not in the reasoning.
  const TurnResult inside = turn_of("qwen3", "", "<think>END</think>fine", options);
  EXPECT_EQ(inside.reasoning, "END");
  EXPECT_EQ(inside.content, "fine");
}

TEST(Turn, HeldTextBeforeAToolCallIsNotLost) {
  TurnOptions options;
  options.stop = {"Let it be"};
  const TurnResult result = turn_of(
      "qwen3", "", "Let\n<tool_call>{\"name\": \"a\", \"arguments\": 5}</tool_call>", options);
  EXPECT_EQ(result.content, "Let");
  ASSERT_EQ(result.tool_calls.size(), 1u);
  EXPECT_EQ(result.tool_calls[0].arguments, 5);
}

// The model never closes the block by itself. Reasoning text has characters of several tokens.
void check_budget(const std::string& family, int64_t budget, std::string_view endless) {
  SCOPED_TRACE(family + " budget " + std::to_string(budget));
  const Tokenizer tokenizer = mini(family);
  const Dialect dialect = Dialect::recognise(tokenizer).value();
  TurnOptions options;
  options.thinking_budget = budget;
  std::vector<TokenId> prompt = tokenizer.encode("x");
  prompt.push_back(*dialect.think_open);
  Turn turn(tokenizer, dialect, prompt, options);
  const std::vector<TokenId> thoughts = tokenizer.encode(endless);
  std::vector<TokenId> output;
  for (size_t i = 0; i < 3000 && turn.reasoning_now(); ++i) {
    const auto forced = turn.forced();
    output.push_back(forced ? *forced : thoughts[i % thoughts.size()]);
    turn.on_token(output.back());
  }
  while (const auto forced = turn.forced()) {
    output.push_back(*forced);
    turn.on_token(*forced);
  }
  const auto limit =
      budget + std::max<int64_t>(16, budget / 10) + static_cast<int64_t>(dialect.close_text.size());
  EXPECT_FALSE(turn.reasoning_now());
  EXPECT_TRUE(turn.result().budget_reached);
  EXPECT_GE(turn.result().reasoning_tokens, budget);
  EXPECT_LE(turn.result().reasoning_tokens, limit);
  EXPECT_LE(static_cast<int64_t>(output.size()), limit);
  EXPECT_EQ(turn.result().reasoning->find("\xEF\xBF\xBD"), std::string::npos);
  // The closing text comes whole, and the block cannot be opened again.
  const std::vector<TokenId> end(output.end() - static_cast<ptrdiff_t>(dialect.close_text.size()),
                                 output.end());
  EXPECT_EQ(end, dialect.close_text);
  TokenMask mask(tokenizer.size());
  mask.allow_all();
  EXPECT_TRUE(turn.mask(mask));
  EXPECT_FALSE(mask.allowed(*dialect.think_open));
}

TEST(Turn, BudgetBoundsTheReasoning) {
  for (const char* family : kFamilies) {
    for (const int64_t budget : {0, 1, 17, 1024}) {
      check_budget(family, budget, "생각하는 중 😀 and so on ");
      check_budget(family, budget, "😀");
      check_budget(family, budget, "a line\n");
      check_budget(family, budget, "word ");
    }
  }
}

TEST(Turn, BudgetEndsAtALineWhenOneComes) {
  const Tokenizer tokenizer = mini("qwen3");
  const Dialect dialect = Dialect::recognise(tokenizer).value();
  TurnOptions options;
  options.thinking_budget = 3;
  Turn turn(tokenizer, dialect, std::vector<TokenId>{*dialect.think_open}, options);
  const TokenId word = tokenizer.encode("x")[0];
  const TokenId newline = tokenizer.encode("\n")[0];
  for (int i = 0; i < 5; ++i) {
    ASSERT_FALSE(turn.forced().has_value());
    turn.on_token(word);
  }
  turn.on_token(newline);
  EXPECT_EQ(turn.forced(), dialect.close_text[0]);
}

TEST(Turn, ThinkingOffForbidsTheBlock) {
  const Tokenizer tokenizer = mini("exaone4");
  const Dialect dialect = Dialect::recognise(tokenizer).value();
  Turn closed(tokenizer, dialect, tokenizer.encode("[|assistant|]\n<think>\n\n</think>\n\n"), {});
  TokenMask mask(tokenizer.size());
  mask.allow_all();
  EXPECT_TRUE(closed.mask(mask));
  EXPECT_FALSE(mask.allowed(*dialect.think_open));
  // A block in an earlier turn says nothing about this one.
  Turn earlier(tokenizer, dialect, tokenizer.encode("<think>a</think>b[|endofturn|][|assistant|]"),
               {});
  mask.allow_all();
  EXPECT_FALSE(earlier.mask(mask));
}

// A grammar that wants one fixed token, then stops.
class OneToken final : public grammar::Guide {
 public:
  explicit OneToken(TokenId id) : id_(id) {}
  bool mask(TokenMask& mask) override {
    mask.clear();
    mask.allow(id_);
    return true;
  }
  Verdict on_token(TokenId id) override {
    EXPECT_EQ(id, id_);
    return Verdict::kStop;
  }

 private:
  TokenId id_;
};

TEST(Turn, AGrammarBindsTheAnswerOnly) {
  const Tokenizer tokenizer = mini("qwen3");
  const Dialect dialect = Dialect::recognise(tokenizer).value();
  const TokenId answer = tokenizer.encode("7")[0];
  OneToken grammar(answer);
  TurnOptions options;
  options.answer = &grammar;
  Turn turn(tokenizer, dialect, {}, options);
  TokenMask mask(tokenizer.size());
  mask.allow_all();
  EXPECT_TRUE(turn.mask(mask));
  EXPECT_TRUE(mask.allowed(*dialect.think_open));
  EXPECT_TRUE(mask.allowed(answer));
  EXPECT_FALSE(mask.allowed(tokenizer.encode("x")[0]));
  turn.on_token(*dialect.think_open);
  mask.allow_all();
  EXPECT_FALSE(turn.mask(mask));  // thinking is free
  turn.on_token(*dialect.think_close);
  std::vector<TokenId> blank;
  while (const auto forced = turn.forced()) {
    blank.push_back(*forced);
    turn.on_token(*forced);
  }
  EXPECT_EQ(blank, dialect.after_close);
  mask.allow_all();
  EXPECT_TRUE(turn.mask(mask));
  EXPECT_FALSE(mask.allowed(*dialect.think_open));
  EXPECT_EQ(turn.on_token(answer), Verdict::kStop);
  EXPECT_EQ(turn.result().content, "7");
}

TEST(Dialect, IsNeverGuessed) {
  for (const char* family : kFamilies) {
    EXPECT_EQ(Dialect::recognise(mini(family))->name, family);
  }
}

// One record of output-parsing.jsonl. A tokenizer cuts the text, so that markers inside strings
// become markers too, which a model would not write so.
void check_record(const Tokenizer& tokenizer, const json::Object& record) {
  SCOPED_TRACE(std::string(record.at("id").as_string()));
  const Dialect dialect = Dialect::recognise(tokenizer).value();
  std::vector<TokenId> prompt;
  if (record.at("generation_prompt_opens_think").as_bool()) prompt = {*dialect.think_open};
  Turn turn(tokenizer, dialect, prompt, {});
  feed(turn, tokenizer.encode(std::string_view(record.at("raw_output").as_string())));
  const json::Object& expected = record.at("expected").as_object();
  const TurnResult& result = turn.result();
  const json::Value reasoning =
      result.reasoning ? json::Value(*result.reasoning) : json::Value(nullptr);
  EXPECT_EQ(reasoning, expected.at("reasoning"));
  EXPECT_EQ(json::Value(result.content), expected.at("content"));
  json::Array calls;
  for (const ToolCall& call : result.tool_calls) {
    calls.push_back(json::Object{{"name", call.name}, {"arguments", call.arguments}});
  }
  EXPECT_EQ(json::Value(calls), expected.at("tool_calls"));
}

TEST(TurnGolden, ParsesWhatModelsWrite) {
  const std::string root = golden::tokenizers_directory();
  WEFT_SKIP_WITHOUT(root);
  size_t checked = 0;
  for (const std::string family : kFamilies) {
    const Tokenizer tokenizer =
        Tokenizer::parse(golden::unpacked(root + "/" + family + "/tokenizer.json.gz")).value();
    const std::string lines = read_file(root + "/" + family + "/output-parsing.jsonl").value();
    for (const std::string_view line : split(lines, '\n')) {
      if (line.empty()) continue;
      const json::Value record = json::parse(line).value();
      // EXAONE Deep marks reasoning by text; no tokenizer of it is among the supported ones.
      if (record.as_object().at("family") == "exaone-deep") continue;
      check_record(tokenizer, record.as_object());
      ++checked;
    }
  }
  EXPECT_EQ(checked, 22u);
}

}  // namespace
}  // namespace weft::chat
