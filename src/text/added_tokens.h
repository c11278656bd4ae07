// SPDX-License-Identifier: Apache-2.0
//
// Finds added tokens in text: leftmost, of these the longest, a byte trie with a quick test of
// the first two bytes in front. Immutable; any number of threads may search at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "text/token.h"

namespace weft::text {

struct AddedToken {
  std::string content;  // well-formed UTF-8, not empty
  TokenId id = 0;
  bool special = false;  // dropped by decode(skip_special); says nothing about who may write it

  // White space is all it stands for, so that untrusted text may contain it.
  bool is_white_space() const;
};

class AddedTokenFinder {
 public:
  AddedTokenFinder();
  void add(const AddedToken& token);

  struct Match {
    size_t begin = 0;
    size_t end = 0;
    TokenId id = 0;
  };
  std::optional<Match> find(std::string_view text, size_t from) const;

 private:
  struct Node {
    std::vector<std::pair<uint8_t, uint32_t>> children;  // sorted by byte
    TokenId id = -1;
  };
  uint32_t child(uint32_t node, uint8_t byte) const;  // 0: none
  std::optional<Match> match_at(std::string_view text, size_t at) const;

  std::vector<Node> nodes_;
  // [first << 8 | second]: whether a token can begin so. A token of one byte sets all seconds.
  std::vector<bool> starts_;
  std::vector<bool> single_;  // [first]: tokens of one byte
};

}  // namespace weft::text
