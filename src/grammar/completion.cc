// SPDX-License-Identifier: Apache-2.0
#include "grammar/completion.h"

#include <algorithm>

namespace weft::grammar {

const Completions::Piece& Completions::piece(StackId stack) {
  std::vector<StackId> missing;
  for (StackId at = stack; at != kBottom && !pieces_.contains(at);) {
    missing.push_back(at);
    at = machine_.stacks().node(at).below;
  }
  if (!pieces_.contains(kBottom)) pieces_[kBottom] = Piece{{}, {0}, kBottom};
  while (!missing.empty()) {
    const StackId at = missing.back();
    missing.pop_back();
    const Stacks::Node& node = machine_.stacks().node(at);
    const Rules& rules = machine_.rules();
    Piece fresh{rules.shortest(node.state, rules.need(node.state, node.count)), {}, node.below};
    count(fresh);
    pieces_.emplace(at, std::move(fresh));
  }
  return pieces_.at(stack);
}

// fewest[i] = 1 + the least fewest behind a token that the text from i on begins with.
void Completions::count(Piece& piece) {
  const size_t size = piece.text.size();
  piece.fewest.assign(size + 1, UINT32_MAX);
  piece.fewest[size] = pieces_.at(piece.below).fewest[0];
  for (size_t i = size; i-- > 0;) {
    const Piece* at = &piece;
    size_t offset = i;
    uint32_t best = UINT32_MAX;
    for (uint32_t node = 0;;) {
      while (offset == at->text.size() && at != &pieces_.at(kBottom)) {
        at = &pieces_.at(at->below);
        offset = 0;
      }
      if (offset == at->text.size()) break;
      node = trie_.child(node, static_cast<uint8_t>(at->text[offset]));
      if (node == 0) break;
      ++offset;
      if (trie_.nodes()[node].token >= 0) best = std::min(best, at->fewest[offset]);
    }
    CHECK(best != UINT32_MAX, "a byte has no token");
    piece.fewest[i] = best + 1;
  }
}

uint32_t Completions::tokens(const Configuration& one) {
  const Rules& rules = machine_.rules();
  const uint32_t need = rules.need(one.state, one.count);
  const Key key{one.state, need, one.stack};
  const auto known = known_.find(key);
  if (known != known_.end()) return known->second;
  const uint32_t tokens = tokens_of(rules.shortest(one.state, need), one.stack);
  known_.emplace(key, tokens);
  return tokens;
}

uint32_t Completions::tokens_of(const std::string& text, StackId stack) {
  (void)piece(stack);
  Piece top{text, {}, stack};
  count(top);
  return top.fewest[0];
}

uint32_t Completions::tokens(const ConfigurationSet& set) {
  if (set.bottom) return 0;
  uint32_t best = UINT32_MAX;
  for (const Configuration& one : set.configurations) best = std::min(best, tokens(one));
  return best;
}

std::string Completions::stack_text(StackId stack) {
  std::string out;
  while (stack != kBottom) {
    const Piece& at = piece(stack);
    out += at.text;
    stack = at.below;
  }
  return out;
}

std::string Completions::text(const Configuration& one) {
  const Rules& rules = machine_.rules();
  return rules.shortest(one.state, rules.need(one.state, one.count)) + stack_text(one.stack);
}

void Completions::forget() {
  pieces_.clear();
  known_.clear();
}

}  // namespace weft::grammar
