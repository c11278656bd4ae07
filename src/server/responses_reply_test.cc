// SPDX-License-Identifier: Apache-2.0
#include "server/responses_reply.h"

#include <gtest/gtest.h>

#include "base/strings.h"

namespace weft::server {
namespace {

ResponsesForm new_form() {
  return ResponsesForm({.id = "resp_1", .object = "response", .model = "m", .created = 1,
                        .fingerprint = {}},
                       {}, nullptr, -1);
}

std::vector<json::Object> events_of(std::string_view stream) {
  std::vector<json::Object> out;
  for (const std::string_view line : split(stream, '\n')) {
    if (line.starts_with("data: ")) out.push_back(json::parse(line.substr(6))->as_object());
  }
  return out;
}

// What every byte of the arguments as a delta of its own, and all deltas joined, come to.
void expect_items(const backend::ChatResult& result, bool joined) {
  ResponsesForm form = new_form();
  backend::ChatDelta all;
  std::string stream;
  const auto tell = [&](const chat::CallPiece& piece) {
    if (joined) return chat::append_piece(all.calls, piece);
    backend::ChatDelta delta;
    delta.calls = {piece};
    stream += form.delta(0, delta);
  };
  all.content = result.content;
  if (!joined) stream += form.delta(0, std::exchange(all, {}));
  for (const chat::CallPiece& call : result.calls) {
    tell({.index = call.index, .name = call.name});
    for (const char c : call.arguments) {
      tell({.index = call.index, .arguments = std::string(1, c)});
    }
    if (call.done) tell({.index = call.index, .done = true});
  }
  if (joined) stream += form.delta(0, all);
  stream += form.closing(0, result);
  json::Array items;
  std::string arguments, whole;
  size_t deltas = 0;
  int64_t open = -1;
  for (const json::Object& event : events_of(stream)) {
    const std::string type(event.at("type").as_string());
    const int64_t index = event.at("output_index").as_int64();
    if (type == "response.output_item.added") {
      EXPECT_EQ(std::exchange(open, index), -1) << "one item at a time";
      EXPECT_EQ(event.at("item").at("status"), "in_progress");
    }
    EXPECT_EQ(index, open);
    if (type == "response.function_call_arguments.delta") {
      arguments += event.at("delta").as_string();
      ++deltas;
    }
    if (type == "response.function_call_arguments.done") whole += event.at("arguments").as_string();
    if (type != "response.output_item.done") continue;
    items.push_back(event.at("item"));
    open = -1;
  }
  const json::Value answer = new_form().whole({&result, 1});
  EXPECT_EQ(json::dump(items), json::dump(answer.at("output")));
  std::string every, complete;
  for (const chat::CallPiece& call : result.calls) {
    every += call.arguments;
    if (call.done) complete += call.arguments;
  }
  EXPECT_EQ(arguments, every);
  EXPECT_EQ(whole, complete);
  EXPECT_EQ(deltas, joined ? result.calls.size() : every.size());
}

TEST(ResponsesForm, CallsInPiecesAreTheItemsOfTheWholeAnswer) {
  backend::ChatResult result;
  result.content = "Two calls.";
  result.finish_reason = "tool_calls";
  result.calls = {{.index = 0, .name = "a", .arguments = "{\"x\": \"1\"}", .done = true},
                  {.index = 1, .name = "b", .arguments = "{}", .done = true}};
  for (const bool joined : {false, true}) expect_items(result, joined);
  // The answer ended amid the second one: it is incomplete, and no turn of the conversation.
  result.finish_reason = "length";
  result.calls[1] = {.index = 1, .name = "b", .arguments = "{\"y\": [1", .done = false};
  for (const bool joined : {false, true}) expect_items(result, joined);
  const json::Object message = new_form().message_of(result);
  EXPECT_EQ(message.at("tool_calls").as_array().size(), 1U);
  const json::Value answer = new_form().whole({&result, 1});
  EXPECT_EQ(answer.at("output").as_array().back().at("status"), "incomplete");
}

}  // namespace
}  // namespace weft::server
