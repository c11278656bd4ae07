// SPDX-License-Identifier: Apache-2.0
#include "grammar/regex.h"

#include <algorithm>
#include <array>
#include <map>
#include <mutex>
#include <set>
#include <string>

#include "base/hexadecimal.h"
#include "base/strings.h"
#include "text/unicode.h"

namespace weft::grammar {
namespace {

constexpr size_t kGroupsMax = 200;
constexpr size_t kPatternBytesMax = 64 * 1024;
constexpr uint32_t kRepetitionsMax = 10'000;
constexpr size_t kNfaStatesMax = 400'000;
constexpr char32_t kLast = 0x10FFFF;

// Anchors are bytes that no text holds: '^' reads the mark that stands before every text, '$' the
// one behind it. So an anchor means what it says wherever it stands, without a case of its own.
constexpr uint8_t kBeginMark = 0xFE;
constexpr uint8_t kEndMark = 0xFF;

const CharRanges kDigits = {{'0', '9'}};
const CharRanges kWord = {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}};
const CharRanges kSpace = {{0x9, 0xD},       {0x20, 0x20},     {0xA0, 0xA0},     {0x1680, 0x1680},
                           {0x2000, 0x200A}, {0x2028, 0x2029}, {0x202F, 0x202F}, {0x205F, 0x205F},
                           {0x3000, 0x3000}, {0xFEFF, 0xFEFF}};
const CharRanges kLineEnds = {{'\n', '\n'}, {'\r', '\r'}, {0x2028, 0x2029}};

struct RegexNode {
  enum class Kind { kChars, kSequence, kChoice, kRepeat, kBegin, kEnd } kind;
  CharRanges chars;
  std::vector<RegexNode> children;
  uint32_t min = 0;
  uint32_t max = 0;  // UINT32_MAX: no bound
};

struct PropertyName {
  std::string_view name, category;
};
constexpr std::array kPropertyNames = {
    PropertyName{"Letter", "L"},           PropertyName{"Uppercase_Letter", "Lu"},
    PropertyName{"Lowercase_Letter", "Ll"}, PropertyName{"Titlecase_Letter", "Lt"},
    PropertyName{"Number", "N"},           PropertyName{"Decimal_Number", "Nd"},
    PropertyName{"digit", "Nd"},
};

bool in_category(char32_t c, std::string_view category) {
  const text::Category is = text::category_of(c);
  if (category == "L") return (text::CharTable::get().of(c) & text::kLetter) != 0;
  if (category == "N") return (text::CharTable::get().of(c) & text::kNumber) != 0;
  if (category == "Lu") return is == text::Category::kUpper;
  if (category == "Ll") return is == text::Category::kLower;
  if (category == "Lt") return is == text::Category::kTitle;
  return is == text::Category::kDigit;
}

// All characters are looked at, so once for each category.
const CharRanges& category_ranges(std::string_view category) {
  static std::mutex mutex;
  static std::map<std::string, CharRanges, std::less<>> known;
  const std::lock_guard lock(mutex);
  const auto [found, fresh] = known.try_emplace(std::string(category));
  CharRanges& out = found->second;
  if (!fresh) return out;
  for (char32_t c = 0; c <= kLast; ++c) {
    if (c == 0xD800) c = 0xE000;
    // New in Unicode 15 (CJK extension H): the validator's tables may be those of version 14.
    if (c == 0x31350) c = 0x323B0;
    if (!in_category(c, category)) continue;
    if (!out.empty() && out.back().second + 1 == c) {
      out.back().second = c;
    } else {
      out.emplace_back(c, c);
    }
  }
  return out;
}

class RegexParser {
 public:
  explicit RegexParser(std::string_view pattern) : in_(pattern) {}

  Result<RegexNode> run() {
    RegexNode node = TRY(choice(0));
    if (at_ < in_.size()) return error(at_, "')' without its '('");
    return node;
  }

 private:
  Error error(size_t offset, std::string_view what, std::string_view hint = {}) const {
    return make_error("E0321",
                      fmt::format("pattern {}, offset {}: {}", quoted(in_), offset, what),
                      hint.empty() ? "a grammar takes regular expressions without look-around, "
                                     "back references and word borders"
                                   : std::string(hint));
  }
  bool next_is(std::string_view text) const { return in_.substr(at_, text.size()) == text; }
  bool take(std::string_view text) {
    if (!next_is(text)) return false;
    at_ += text.size();
    return true;
  }

