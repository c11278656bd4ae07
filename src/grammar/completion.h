// SPDX-License-Identifier: Apache-2.0
//
// The fewest tokens that finish a text: of each configuration the shortest text to the end (in
// bytes, known from the rules), cut into as few tokens as possible. The text of a stack is the
// texts of its frames one behind the other, so the work for a frame is done once and shared by
// everything above it; tokens may span frames, as in `"}]}`.
//
// Of several completions only the one with the fewest bytes is looked at: another could have more
// bytes and fewer tokens, so the number is an upper bound of the true minimum, and always one that
// can be kept: behind the first token of the completion, the rest is that configuration's own.
#pragma once

#include <string>
#include <unordered_map>
#include <vector>

#include "grammar/configuration.h"
#include "grammar/token_trie.h"

namespace weft::grammar {

class Completions {
 public:
  Completions(const Machine& machine, const TokenTrie& trie) : machine_(machine), trie_(trie) {}

  uint32_t tokens(const Configuration& one);
  uint32_t tokens(const ConfigurationSet& set);  // 0 if it may end
  std::string text(const Configuration& one);    // the completion itself
  // Tokens of `text` followed by the completion of a stack.
  uint32_t tokens_of(const std::string& text, StackId stack);
  std::string stack_text(StackId stack);
  void forget();  // the stacks are gone

 private:
  struct Piece {
    std::string text;
    std::vector<uint32_t> fewest;  // by position: tokens from there to the very end
    StackId below = kBottom;
  };
  const Piece& piece(StackId stack);
  void count(Piece& piece);

  const Machine& machine_;
  const TokenTrie& trie_;
  std::unordered_map<StackId, Piece> pieces_;
  struct Key {
    StateId state;
    uint32_t need;
    StackId stack;
    bool operator==(const Key&) const = default;
  };
  struct Hash {
    size_t operator()(const Key& key) const {
      uint64_t h = (uint64_t{key.state} << 32 | key.stack) * 0x9E3779B97F4A7C15ull;
      h = (h ^ (h >> 31) ^ key.need) * 0xBF58476D1CE4E5B9ull;
      return static_cast<size_t>(h ^ (h >> 32));
    }
  };
  std::unordered_map<Key, uint32_t, Hash> known_;
};

}  // namespace weft::grammar
