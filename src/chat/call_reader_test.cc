// SPDX-License-Identifier: Apache-2.0
#include "chat/call_reader.h"

#include <gtest/gtest.h>

#include <random>

#include "chat/test_calls.h"

namespace weft::chat {
namespace {

constexpr CallFormat kFormats[] = {CallFormat::kJsonLines, CallFormat::kJson, CallFormat::kXml};

struct Told {
  std::vector<CallPiece> joined;
  size_t pieces = 0;  // with arguments
};

void tell_piece(Told& told, const std::optional<CallPiece>& piece) {
  if (!piece) return;
  EXPECT_EQ(piece->name.empty(), !told.joined.empty()) << "the name comes first, and once";
  told.pieces += piece->arguments.empty() ? 0 : 1;
  append_piece(told.joined, *piece);
}

// `cuts`: where the text is cut, ascending.
Told read_call(CallFormat format, std::string_view text, const std::vector<size_t>& cuts,
               const std::vector<Tool>& all) {
  Told told;
  CallReader reader(format, 3, true);
  size_t from = 0;
  for (const size_t cut : cuts) {
    tell_piece(told, reader.add(text.substr(from, cut - from), all));
    from = cut;
  }
  tell_piece(told, reader.add(text.substr(from), all));
  EXPECT_TRUE(reader.begun());
  const auto whole = reader.close(all);
  EXPECT_TRUE(whole.has_value());
  if (whole) tell_piece(told, whole->rest);
  return told;
}

void expect_call(const Told& told, const ToolCall& call) {
  ASSERT_EQ(told.joined.size(), 1U);
  EXPECT_EQ(told.joined[0].index, 3);
  EXPECT_EQ(told.joined[0].name, call.name);
  EXPECT_TRUE(told.joined[0].done);
  const auto value = json::parse(told.joined[0].arguments);
  ASSERT_TRUE(value.ok()) << told.joined[0].arguments;
  EXPECT_EQ(*value, call.arguments);
}

// Whatever the cuts, the pieces are the call, and they come while it is written.
TEST(CallReader, PiecesAreTheCallForEveryCut) {
  const auto tokenizer =
      text::Tokenizer::load(WEFT_SOURCE_DIR "/tests/golden/tokenizers/mini/qwen3").value();
  const auto vocabulary = grammar::Vocabulary::of(tokenizer).value();
  const auto all = varied_tools();
  std::mt19937_64 random(17);
  for (const CallFormat format : kFormats) {
    const auto grammar = call_grammar(vocabulary, format, all).value();
    for (int i = 0; i < 40; ++i) {
      const std::string text = random_text(grammar, random);
      SCOPED_TRACE(text);
      const ToolCall call = parse_call(format, text, all).value();
      const Told at_once = read_call(format, text, {}, all);
      expect_call(at_once, call);
      std::vector<size_t> everywhere;
      for (size_t cut = 1; cut < text.size(); ++cut) {
        everywhere.push_back(cut);
        const Told told = read_call(format, text, {cut}, all);
        EXPECT_EQ(told.joined[0].arguments, at_once.joined[0].arguments) << cut;
      }
      const Told bytes = read_call(format, text, everywhere, all);
      expect_call(bytes, call);
      EXPECT_EQ(bytes.joined[0].arguments, at_once.joined[0].arguments);
      const std::string& arguments = at_once.joined[0].arguments;
      if (format == CallFormat::kXml) {
        EXPECT_GE(bytes.pieces, 2U);  // `{` with the name, `}` at the end
      } else {
        EXPECT_EQ(bytes.pieces, arguments.size());
        EXPECT_NE(text.find(arguments), text.npos) << "as it was written";
      }
    }
  }
}

// An end of text and of names that look like markup, a line end at the end of a text, the end of a
// parameter inside of a JSON string: everything that a call in XML can be misread at.
TEST(CallReader, XmlBecomesJsonWhileItIsWritten) {
  const auto all = tools(R"([{"name": "f", "parameters": {"type": "object", "properties": {
      "t": {"type": "string"}, "t>\n": {"type": "string"}, "<\"é": {"type": "integer"},
      "o": {"type": ["string", "null"]}, "e": {"type": "string"}}}}])");
  const std::string text =
      "\n<function=f>\n<parameter=t>\na\n</parameter\n</paramé\"\\ \t\n\n</parameter>\n"
      "<parameter=t>\n>\n안\n</parameter>\n<parameter=<\"é>\n-120\n</parameter>\n"
      "<parameter=o>\n\"\\n</parameter> \\u00e9\"\n</parameter>\n<parameter=e>\n\n</parameter>\n"
      "</function>\n";
  const std::string arguments =
      R"({"t": "a\n</parameter\n</paramé\"\\ \t\n", "t>\n": "안", "<\"é": -120, )"
      R"("o": "\n</parameter> \u00e9", "e": ""})";
  std::vector<size_t> everywhere;
  for (size_t cut = 1; cut < text.size(); ++cut) {
    everywhere.push_back(cut);
    EXPECT_EQ(read_call(CallFormat::kXml, text, {cut}, all).joined[0].arguments, arguments) << cut;
    CallReader reader(CallFormat::kXml, 0, true);
    const auto piece = reader.add(std::string_view(text).substr(0, cut), all);
    ASSERT_EQ(piece.has_value(), cut >= 14) << "known by the end of its name";
    if (!piece) continue;
    EXPECT_EQ(piece->name, "f");
    EXPECT_TRUE(arguments.starts_with(piece->arguments)) << piece->arguments;
  }
  const Told bytes = read_call(CallFormat::kXml, text, everywhere, all);
  EXPECT_EQ(bytes.joined[0].arguments, arguments);
  EXPECT_GE(bytes.pieces, 40U) << "character for character";
  CallReader reader(CallFormat::kXml, 0, true);
  reader.add(text, all);
  EXPECT_EQ(reader.close(all)->call.arguments, json::parse(arguments).value());
}