  Result<RegexNode> choice(size_t depth) {  // NOLINT(misc-no-recursion): depth is bounded
    if (depth > kGroupsMax) return error(at_, "groups nested too deep");
    RegexNode all{RegexNode::Kind::kChoice, {}, {}};
    do {
      RegexNode sequence{RegexNode::Kind::kSequence, {}, {}};
      while (at_ < in_.size() && in_[at_] != '|' && in_[at_] != ')') {
        sequence.children.push_back(TRY(quantified(depth)));
      }
      all.children.push_back(std::move(sequence));
    } while (take("|"));
    return all;
  }

  Result<RegexNode> quantified(size_t depth) {  // NOLINT(misc-no-recursion): as above
    const size_t begin = at_;
    RegexNode node = TRY(atom(depth));
    uint32_t min = 1;
    uint32_t max = 1;
    const char c = at_ < in_.size() ? in_[at_] : '\0';
    if (c == '*' || c == '+' || c == '?') {
      ++at_;
      min = c == '+' ? 1 : 0;
      max = c == '?' ? 1 : UINT32_MAX;
    } else if (c != '{' || !TRY(bounds(min, max))) {
      return node;
    }
    (void)take("?");  // lazy: the same language
    if (at_ < in_.size() && std::string_view("*+?{").find(in_[at_]) != std::string_view::npos) {
      return error(at_, "a quantifier follows a quantifier",
                   "put the first one into a group: (?:a{2}){3}");
    }
    if (node.kind == RegexNode::Kind::kBegin || node.kind == RegexNode::Kind::kEnd) {
      return error(begin, "an anchor cannot be repeated");
    }
    RegexNode repeat{RegexNode::Kind::kRepeat, {}, {}, min, max};
    repeat.children.push_back(std::move(node));
    return repeat;
  }

  // {n}, {n,} or {n,m}; any other '{' is atom()'s.
  Result<bool> bounds(uint32_t& min, uint32_t& max) {
    size_t i = at_ + 1;
    const auto number = [&](uint32_t& out) {
      const size_t begin = i;
      uint64_t value = 0;
      for (; i < in_.size() && in_[i] >= '0' && in_[i] <= '9'; ++i) {
        value = std::min<uint64_t>(value * 10 + static_cast<uint64_t>(in_[i] - '0'), UINT32_MAX);
      }
      out = static_cast<uint32_t>(value);
      return i > begin;
    };
    if (!number(min)) return false;
    max = min;
    if (i < in_.size() && in_[i] == ',') {
      ++i;
      if (!number(max)) max = UINT32_MAX;
    }
    if (i >= in_.size() || in_[i] != '}') return false;
    const bool endless = max == UINT32_MAX;
    if (min > kRepetitionsMax || (!endless && max > kRepetitionsMax)) {
      return error(at_, fmt::format("more than {} repetitions", kRepetitionsMax));
    }
    if (min > max) return error(at_, "the bounds are in the wrong order");
    at_ = i + 1;
    return true;
  }

  Result<RegexNode> atom(size_t depth) {  // NOLINT(misc-no-recursion): as above
    const size_t begin = at_;
    const char c = in_[at_];
    if (c == '(') {
      ++at_;
      for (const std::string_view look : {"?=", "?!", "?<=", "?<!"}) {
        if (next_is(look)) return error(begin, "look-around");
      }
      if (take("?<")) {
        TRY(group_name(begin));
      } else if (!take("?:") && next_is("?")) {
        return error(begin, "a group '(?' of a kind that ECMA-262 does not have");
      }
      RegexNode node = TRY(choice(depth + 1));
      if (!take(")")) return error(begin, "'(' without its ')'");
      return node;
    }
    if (c == '^' || c == '$') {
      ++at_;
      return RegexNode{c == '^' ? RegexNode::Kind::kBegin : RegexNode::Kind::kEnd, {}, {}};
    }
    if (c == '*' || c == '+' || c == '?') return error(begin, "a quantifier without anything");
    if (c == '{' && at_ + 1 < in_.size() && std::string_view("0123456789,").find(in_[at_ + 1]) !=
                                                std::string_view::npos) {
      return error(begin, "bounds '{' without anything or without their end", "write \\{ for the "
                   "character, {0,2} for at most two");
    }
    RegexNode node{RegexNode::Kind::kChars, {}, {}};
    if (c == '[') {
      node.chars = TRY(char_class());
    } else if (c == '.') {
      ++at_;
      node.chars = complement(kLineEnds);
    } else if (c == '\\') {
      node.chars = TRY(escape(false));
    } else {
      const char32_t code = character();
      node.chars = {{code, code}};
    }
    return node;
  }

