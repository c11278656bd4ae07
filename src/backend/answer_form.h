// SPDX-License-Identifier: Apache-2.0
//
// What a request demands of its answer and of tool calls, as grammars of one model: the form that
// the answer must have (JSON Schema, regular expression, choices, EBNF) and the calls that may be
// made. Compiled on the backend's thread, before anything is generated; whatever cannot be held to
// is refused here, with its place.
//
// It decides nothing about the prompt (backend/local) nor about when a grammar binds (chat/turn).
#pragma once

#include <string>
#include <string_view>

#include "backend/backend.h"
#include "backend/models.h"
#include "chat/turn.h"

namespace weft::backend {

// What errors about a form of the answer begin with, up to a colon: whoever knows under which name
// the form was given puts that there.
inline constexpr std::string_view kSchemaPlace = "output schema";
inline constexpr std::string_view kRegexPlace = "regular expression of the answer";
inline constexpr std::string_view kChoicePlace = "choices of the answer";
inline constexpr std::string_view kEbnfPlace = "EBNF grammar of the answer";

struct AnswerForm {
  grammar::GrammarPtr answer;  // null: any text
  json::Value schema;          // that holds `answer`: fields to copy are enumerations; or null
  chat::CallOptions calls;
  std::string grammar;         // "json-schema:sha256…" of what `answer` was made from, or empty
  std::string not_held;        // why a best-effort schema does not bind, or empty
};

// E0712: more than one form, or stop texts beside one. E0744: tools. The errors of schema and
// grammar, with the request's member in front.
Result<AnswerForm> answer_form(const LoadedModel& model, const ChatRequest& request);

// How sure the model was of the values it chose from a list (enum, const, boolean) of the schema.
std::vector<ChosenValue> chosen_values(const json::Value& schema, std::string_view answer,
                                       const std::vector<GeneratedToken>& tokens);

}  // namespace weft::backend
