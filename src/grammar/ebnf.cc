// SPDX-License-Identifier: Apache-2.0
#include "grammar/ebnf.h"

#include <algorithm>
#include <map>

#include "base/hexadecimal.h"
#include "base/strings.h"
#include "text/unicode.h"

namespace weft::grammar {
namespace {

constexpr size_t kSourceBytesMax = 1 << 20;
constexpr size_t kNestingMax = 100;
constexpr uint32_t kRepeatMax = 5000;

bool is_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '-';
}

class Reader {
 public:
  explicit Reader(std::string_view source) : in_(source) {}

  Result<Rules> run() {
    skip(true);
    while (at_ < in_.size()) {
      const size_t begin = at_;
      const std::string name = TRY(rule_name());
      skip(false);
      if (!take("::=")) return error(at_, "expected '::=' behind the rule's name");
      const RuleId rule = rule_of(name);
      if (defined_[rule]) return error(begin, fmt::format("rule {} stands twice", quoted(name)));
      defined_[rule] = true;
      const StateId end = rules_.add_state(rule);
      rules_.set_final(end);
      TRY(choice(rules_.rule(rule).start, end, 0));
      if (at_ < in_.size() && in_[at_] == ')') return error(at_, "')' without its '('");
    }
    for (const auto& [rule, place] : used_) {
      if (defined_[rule]) continue;
      std::vector<std::string> names;
      for (const auto& [name, id] : names_) {
        if (defined_[id]) names.push_back(name);
      }
      const std::string& name = rules_.rule(rule).name;
      return error(place, fmt::format("rule {} is not defined", quoted(name)),
                   name_hint(name, names));
    }
    const auto root = names_.find("root");
    if (root == names_.end() || !defined_[root->second]) {
      return error(0, "there is no rule 'root'", "name the rule to begin with 'root'");
    }
    Status finished = rules_.finish(root->second);
    if (finished.ok()) return std::move(rules_);
    if (finished.error().code != "E0324") return std::move(finished).error();
    return in_context(std::move(finished).error(),
                      fmt::format("rule {}", quoted(rules_.impossible_part())));
  }

 private:
  Error error(size_t offset, std::string_view what, std::string hint = {}) const {
    const Place place = place_of(in_, offset);
    return make_error("E0322", fmt::format("grammar, line {}, column {}: {}", place.line,
                                           place.column, what),
                      hint.empty() ? "rules look like: root ::= \"yes\" | \"no\" [0-9]+" : hint);
  }
  bool take(std::string_view text) {
    if (in_.substr(at_, text.size()) != text) return false;
    at_ += text.size();
    return true;
  }
  void skip(bool lines) {
    while (at_ < in_.size()) {
      const char c = in_[at_];
      if (c == '#') {
        while (at_ < in_.size() && in_[at_] != '\n') ++at_;
      } else if (c == ' ' || c == '\t' || (lines && (c == '\n' || c == '\r'))) {
        ++at_;
      } else {
        return;
      }
    }
  }
  Result<std::string> rule_name() {
    const size_t begin = at_;
    while (at_ < in_.size() && is_name(in_[at_])) ++at_;
    if (at_ == begin) return error(begin, "expected a rule's name");
    return std::string(in_.substr(begin, at_ - begin));
  }
  RuleId rule_of(const std::string& name) {
    const auto [found, fresh] = names_.try_emplace(name, kNoRule);
    if (fresh) found->second = helper(name);
    return found->second;
  }
  RuleId helper(std::string name) {
    const RuleId rule = rules_.add_rule(std::move(name));
    defined_.resize(rule + 1);
    return rule;
  }

  // Behind the white space of a line end: does a new rule begin here?
  bool at_new_rule() {
    const size_t before = at_;
    while (at_ < in_.size() && is_name(in_[at_])) ++at_;
    const bool named = at_ > before;
    skip(false);
    const bool rule = named && in_.substr(at_, 3) == "::=";
    at_ = before;
    return rule;
  }

  // NOLINTNEXTLINE(misc-no-recursion): depth is bounded
  Status choice(StateId from, StateId to, size_t depth) {
    if (depth > kNestingMax) return error(at_, "groups nested too deep");
    do {
      StateId at = from;
      while (true) {
        skip(true);
        if (at_ >= in_.size() || in_[at_] == '|' || in_[at_] == ')') break;
        if (at_new_rule()) {
          if (depth > 0) return error(at_, "a rule begins inside parentheses");
          break;
        }
        at = TRY(repeated(at, depth));
        if (rules_.too_large()) return error(at_, "the grammar is too large");
      }
      rules_.jump(at, to);
    } while (take("|"));
    return ok_status();
  }

  // An item becomes a rule of its own if it is repeated, so that repetition copies only calls.
  // NOLINTNEXTLINE(misc-no-recursion): as above
  Result<StateId> repeated(StateId from, size_t depth) {
    const RuleId own = rules_.state(from).rule;
    const size_t begin = at_;
    const RuleId item = helper(rules_.rule(own).name);
    defined_[item] = true;
    const StateId end = rules_.add_state(item);
    rules_.set_final(end);
    TRY(atom(rules_.rule(item).start, end, depth));
    uint32_t min = 1;
    uint32_t max = 1;
    TRY(bounds(min, max));
    if (min > max) return error(begin, "the bounds are in the wrong order");
    const auto next = [&](StateId at) {
      const StateId to = rules_.add_state(own);
      rules_.call(at, item, to);
      return to;
    };
    StateId at = from;
    for (uint32_t i = 0; i < min; ++i) at = next(at);
    if (max == kNoMax) {
      const StateId loop = rules_.add_state(own);
      rules_.jump(at, loop);
      rules_.call(loop, item, loop);
      return loop;
    }
    const StateId out = rules_.add_state(own);
    for (uint32_t i = min; i < max; ++i) {
      rules_.jump(at, out);
      at = next(at);
    }
    rules_.jump(at, out);
    return out;
  }

