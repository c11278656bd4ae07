// SPDX-License-Identifier: Apache-2.0
#include "chat/turn.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "base/strings.h"
#include "chat/prompt.h"
#include "chat/test_calls.h"
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
  const auto turn_made =
      Turn::create(tokenizer, dialect, tokenizer.encode(prompt), std::move(options)).value();
  Turn& turn = *turn_made;
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
  const auto turn_made =
      Turn::create(tokenizer, Dialect::recognise(tokenizer).value(), {}, {}).value();
  Turn& turn = *turn_made;
  TurnDelta all;
  for (const TokenId id : tokenizer.encode(output)) {
    const Verdict verdict = turn.on_token(id);
    const TurnDelta delta = turn.take_delta();
    EXPECT_FALSE(invalid_utf8_at(delta.content).has_value());
    all.reasoning += delta.reasoning;
    all.content += delta.content;
    for (const CallPiece& piece : delta.calls) append_piece(all.calls, piece);
    if (verdict == Verdict::kStop) break;
  }
  EXPECT_EQ(all.reasoning, turn.result().reasoning);
  EXPECT_EQ(all.reasoning, "One\n\ntwo 안녕 ");
  EXPECT_EQ(all.content, turn.result().content);
  EXPECT_EQ(all.content, "Say 안녕 to\n them\nDone.\n");
  ASSERT_EQ(all.calls.size(), 1u);
  EXPECT_TRUE(all.calls[0].done);
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
void check_budget(const Tokenizer& tokenizer, const Dialect& dialect, int64_t budget,
                  std::string_view endless) {
  SCOPED_TRACE(dialect.name + " budget " + std::to_string(budget));
  TurnOptions options;
  options.thinking_budget = budget;
  const std::vector<TokenId> prompt =
      tokenizer.encode(dialect.think_open ? "x<think>" : "[|assistant|]<thought>\n");
  const auto turn_made =
      Turn::create(tokenizer, dialect, prompt, options).value();
  Turn& turn = *turn_made;
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
  if (!dialect.think_open) return;
  TokenMask mask(tokenizer.size());
  mask.allow_all();
  EXPECT_TRUE(turn.mask(mask));
  EXPECT_FALSE(mask.allowed(*dialect.think_open));
}

void check_budgets(const Tokenizer& tokenizer, std::string_view chat_template) {
  const Dialect dialect = Dialect::recognise(tokenizer, chat_template).value();
  for (const int64_t budget : {0, 1, 17, 1024}) {
    check_budget(tokenizer, dialect, budget, "생각하는 중 😀 and so on ");
    check_budget(tokenizer, dialect, budget, "😀");
    check_budget(tokenizer, dialect, budget, "a line\n");
    check_budget(tokenizer, dialect, budget, "word ");
  }
}

TEST(Turn, BudgetBoundsTheReasoning) {
  for (const char* family : kFamilies) check_budgets(mini(family), "");
  check_budgets(mini("exaone4"), "<thought>");
}

// In the middle of the reasoning time is up: it is closed, between two characters, and a short
// answer may follow; a turn of free text alone is cut off by whoever runs it.
TEST(Turn, WrapsUpItsReasoning) {
  for (const char* family : kFamilies) {
    SCOPED_TRACE(family);
    const Tokenizer tokenizer = mini(family);
    const Dialect dialect = Dialect::recognise(tokenizer, "").value();
    if (!dialect.think_open) continue;
    const auto made = Turn::create(tokenizer, dialect, tokenizer.encode("x<think>"), {}).value();
    Turn& turn = *made;
    for (const TokenId id : tokenizer.encode("생각하는 중 😀 thoughts")) {
      EXPECT_FALSE(turn.forced().has_value());
      turn.on_token(id);
    }
    EXPECT_TRUE(turn.wrap_up(grammar::Haste::kAnswer));
    EXPECT_FALSE(turn.wrap_up(grammar::Haste::kAnswer));
    std::vector<TokenId> closing;
    while (const auto forced = turn.forced()) {
      closing.push_back(*forced);
      turn.on_token(*forced);
    }
    EXPECT_EQ(closing, dialect.close_text);
    EXPECT_FALSE(turn.reasoning_now());
    const std::vector<TokenId> words = tokenizer.encode("a");
    int answer = 0;
    while (turn.on_token(words[0]) == grammar::Verdict::kContinue && answer < 1000) ++answer;
    EXPECT_LT(answer, 70);
    EXPECT_GT(answer, 30);
    TurnOptions no_thinking;
    no_thinking.thinking_budget = 0;
    const auto text =
        Turn::create(tokenizer, dialect, tokenizer.encode("x"), no_thinking).value();
    text->on_token(words[0]);
    EXPECT_FALSE(text->wrap_up(grammar::Haste::kShortest));
  }
}

