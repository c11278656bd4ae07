// SPDX-License-Identifier: Apache-2.0
//
// The interface through which anything steers a sequence while it is generated: a dialect's turn
// automaton (chat/turn: reasoning budget, stop, tool calls), a grammar, or both combined. The
// engine knows Guides, never dialects or grammars.
//
// For every position the engine asks, in this order: forced() — a token that must come whatever
// the model says; else mask() — which tokens may come. After the token is chosen it is told to
// on_token(), also when it was forced. One sequence, one Guide, one thread at a time.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "text/token.h"

namespace weft::grammar {

// One bit a token, 1 = allowed. Size: the rows of the model's head, padding included.
class TokenMask {
 public:
  explicit TokenMask(size_t vocabulary) : size_(vocabulary), words_((vocabulary + 63) / 64) {}
  size_t size() const { return size_; }
  void clear() { words_.assign(words_.size(), 0); }
  void allow_all() { words_.assign(words_.size(), ~uint64_t{0}); }
  void allow(text::TokenId id) { words_[index(id)] |= bit(id); }
  void forbid(text::TokenId id) { words_[index(id)] &= ~bit(id); }
  bool allowed(text::TokenId id) const { return (words_[index(id)] & bit(id)) != 0; }
  uint64_t word(size_t index) const { return words_[index]; }  // of 64 tokens, lowest bit first
  void intersect(const TokenMask& other) {
    for (size_t i = 0; i < words_.size(); ++i) words_[i] &= other.words_[i];
  }
  // Allows what `other` allows too; of masks of different sizes the common part.
  void unite(const TokenMask& other) {
    const size_t common = words_.size() < other.words_.size() ? words_.size()
                                                              : other.words_.size();
    for (size_t i = 0; i < common; ++i) words_[i] |= other.words_[i];
  }

 private:
  static size_t index(text::TokenId id) { return static_cast<size_t>(id) / 64; }
  static uint64_t bit(text::TokenId id) { return uint64_t{1} << (static_cast<size_t>(id) % 64); }
  size_t size_;
  std::vector<uint64_t> words_;
};

enum class Verdict { kContinue, kStop };

// How soon a text has to end.
enum class Haste : uint8_t {
  kGoOn,
  kAnswer,    // thinking ends now; the answer is written as ever
  kShortest,  // only what leads to the end by the shortest way is allowed
  kAtOnce,    // and where there are several shortest ways, the model is not asked which
};

// What the end costs, from here on.
struct Ending {
  int passes = 0;  // through the model, one behind the other; 0: the model is not asked any more
  int tokens = 0;  // written, forced ones included
};

class Guide {
 public:
  virtual ~Guide() = default;

  // The token that must come next, or nothing: then the model chooses.
  virtual std::optional<text::TokenId> forced() { return std::nullopt; }

  // Clears the bits of forbidden tokens in `mask`, which arrives with every token allowed, and
  // returns true; returns false if nothing is forbidden (the mask is then not read). At least one
  // token stays allowed.
  virtual bool mask(TokenMask& mask) {
    (void)mask;
    return false;
  }

  // The sequence now ends with `id`. kStop ends the generation; the token still belongs to it.
  virtual Verdict on_token(text::TokenId id) = 0;

  // Time runs out, or the text goes round in circles. A later call asks for more haste than an
  // earlier one. False: there is no form to be finished, the text may be cut off here.
  virtual bool wrap_up(Haste haste) {
    (void)haste;
    return false;
  }

  // About what it would cost to end with this haste. Of kAtOnce a bound: it never costs more.
  // Without passes nothing is computed, however many tokens there are.
  virtual Ending ending(Haste haste) {
    (void)haste;
    return {};
  }
};

}  // namespace weft::grammar
