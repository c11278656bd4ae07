// SPDX-License-Identifier: Apache-2.0
#include "text/added_tokens.h"

#include <algorithm>

#include "text/unicode.h"

namespace weft::text {

bool AddedToken::is_white_space() const {
  const CharTable& table = CharTable::get();
  for (size_t at = 0; at < content.size();) {
    const Utf8Char c = utf8_char(content.data() + at);
    if ((table.of(c.code) & kSpace) == 0) return false;
    at += c.bytes;
  }
  return true;
}

AddedTokenFinder::AddedTokenFinder() : nodes_(1), starts_(1 << 16), single_(256) {}

void AddedTokenFinder::add(const AddedToken& token) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(token.content[i]); };
  uint32_t node = 0;
  for (size_t i = 0; i < token.content.size(); ++i) {
    uint32_t next = child(node, byte(i));
    if (next == 0) {
      next = static_cast<uint32_t>(nodes_.size());
      nodes_.emplace_back();
      auto& children = nodes_[node].children;
      const std::pair<uint8_t, uint32_t> entry(byte(i), next);
      children.insert(std::lower_bound(children.begin(), children.end(), entry), entry);
    }
    node = next;
  }
  nodes_[node].id = token.id;
  if (token.content.size() == 1) {
    single_[byte(0)] = true;
    for (size_t second = 0; second < 256; ++second) starts_[size_t{byte(0)} << 8 | second] = true;
  } else {
    starts_[size_t{byte(0)} << 8 | byte(1)] = true;
  }
}

uint32_t AddedTokenFinder::child(uint32_t node, uint8_t byte) const {
  const auto& children = nodes_[node].children;
  const auto found = std::lower_bound(children.begin(), children.end(),
                                      std::pair<uint8_t, uint32_t>(byte, 0));
  return found != children.end() && found->first == byte ? found->second : 0;
}

std::optional<AddedTokenFinder::Match> AddedTokenFinder::match_at(std::string_view text,
                                                                  size_t at) const {
  std::optional<Match> longest;
  uint32_t node = 0;
  for (size_t i = at; i < text.size(); ++i) {
    node = child(node, static_cast<uint8_t>(text[i]));
    if (node == 0) break;
    if (nodes_[node].id >= 0) longest = Match{at, i + 1, nodes_[node].id};
  }
  return longest;
}

std::optional<AddedTokenFinder::Match> AddedTokenFinder::find(std::string_view text,
                                                              size_t from) const {
  if (nodes_.size() == 1) return std::nullopt;
  for (size_t at = from; at < text.size(); ++at) {
    const auto first = static_cast<uint8_t>(text[at]);
    const bool possible = at + 1 < text.size()
                              ? starts_[size_t{first} << 8 | static_cast<uint8_t>(text[at + 1])]
                              : single_[first];
    if (!possible) continue;
    if (const auto match = match_at(text, at)) return match;
  }
  return std::nullopt;
}

}  // namespace weft::text
