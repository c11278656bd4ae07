// SPDX-License-Identifier: Apache-2.0
#include "grammar/json_text.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "grammar/regex.h"

namespace weft::grammar {
namespace {

constexpr size_t kIntegerDigitsMax = 18;
constexpr size_t kNumberDigitsMax = 15;
constexpr uint32_t kRemaindersMax = 20'000;
constexpr std::string_view kFreeNumber =
    "-?(0|[1-9][0-9]{0,14})([.][0-9]{1,15})?([eE][+-]?[0-9]{1,2})?";

bool must_be_escaped(int byte) { return byte < 0x20 || byte == '"' || byte == '\\'; }

// 12.50e1 as digits before and behind the point.
struct Decimal {
  bool negative = false;
  std::string whole = "0";  // no leading zeros, but at least one digit
  std::string fraction;     // no trailing zeros
  bool is_zero() const { return whole == "0" && fraction.empty(); }
};

std::string digits_of(const json::Value& number) {
  if (number.is_int64()) return std::to_string(number.get_int64());
  if (number.is_uint64()) return std::to_string(number.get_uint64());
  return json::number_text(number.get_double());
}

Decimal decimal_of(const json::Value& number) {
  std::string_view text;
  const std::string all = digits_of(number);
  text = all;
  Decimal out;
  if (text.starts_with('-')) {
    out.negative = true;
    text.remove_prefix(1);
  }
  int exponent = 0;
  if (const size_t e = text.find('e'); e != text.npos) {
    std::string_view power = text.substr(e + 1);
    if (power.starts_with('+')) power.remove_prefix(1);
    std::from_chars(power.data(), power.data() + power.size(), exponent);
    text = text.substr(0, e);
  }
  const size_t point = std::min(text.find('.'), text.size());
  std::string digits(text.substr(0, point));
  if (point < text.size()) digits += text.substr(point + 1);
  int whole = static_cast<int>(point) + exponent;  // digits before the point
  if (whole <= 0) {
    digits.insert(0, static_cast<size_t>(1 - whole), '0');
    whole = 1;
  }
  if (static_cast<size_t>(whole) > digits.size()) digits.resize(static_cast<size_t>(whole), '0');
  out.whole = digits.substr(0, static_cast<size_t>(whole));
  out.fraction = digits.substr(static_cast<size_t>(whole));
  const size_t first = std::min(out.whole.find_first_not_of('0'), out.whole.size() - 1);
  out.whole.erase(0, first);
  out.fraction.erase(out.fraction.find_last_not_of('0') + 1);
  if (out.is_zero()) out.negative = false;
  return out;
}

enum Order : uint8_t { kLess = 1, kEqual = 2, kGreater = 4 };

// Unsigned decimals whose order to `limit` is one of `wanted`. For each number of digits before
// the point a chain of its own, because only at the end is it known how many there were.
class Comparison {
 public:
  Comparison(const Decimal& limit, uint8_t wanted, bool integers)
      : limit_(limit), wanted_(wanted), integers_(integers) {}

  Result<Dfa> run() {
    start_ = nfa_.add_state();
    accept_ = nfa_.add_state();
    const size_t digits = integers_ ? kIntegerDigitsMax : kNumberDigitsMax;
    for (size_t count = 1; count <= digits; ++count) chain(count);
    return nfa_.determinised(start_, accept_);
  }

 private:
  using Row = std::array<std::optional<uint32_t>, 3>;  // states by order: less, equal, greater

  // From one row to the next over a digit; `against` is the limit's digit there.
  Row over_digit(const Row& from, char against, char lowest) {
    Row to;
    for (size_t order = 0; order < 3; ++order) {
      if (!from[order]) continue;
      const auto edge = [&](size_t into, char low, char high) {
        if (low > high) return;
        if (!to[into]) to[into] = nfa_.add_state();
        nfa_.edge(*from[order], static_cast<uint8_t>(low), static_cast<uint8_t>(high), *to[into]);
      };
      if (order != 1) {
        edge(order, lowest, '9');
        continue;
      }
      edge(0, lowest, static_cast<char>(against - 1));
      if (against >= lowest) edge(1, against, against);
      edge(2, std::max(lowest, static_cast<char>(against + 1)), '9');
    }
    return to;
  }