TEST(Turn, BudgetEndsAtALineWhenOneComes) {
  const Tokenizer tokenizer = mini("qwen3");
  const Dialect dialect = Dialect::recognise(tokenizer).value();
  TurnOptions options;
  options.thinking_budget = 3;
  const auto turn_made =
      Turn::create(tokenizer, dialect, std::vector<TokenId>{*dialect.think_open}, options).value();
  Turn& turn = *turn_made;
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
  const auto closed_made =
      Turn::create(tokenizer, dialect,
                   tokenizer.encode("[|assistant|]\n<think>\n\n</think>\n\n"), {}).value();
  Turn& closed = *closed_made;
  TokenMask mask(tokenizer.size());
  mask.allow_all();
  EXPECT_TRUE(closed.mask(mask));
  EXPECT_FALSE(mask.allowed(*dialect.think_open));
  // A block in an earlier turn says nothing about this one.
  const auto earlier_made =
      Turn::create(tokenizer, dialect,
                   tokenizer.encode("<think>a</think>b[|endofturn|][|assistant|]"), {}).value();
  Turn& earlier = *earlier_made;
  mask.allow_all();
  EXPECT_FALSE(earlier.mask(mask));
}

grammar::VocabularyPtr vocabulary(const Tokenizer& tokenizer) {
  return grammar::Vocabulary::of(tokenizer).value();
}
std::shared_ptr<grammar::Grammar> choice_of(const Tokenizer& tokenizer,
                                            std::vector<std::string> texts) {
  return grammar::Grammar::of_choice(vocabulary(tokenizer), texts).value();
}

TEST(Turn, AGrammarBindsTheAnswerOnly) {
  const Tokenizer tokenizer = mini("qwen3");
  const Dialect dialect = Dialect::recognise(tokenizer).value();
  const TokenId answer = tokenizer.encode("7")[0];
  TurnOptions options;
  options.answer = choice_of(tokenizer, {"7"});
  const auto turn_made = Turn::create(tokenizer, dialect, {}, options).value();
  Turn& turn = *turn_made;
  TokenMask mask(tokenizer.size());
  mask.allow_all();
  EXPECT_TRUE(turn.mask(mask));
  EXPECT_TRUE(mask.allowed(*dialect.think_open));
  EXPECT_TRUE(mask.allowed(answer));
  EXPECT_FALSE(mask.allowed(tokenizer.encode("x")[0]));
  turn.on_token(*dialect.think_open);
  mask.allow_all();
  EXPECT_TRUE(turn.mask(mask));  // thinking is free, but it is not the end
  EXPECT_TRUE(mask.allowed(tokenizer.encode("x")[0]));
  EXPECT_FALSE(mask.allowed(dialect.stops[0]));
  turn.on_token(*dialect.think_close);
  std::vector<TokenId> blank;
  while (blank.size() < dialect.after_close.size()) {
    blank.push_back(turn.forced().value());
    turn.on_token(blank.back());
  }
  EXPECT_EQ(blank, dialect.after_close);
  mask.allow_all();
  EXPECT_TRUE(turn.mask(mask));
  EXPECT_FALSE(mask.allowed(*dialect.think_open));
  EXPECT_EQ(turn.on_token(answer), Verdict::kStop);
  EXPECT_EQ(turn.result().content, "7");
}

