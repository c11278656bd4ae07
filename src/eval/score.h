// SPDX-License-Identifier: Apache-2.0
//
// One answer against one case: a mark (right or wrong) for every measure, and for fields with a
// plain value what was expected and what came, so that a report can count confusions.
//
// Measures of a case: one for each field it expects, "F within N" beside a number that may be near,
// "$call" and "$call name" for a tool call, "$calls" and "$calls names" for several, "$text",
// "$valid" (the answer has the form at all) and "$all" (every field right; a number that may be
// near only has to be near).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "eval/case.h"
#include "text/json_spelling.h"

namespace weft::eval {

// What came back for a case, whoever gave it.
struct Answer {
  std::string text;         // of a model: its answer, reasoning cut off
  json::Value value;        // the answer as JSON: a workflow's output, or what `text` reads as
  bool has_value = false;
  json::Array tool_calls;   // OpenAI form, arguments as an object
  std::optional<Error> error;  // there is no answer
  double seconds = 0;          // from the request to the whole answer
  int64_t tokens_prompt = 0;
  int64_t tokens_reasoning = 0;
  int64_t tokens_answer = 0;
  // One for each answer of a model on the way, with its text and all its tokens, if known.
  struct Spelling {
    std::string text;
    std::vector<text::TokenText> tokens;
  };
  std::vector<Spelling> spellings;
};

struct Mark {
  std::string measure;
  bool right = false;
};

struct FieldOutcome {
  std::string field;
  std::string expected;
  std::string found;  // as text; "(none)" if the answer lacks the field
  bool right = false;
  std::optional<double> probability;  // of the value found
};

struct CaseResult {
  std::string suite;
  std::string id;
  std::string language;
  std::string input;     // for people
  std::string expected;  // JSON, for people
  std::string answer;    // for people; of an error its text
  std::vector<Mark> marks;
  std::vector<FieldOutcome> fields;  // those with a plain value: text, number, boolean, null
  std::optional<std::string> error;  // code
  double seconds = 0;
  int64_t tokens_prompt = 0;
  int64_t tokens_reasoning = 0;
  int64_t tokens_answer = 0;

  const Mark* mark(std::string_view measure) const&;  // null: the case has no such measure
  const Mark* mark(std::string_view measure) const&& = delete;
};

// Equal as data: 4 is 4.0, members of objects in any order.
bool same_value(const json::Value& a, const json::Value& b);

// The answer of a model that wrote `text`: fills text, value and has_value.
Answer answer_of_text(std::string text);

CaseResult score(const Case& item, const Answer& answer);

}  // namespace weft::eval
