// SPDX-License-Identifier: Apache-2.0
//
// Fields that a model may only copy: a subschema with "x-weft-verbatim": true takes texts (or
// numbers) that stand in the conversation word for word, in what users said or tools returned. An
// order number that nobody named cannot be written then, whatever the model would make up.
//
// It rewrites the schema: the field becomes an enumeration of the runs of words (text/word_runs)
// that fit its other keywords, or `false` where none does. Grammar and validator need to know
// nothing of it. It does not judge whether a copy is the right one.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "chat/message.h"
#include "text/word_runs.h"

namespace weft::chat {

inline constexpr std::string_view kVerbatim = "x-weft-verbatim";

// Whether the schema may have such fields: quick, and wrong where another text says the keyword.
bool asks_verbatim(const json::Value& schema);

// What a conversation offers to be copied, and how much work may still go into looking through it:
// for all fields of an answer, or of all tools together, whatever their number and their patterns.
struct CopySource {
  // `messages` in OpenAI's form: E0740. E0323: more than 512 KiB.
  static Result<CopySource> of(const json::Array& messages);
  bool exhausted() const { return looks_left == 0 || pattern_steps_left == 0; }

  std::vector<text::WordRuns> texts;
  size_t looks_left = 400'000;            // at runs of words; about a microsecond each
  size_t pattern_steps_left = 5'000'000;  // about a quarter of a second
  bool without_choice = false;            // a field of the last schema has become `false`
};

// The schema for an answer to this conversation. At most six words a field, fewer where there
// would be more than 2,000 texts to choose among; E0323 where single words are too many already.
// E0301 where the keyword is not true or false. `messages` in OpenAI's form: E0740.
Result<json::Value> bound_to(const json::Value& schema, CopySource& source);
Result<json::Value> bound_to(const json::Value& schema, const json::Array& messages);

// Without the keyword: what models and servers that do not know it are told. A schema, and the
// schemas of tools in OpenAI's form.
json::Value without_verbatim(const json::Value& schema);
json::Array tools_without_verbatim(const json::Array& tools);

}  // namespace weft::chat
