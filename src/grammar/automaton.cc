// SPDX-License-Identifier: Apache-2.0
#include "grammar/automaton.h"

#include <algorithm>
#include <array>
#include <map>
#include <string>

namespace weft::grammar {
namespace {

constexpr uint32_t kDead = UINT32_MAX;
constexpr char32_t kLastCharacter = 0x10FFFF;

Error too_large() {
  return make_error("E0323",
                    fmt::format("an automaton of more than {} states would be needed",
                                kDfaStatesMax),
                    "make patterns and bounds of lengths smaller");
}

// Joins neighbouring edges with the same target.
void append_edge(std::vector<Edge>& edges, Edge edge) {
  if (!edges.empty() && edges.back().to == edge.to && edges.back().high + 1 == edge.low) {
    edges.back().high = edge.high;
  } else {
    edges.push_back(edge);
  }
}

std::vector<bool> reaching_acceptance(const Dfa& dfa) {
  std::vector<std::vector<uint32_t>> sources(dfa.states.size());
  std::vector<bool> live(dfa.states.size());
  std::vector<uint32_t> queue;
  for (uint32_t s = 0; s < dfa.states.size(); ++s) {
    for (const Edge& edge : dfa.states[s].edges) sources[edge.to].push_back(s);
    if (dfa.states[s].accepting) {
      live[s] = true;
      queue.push_back(s);
    }
  }
  while (!queue.empty()) {
    const uint32_t s = queue.back();
    queue.pop_back();
    for (const uint32_t from : sources[s]) {
      if (live[from]) continue;
      live[from] = true;
      queue.push_back(from);
    }
  }
  return live;
}

}  // namespace

std::optional<uint32_t> Dfa::next(uint32_t state, uint8_t byte) const {
  for (const Edge& edge : states[state].edges) {
    if (byte < edge.low) break;
    if (byte <= edge.high) return edge.to;
  }
  return std::nullopt;
}

bool Dfa::accepts(std::string_view bytes) const {
  uint32_t state = 0;
  for (const char c : bytes) {
    const auto to = next(state, static_cast<uint8_t>(c));
    if (!to) return false;
    state = *to;
  }
  return states[state].accepting;
}

CharRanges normalised(CharRanges ranges) {
  std::sort(ranges.begin(), ranges.end());
  CharRanges out;
  for (const auto& [low, high] : ranges) {
    if (low > high) continue;
    if (!out.empty() && low <= out.back().second + 1) {
      out.back().second = std::max(out.back().second, high);
    } else {
      out.emplace_back(low, high);
    }
  }
  return out;
}

CharRanges complement(const CharRanges& ranges) {
  CharRanges out;
  char32_t next = 0;
  CharRanges taken = ranges;
  taken.emplace_back(0xD800, 0xDFFF);
  for (const auto& [low, high] : normalised(std::move(taken))) {
    if (low > next) out.emplace_back(next, low - 1);
    next = high + 1;
  }
  if (next <= kLastCharacter) out.emplace_back(next, kLastCharacter);
  return out;
}

uint32_t Nfa::add_state() {
  states_.emplace_back();
  return static_cast<uint32_t>(states_.size() - 1);
}

void Nfa::edge(uint32_t from, uint8_t low, uint8_t high, uint32_t to) {
  states_[from].edges.push_back({low, high, to});
}

void Nfa::jump(uint32_t from, uint32_t to) { states_[from].jumps.push_back(to); }

void Nfa::text(uint32_t from, std::string_view bytes, uint32_t to) {
  for (const char c : bytes) {
    const uint32_t next = add_state();
    edge(from, static_cast<uint8_t>(c), static_cast<uint8_t>(c), next);
    from = next;
  }
  jump(from, to);
}

// low..high have equally long encodings and differ only so that every byte position is a range.
void Nfa::utf8_sequence(uint32_t from, char32_t low, char32_t high, uint32_t to) {
  const int tail = low < 0x80 ? 0 : low < 0x800 ? 1 : low < 0x10000 ? 2 : 3;
  constexpr std::array<uint8_t, 4> kLead = {0x00, 0xC0, 0xE0, 0xF0};
  for (int i = tail; i >= 0; --i) {
    const bool lead = i == tail;
    const auto byte = [&](char32_t c) {
      const char32_t bits = c >> (6 * i);
      return static_cast<uint8_t>(lead ? kLead[static_cast<size_t>(tail)] | bits
                                       : 0x80 | (bits & 0x3F));
    };
    const uint32_t next = i == 0 ? to : add_state();
    edge(from, byte(low), byte(high), next);
    from = next;
  }
}

void Nfa::characters(uint32_t from, const CharRanges& ranges, uint32_t to) {
  std::vector<std::pair<char32_t, char32_t>> todo(ranges.rbegin(), ranges.rend());
  const auto split = [&](char32_t low, char32_t middle, char32_t high) {
    todo.emplace_back(middle, high);
    todo.emplace_back(low, middle - 1);
  };
  while (!todo.empty()) {
    const auto [low, high] = todo.back();
    todo.pop_back();
    if (low > high) continue;
    bool cut = false;
    for (const char32_t border : {0x80u, 0x800u, 0xD800u, 0xE000u, 0x10000u}) {
      if (!cut && low < border && border <= high) {
        split(low, border, high);
        cut = true;
      }
    }
    if (low >= 0xD800 && high < 0xE000) continue;  // surrogates are no characters
    // Below the first byte in which both ends differ, the range must be whole.
    for (int i = 1; !cut && i < 4 && low >= 0x80; ++i) {
      const char32_t rest = (char32_t{1} << (6 * i)) - 1;
      if ((low & ~rest) == (high & ~rest)) break;
      if ((low & rest) != 0) {
        split(low, (low | rest) + 1, high);
        cut = true;
      } else if ((high & rest) != rest) {
        split(low, high & ~rest, high);
        cut = true;
      }
    }
    if (!cut) utf8_sequence(from, low, high, to);
  }
}

void Nfa::embed(uint32_t from, const Dfa& dfa, uint32_t to) {
  const auto base = static_cast<uint32_t>(states_.size());
  for (const Dfa::State& state : dfa.states) {
    const uint32_t copy = add_state();
    for (Edge edge : state.edges) {
      edge.to += base;
      states_[copy].edges.push_back(edge);
    }
    if (state.accepting) jump(copy, to);
  }
  jump(from, base);
}

// The subset construction. Subsets are kept closed under jumps.
class Determiniser {
 public:
  Determiniser(const Nfa& nfa, uint32_t accept) : nfa_(nfa), accept_(accept) {}