  // (?<name>: counts as (?:, but a wrong or second name is an error in ECMA-262.
  Status group_name(size_t begin) {
    const size_t end = in_.find('>', at_);
    if (end == in_.npos) return error(begin, "a group's name without '>'");
    const std::string_view name = in_.substr(at_, end - at_);
    const bool word = !name.empty() && (name[0] < '0' || name[0] > '9') &&
                      std::all_of(name.begin(), name.end(), [](char c) {
                        return c == '$' || c == '_' || static_cast<unsigned char>(c) >= 0x80 ||
                               (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
                               (c >= 'a' && c <= 'z');
                      });
    if (!word) return error(begin, fmt::format("{} is no name of a group", quoted(name)));
    if (!names_.insert(name).second) {
      return error(begin, fmt::format("a second group {}", quoted(name)));
    }
    at_ = end + 1;
    return ok_status();
  }

  char32_t character() {
    const text::Utf8Char one = text::utf8_char(in_.data() + at_);
    at_ += one.bytes;
    return one.code;
  }

  Result<CharRanges> char_class() {
    const size_t begin = at_++;
    const bool negated = take("^");
    CharRanges all;
    while (!next_is("]")) {
      if (at_ >= in_.size()) return error(begin, "character class without its ']'");
      CharRanges item = TRY(class_item());
      const bool range = next_is("-") && at_ + 1 < in_.size() && in_[at_ + 1] != ']';
      if (range) {
        const size_t dash = at_++;
        const CharRanges to = TRY(class_item());
        const bool single = item.size() == 1 && item[0].first == item[0].second &&
                            to.size() == 1 && to[0].first == to[0].second;
        if (!single || item[0].first > to[0].first) return error(dash, "not a range");
        item[0].second = to[0].first;
      }
      all.insert(all.end(), item.begin(), item.end());
    }
    ++at_;
    return negated ? complement(all) : normalised(std::move(all));
  }

  Result<CharRanges> class_item() {
    if (in_[at_] == '\\') return escape(true);
    const char32_t code = character();
    return CharRanges{{code, code}};
  }

  static bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

  Result<CharRanges> escape(bool in_class) {
    const size_t begin = at_++;
    if (at_ >= in_.size()) return error(begin, "a backslash at the end");
    const char c = in_[at_++];
    const auto one = [](char32_t code) { return CharRanges{{code, code}}; };
    switch (c) {
      case 'd': return kDigits;
      case 'D': return complement(kDigits);
      case 'w': return kWord;
      case 'W': return complement(kWord);
      case 's': return kSpace;
      case 'S': return complement(kSpace);
      case 't': return one('\t');
      case 'n': return one('\n');
      case 'r': return one('\r');
      case 'f': return one('\f');
      case 'v': return one('\v');
      case '0':
        if (at_ < in_.size() && in_[at_] >= '0' && in_[at_] <= '9') {
          return error(begin, "'\\0' before a digit", "ECMA-262 has no octal numbers: write \\x00");
        }
        return one(0);
      case 'x': return one(TRY(hexadecimal(begin, 2)));
      case 'u': return one(TRY(unicode_escape(begin)));
      case 'p':
      case 'P': return property(begin, c == 'P');
      case 'c':
        if (at_ >= in_.size() || !is_letter(in_[at_])) {
          return error(begin, "'\\c' needs a letter");
        }
        return one(static_cast<char32_t>(in_[at_++] & 0x1F));
      default: break;
    }
    if (c == 'b' && in_class) return one('\b');
    if (c == 'b' || c == 'B') return error(begin, "a word border");
    if ((c >= '1' && c <= '9') || c == 'k') return error(begin, "a back reference");
    if (static_cast<unsigned char>(c) >= 0x80) {
      --at_;
      return one(character());
    }
    if (is_letter(c)) return error(begin, fmt::format("'\\{}' is no escape of ECMA-262", c));
    return one(static_cast<char32_t>(c));
  }

  Result<char32_t> hexadecimal(size_t begin, size_t count) {
    const auto value = weft::hexadecimal(in_.substr(std::min(at_, in_.size()), count));
    if (!value || in_.size() - at_ < count) {
      return error(begin, fmt::format("expected {} hexadecimal digits", count));
    }
    at_ += count;
    return static_cast<char32_t>(*value);
  }

  // \u0041, \u{1F600}, or a surrogate pair \uD83D\uDE00 that means one character
  Result<char32_t> unicode_escape(size_t begin) {
    char32_t value = 0;
    if (take("{")) {
      const size_t end = in_.find('}', at_);
      if (end == in_.npos || end == at_ || end - at_ > 6) {
        return error(begin, "'\\u{' needs 1 to 6 hexadecimal digits and '}'");
      }
      value = TRY(hexadecimal(begin, end - at_));
      ++at_;
    } else {
      value = TRY(hexadecimal(begin, 4));
      if (value >= 0xD800 && value < 0xDC00 && take("\\u")) {
        const char32_t low = TRY(hexadecimal(begin, 4));
        if (low < 0xDC00 || low > 0xDFFF) return error(begin, "half a surrogate pair");
        value = 0x10000 + ((value - 0xD800) << 10) + (low - 0xDC00);
      }
    }
    if (value > kLast || (value >= 0xD800 && value < 0xE000)) {
      return error(begin, "not a character");
    }
    return value;
  }

  Result<CharRanges> property(size_t begin, bool negated) {
    const size_t end = in_.find('}', at_);
    if (!next_is("{") || end == in_.npos) return error(begin, "'\\p' needs a name in braces");
    std::string_view name = in_.substr(at_ + 1, end - at_ - 1);
    at_ = end + 1;
    for (const std::string_view prefix : {"General_Category=", "gc="}) {
      if (name.starts_with(prefix)) name.remove_prefix(prefix.size());
    }
    for (const PropertyName& known : kPropertyNames) {
      if (name == known.name) name = known.category;
    }
    for (const std::string_view known : {"L", "N", "Lu", "Ll", "Lt", "Nd"}) {
      if (name != known) continue;
      const CharRanges& ranges = category_ranges(known);
      return negated ? complement(ranges) : ranges;
    }
    return error(begin, fmt::format("a property that grammars do not know: {}", quoted(name)),
                 "known are \\p{L}, \\p{Lu}, \\p{Ll}, \\p{Lt}, \\p{N} and \\p{Nd}");
  }

  std::string_view in_;
  size_t at_ = 0;
  std::set<std::string_view> names_;  // of groups
};

class Builder {
 public:
  // NOLINTNEXTLINE(misc-no-recursion): the parser has bounded the depth
  Status build(const RegexNode& node, uint32_t from, uint32_t to) {
    if (nfa.size() > kNfaStatesMax) {
      return make_error("E0323", fmt::format("a pattern that needs more than {} states",
                                             kNfaStatesMax),
                        "make its repetitions smaller");
    }
    switch (node.kind) {
      case RegexNode::Kind::kChars:
        return chars(node.chars, from, to);
      case RegexNode::Kind::kBegin:
        nfa.edge(from, kBeginMark, kBeginMark, to);
        break;
      case RegexNode::Kind::kEnd:
        nfa.edge(from, kEndMark, kEndMark, to);
        break;
      case RegexNode::Kind::kRepeat:
        return repeat(node, from, to);
      case RegexNode::Kind::kChoice:
        for (const RegexNode& child : node.children) TRY(build(child, from, to));
        break;
      case RegexNode::Kind::kSequence:
        for (const RegexNode& child : node.children) {
          const uint32_t next = nfa.add_state();
          TRY(build(child, from, next));
          from = next;
        }
        nfa.jump(from, to);
        break;
    }
    return ok_status();
  }

