// SPDX-License-Identifier: Apache-2.0
//
// Byte-pair encoding of one word: starting from its bytes, the neighbouring pair of lowest rank is
// merged (the leftmost of equal ones) until no pair is left that has a rank.
//
// Fast paths, each with the plain procedure as its twin in the tests: a word that is one token as
// a whole is found by one look-up; the pairs of two bytes have a table of their own; words of up
// to 64 bytes scan for the lowest rank in an array, longer ones keep a heap (O(n log n)).
// Immutable once built; knows nothing of Unicode or of added tokens.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "text/token.h"

namespace weft::text {

struct Merge {
  TokenId left = 0;
  TokenId right = 0;
  TokenId merged = 0;
};

class Bpe {
 public:
  // `byte_tokens[b]` is the token of the single byte b; `merges` in order of rank. Of equal pairs
  // the last counts.
  Bpe(std::vector<TokenId> byte_tokens, const std::vector<Merge>& merges);

  // Tells which bytes each token stands for, so that whole words can be looked up. Only tokens
  // that encode() itself would give for their bytes are taken. `arena` must outlive this object;
  // token i is arena[offsets[i], offsets[i + 1]).
  void index_words(const char* arena, const std::vector<uint32_t>& offsets);

  // Appends the tokens of `word`, any bytes.
  void encode(std::string_view word, std::vector<TokenId>& out) const;
  void encode_by_merging(std::string_view word, std::vector<TokenId>& out) const;

 private:
  static constexpr uint32_t kNoRank = UINT32_MAX;
  static constexpr size_t kShortWordBytes = 64;
  struct PairSlot {
    uint64_t pair;  // left << 32 | right
    uint32_t rank;  // kNoRank: the slot is free
  };
  struct WordSlot {
    uint32_t fingerprint;
    TokenId id;  // < 0: the slot is free
  };

  uint32_t rank_of(TokenId left, TokenId right) const;
  void encode_short(std::string_view word, std::vector<TokenId>& out) const;
  void encode_long(std::string_view word, std::vector<TokenId>& out) const;
  TokenId find_word(std::string_view word) const;
  void insert_word(TokenId id, std::string_view bytes);

  std::vector<TokenId> byte_tokens_;     // 256
  std::vector<uint32_t> byte_ranks_;     // [first byte << 8 | second byte] -> rank
  std::vector<TokenId> merged_;          // rank -> token
  std::vector<PairSlot> pairs_;          // open addressing, a power of two, at most half full
  unsigned pairs_shift_ = 0;
  std::vector<WordSlot> words_;          // open addressing, a power of two, at most half full
  const char* arena_ = nullptr;
  const uint32_t* offsets_ = nullptr;
  size_t word_bytes_max_ = 0;
};

}  // namespace weft::text
