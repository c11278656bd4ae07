// SPDX-License-Identifier: Apache-2.0
//
// One tool call while it is written: its name as soon as that is known, then the JSON text of its
// arguments piece by piece, then the whole call.
//
//   \n{"name": "NAME", "arguments": {…}}\n
//     `------- head ------------´`---´ pieces
//
// Pieces are told early only where a grammar holds the call (chat/call_grammar.h): then it is known
// to have this form, byte for byte, and what began is a call however it ends. Of text that nothing
// holds it is known at the end whether it is a call: that comes in one piece. Calls in XML become
// the same JSON (chat/xml_arguments.h).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "chat/call_text.h"
#include "chat/xml_arguments.h"

namespace weft::chat {

// Pieces of one call, put together, are the call.
struct CallPiece {
  int index = 0;          // of the call within its answer, from 0
  std::string id = {};    // with the name; empty: it has none yet
  std::string name = {};  // in the first piece only
  std::string arguments = {};  // JSON text, which goes on where the piece before ended
  bool done = false;      // the call is whole; never: the answer ended amid it
};
// Behind the others; joined with the last one where that is of the same call.
void append_piece(std::vector<CallPiece>& pieces, const CallPiece& piece);

class CallReader {
 public:
  // `index`: of the call. `held`: by a grammar of call_grammar().
  CallReader(CallFormat format, int index, bool held) : format_(format), held_(held) {
    all_.index = index;
  }

  // Text behind what came before; what can be told now. `tools`: the types of XML parameters.
  std::optional<CallPiece> add(std::string_view text, const std::vector<Tool>& tools);
  // Whether a marker that follows is part of a value.
  bool inside_value() const { return chat::inside_value(format_, text_); }
  // Something has been told: it is a call.
  bool begun() const { return !all_.name.empty(); }
  const std::string& text() const { return text_; }

  // Its closing marker came: the call, if it is one, and its last piece.
  struct Whole {
    ToolCall call;
    CallPiece rest;
  };
  std::optional<Whole> close(const std::vector<Tool>& tools) const;

 private:
  bool read_head();
  std::string read_json();
  std::optional<ToolCall> call_of(const std::vector<Tool>& tools) const;

  CallFormat format_;
  bool held_;
  std::string text_;
  CallPiece all_;         // that were told, joined
  XmlArguments xml_;      // of a call in XML
  size_t told_ = 0;       // of the text of a call in JSON; 0: the head is not whole
  int depth_ = 0;         // of the value, at told_
  bool in_string_ = false, escaped_ = false;  // likewise
  bool value_ended_ = false;
};

}  // namespace weft::chat