// What is cut short is the beginning of a call, once its name was told, and never done.
TEST(CallReader, ACallThatIsCutShortIsNotDone) {
  const std::string text = "\n{\"name\": \"a\\\"}\", \"arguments\": {\"s\": \"}]\\\\\\\"\", \"l\": "
                           "[{}, 1.50]}}\n";
  const std::string arguments = "{\"s\": \"}]\\\\\\\"\", \"l\": [{}, 1.50]}";
  size_t begun = 0;
  for (size_t size = 0; size <= text.size(); ++size) {
    CallReader reader(CallFormat::kJsonLines, 0, true);
    const auto piece = reader.add(std::string_view(text).substr(0, size), {});
    ASSERT_EQ(piece.has_value(), reader.begun());
    if (!piece) continue;
    ++begun;
    EXPECT_EQ(piece->name, "a\"}");
    EXPECT_TRUE(arguments.starts_with(piece->arguments)) << piece->arguments;
    EXPECT_FALSE(piece->done);
  }
  EXPECT_EQ(begun, arguments.size() + 3);  // none of them, each, and what follows
}

// Models that nothing holds write their arguments so by mistake; here the tool's schema asks for
// it.
TEST(CallReader, AStringOfTheGrammarStaysAString) {
  CallReader reader(CallFormat::kJson, 0, true);
  const auto piece = reader.add(R"({"name": "a", "arguments": "{\"x\": 1}"})", {});
  ASSERT_TRUE(piece.has_value());
  EXPECT_EQ(piece->arguments, R"("{\"x\": 1}")");
  EXPECT_EQ(reader.close({})->call.arguments, R"({"x": 1})");
}

// Nothing holds the text to the form: what it is shows at its end.
TEST(CallReader, TextThatNothingHoldsComesWhole) {
  CallReader reader(CallFormat::kJson, 0, false);
  EXPECT_FALSE(reader.add("{\"arguments\": {\"x\": 1.50}, ", {}).has_value());
  EXPECT_FALSE(reader.add("\"name\": \"late\"}", {}).has_value());
  EXPECT_FALSE(reader.begun());
  const auto whole = reader.close({});
  ASSERT_TRUE(whole.has_value());
  EXPECT_EQ(whole->rest.name, "late");
  EXPECT_EQ(whole->rest.arguments, "{\"x\":1.5}");
  EXPECT_TRUE(whole->rest.done);
  CallReader broken(CallFormat::kJson, 0, false);
  EXPECT_FALSE(broken.add("{\"name\": \"a\", \"arguments\": {", {}).has_value());
  EXPECT_FALSE(broken.close({}).has_value());
}

// A reader with larger numbers than ours may know what it is.
TEST(CallReader, ArgumentsBeyondOurNumbersAreToldAsTheyAre) {
  CallReader reader(CallFormat::kJson, 0, true);
  const auto piece = reader.add("{\"name\": \"a\", \"arguments\": {\"x\": 1e999}}", {});
  ASSERT_TRUE(piece.has_value());
  EXPECT_EQ(piece->arguments, "{\"x\": 1e999}");
  const auto whole = reader.close({});
  ASSERT_TRUE(whole.has_value());
  EXPECT_EQ(whole->call.name, "a");
  EXPECT_TRUE(whole->rest.done && whole->rest.arguments.empty());
}

TEST(CallReader, PiecesOfOneCallAreJoined) {
  std::vector<CallPiece> all;
  append_piece(all, {.index = 0, .name = "a", .arguments = "{"});
  append_piece(all, {.index = 0, .arguments = "}", .done = true});
  append_piece(all, {.index = 1, .name = "b"});
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0].arguments, "{}");
  EXPECT_TRUE(all[0].done);
  EXPECT_FALSE(all[1].done);
}

}  // namespace
}  // namespace weft::chat
