// SPDX-License-Identifier: Apache-2.0
//
// The cases of an evaluation: JSON lines, one case a line, each with what goes in and what a right
// answer says, field by field (docs/eval.md has the format).
//
//   {"id"?, "suite"?, "language"?, "input" | "messages", "tools"?, "expect": {…}}
//
// Reading only: what is right or wrong is decided in eval/score, nothing here runs anything.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/json.h"

namespace weft::eval {

struct Expectation {
  enum class Kind {
    kEqual,  // the same value
    kNear,   // a number at most `within` away; the exact value is counted too
    kSet,    // a list with the same elements in any order
    kCall,   // exactly one tool call with this name and these arguments; null: no call
    kCalls,  // the tool calls are among those accepted: eval/calls
    kText    // the whole answer as text, white space at both ends aside
  };
  Kind kind = Kind::kEqual;
  std::string field;  // a member of the answer, or a JSON pointer; or $call, $calls, $text
  json::Value value;
  double within = 0;  // of kNear
};

struct Case {
  std::string suite;     // the file's name without its ending, if the case does not say
  std::string id;        // unique in its suite; a digest of what goes in, if the case does not say
  std::string language;  // may be empty
  json::Value input;     // null if there are messages
  json::Array messages;
  json::Array tools;     // OpenAI function definitions
  std::vector<Expectation> expect;  // at least one, in the order of the document
  std::string place;     // "cases.jsonl:12", for errors

  bool expects_call() const;
  // What a person wants to read of the input, as text.
  std::string input_text() const;
};

struct ReadLimits {
  size_t line_bytes_max = size_t{4} << 20;
  size_t cases_max = 1'000'000;
};

// All cases of one file's `text`; blank lines are passed over. `file` gives place and suite. E0920:
// a line that is no case, an id that occurs twice, or no case at all; the message has the line.
Result<std::vector<Case>> read_cases(std::string_view text, const std::string& file,
                                     const ReadLimits& limits = {});

}  // namespace weft::eval