// EXAONE Deep's marker is text of several tokens, of which the last may hold more than the marker.
TEST(Turn, AGrammarBindsBehindAMarkerOfText) {
  const Tokenizer tokenizer = mini("exaone4");
  const Dialect dialect = Dialect::recognise(tokenizer, "<thought>").value();
  TurnOptions options;
  options.answer = choice_of(tokenizer, {"yes", "no"});
  options.tokens_max = 60;
  const std::vector<TokenId> prompt = tokenizer.encode("[|assistant|]<thought>\n");
  const auto turn = Turn::create(tokenizer, dialect, prompt, options).value();
  for (const TokenId id : tokenizer.encode("hm.\n</thought")) turn->on_token(id);
  TokenMask mask(tokenizer.size());
  mask.allow_all();
  ASSERT_TRUE(turn->mask(mask));
  for (size_t id = 0; id < tokenizer.size(); ++id) {
    const std::string_view bytes = tokenizer.token_bytes(static_cast<TokenId>(id));
    if (!bytes.starts_with('>')) continue;
    const bool only_lines = bytes.find_first_not_of('\n', 1) == bytes.npos;
    EXPECT_EQ(mask.allowed(static_cast<TokenId>(id)), only_lines) << bytes;
  }
  EXPECT_FALSE(mask.allowed(dialect.stops[0]));
  turn->on_token(tokenizer.encode(">")[0]);
  std::vector<TokenId> blank;
  while (blank.size() < dialect.after_close.size()) {
    blank.push_back(turn->forced().value());
    turn->on_token(blank.back());
  }
  EXPECT_EQ(blank, dialect.after_close);
  mask.allow_all();
  ASSERT_TRUE(turn->mask(mask));
  EXPECT_TRUE(mask.allowed(tokenizer.encode("y")[0]));
  EXPECT_FALSE(mask.allowed(tokenizer.encode("x")[0]));
  for (const TokenId id : tokenizer.encode("no")) turn->on_token(id);
  turn->finish();
  EXPECT_EQ(turn->result().reasoning, "hm.");
  EXPECT_EQ(turn->result().content, "no");
}

// Line ends that the grammar asks for are part of the answer.
TEST(Turn, AnAnswerUnderAGrammarIsKeptByteForByte) {
  const Tokenizer tokenizer = mini("qwen3");
  const Dialect dialect = Dialect::recognise(tokenizer).value();
  TurnOptions options;
  options.answer = choice_of(tokenizer, {"\n\nyes\n"});
  options.thinking_budget = 0;
  const auto turn = Turn::create(tokenizer, dialect, {}, options).value();
  for (const TokenId id : tokenizer.encode("\n\nyes\n")) turn->on_token(id);
  turn->finish();
  EXPECT_EQ(turn->result().content, "\n\nyes\n");
}

// Text of one tokenizer cut differently: the tokens change, the result must not.
TEST(Turn, EveryCutOfTheTextGivesTheSameResult) {
  struct Case {
    const char* family;
    std::string_view chat_template, prompt, output;
  };
  for (const Case& one : std::vector<Case>{
           {"qwen3", "", "<|im_start|>assistant\n",
            "<think>\nHm 안녕.\n</think>\n\nA\n\nb\n<tool_call>\n{\"name\": \"a\", \"arguments\": "
            "{\"s\": \"}\\\"\"}}\n</tool_call>\n<tool_call>\n{\"name\": \"b\"}\n</tool_call>"},
           {"qwen3", "<function=", "<|im_start|>assistant\n",
            "ok\n<tool_call>\n<function=f>\n<parameter=a>\nx\ny\n</parameter>\n</function>\n"
            "</tool_call>\nend"},
           {"exaone4", "", "[|assistant|]\n<think>\n",
            "두 번.\n</think>\n\n<tool_call>{\"name\": \"a\", \"arguments\": {}}</tool_call>"},
           {"exaone4", "<thought>", "[|assistant|]<thought>\n",
            "Let </thou me.\n</thought>\n\nAnswer: </thought> 42"},
           {"granite4", "", "",
            "x\n<tool_call>\n{\"name\": \"a\", \"arguments\": {\n</tool_call>"}}) {
    SCOPED_TRACE(one.output);
    const Tokenizer tokenizer = mini(one.family);
    const Dialect dialect = Dialect::recognise(tokenizer, one.chat_template).value();
    const auto run = [&](const std::vector<TokenId>& ids) {
      const auto turn = Turn::create(tokenizer, dialect, tokenizer.encode(one.prompt), {}).value();
      TurnDelta all;
      const auto take = [&] {
        TurnDelta delta = turn->take_delta();
        all.reasoning += delta.reasoning;
        all.content += delta.content;
        for (const CallPiece& piece : delta.calls) append_piece(all.calls, piece);
      };
      for (const TokenId id : ids) {
        if (turn->on_token(id) == Verdict::kStop) break;
        take();
      }
      turn->finish();
      take();
      const TurnResult& result = turn->result();
      EXPECT_EQ(all.content, result.content);
      EXPECT_EQ(all.reasoning, result.reasoning.value_or(""));
      EXPECT_EQ(all.calls.size(), result.tool_calls.size());
      std::string text = result.reasoning.value_or("(none)") + "|" + result.content;
      for (const ToolCall& call : result.tool_calls) text += "|" + json::dump(openai_form(call));
      return text;
    };
    const std::string expected = run(tokenizer.encode(one.output));
    for (size_t cut = 1; cut < one.output.size(); ++cut) {
      if ((static_cast<unsigned char>(one.output[cut]) & 0xC0) == 0x80) continue;
      bool inside_marker = false;
      for (const text::AddedToken& token : tokenizer.added_tokens()) {
        for (size_t at = one.output.find(token.content); at != std::string_view::npos;
             at = one.output.find(token.content, at + 1)) {
          inside_marker = inside_marker || (cut > at && cut < at + token.content.size());
        }
      }
      if (inside_marker) continue;
      std::vector<TokenId> ids = tokenizer.encode(one.output.substr(0, cut));
      for (const TokenId id : tokenizer.encode(one.output.substr(cut))) ids.push_back(id);
      EXPECT_EQ(run(ids), expected) << "cut at " << cut;
    }
  }
}

