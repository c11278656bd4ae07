// SPDX-License-Identifier: Apache-2.0
//
// What a model answers under /v1, with what must not be shown taken out of it (security/redaction),
// whole or piece by piece: reasoning, text, arguments of tool calls. The pieces of a stream put
// together are the whole answer. Log probabilities are left out: their tokens would spell it.
//
// A call is held until it is whole: two names of its arguments may become the same, and whether one
// needs a number is not known before.
#pragma once

#include <optional>
#include <vector>

#include "backend/backend.h"
#include "security/stream_redactor.h"

namespace weft::server {

// Of one choice.
class AnswerRedaction {
 public:
  // `rules` outlives it. `json`: the answer is JSON, and stays it.
  AnswerRedaction(const security::Redaction& rules, bool json)
      : rules_(rules), json_(json), reasoning_(rules, false), content_(rules, json) {}

  backend::ChatDelta delta(backend::ChatDelta delta);
  // What is still held; after the last delta.
  backend::ChatDelta rest();
  void redact(backend::ChatResult& result) const;

 private:
  std::vector<chat::CallPiece> whole_calls(const std::vector<chat::CallPiece>& pieces);
  chat::CallPiece redacted_call(chat::CallPiece call) const;

  const security::Redaction& rules_;
  const bool json_;
  security::StreamRedactor reasoning_;
  security::StreamRedactor content_;
  std::optional<chat::CallPiece> call_;  // held
};

}  // namespace weft::server