  void may_end(const Row& row, size_t fraction_digits) {
    for (size_t order = 0; order < 3; ++order) {
      if (!row[order]) continue;
      // equal so far, and the limit goes on: smaller
      const bool rest = order == 1 && fraction_digits < limit_.fraction.size();
      const auto is = static_cast<uint8_t>(1u << (rest ? 0 : order));
      if ((wanted_ & is) != 0) nfa_.jump(*row[order], accept_);
    }
  }

  void chain(size_t count) {
    Row row;
    const size_t order = count < limit_.whole.size() ? 0 : count == limit_.whole.size() ? 1 : 2;
    row[order] = start_;
    for (size_t i = 0; i < count; ++i) {
      const char against = order == 1 ? limit_.whole[i] : '0';
      row = over_digit(row, against, i == 0 && count > 1 ? '1' : '0');
    }
    may_end(row, 0);
    if (integers_ || count >= kNumberDigitsMax) return;
    for (auto& state : row) {
      if (!state) continue;
      const uint32_t behind = nfa_.add_state();
      nfa_.edge(*state, '.', '.', behind);
      state = behind;
    }
    for (size_t i = 0; i < kNumberDigitsMax - count; ++i) {
      row = over_digit(row, i < limit_.fraction.size() ? limit_.fraction[i] : '0', '0');
      may_end(row, i + 1);
    }
  }

  const Decimal& limit_;
  uint8_t wanted_;
  bool integers_;
  Nfa nfa_;
  uint32_t start_ = 0;
  uint32_t accept_ = 0;
};

Result<Dfa> with_sign(const std::optional<Dfa>& plus, const std::optional<Dfa>& minus) {
  Nfa nfa;
  const uint32_t start = nfa.add_state();
  const uint32_t accept = nfa.add_state();
  if (plus) nfa.embed(start, *plus, accept);
  if (minus) {
    const uint32_t sign = nfa.add_state();
    nfa.edge(start, '-', '-', sign);
    nfa.embed(sign, *minus, accept);
  }
  return nfa.determinised(start, accept);
}

// Numbers at least (or at most) a limit. Below zero the order of magnitudes is turned round.
Result<Dfa> bounded(const NumberBound& bound, bool integers) {
  const Decimal limit = decimal_of(*bound.limit);
  const uint8_t outward = bound.strict ? kGreater : kGreater | kEqual;  // away from zero
  const uint8_t inward = bound.strict ? kLess : kLess | kEqual;
  const Decimal zero;
  const Dfa all = TRY(Comparison(zero, kEqual | kGreater, integers).run());
  const Dfa above_zero = TRY(Comparison(zero, kGreater, integers).run());
  const auto magnitude = [&](uint8_t wanted) { return Comparison(limit, wanted, integers).run(); };
  if (bound.lower && !limit.negative) return with_sign(TRY(magnitude(outward)), std::nullopt);
  if (!bound.lower && limit.negative) return with_sign(std::nullopt, TRY(magnitude(outward)));
  const Dfa inside = TRY(magnitude(inward));
  if (!bound.lower) return with_sign(inside, above_zero);
  return with_sign(all, TRY(combined(inside, above_zero, Combine::kBoth)));
}

// Decimals that are multiples of `divisor`: the remainder of the digits read so far is the state.
// With k digits behind the divisor's point everything is counted in 10^-k.
Result<Dfa> multiples_of(const json::Value& divisor, bool integers) {
  const Decimal by = decimal_of(divisor);
  const size_t k = by.fraction.size();
  const std::string digits = by.whole + by.fraction;
  uint32_t modulus = 0;
  const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), modulus);
  if (read.ec != std::errc() || modulus == 0 || modulus * (k + 2) > kRemaindersMax || k > 15) {
    return make_error("E0323",
                      fmt::format("multiples of {} need too large an automaton",
                                  digits_of(divisor)),
                      fmt::format("divisors have digits up to {}", kRemaindersMax));
  }
  std::vector<uint32_t> power(k + 1, 1 % modulus);  // 10^i mod modulus
  for (size_t i = 1; i <= k; ++i) power[i] = power[i - 1] * 10 % modulus;
  Dfa dfa;  // 0 start, 1 behind '-', then rows of remainders: whole, k behind the point
  const auto at = [&](size_t row, uint32_t remainder) {
    return static_cast<uint32_t>(2 + row * modulus + remainder);
  };
  dfa.states.resize(2 + (k + 2) * modulus);
  const auto digit_edges = [&](uint32_t from, size_t row, uint32_t remainder) {
    for (uint32_t d = 0; d < 10; ++d) {
      const auto byte = static_cast<uint8_t>('0' + d);
      dfa.states[from].edges.push_back({byte, byte, at(row, (remainder * 10 + d) % modulus)});
    }
  };
  dfa.states[0].edges.push_back({'-', '-', 1});
  digit_edges(0, 0, 0);
  digit_edges(1, 0, 0);
  for (uint32_t r = 0; r < modulus; ++r) {
    dfa.states[at(0, r)].accepting = static_cast<uint64_t>(r) * power[k] % modulus == 0;
    // row 1 stands directly behind the point
    if (!integers && k > 0) dfa.states[at(0, r)].edges.push_back({'.', '.', at(1, r)});
    digit_edges(at(0, r), 0, r);
    for (size_t row = 1; row <= k; ++row) digit_edges(at(row, r), row + 1, r);
    for (size_t row = 2; row <= k + 1; ++row) {
      const uint64_t scaled = static_cast<uint64_t>(r) * power[k + 1 - row];
      dfa.states[at(row, r)].accepting = scaled % modulus == 0;
    }
  }
  return trimmed(dfa);
}

