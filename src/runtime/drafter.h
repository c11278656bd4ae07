// SPDX-License-Identifier: Apache-2.0
//
// Guesses how a sequence goes on, from the sequence itself: where its last three tokens stood
// before, what came behind them then is likely to come again. Answers that quote, fill in or
// correct their input are mostly that. A guess costs a row of the next tick and is verified by it,
// so it changes no token (Saxena, "Prompt lookup decoding", 2023; Leviathan et al., 2023).
//
// It learns from the verdicts: guesses grow while they prove true and pause while they do not, so
// that text that repeats nothing costs nothing. Pure: the same tokens and verdicts, the same
// guesses.
#pragma once

#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "text/token.h"

namespace weft::runtime {

class Drafter {
 public:
  static constexpr int kDraftMax = 7;

  // The next known tokens, prompt and generated alike.
  void add(std::span<const text::TokenId> tokens);
  // At most `most` tokens that may come next; empty: nothing is likely, or it pauses.
  std::vector<text::TokenId> guess(int most);
  // Of the last guess, so many were verified and the first `accepted` proved true.
  void verdict(int verified, int accepted);

 private:
  static constexpr size_t kKeyTokens = 3;
  static uint64_t key_of(const text::TokenId* last);

  std::vector<text::TokenId> tokens_;
  // Where the token behind these three stood last.
  std::unordered_map<uint64_t, int32_t> places_;
  int length_ = 3;  // of the next guess
  int pause_ = 0;   // guesses to leave out
  int misses_ = 0;  // guesses in a row of which nothing proved true
};

}  // namespace weft::runtime
