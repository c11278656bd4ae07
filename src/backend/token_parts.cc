// SPDX-License-Identifier: Apache-2.0
#include "backend/token_parts.h"

#include <algorithm>
#include <utility>

namespace weft::backend {

using Part = GeneratedToken::Part;

void TokenParts::add(GeneratedToken token, text::TokenId id, bool added,
                     const chat::TurnResult& turn) {
  const bool reasoning = turn.reasoning_tokens > reasoning_tokens_;
  reasoning_tokens_ = turn.reasoning_tokens;
  const size_t text = std::min(token.bytes.find_first_not_of('\n'), token.bytes.size());
  if (added || in_call_) {
    token.part = Part::kControl;
    if (id == open_ && !reasoning) {
      drop_hidden(turn.content.size());  // line ends before a call
      in_call_ = true;
    } else if (id == close_ && in_call_) {
      in_call_ = false;
      skips_newlines_ = true;
      // Content that goes on behind a call begins on a new line.
      spelled_ = turn.content.empty() ? 0 : turn.content.size() + 1;
    }
    skips_newlines_ = skips_newlines_ || reasoning;
  } else if (reasoning) {
    token.part = Part::kReasoning;
    skips_newlines_ = true;  // behind it
  } else if (skips_newlines_ && text == token.bytes.size()) {
    token.part = Part::kControl;
  } else {
    token.part = Part::kAnswer;
  }
  begins_.push_back(spelled_);
  if (token.part == Part::kAnswer) {
    spelled_ += token.bytes.size() - (std::exchange(skips_newlines_, false) ? text : 0);
  }
  tokens_.push_back(std::move(token));
}

size_t TokenParts::settled(size_t from, const chat::TurnResult& turn) const {
  while (from < tokens_.size() &&
         (tokens_[from].part != Part::kAnswer || begins_[from] < turn.content.size())) {
    ++from;
  }
  return from;
}

void TokenParts::drop_hidden(size_t shown) {
  for (size_t i = tokens_.size(); i > 0 && begins_[i - 1] >= shown; --i) {
    if (tokens_[i - 1].part == Part::kAnswer) tokens_[i - 1].part = Part::kControl;
  }
  spelled_ = std::min(spelled_, shown);
}

}  // namespace weft::backend
