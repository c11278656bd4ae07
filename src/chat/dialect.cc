// SPDX-License-Identifier: Apache-2.0
#include "chat/dialect.h"

#include <fmt/core.h>

namespace weft::chat {
namespace {

struct Markers {
  Dialect::Family family;
  std::string_view name;
  std::string_view sign;  // the added token that only this family has
  std::vector<std::string_view> turn_starts;
  std::vector<std::string_view> stops;
  std::string_view close_text;
};

// Qwen's closing text is the one its documentation gives (quickstart, "Thinking Budget"); the
// others have no text of their own and get the closing tag alone.
const std::vector<Markers>& markers() {
  static const std::vector<Markers> all = {
      {Dialect::Family::kQwen3,
       "qwen3",
       "<|im_start|>",
       {"<|im_start|>"},
       {"<|im_end|>", "<|endoftext|>"},
       "\n\nConsidering the limited time by the user, I have to give the solution based on the "
       "thinking directly now.\n</think>\n\n"},
      {Dialect::Family::kExaone4,
       "exaone4",
       "[|endofturn|]",
       {"[|assistant|]", "[|user|]", "[|system|]", "[|tool|]"},
       {"[|endofturn|]"},
       "\n</think>\n\n"},
      {Dialect::Family::kGranite4,
       "granite4",
       "<|start_of_role|>",
       {"<|start_of_role|>"},
       {"<|end_of_text|>"},
       "\n</think>\n\n"},
  };
  return all;
}

Result<Dialect> dialect_of(const text::Tokenizer& tokenizer, const Markers& marks) {
  Dialect out;
  out.family = marks.family;
  out.name = marks.name;
  out.think_open = tokenizer.added_token("<think>");
  out.think_close = tokenizer.added_token("</think>");
  out.call_open = tokenizer.added_token("<tool_call>");
  out.call_close = tokenizer.added_token("</tool_call>");
  const bool half = out.think_open.has_value() != out.think_close.has_value() ||
                    out.call_open.has_value() != out.call_close.has_value();
  if (half) {
    return make_error(
        "E0742", fmt::format("the tokenizer has one half of a pair of markers of {}", marks.name),
        "<think> and </think>, <tool_call> and </tool_call> belong together");
  }
  for (const std::string_view token : marks.turn_starts) {
    if (const auto id = tokenizer.added_token(token)) out.turn_starts.push_back(*id);
  }
  for (const std::string_view token : marks.stops) {
    if (const auto id = tokenizer.added_token(token)) out.stops.push_back(*id);
  }
  if (out.stops.empty()) {
    return make_error("E0742", fmt::format("the tokenizer looks like {} but has no token {}",
                                           marks.name, marks.stops[0]));
  }
  if (const auto line = tokenizer.encode("\n"); line.size() == 1) out.newline = line[0];
  out.after_close = tokenizer.encode("\n\n");
  if (out.think_close) out.close_text = tokenizer.encode(marks.close_text);
  return out;
}

// What the template says beyond the tokenizer: models of one tokenizer differ in these.
void read_template(const text::Tokenizer& tokenizer, std::string_view source, Dialect& out) {
  if (out.family == Dialect::Family::kExaone4) out.call_format = CallFormat::kJson;
  if (source.find("<function=") != source.npos) out.call_format = CallFormat::kXml;
  if (source.find("<thought>") == source.npos) return;
  if (out.family == Dialect::Family::kExaone4) out.name = "exaone-deep";
  out.think_open = out.think_close = std::nullopt;
  out.call_open = out.call_close = std::nullopt;
  out.think_text_open = "<thought>";
  out.think_text_close = "</thought>";
  out.close_text = tokenizer.encode("\n</thought>\n\n");
}

}  // namespace

Result<Dialect> Dialect::recognise(const text::Tokenizer& tokenizer,
                                   std::string_view chat_template) {
  const Markers* found = nullptr;
  for (const Markers& marks : markers()) {
    if (!tokenizer.added_token(marks.sign)) continue;
    if (found) {
      return make_error("E0742", fmt::format("the tokenizer has the markers of {} and of {}",
                                             found->name, marks.name));
    }
    found = &marks;
  }
  if (found) {
    Dialect out = TRY(dialect_of(tokenizer, *found));
    read_template(tokenizer, chat_template, out);
    return out;
  }
  return make_error("E0742", "the tokenizer belongs to no family that weft knows",
                    "it has none of <|im_start|> (Qwen3 and others of ChatML), [|endofturn|] "
                    "(EXAONE 3.5, Deep, 4.0) and <|start_of_role|> (Granite 3, 4.0, 4.1); "
                    "/v1/completions and /v1/embeddings take this model");
}

}  // namespace weft::chat