  Nfa nfa;

 private:
  // A class of hundreds of ranges is made small before it is copied for every repetition.
  Status chars(const CharRanges& ranges, uint32_t from, uint32_t to) {
    constexpr size_t kFewRanges = 12;
    if (ranges.size() <= kFewRanges) {
      nfa.characters(from, ranges, to);
      return ok_status();
    }
    if (ranges != cached_) {
      Nfa one;
      const uint32_t start = one.add_state();
      const uint32_t end = one.add_state();
      one.characters(start, ranges, end);
      cached_dfa_ = TRY(one.determinised(start, end));
      cached_ = ranges;
    }
    nfa.embed(from, cached_dfa_, to);
    return ok_status();
  }

  // NOLINTNEXTLINE(misc-no-recursion): as above
  Status repeat(const RegexNode& node, uint32_t from, uint32_t to) {
    const RegexNode& child = node.children[0];
    for (uint32_t i = 0; i < node.min; ++i) {
      const uint32_t next = nfa.add_state();
      TRY(build(child, from, next));
      from = next;
    }
    if (node.max == UINT32_MAX) {
      const uint32_t loop = nfa.add_state();
      const uint32_t end = nfa.add_state();
      nfa.jump(from, loop);
      TRY(build(child, loop, end));
      nfa.jump(end, loop);
      nfa.jump(loop, to);
      return ok_status();
    }
    for (uint32_t i = node.min; i < node.max; ++i) {
      const uint32_t next = nfa.add_state();
      nfa.jump(from, to);
      TRY(build(child, from, next));
      from = next;
    }
    nfa.jump(from, to);
    return ok_status();
  }