void hex_digit(Rules& rules, StateId from, StateId to) {
  rules.byte(from, '0', '9', to);
  rules.byte(from, 'A', 'F', to);
  rules.byte(from, 'a', 'f', to);
}

}  // namespace

Dfa quoted_text(const Dfa& text) {
  Dfa out;
  out.states.resize(text.states.size() + 2);
  const auto moved = [](uint32_t s) { return s + 1; };
  const auto end = static_cast<uint32_t>(text.states.size() + 1);
  out.states[0].edges = {{'"', '"', moved(0)}};
  out.states[end].accepting = true;
  const auto fresh = [&] {
    out.states.emplace_back();
    return static_cast<uint32_t>(out.states.size() - 1);
  };
  constexpr std::string_view kShort = "\b\f\n\r\t\"\\";
  constexpr std::string_view kLetters = "bfnrt\"\\";
  for (uint32_t s = 0; s < text.states.size(); ++s) {
    std::array<std::optional<uint32_t>, 256> escaped;
    std::vector<Edge> edges;
    for (const Edge& edge : text.states[s].edges) {
      for (int byte = edge.low; byte <= edge.high; ++byte) {
        const auto b = static_cast<uint8_t>(byte);
        if (must_be_escaped(byte)) {
          escaped[b] = moved(edge.to);
        } else {
          edges.push_back({b, b, moved(edge.to)});
        }
      }
    }
    if (text.states[s].accepting) edges.push_back({'"', '"', end});
    std::vector<Edge> letters;  // behind the backslash
    std::array<std::vector<Edge>, 2> hex;  // \u000X and \u001X
    for (int byte = 0; byte < 0x60; ++byte) {
      const auto& to = escaped[static_cast<size_t>(byte)];
      if (!to) continue;
      const size_t known = kShort.find(static_cast<char>(byte));
      if (known != kShort.npos) {
        const auto letter = static_cast<uint8_t>(kLetters[known]);
        letters.push_back({letter, letter, *to});
      } else {
        const auto digit = static_cast<uint8_t>("0123456789abcdef"[byte & 15]);
        hex[static_cast<size_t>(byte >> 4)].push_back({digit, digit, *to});
      }
    }
    if (!hex[0].empty() || !hex[1].empty()) {
      uint32_t at = fresh();
      letters.push_back({'u', 'u', at});
      for (int zeros = 0; zeros < 2; ++zeros) {
        const uint32_t next = fresh();
        out.states[at].edges = {{'0', '0', next}};
        at = next;
      }
      for (size_t row = 0; row < 2; ++row) {
        if (hex[row].empty()) continue;
        const uint32_t last = fresh();
        const auto digit = static_cast<uint8_t>('0' + row);
        out.states[at].edges.push_back({digit, digit, last});
        out.states[last].edges = hex[row];
      }
    }
    const auto by_byte = [](const Edge& a, const Edge& b) { return a.low < b.low; };
    if (!letters.empty()) {
      const uint32_t backslash = fresh();
      std::sort(letters.begin(), letters.end(), by_byte);
      out.states[backslash].edges = letters;
      edges.push_back({'\\', '\\', backslash});
    }
    std::sort(edges.begin(), edges.end(), by_byte);
    out.states[moved(s)].edges = edges;
  }
  return trimmed(out);  // joins neighbouring edges too
}

