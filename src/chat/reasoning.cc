// SPDX-License-Identifier: Apache-2.0
#include "chat/reasoning.h"

#include "text/thinking.h"

namespace weft::chat {
namespace {

// Whether bytes end in the middle of a UTF-8 character: its first byte says how many follow
// (110xxxxx one, 1110xxxx two, 11110xxx three), and fewer are there. A closing text forced between
// them would tear the character apart.
bool inside_character(std::string_view bytes) {
  for (size_t back = 1; back <= 3 && back <= bytes.size(); ++back) {
    const auto byte = static_cast<unsigned char>(bytes[bytes.size() - back]);
    if (byte < 0x80) return false;
    if (byte < 0xC0) continue;
    return back < (byte < 0xE0 ? 2u : (byte < 0xF0 ? 3u : 4u));
  }
  return false;
}

}  // namespace

void ReasoningBlock::add(std::string_view bytes, std::string_view shown) {
  ++tokens_;
  line_ended_ = shown.ends_with('\n');
  tail_ += bytes;
  if (tail_.size() > 4) tail_.erase(0, tail_.size() - 4);
}

bool ReasoningBlock::may_close() const { return !inside_character(tail_); }

bool ReasoningBlock::must_close(std::optional<int64_t> budget) const {
  if (!budget || tokens_ < *budget) return false;
  const int64_t window = text::thinking_overrun(*budget);
  const int64_t over = tokens_ - *budget;
  if (over >= window) return true;
  // A character has at most four bytes: three tokens before the end of the window it is high time.
  return !inside_character(tail_) && (line_ended_ || over >= window - 3);
}

}  // namespace weft::chat