  Status bounds(uint32_t& min, uint32_t& max) {
    if (take("?")) {
      min = 0;
    } else if (take("*")) {
      min = 0;
      max = kNoMax;
    } else if (take("+")) {
      max = kNoMax;
    } else if (take("{")) {
      const size_t begin = at_;
      const auto number = [&](uint32_t& out) {
        const size_t first = at_;
        uint64_t value = 0;
        for (; at_ < in_.size() && in_[at_] >= '0' && in_[at_] <= '9'; ++at_) {
          value = std::min<uint64_t>(value * 10 + static_cast<uint64_t>(in_[at_] - '0'), kNoMax);
        }
        out = static_cast<uint32_t>(value);
        return at_ > first;
      };
      if (!number(min)) min = 0;
      max = min;
      if (take(",") && !number(max)) max = kNoMax;
      if (!take("}")) return error(begin, "expected {n}, {n,} or {n,m}");
      if (min > kRepeatMax || (max != kNoMax && max > kRepeatMax)) {
        return error(begin, fmt::format("more than {} repetitions", kRepeatMax));
      }
    }
    return ok_status();
  }

  // NOLINTNEXTLINE(misc-no-recursion): as above
  Status atom(StateId from, StateId to, size_t depth) {
    const size_t begin = at_;
    if (take("(")) {
      TRY(choice(from, to, depth + 1));
      if (!take(")")) return error(begin, "'(' without its ')'");
      return ok_status();
    }
    if (take("\"")) return literal(begin, from, to);
    if (take("[")) return char_class(begin, from, to);
    if (take(".")) return characters({{0, 0x10FFFF}}, from, to);
    if (!is_name(in_[at_])) return error(begin, "expected a literal, a class, a group or a name");
    const std::string name = TRY(rule_name());
    const RuleId called = rule_of(name);
    used_.try_emplace(called, begin);
    rules_.call(from, called, to);
    return ok_status();
  }

  Status literal(size_t begin, StateId from, StateId to) {
    std::string text;
    while (!take("\"")) {
      if (at_ >= in_.size() || in_[at_] == '\n') return error(begin, "a literal without its end");
      text::append_utf8(text, TRY(character()));
    }
    if (text.empty()) {
      rules_.jump(from, to);
    } else {
      rules_.text(from, text, to);
    }
    return ok_status();
  }

  Status char_class(size_t begin, StateId from, StateId to) {
    const bool negated = take("^");
    CharRanges ranges;
    while (!take("]")) {
      if (at_ >= in_.size() || in_[at_] == '\n') return error(begin, "a class without its ']'");
      const char32_t low = TRY(character());
      char32_t high = low;
      if (in_.substr(at_, 1) == "-" && in_.substr(at_ + 1, 1) != "]") {
        ++at_;
        if (at_ >= in_.size()) return error(begin, "a class without its ']'");
        high = TRY(character());
      }
      if (low > high) return error(begin, "a range in the wrong order");
      ranges.emplace_back(low, high);
    }
    return characters(negated ? complement(ranges) : normalised(std::move(ranges)), from, to);
  }

  Status characters(const CharRanges& ranges, StateId from, StateId to) {
    Nfa nfa;
    const uint32_t start = nfa.add_state();
    const uint32_t end = nfa.add_state();
    nfa.characters(start, ranges, end);
    const Dfa dfa = TRY(nfa.determinised(start, end));
    const RuleId rule = helper(rules_.rule(rules_.state(from).rule).name);
    defined_[rule] = true;
    rules_.embed(rule, dfa);
    rules_.call(from, rule, to);
    return ok_status();
  }

  Result<char32_t> character() {
    const size_t begin = at_;
    if (in_[at_] != '\\') {
      const text::Utf8Char one = text::utf8_char(in_.data() + at_);
      at_ += one.bytes;
      return one.code;
    }
    if (at_ + 1 >= in_.size()) return error(begin, "a backslash at the end");
    const char c = in_[at_ + 1];
    at_ += 2;
    switch (c) {
      case 'n': return U'\n';
      case 'r': return U'\r';
      case 't': return U'\t';
      case 'x': return hexadecimal(begin, 2);
      case 'u': return hexadecimal(begin, 4);
      case '\\': case '"': case '[': case ']': case '-': case '^': case '/':
        return static_cast<char32_t>(c);
      default: return error(begin, "an escape that is not known");
    }
  }

  Result<char32_t> hexadecimal(size_t begin, size_t count) {
    const auto value = weft::hexadecimal(in_.substr(std::min(at_, in_.size()), count));
    if (!value || in_.size() - at_ < count) {
      return error(begin, fmt::format("expected {} hexadecimal digits", count));
    }
    at_ += count;
    if (*value >= 0xD800 && *value < 0xE000) return error(begin, "half a surrogate pair");
    return static_cast<char32_t>(*value);
  }

  std::string_view in_;
  size_t at_ = 0;
  Rules rules_;
  std::map<std::string, RuleId> names_;
  std::map<RuleId, size_t> used_;  // and where first
  std::vector<bool> defined_;
};

}  // namespace

Result<Rules> ebnf_rules(std::string_view source) {
  if (source.size() > kSourceBytesMax || invalid_utf8_at(source)) {
    return make_error("E0322", "a grammar must be UTF-8 of at most 1 MiB");
  }
  return Reader(source).run();
}

}  // namespace weft::grammar