void free_string(Rules& rules, RuleId rule, uint32_t min, uint32_t max) {
  CHECK(min <= max && rules.state_count() == rules.rule(rule).start + 1u);
  const StateId inside = rules.add_state(rule);
  const StateId end = rules.add_state(rule);
  Rule& self = rules.rule(rule);
  self.free_string = true;
  self.min = min;
  self.max = max;
  self.counts = min > 0 || max != kNoMax;
  self.unit_bytes = 1;
  const Guard more = self.counts ? Guard::kBelowMax : Guard::kNone;
  rules.byte(self.start, '"', '"', inside);
  rules.byte(inside, '"', '"', end, self.counts ? Guard::kFromMin : Guard::kNone);
  rules.set_final(end);
  const auto next = [&](StateId from, uint8_t low, uint8_t high) {
    const StateId to = rules.add_state(rule);
    rules.byte(from, low, high, to, from == inside ? more : Guard::kNone);
    return to;
  };
  rules.byte(inside, 0x20, 0x21, inside, more);
  rules.byte(inside, 0x23, 0x5B, inside, more);
  rules.byte(inside, 0x5D, 0x7F, inside, more);
  // UTF-8 (Unicode 15, table 3-7)
  const StateId last = next(inside, 0xC2, 0xDF);
  rules.byte(last, 0x80, 0xBF, inside);
  rules.byte(next(inside, 0xE0, 0xE0), 0xA0, 0xBF, last);
  const StateId two = next(inside, 0xE1, 0xEC);
  rules.byte(inside, 0xEE, 0xEF, two, more);
  rules.byte(two, 0x80, 0xBF, last);
  rules.byte(next(inside, 0xED, 0xED), 0x80, 0x9F, last);
  rules.byte(next(inside, 0xF0, 0xF0), 0x90, 0xBF, two);
  rules.byte(next(inside, 0xF1, 0xF3), 0x80, 0xBF, two);
  rules.byte(next(inside, 0xF4, 0xF4), 0x80, 0x8F, two);
  // escapes; the second half of a surrogate pair belongs to the same character
  const StateId backslash = next(inside, '\\', '\\');
  for (const char c : std::string_view("\"\\/bfnrt")) {
    rules.byte(backslash, static_cast<uint8_t>(c), static_cast<uint8_t>(c), inside);
  }
  const auto hex = [&](StateId from, StateId to) { hex_digit(rules, from, to); };
  const StateId u = next(backslash, 'u', 'u');
  const StateId third = rules.add_state(rule);
  const StateId fourth = rules.add_state(rule);
  const StateId second = rules.add_state(rule);
  hex(second, third);
  hex(third, fourth);
  hex(fourth, inside);
  rules.byte(u, '0', '9', second);
  for (const char upper : {'A', 'a'}) {
    const auto a = static_cast<uint8_t>(upper);
    rules.byte(u, a, a + 2, second);      // A, B, C
    rules.byte(u, a + 4, a + 5, second);  // E, F
  }
  const StateId d = next(u, 'D', 'D');
  rules.byte(u, 'd', 'd', d);
  rules.byte(d, '0', '7', third);
  const StateId high = next(d, '8', '9');
  rules.byte(d, 'A', 'B', high);
  rules.byte(d, 'a', 'b', high);
  const StateId high_last = rules.add_state(rule);
  const StateId high_end = rules.add_state(rule);
  hex(high, high_last);
  hex(high_last, high_end);
  const StateId low_u = next(next(high_end, '\\', '\\'), 'u', 'u');
  const StateId low_d = next(low_u, 'D', 'D');
  rules.byte(low_u, 'd', 'd', low_d);
  rules.byte(low_d, 'C', 'F', third);
  rules.byte(low_d, 'c', 'f', third);
}