  Result<Dfa> run(uint32_t start) {
    (void)id_of({start});
    for (uint32_t done = 0; done < subsets_.size(); ++done) {
      expand(done);
      if (subsets_.size() > kDfaStatesMax || work_ > kWorkMax) return too_large();
    }
    return trimmed(dfa_);
  }

 private:
  static constexpr size_t kWorkMax = 3'000'000;  // about a third of a second

  uint32_t id_of(std::vector<uint32_t> subset) {
    close(subset);
    const auto [found, fresh] = ids_.try_emplace(subset, static_cast<uint32_t>(subsets_.size()));
    if (fresh) {
      const bool accepting = std::binary_search(subset.begin(), subset.end(), accept_);
      subsets_.push_back(std::move(subset));
      dfa_.states.push_back({{}, accepting});
    }
    return found->second;
  }

  void close(std::vector<uint32_t>& subset) {
    seen_.resize(nfa_.size());
    for (size_t i = 0; i < subset.size(); ++i) seen_[subset[i]] = true;
    for (size_t i = 0; i < subset.size(); ++i) {
      for (const uint32_t to : nfa_.states_[subset[i]].jumps) {
        if (seen_[to]) continue;
        seen_[to] = true;
        subset.push_back(to);
      }
    }
    work_ += subset.size();
    for (const uint32_t s : subset) seen_[s] = false;
    std::sort(subset.begin(), subset.end());
    subset.erase(std::unique(subset.begin(), subset.end()), subset.end());
  }

  void expand(uint32_t id) {
    std::array<bool, 257> starts{};
    std::vector<Edge> edges;
    for (const uint32_t s : subsets_[id]) {
      for (const Edge& edge : nfa_.states_[s].edges) {
        edges.push_back(edge);
        starts[edge.low] = true;
        starts[edge.high + size_t{1}] = true;
      }
    }
    std::sort(edges.begin(), edges.end(),
              [](const Edge& a, const Edge& b) { return a.low < b.low; });
    std::vector<Edge> active;
    size_t next = 0;
    for (int low = 0; low < 256;) {
      int high = low;
      while (high < 255 && !starts[static_cast<size_t>(high) + 1]) ++high;
      std::erase_if(active, [&](const Edge& edge) { return edge.high < low; });
      while (next < edges.size() && edges[next].low <= low) active.push_back(edges[next++]);
      work_ += active.size();
      if (!active.empty()) {
        std::vector<uint32_t> targets;
        for (const Edge& edge : active) targets.push_back(edge.to);
        const uint32_t to = id_of(std::move(targets));
        append_edge(dfa_.states[id].edges,
                    {static_cast<uint8_t>(low), static_cast<uint8_t>(high), to});
      }
      low = high + 1;
    }
  }