  CharRanges cached_;
  Dfa cached_dfa_;
};

// Takes the marks out again: the texts t for which mark t mark is in the language.
Result<Dfa> without_marks(const Dfa& dfa) {
  const auto begin = dfa.next(0, kBeginMark);
  Dfa out;
  if (!begin) return Dfa{{Dfa::State{}}};
  out.states.resize(dfa.states.size() + 1);
  for (uint32_t s = 0; s < dfa.states.size(); ++s) {
    const auto end = dfa.next(s, kEndMark);
    out.states[s + 1].accepting = end && dfa.states[*end].accepting;
    for (const Edge& edge : dfa.states[s].edges) {
      if (edge.low >= kBeginMark) continue;
      out.states[s + 1].edges.push_back({edge.low, std::min<uint8_t>(edge.high, kBeginMark - 1),
                                         edge.to + 1});
    }
  }
  out.states[0] = out.states[*begin + 1];
  return minimised(trimmed(out));
}

}  // namespace

std::optional<Repetition> as_repetition(std::string_view pattern) {
  if (pattern.size() > kPatternBytesMax || invalid_utf8_at(pattern)) return std::nullopt;
  const Result<RegexNode> tree = RegexParser(pattern).run();
  if (!tree.ok() || tree->children.size() != 1) return std::nullopt;
  const std::vector<RegexNode>& parts = tree->children[0].children;
  const bool whole = parts.size() == 3 && parts[0].kind == RegexNode::Kind::kBegin &&
                     parts[1].kind == RegexNode::Kind::kRepeat &&
                     parts[2].kind == RegexNode::Kind::kEnd;
  if (!whole) return std::nullopt;
  const RegexNode* one = &parts[1].children[0];
  for (size_t i = 0; i < kGroupsMax && one->kind == RegexNode::Kind::kChoice; ++i) {  // a group
    if (one->children.size() != 1 || one->children[0].children.size() != 1) return std::nullopt;
    one = &one->children[0].children[0];
  }
  if (one->kind != RegexNode::Kind::kChars || one->chars.empty()) return std::nullopt;
  return Repetition{one->chars, parts[1].min, parts[1].max};
}

Result<Dfa> regex_language(std::string_view pattern, Matching matching) {
  if (pattern.size() > kPatternBytesMax || invalid_utf8_at(pattern)) {
    return make_error("E0321", "a pattern must be UTF-8 of at most 64 KiB");
  }
  const RegexNode tree = TRY(RegexParser(pattern).run());
  Builder builder;
  Nfa& nfa = builder.nfa;
  const uint32_t start = nfa.add_state();
  const uint32_t before = nfa.add_state();  // behind the mark, before the match
  const uint32_t match = nfa.add_state();
  const uint32_t matched = nfa.add_state();
  const uint32_t after = nfa.add_state();
  const uint32_t accept = nfa.add_state();
  const CharRanges any = {{0, kLast}};
  // An anchor of the pattern reads the mark itself, or what stands around the match does.
  nfa.jump(start, match);
  nfa.edge(start, kBeginMark, kBeginMark, before);
  if (matching == Matching::kSearch) nfa.characters(before, any, before);
  nfa.jump(before, match);
  TRY(builder.build(tree, match, matched));
  nfa.jump(matched, accept);
  nfa.jump(matched, after);
  if (matching == Matching::kSearch) nfa.characters(after, any, after);
  nfa.edge(after, kEndMark, kEndMark, accept);
  const Dfa marked = TRY(nfa.determinised(start, accept));
  return without_marks(marked);
}

}  // namespace weft::grammar