namespace {

// Bytes of the shortest way from a state back to itself, without reading a quotation mark.
uint32_t shortest_cycle(const Dfa& dfa, uint32_t state) {
  std::vector<uint32_t> distance(dfa.states.size(), UINT32_MAX);
  std::vector<uint32_t> queue = {state};
  for (size_t i = 0; i < queue.size(); ++i) {
    const uint32_t from = i == 0 ? 0 : distance[queue[i]];
    for (const Edge& edge : dfa.states[queue[i]].edges) {
      if (edge.low == '"' && queue[i] == state) continue;
      if (distance[edge.to] != UINT32_MAX) continue;
      distance[edge.to] = from + 1;
      if (edge.to == state) return from + 1;
      queue.push_back(edge.to);
    }
  }
  CHECK(false, "a character leads nowhere");
}

}  // namespace

Status repeated_string(Rules& rules, RuleId rule, const Repetition& repetition) {
  CHECK(repetition.min <= repetition.max && !repetition.characters.empty());
  Nfa nfa;
  const uint32_t loop = nfa.add_state();
  nfa.characters(loop, repetition.characters, loop);
  // "characters": behind the first quotation mark, and again behind each character, one state.
  const Dfa text = quoted_text(TRY(nfa.determinised(loop, loop)));
  CHECK(text.states[0].edges.size() == 1);
  const uint32_t inside = text.states[0].edges[0].to;
  Rule& self = rules.rule(rule);
  self.min = repetition.min;
  self.max = repetition.max;
  self.counts = self.min > 0 || self.max != kNoMax;
  self.unit_bytes = shortest_cycle(text, inside);
  const bool counts = self.counts;
  std::vector<StateId> ids = {self.start};
  for (size_t s = 1; s < text.states.size(); ++s) ids.push_back(rules.add_state(rule));
  for (uint32_t s = 0; s < text.states.size(); ++s) {
    if (text.states[s].accepting) rules.set_final(ids[s]);
    for (const Edge& edge : text.states[s].edges) {
      Guard guard = Guard::kNone;
      if (counts && s == inside) guard = edge.low == '"' ? Guard::kFromMin : Guard::kBelowMax;
      rules.byte(ids[s], edge.low, edge.high, ids[edge.to], guard);
    }
  }
  return ok_status();
}

Result<Dfa> number_text(const NumberLanguage& language) {
  const bool integers = language.integers_only;
  if (language.bounds.empty() && language.multiples.empty() && !integers) {
    return regex_language(kFreeNumber, Matching::kWhole);
  }
  const json::Value zero = 0;
  const Decimal none;
  const Dfa all = TRY(Comparison(none, kEqual | kGreater, integers).run());
  const Dfa above = TRY(Comparison(none, kGreater, integers).run());
  Dfa out = TRY(with_sign(all, above));
  for (const NumberBound& bound : language.bounds) {
    const Dfa within = TRY(bounded(bound, integers));
    if (within.is_empty()) {
      return make_error("E0320",
                        fmt::format("no number that a grammar writes is within the bound {}",
                                    json::dump(*bound.limit)),
                        fmt::format("at most {} digits are written before the point",
                                    integers ? kIntegerDigitsMax : kNumberDigitsMax));
    }
    out = TRY(combined(out, within, Combine::kBoth));
  }
  for (const json::Value* divisor : language.multiples) {
    out = TRY(combined(out, TRY(multiples_of(*divisor, integers)), Combine::kBoth));
  }
  return minimised(std::move(out));
}

}  // namespace weft::grammar
