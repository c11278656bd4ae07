// SPDX-License-Identifier: Apache-2.0
//
// The reasoning block of a turn, counted: how many tokens it has, and whether it is time to force
// its end. From the budget on, the reasoning may run on for a tenth, at least 16 tokens, to reach
// the end of a line; then it ends, but never inside a character.
//
// What the closing text is, and who forces it, is the turn's business.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace weft::chat {

class ReasoningBlock {
 public:
  void open() {
    tokens_ = 0;
    line_ended_ = true;
    tail_.clear();
  }
  // `bytes` of the token; `shown`: the text that became whole with it.
  void add(std::string_view bytes, std::string_view shown);
  void add_marker() { ++tokens_; }

  int64_t tokens() const { return tokens_; }
  bool must_close(std::optional<int64_t> budget) const;
  bool may_close() const;  // not inside a character

 private:
  int64_t tokens_ = 0;        // generated since the block was opened
  bool line_ended_ = true;    // the last token ends a line
  std::string tail_;          // the last bytes, to see where a character ends
};

}  // namespace weft::chat