std::string calls_text(const std::vector<CallPiece>& calls) {
  std::string out;
  for (const CallPiece& call : calls) {
    out += fmt::format("{} {} {} {}\n", call.index, call.name, call.arguments, call.done);
  }
  return out;
}

struct HeldTurn {
  TurnDelta told;
  TurnResult result;
  size_t pieces = 0;  // of arguments
};

// A turn that has to call, and may call several times, ended behind `ids` whatever came of it.
HeldTurn held_turn(const Tokenizer& tokenizer, const Dialect& dialect, const CallOptions& calls,
                   const std::vector<TokenId>& ids) {
  TurnOptions options;
  options.calls = calls;
  options.thinking_budget = 0;
  const auto turn = Turn::create(tokenizer, dialect, {}, options).value();
  HeldTurn out;
  const auto take = [&] {
    TurnDelta delta = turn->take_delta();
    EXPECT_TRUE(delta.content.empty() || delta.calls.empty()) << "one after the other";
    out.told.content += delta.content;
    for (const CallPiece& piece : delta.calls) {
      out.pieces += piece.arguments.empty() ? 0 : 1;
      EXPECT_FALSE(invalid_utf8_at(piece.arguments).has_value());
      append_piece(out.told.calls, piece);
    }
  };
  for (const TokenId id : ids) {
    if (turn->on_token(id) == Verdict::kStop) break;
    take();
  }
  turn->finish();
  take();
  out.result = turn->result();
  EXPECT_EQ(out.told.content, out.result.content);
  EXPECT_EQ(calls_text(out.told.calls), calls_text(out.result.calls));
  return out;
}

