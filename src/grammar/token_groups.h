// SPDX-License-Identifier: Apache-2.0
//
// Which tokens may come in a state of a rule, whatever the rule was called from: the part of a
// mask that can be made once and used again everywhere. A token may
//   * stay in the frame (and what it calls): grouped by where it leads, for budgets;
//   * end exactly with the frame: always allowed, the caller goes on;
//   * go on behind the frame's end: then the trie node where the frame ended is `pending`, and
//     behind() continues there with the caller's state, which is cached again.
// So a mask is the union of a chain of cached parts, one for each frame that a token may leave.
//
// Most tokens stay inside strings: the walk has a fast path for deterministic rules without calls
// (Rule::leaf). Shared by all matchers of a grammar; safe from several threads.
#pragma once

#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "grammar/configuration.h"
#include "grammar/guide.h"
#include "grammar/token_trie.h"

namespace weft::grammar {

// Tokens, as a list while they are few.
class TokenSet {
 public:
  void add(text::TokenId id, size_t vocabulary);
  void add_all(const TokenSet& other, size_t vocabulary);
  void allow_in(TokenMask& mask) const;
  size_t bytes() const {
    return few_.size() * sizeof(text::TokenId) + (many_ ? many_->size() / 8 : 0);
  }

 private:
  static constexpr size_t kFewMax = 1024;
  std::vector<text::TokenId> few_;
  std::optional<TokenMask> many_;
};

struct TokenGroup {
  ConfigurationSet after;  // stacks are those of TokenGroups::stacks(); bottom: the frame is over
  uint32_t counted = 0;    // counts raised on the way, if the frame's own rule counts
  std::shared_ptr<TokenSet> tokens;  // shared by parts that differ only in bounds of counts
};

struct TokenPart {
  uint64_t id = 0;
  std::vector<TokenGroup> groups;
  TokenSet all;                   // of all groups
  std::vector<uint32_t> pending;  // trie nodes with children, where the frame has ended
  std::vector<uint32_t> pending_counted;  // of a leaf that counts: counts raised until there
  // Largest number of bytes that finish the frame behind any of the tokens; what counts are still
  // needed comes on top.
  uint32_t cost_max = 0;
  bool counted = false;  // of a leaf that counts: `after` holds no counts
  size_t bytes = 0;
};
using TokenPartPtr = std::shared_ptr<const TokenPart>;

// What may come inside free strings, the state where most tokens are allowed and most masks are
// made: some milliseconds of walking, done once a vocabulary. States count from the rule's start.
struct StringParts {
  TokenPartPtr plain, counted;
};
StringParts string_parts(const TokenTrie& trie);

class TokenGroups {
 public:
  // All outlive this object; `strings` may be empty.
  TokenGroups(const Rules& rules, const TokenTrie& trie, const StringParts& strings)
      : machine_(rules), trie_(trie), strings_(strings) {}

  TokenPartPtr of(StateId state, uint32_t count);
  // The tokens of part.pending that go on in a frame that stands at (state, count).
  TokenPartPtr behind(const TokenPart& part, StateId state, uint32_t count);

  size_t bytes() const;

  // A stack of this object's own, put on top of one of a matcher's.
  StackId moved(StackId own, StackId base, Stacks& to);

 private:
  static constexpr size_t kBytesMax = 48u << 20;
  struct Key {
    uint64_t part;
    StateId state;
    uint32_t need, room;
    bool operator==(const Key&) const = default;
  };
  struct Hash {
    size_t operator()(const Key& key) const {
      uint64_t h = (key.part * 0x9E3779B97F4A7C15ull) ^ (uint64_t{key.state} << 32 | key.need);
      h = (h ^ (h >> 30) ^ uint64_t{key.room} << 17) * 0xBF58476D1CE4E5B9ull;
      return static_cast<size_t>(h ^ (h >> 31));
    }
  };
  class Walk;
  TokenPartPtr keep(const Key& key, TokenPart part);
  friend StringParts string_parts(const TokenTrie& trie);
  TokenPartPtr without_bounds(StateId state);
  void walk_leaf(StateId state, bool counts, TokenPart& part);
  void walk(const ConfigurationSet& from, uint32_t node, TokenPart& part, Walk& state);

  mutable std::mutex mutex_;
  Machine machine_;
  const TokenTrie& trie_;
  const StringParts& strings_;
  std::unordered_map<Key, TokenPartPtr, Hash> parts_;
  size_t bytes_ = 0;
  uint64_t next_id_ = 1;
};

}  // namespace weft::grammar
