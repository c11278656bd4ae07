// SPDX-License-Identifier: Apache-2.0
#include "grammar/token_trie.h"

#include <algorithm>

namespace weft::grammar {

Result<TokenTrie> TokenTrie::build(const text::Tokenizer& tokenizer, size_t rows) {
  std::vector<std::pair<std::string_view, text::TokenId>> all;
  for (size_t i = 0; i < std::min(tokenizer.size(), rows); ++i) {
    const auto id = static_cast<text::TokenId>(i);
    if (tokenizer.is_added(id)) continue;
    const std::string_view bytes = tokenizer.token_bytes(id);
    if (!bytes.empty()) all.emplace_back(bytes, id);
  }
  return build(all);
}

Result<TokenTrie> TokenTrie::build(
    std::span<const std::pair<std::string_view, text::TokenId>> all) {
  std::vector<std::pair<std::string_view, text::TokenId>> sorted(all.begin(), all.end());
  std::sort(sorted.begin(), sorted.end());  // string_view compares as unsigned bytes
  TokenTrie trie;
  trie.nodes_.emplace_back();
  std::vector<uint32_t> path = {0};  // nodes of the last token, by depth
  std::string_view last;
  for (const auto& [bytes, id] : sorted) {
    CHECK(!bytes.empty() && id >= 0);
    trie.vocabulary_ = std::max(trie.vocabulary_, static_cast<size_t>(id) + 1);
    trie.places_.resize(std::max(trie.places_.size(), trie.vocabulary_));
    trie.places_[static_cast<size_t>(id)] = {trie.text_.size(), bytes.size()};
    trie.text_ += bytes;
    if (bytes == last) continue;
    size_t common = 0;
    while (common < bytes.size() && common < last.size() && bytes[common] == last[common]) ++common;
    for (size_t d = path.size() - 1; d > common; --d) {
      trie.nodes_[path[d]].next = static_cast<uint32_t>(trie.nodes_.size());
    }
    path.resize(common + 1);
    for (size_t d = common; d < bytes.size(); ++d) {
      path.push_back(static_cast<uint32_t>(trie.nodes_.size()));
      trie.nodes_.push_back({0, -1, static_cast<uint8_t>(bytes[d])});
    }
    trie.nodes_.back().token = id;
    trie.depth_max_ = std::max(trie.depth_max_, bytes.size());
    if (bytes.find('"') != bytes.npos) trie.quoting_.emplace_back(id, bytes);
    last = bytes;
  }
  for (const uint32_t node : path) {
    trie.nodes_[node].next = static_cast<uint32_t>(trie.nodes_.size());
  }
  trie.root_children_.assign(256, 0);
  trie.byte_tokens_.assign(256, -1);
  for (uint32_t n = 1; n < trie.nodes_.size(); n = trie.nodes_[n].next) {
    trie.root_children_[trie.nodes_[n].byte] = n;
    trie.byte_tokens_[trie.nodes_[n].byte] = trie.nodes_[n].token;
  }
  for (size_t byte = 0; byte < 256; ++byte) {
    if (trie.byte_tokens_[byte] >= 0) continue;
    return make_error("E0325", fmt::format("the vocabulary has no token for byte {}", byte),
                      "grammars need a byte-level vocabulary in which every byte is a token");
  }
  return trie;
}

uint32_t TokenTrie::child(uint32_t node, uint8_t byte) const {
  if (node == 0) return root_children_[byte];
  const uint32_t end = nodes_[node].next;
  for (uint32_t n = node + 1; n < end; n = nodes_[n].next) {
    if (nodes_[n].byte == byte) return n;
    if (nodes_[n].byte > byte) break;
  }
  return 0;
}

}  // namespace weft::grammar