// What is streamed of calls is the whole answer, byte for byte: in every dialect, whatever tokens
// spell it, and wherever it is cut off; and they come in pieces.
TEST(Turn, StreamedCallsAreTheWholeAnswer) {
  const std::string json = "{\"name\": \"one\", \"arguments\": {\"s\": "
                           "\"}\\\"{ \\u00e9 안녕\", \"n\": -120, \"e\": \"y z\"}}";
  const std::string xml = "\n<function=one>\n<parameter=s>\n{안녕\n</parameter>\n"
                          "<parameter=n>\n-120\n</parameter>\n</function>\n";
  struct Case {
    const char* family;
    const char* chat_template;
    std::string first;
  };
  for (const Case& one : std::vector<Case>{{"qwen3", "", "\n" + json + "\n"},
                                           {"granite4", "", "\n" + json + "\n"},
                                           {"exaone4", "", json},
                                           {"qwen3", "<function=", xml}}) {
    SCOPED_TRACE(one.family + one.first);
    const Tokenizer tokenizer = mini(one.family);
    const Dialect dialect = Dialect::recognise(tokenizer, one.chat_template).value();
    CallOptions calls;
    calls.tools = varied_tools();
    calls.grammar =
        call_grammar(grammar::Vocabulary::of(tokenizer).value(), dialect.call_format, calls.tools)
            .value();
    const bool in_json = dialect.call_format != CallFormat::kXml;
    const std::vector<TokenId> open = {*dialect.call_open}, close = {*dialect.call_close};
    const auto ids_of = [&](std::string_view first, std::string_view rest) {
      std::vector<TokenId> ids = tokenizer.encode("Ok.\n");
      for (const auto& part : {open, tokenizer.encode(first), tokenizer.encode(rest), close,
                               tokenizer.encode("\n"), open, tokenizer.encode(one.first), close}) {
        ids.insert(ids.end(), part.begin(), part.end());
      }
      return ids;
    };
    const std::vector<TokenId> ids = ids_of(one.first, "");
    const HeldTurn whole = held_turn(tokenizer, dialect, calls, ids);
    ASSERT_EQ(whole.result.tool_calls.size(), 2U);
    EXPECT_EQ(whole.result.content, "Ok.");
    for (const CallPiece& call : whole.result.calls) {
      EXPECT_EQ(call.name, "one");
      EXPECT_TRUE(call.done);
      EXPECT_EQ(json::parse(call.arguments).value(), whole.result.tool_calls[0].arguments);
      if (in_json) {
        EXPECT_NE(one.first.find(call.arguments), std::string::npos);
      }
    }
    EXPECT_GE(whole.pieces, in_json ? 20U : 12U);
    for (size_t cut = 1; cut < one.first.size(); ++cut) {
      if ((static_cast<unsigned char>(one.first[cut]) & 0xC0) == 0x80) continue;
      const auto other = ids_of(std::string_view(one.first).substr(0, cut),
                                std::string_view(one.first).substr(cut));
      const HeldTurn again = held_turn(tokenizer, dialect, calls, other);
      EXPECT_EQ(calls_text(again.result.calls), calls_text(whole.result.calls)) << cut;
    }
    for (size_t count = 0; count < ids.size(); ++count) {
      const HeldTurn cut = held_turn(tokenizer, dialect, calls, {ids.data(), ids.data() + count});
      EXPECT_LE(cut.result.calls.size() - cut.result.tool_calls.size(), 1U);
      if (cut.result.calls.size() == cut.result.tool_calls.size()) continue;
      EXPECT_FALSE(cut.result.calls.back().done);
      std::string_view told = cut.result.calls.back().arguments;
      if (told.ends_with("\uFFFD")) told.remove_suffix(3);  // amid a character
      EXPECT_TRUE(whole.result.calls[0].arguments.starts_with(told)) << told;
      EXPECT_EQ(cut.result.content, "Ok.");
    }
  }
}

TEST(Dialect, IsNeverGuessed) {
  for (const char* family : kFamilies) {
    EXPECT_EQ(Dialect::recognise(mini(family))->name, family);
  }
}

TEST(Dialect, TemplatesTellModelsOfOneTokenizerApart) {
  EXPECT_EQ(Dialect::recognise(mini("qwen3"))->call_format, CallFormat::kJsonLines);
  EXPECT_EQ(Dialect::recognise(mini("qwen3"), "x<function=y")->call_format, CallFormat::kXml);
  EXPECT_EQ(Dialect::recognise(mini("exaone4"))->call_format, CallFormat::kJson);
  const Dialect deep = Dialect::recognise(mini("exaone4"), "[|assistant|]<thought>").value();
  EXPECT_EQ(deep.name, "exaone-deep");
  EXPECT_TRUE(deep.can_think());
  EXPECT_FALSE(deep.call_open.has_value());
}

// One record of output-parsing.jsonl. A tokenizer cuts the text, so that markers inside strings
// become markers too, which a model would not write so.
void check_record(const Tokenizer& tokenizer, const json::Object& record) {
  SCOPED_TRACE(std::string(record.at("id").as_string()));
  // EXAONE Deep's own tokenizer is not among the golden ones; its markers are text in any of them.
  const bool deep = record.at("family") == "exaone-deep";
  const Dialect dialect = Dialect::recognise(tokenizer, deep ? "<thought>\n" : "").value();
  std::vector<TokenId> prompt;
  if (record.at("generation_prompt_opens_think").as_bool()) {
    prompt = tokenizer.encode(deep ? "[|assistant|]<thought>\n" : "<think>\n");
  }
  const auto turn_made =
      Turn::create(tokenizer, dialect, prompt, {}).value();
  Turn& turn = *turn_made;
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
    check_budgets(tokenizer, "");
    if (family == "exaone4") check_budgets(tokenizer, "<thought>");
    const std::string lines = read_file(root + "/" + family + "/output-parsing.jsonl").value();
    for (const std::string_view line : split(lines, '\n')) {
      if (line.empty()) continue;
      const json::Value record = json::parse(line).value();
      check_record(tokenizer, record.as_object());
      ++checked;
    }
  }
  EXPECT_EQ(checked, 23u);
}

}  // namespace
}  // namespace weft::chat