  const Nfa& nfa_;
  uint32_t accept_;
  size_t work_ = 0;
  Dfa dfa_;
  std::vector<std::vector<uint32_t>> subsets_;
  std::map<std::vector<uint32_t>, uint32_t> ids_;
  std::vector<bool> seen_;
};

Result<Dfa> Nfa::determinised(uint32_t start, uint32_t accept) const {
  CHECK(start < states_.size() && accept < states_.size());
  const Dfa dfa = TRY(Determiniser(*this, accept).run(start));
  return minimised(dfa);
}

Dfa trimmed(const Dfa& dfa) {
  const std::vector<bool> live = reaching_acceptance(dfa);
  if (!live[0]) return Dfa{{Dfa::State{}}};
  std::vector<uint32_t> number(dfa.states.size(), kDead);
  std::vector<uint32_t> order = {0};
  number[0] = 0;
  Dfa out;
  for (size_t i = 0; i < order.size(); ++i) {
    const Dfa::State& from = dfa.states[order[i]];
    Dfa::State state{{}, from.accepting};
    for (const Edge& edge : from.edges) {
      if (!live[edge.to]) continue;
      if (number[edge.to] == kDead) {
        number[edge.to] = static_cast<uint32_t>(order.size());
        order.push_back(edge.to);
      }
      append_edge(state.edges, {edge.low, edge.high, number[edge.to]});
    }
    out.states.push_back(std::move(state));
  }
  return out;
}

Result<Dfa> combined(const Dfa& a, const Dfa& b, Combine how) {
  const auto accepts = [&](uint32_t x, uint32_t y) {
    const bool in_a = x != kDead && a.states[x].accepting;
    const bool in_b = y != kDead && b.states[y].accepting;
    if (how == Combine::kBoth) return in_a && in_b;
    return how == Combine::kEither ? in_a || in_b : in_a && !in_b;
  };
  const auto lost = [&](uint32_t x, uint32_t y) {
    if (how == Combine::kBoth) return x == kDead || y == kDead;
    return how == Combine::kEither ? x == kDead && y == kDead : x == kDead;
  };
  std::map<std::pair<uint32_t, uint32_t>, uint32_t> ids = {{{0, 0}, 0}};
  std::vector<std::pair<uint32_t, uint32_t>> pairs = {{0, 0}};
  static const std::vector<Edge> kNoEdges;
  Dfa out;
  for (size_t i = 0; i < pairs.size(); ++i) {
    if (pairs.size() > kDfaStatesMax) return too_large();
    const auto [x, y] = pairs[i];
    Dfa::State state{{}, accepts(x, y)};
    const auto& left = x == kDead ? kNoEdges : a.states[x].edges;
    const auto& right = y == kDead ? kNoEdges : b.states[y].edges;
    size_t l = 0;
    size_t r = 0;
    for (int low = 0; low < 256;) {
      while (l < left.size() && left[l].high < low) ++l;
      while (r < right.size() && right[r].high < low) ++r;
      int high = 255;
      const auto target = [&](const std::vector<Edge>& edges, size_t at) {
        if (at == edges.size()) return kDead;
        const bool inside = edges[at].low <= low;
        high = std::min<int>(high, inside ? edges[at].high : edges[at].low - 1);
        return inside ? edges[at].to : kDead;
      };
      const uint32_t to_x = target(left, l);
      const uint32_t to_y = target(right, r);
      if (!lost(to_x, to_y)) {
        const auto [found, fresh] =
            ids.try_emplace({to_x, to_y}, static_cast<uint32_t>(pairs.size()));
        if (fresh) pairs.emplace_back(to_x, to_y);
        append_edge(state.edges,
                    {static_cast<uint8_t>(low), static_cast<uint8_t>(high), found->second});
      }
      low = high + 1;
    }
    out.states.push_back(std::move(state));
  }
  return trimmed(out);
}

// Moore's refinement: states are equal until their edges tell them apart. Its cost is quadratic
// for long chains, hence the bound; Hopcroft's algorithm would lift it and is not needed, because
// large automata here come from lengths and literals, which are minimal as built.
Dfa minimised(Dfa dfa) {
  constexpr size_t kStatesMax = 600;
  const size_t count = dfa.states.size();
  if (count > kStatesMax || count < 2) return dfa;
  std::vector<uint32_t> group(count);
  for (size_t s = 0; s < count; ++s) group[s] = dfa.states[s].accepting ? 1 : 0;
  size_t groups = 0;
  while (true) {
    std::map<std::vector<uint32_t>, uint32_t> signatures;
    std::vector<uint32_t> next(count);
    for (size_t s = 0; s < count; ++s) {
      std::vector<Edge> edges;
      for (Edge edge : dfa.states[s].edges) {
        edge.to = group[edge.to];
        append_edge(edges, edge);
      }
      std::vector<uint32_t> signature = {group[s]};
      for (const Edge& edge : edges) {
        signature.push_back(edge.low | uint32_t{edge.high} << 8);
        signature.push_back(edge.to);
      }
      next[s] = signatures.try_emplace(std::move(signature), signatures.size()).first->second;
    }
    group = std::move(next);
    if (signatures.size() == groups) break;
    groups = signatures.size();
  }
  if (groups == count) return dfa;
  Dfa out;
  out.states.resize(groups);
  const auto moved = [&](uint32_t s) {  // the start stays state 0
    return group[s] == group[0] ? 0 : group[s] == 0 ? group[0] : group[s];
  };
  for (uint32_t s = 0; s < count; ++s) {
    Dfa::State& state = out.states[moved(s)];
    if (!state.edges.empty()) continue;
    state.accepting = dfa.states[s].accepting;
    for (Edge edge : dfa.states[s].edges) {
      edge.to = moved(edge.to);
      append_edge(state.edges, edge);
    }
  }
  return out;
}

Dfa all_text() {
  Nfa nfa;
  const uint32_t start = nfa.add_state();
  nfa.characters(start, {{0, 0x10FFFF}}, start);
  return nfa.determinised(start, start).value();
}

Dfa literal(std::string_view bytes) {
  Dfa dfa;
  for (size_t i = 0; i < bytes.size(); ++i) {
    const auto byte = static_cast<uint8_t>(bytes[i]);
    dfa.states.push_back({{{byte, byte, static_cast<uint32_t>(i + 1)}}, false});
  }
  dfa.states.push_back({{}, true});
  return dfa;
}

// A trie; sorted texts give ascending edges.
Dfa literals(const std::vector<std::string_view>& texts) {
  std::vector<std::string_view> sorted = texts;
  std::sort(sorted.begin(), sorted.end(), [](std::string_view a, std::string_view b) {
    return std::lexicographical_compare(
        a.begin(), a.end(), b.begin(), b.end(),
        [](char x, char y) { return static_cast<uint8_t>(x) < static_cast<uint8_t>(y); });
  });
  Dfa dfa{{Dfa::State{}}};
  for (const std::string_view text : sorted) {
    uint32_t at = 0;
    for (const char c : text) {
      const auto byte = static_cast<uint8_t>(c);
      auto& edges = dfa.states[at].edges;
      if (edges.empty() || edges.back().low != byte) {
        const auto fresh = static_cast<uint32_t>(dfa.states.size());
        edges.push_back({byte, byte, fresh});
        dfa.states.emplace_back();
        at = fresh;
      } else {
        at = edges.back().to;
      }
    }
    dfa.states[at].accepting = true;
  }
  return dfa;
}

Result<Dfa> of_length(uint64_t min, std::optional<uint64_t> max) {
  constexpr uint64_t kCharactersMax = 4000;
  const uint64_t last = max ? *max : min;
  if (min > kCharactersMax || last > kCharactersMax) {
    return make_error("E0323",
                      fmt::format("a length of {} characters together with a pattern or format",
                                  std::max(min, last)),
                      fmt::format("at most {} characters, or leave the pattern out",
                                  kCharactersMax));
  }
  Nfa nfa;
  uint32_t at = nfa.add_state();
  const uint32_t start = at;
  const uint32_t accept = nfa.add_state();
  const CharRanges any = {{0, 0x10FFFF}};
  for (uint64_t i = 0; i <= last; ++i) {
    if (i >= min) nfa.jump(at, accept);
    if (i == last) break;
    const uint32_t next = nfa.add_state();
    nfa.characters(at, any, next);
    at = next;
  }
  if (!max) nfa.characters(at, any, at);
  return nfa.determinised(start, accept);
}

std::optional<std::vector<std::string>> words(const Dfa& dfa, size_t count_max) {
  // A cycle in a trimmed automaton means infinitely many words; a path longer than the number of
  // states has one.
  std::vector<std::string> out;
  std::vector<std::pair<uint32_t, std::string>> todo = {{0, {}}};
  if (dfa.is_empty()) return out;
  while (!todo.empty()) {
    auto [state, text] = std::move(todo.back());
    todo.pop_back();
    if (text.size() > std::min<size_t>(dfa.states.size(), 1024)) return std::nullopt;
    if (dfa.states[state].accepting) out.push_back(text);
    if (out.size() > count_max) return std::nullopt;
    const auto& edges = dfa.states[state].edges;
    for (auto edge = edges.rbegin(); edge != edges.rend(); ++edge) {
      if (todo.size() > count_max * 256) return std::nullopt;
      for (int byte = edge->high; byte >= edge->low; --byte) {
        todo.emplace_back(edge->to, text + static_cast<char>(byte));
      }
    }
  }
  return out;
}

}  // namespace weft::grammar
