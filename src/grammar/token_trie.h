// SPDX-License-Identifier: Apache-2.0
//
// All ordinary tokens of a vocabulary as one trie over their bytes, in one flat array in
// depth-first order: the children of node n follow it, `next` is the first node behind its
// subtree, so a walk that finds a byte forbidden skips all tokens that begin so in one step.
//
// Added tokens (end of turn, <think>, <tool_call> …) are not in it: what a grammar describes is
// text, and no text may ever turn into a control token. Built once a tokenizer; immutable.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "text/tokenizer.h"

namespace weft::grammar {

class TokenTrie {
 public:
  struct Node {
    uint32_t next = 0;            // behind the subtree
    text::TokenId token = -1;     // that ends here, or -1
    uint8_t byte = 0;
  };

  // E0325 if a byte has no token of its own: then a text might have no tokens at all, and nothing
  // could be promised about how many finish it.
  static Result<TokenTrie> build(const text::Tokenizer& tokenizer, size_t rows = SIZE_MAX);
  // Of tokens with equal bytes the first counts.
  static Result<TokenTrie> build(std::span<const std::pair<std::string_view, text::TokenId>> all);

  // Node 0 is the root, with no byte.
  std::span<const Node> nodes() const { return nodes_; }
  size_t bytes() const {  // of memory, about
    return nodes_.size() * sizeof(Node) + text_.size() + places_.size() * sizeof(places_[0]);
  }
  size_t depth_max() const { return depth_max_; }   // bytes of the longest token
  size_t vocabulary() const { return vocabulary_; } // one more than the largest id
  text::TokenId byte_token(uint8_t byte) const { return byte_tokens_[byte]; }
  // The bytes of a token; empty for ids that are none of its tokens.
  std::string_view bytes(text::TokenId id) const {
    const auto i = static_cast<size_t>(id);
    if (id < 0 || i >= places_.size()) return {};
    return std::string_view(text_).substr(places_[i].first, places_[i].second);
  }
  // The child of `node` for a byte, or 0.
  uint32_t child(uint32_t node, uint8_t byte) const;
  // Tokens that hold a quotation mark: only they can end a key (see KeyTracker).
  std::span<const std::pair<text::TokenId, std::string>> quoting() const { return quoting_; }

 private:
  std::vector<Node> nodes_;
  std::vector<uint32_t> root_children_;
  std::vector<text::TokenId> byte_tokens_;
  std::string text_;                                // of all tokens
  std::vector<std::pair<size_t, size_t>> places_;   // in it, by id
  std::vector<std::pair<text::TokenId, std::string>> quoting_;
  size_t depth_max_ = 0;
  size_t vocabulary_ = 0;
};

}  // namespace weft::grammar
