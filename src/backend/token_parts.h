// SPDX-License-Identifier: Apache-2.0
//
// Which of a turn's tokens spell the answer as its reader sees it: not the reasoning, not the
// markers, not the text of tool calls, not blank lines that belong to the markup, not a stop text.
// So log probabilities of an answer are those of its content, token by token.
//
// It follows the turn by what that shows: after each token its counts and its content. Tokens whose
// text is not shown yet (it may begin a stop text, or be the line end before a call) are open; they
// are settled when it is shown, or known not to be.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "backend/backend.h"
#include "chat/turn.h"

namespace weft::backend {

class TokenParts {
 public:
  // `open`, `close`: markers of a tool call. `has_form`: a grammar holds the answer, whose line
  // ends are its own from the first byte on.
  TokenParts(std::optional<text::TokenId> open, std::optional<text::TokenId> close, bool has_form)
      : open_(open), close_(close), skips_newlines_(!has_form) {}

  // Appends the newest token, which the turn has just counted. `added`: it is an added token.
  void add(GeneratedToken token, text::TokenId id, bool added, const chat::TurnResult& turn);
  // The turn is over: what is open and was not shown is no part of the answer.
  void finish(const chat::TurnResult& turn) { drop_hidden(turn.content.size()); }

  // The first token from `from` on whose part is not known yet, or the number of tokens.
  size_t settled(size_t from, const chat::TurnResult& turn) const;
  std::vector<GeneratedToken>& tokens() { return tokens_; }

 private:
  void drop_hidden(size_t shown);

  std::optional<text::TokenId> open_, close_;
  bool skips_newlines_;
  bool in_call_ = false;
  int64_t reasoning_tokens_ = 0;  // before the newest token
  size_t spelled_ = 0;            // bytes of content, with those of the newest token
  std::vector<GeneratedToken> tokens_;
  std::vector<size_t> begins_;    // in the content, of each of these; of the answer's only
};

}  // namespace weft::backend
