// SPDX-License-Identifier: Apache-2.0
//
// Finite automata over bytes: what strings, numbers and keys of a grammar are made of. An Nfa is
// built piece by piece (Thompson's construction, characters as their UTF-8 bytes) and made
// deterministic once; a Dfa is then combined with others: both, either, the one without the other.
//
// Every Dfa that leaves this unit is trimmed: each state is reached and can reach acceptance, so
// walking one never ends in a dead end. The empty language is one state without edges.
//
// Sizes are bounded: what would grow beyond kDfaStatesMax is refused (E0323), because a hostile
// pattern can need exponentially many states. No captures, no look-around.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"

namespace weft::grammar {

inline constexpr size_t kDfaStatesMax = 40'000;

struct Edge {
  uint8_t low = 0;   // bytes low..high
  uint8_t high = 0;
  uint32_t to = 0;
};

struct Dfa {
  struct State {
    std::vector<Edge> edges;  // ascending, disjoint
    bool accepting = false;
  };
  std::vector<State> states;  // 0 is the start

  bool is_empty() const { return states[0].edges.empty() && !states[0].accepting; }
  std::optional<uint32_t> next(uint32_t state, uint8_t byte) const;
  bool accepts(std::string_view bytes) const;
};

// Ascending, disjoint code points, both ends included.
using CharRanges = std::vector<std::pair<char32_t, char32_t>>;
CharRanges normalised(CharRanges ranges);
CharRanges complement(const CharRanges& ranges);  // within U+0000..U+10FFFF, no surrogates

class Nfa {
 public:
  uint32_t add_state();
  size_t size() const { return states_.size(); }
  void edge(uint32_t from, uint8_t low, uint8_t high, uint32_t to);
  void jump(uint32_t from, uint32_t to);  // consumes nothing
  void text(uint32_t from, std::string_view bytes, uint32_t to);
  void characters(uint32_t from, const CharRanges& ranges, uint32_t to);
  void embed(uint32_t from, const Dfa& dfa, uint32_t to);

  // The language between two states. E0323.
  Result<Dfa> determinised(uint32_t start, uint32_t accept) const;

 private:
  friend class Determiniser;
  struct State {
    std::vector<Edge> edges;
    std::vector<uint32_t> jumps;
  };
  void utf8_sequence(uint32_t from, char32_t low, char32_t high, uint32_t to);
  std::vector<State> states_;
};

enum class Combine { kBoth, kEither, kFirstWithoutSecond };
Result<Dfa> combined(const Dfa& a, const Dfa& b, Combine how);  // E0323

// Fewer states for the same language, where that is cheap; else the automaton as it is.
Dfa minimised(Dfa dfa);
Dfa trimmed(const Dfa& dfa);

Dfa all_text();                             // every well-formed UTF-8 text
Dfa literal(std::string_view bytes);        // one text
Dfa literals(const std::vector<std::string_view>& texts);
// Well-formed texts of so many characters. E0323 beyond a few thousand characters.
Result<Dfa> of_length(uint64_t min, std::optional<uint64_t> max);

// At most `count_max` accepted texts in order of their bytes, or nothing if there are more.
std::optional<std::vector<std::string>> words(const Dfa& dfa, size_t count_max);

}  // namespace weft::grammar
