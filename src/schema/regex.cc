// SPDX-License-Identifier: Apache-2.0
#include "schema/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <algorithm>
#include <array>

#include "base/hexadecimal.h"
#include "base/strings.h"

namespace weft::schema {
namespace {

// A match at one character may take so many internal steps and so much memory; about 50 ms.
constexpr uint32_t kMatchLimit = 1'000'000;
constexpr size_t kStepsMax = 1'000'000;      // of one search, and so many more …
constexpr size_t kStepsPerByte = 8;          // … for each byte of the text
constexpr uint32_t kUncountedLimit = 200;    // matching steps at one character
constexpr uint32_t kHeapLimitKib = 20 * 1024;
constexpr size_t kPatternBytesMax = 64 * 1024;
constexpr size_t kNestingMax = 200;

// WhiteSpace and LineTerminator of ECMA-262, for use inside a class.
constexpr std::string_view kSpace =
    R"(\x{9}-\x{d}\x{20}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000})"
    R"(\x{feff})";
constexpr std::string_view kNotSpace =
    R"(\x{0}-\x{8}\x{e}-\x{1f}\x{21}-\x{9f}\x{a1}-\x{167f}\x{1681}-\x{1fff}\x{200b}-\x{2027})"
    R"(\x{202a}-\x{202e}\x{2030}-\x{205e}\x{2060}-\x{2fff}\x{3001}-\x{fefe}\x{ff00}-\x{10ffff})";

// General categories by the long names that ECMA-262 allows and PCRE2 does not know.
struct LongName {
  std::string_view name, category;
};
constexpr std::array kLongNames = {
    LongName{"Letter", "L"},
    LongName{"Cased_Letter", "L&"},
    LongName{"Uppercase_Letter", "Lu"},
    LongName{"Lowercase_Letter", "Ll"},
    LongName{"Titlecase_Letter", "Lt"},
    LongName{"Modifier_Letter", "Lm"},
    LongName{"Other_Letter", "Lo"},
    LongName{"Mark", "M"},
    LongName{"Nonspacing_Mark", "Mn"},
    LongName{"Spacing_Mark", "Mc"},
    LongName{"Enclosing_Mark", "Me"},
    LongName{"Number", "N"},
    LongName{"Decimal_Number", "Nd"},
    LongName{"digit", "Nd"},
    LongName{"Letter_Number", "Nl"},
    LongName{"Other_Number", "No"},
    LongName{"Punctuation", "P"},
    LongName{"punct", "P"},
    LongName{"Connector_Punctuation", "Pc"},
    LongName{"Dash_Punctuation", "Pd"},
    LongName{"Open_Punctuation", "Ps"},
    LongName{"Close_Punctuation", "Pe"},
    LongName{"Initial_Punctuation", "Pi"},
    LongName{"Final_Punctuation", "Pf"},
    LongName{"Other_Punctuation", "Po"},
    LongName{"Symbol", "S"},
    LongName{"Math_Symbol", "Sm"},
    LongName{"Currency_Symbol", "Sc"},
    LongName{"Modifier_Symbol", "Sk"},
    LongName{"Other_Symbol", "So"},
    LongName{"Separator", "Z"},
    LongName{"Space_Separator", "Zs"},
    LongName{"Line_Separator", "Zl"},
    LongName{"Paragraph_Separator", "Zp"},
    LongName{"Other", "C"},
    LongName{"Control", "Cc"},
    LongName{"Format", "Cf"},
    LongName{"Surrogate", "Cs"},
    LongName{"Private_Use", "Co"},
    LongName{"Unassigned", "Cn"},
};

Error bad_pattern(std::string_view pattern, size_t offset, std::string_view what,
                  std::string_view hint = {}) {
  return make_error(
      "E0304", fmt::format("pattern {}, offset {}: {}", quoted(pattern), offset, what),
      hint.empty() ? "patterns follow ECMA-262 (JavaScript, flag u), as JSON Schema says"
                   : std::string(hint));
}

// Walks the pattern once and writes its PCRE2 form.
class Translator {
 public:
  explicit Translator(std::string_view pattern) : in_(pattern) {}

  Result<std::string> run() {
    while (at_ < in_.size()) {
      TRY(in_class_ ? step_in_class() : step());
    }
    if (in_class_) return bad_pattern(in_, class_begin_, "character class without its ']'");
    return std::move(out_);
  }

 private:
  bool next_is(std::string_view text) const { return in_.substr(at_, text.size()) == text; }

  Status step() {
    const char c = in_[at_];
    if (c == '\\') return escape();
    if (c == '(') return group();
    if (c == '*' || c == '+' || c == '?') return quantifier();
    if (c == '[') {
      in_class_ = true;
      class_begin_ = at_;
      out_ += c;
      if (++at_ < in_.size() && in_[at_] == '^') out_ += in_[at_++];
      return ok_status();
    }
    if (c == '.') {
      out_ += R"([^\n\r\x{2028}\x{2029}])";
    } else if (c == '{') {
      const size_t bytes = bounds_bytes();
      if (bytes > 0) return bounds(bytes);
      // Other dialects read {,2} in other ways; any other '{' is a character in all of them.
      const char next = at_ + 1 < in_.size() ? in_[at_ + 1] : '\0';
      if (next == ',' || (next >= '0' && next <= '9')) {
        return bad_pattern(in_, at_, "bounds '{' without their end or their first number",
                           "write \\{ for the character, {0,2} for at most two");
      }
      out_ += "\\{";
    } else {
      if (c == ')' && depth_ > 0) --depth_;
      out_ += c;
    }
    ++at_;
    return ok_status();
  }

  Status step_in_class() {
    const char c = in_[at_];
    if (c == '\\') return escape();
    if (c == '[') {
      out_ += "\\[";  // else PCRE2 would see POSIX classes such as [[:alpha:]]
    } else {
      out_ += c;
      in_class_ = c != ']';
    }
    ++at_;
    return ok_status();
  }

  // Length of {n}, {n,} or {n,m} here, or 0: it is none.
  size_t bounds_bytes() const {
    size_t i = at_ + 1;
    const size_t digits = i;
    while (i < in_.size() && in_[i] >= '0' && in_[i] <= '9') ++i;
    if (i == digits) return 0;
    if (i < in_.size() && in_[i] == ',') ++i;
    while (i < in_.size() && in_[i] >= '0' && in_[i] <= '9') ++i;
    return i < in_.size() && in_[i] == '}' ? i + 1 - at_ : 0;
  }

  Status bounds(size_t bytes) {
    if (at_ > 0 && quantified_at_ == at_) {
      return bad_pattern(in_, at_, "a quantifier follows a quantifier",
                         "put the first one into a group: (?:a{2}){3}");
    }
    out_ += in_.substr(at_, bytes);
    at_ += bytes;
    quantified_at_ = at_;
    return ok_status();
  }

  Status quantifier() {
    const size_t begin = at_;
    const bool stacked = begin > 0 && quantified_at_ == begin && in_[at_] != '?';
    if (stacked) {
      return bad_pattern(in_, begin, "a quantifier follows a quantifier",
                         "possessive quantifiers are not part of ECMA-262");
    }
    out_ += in_[at_++];
    quantified_at_ = at_;
    return ok_status();
  }

  Status group() {
    if (++depth_ > kNestingMax) return bad_pattern(in_, at_, "groups nested too deep");
    if (next_is("(*")) return bad_pattern(in_, at_, "'(*' is no group of ECMA-262");
    out_ += in_[at_++];
    if (at_ >= in_.size() || in_[at_] != '?') return ok_status();
    for (const std::string_view known : {"?:", "?=", "?!", "?<=", "?<!", "?<"}) {
      if (next_is(known)) {
        out_ += known;
        at_ += known.size();
        return ok_status();
      }
    }
    return bad_pattern(in_, at_ - 1, "a group '(?' of a kind that ECMA-262 does not have",
                       "inline flags such as (?i) are not part of ECMA-262: write [Aa] instead");
  }

  Status escape() {
    const size_t begin = at_++;
    if (at_ >= in_.size()) return bad_pattern(in_, begin, "a backslash at the end");
    const char c = in_[at_++];
    if (c == 's' || c == 'S') return space(c == 's');
    if (c == 'u') return unicode_escape(begin);
    if (c == 'p' || c == 'P') return property(begin, c);
    if (c == 'x') return hexadecimal(begin, 2);
    if (c == 'c') return control(begin);
    if (c == '0') {
      const bool octal = at_ < in_.size() && in_[at_] >= '0' && in_[at_] <= '9';
      if (octal) return bad_pattern(in_, begin, "'\\0' before a digit");
      return put("\\x{0}");
    }
    if (c == 'k' && next_is("<")) return put("\\k");
    if (c == 'b' && in_class_) return put("\\x{8}");
    if (std::string_view("dDwWtnfrv").find(c) != std::string_view::npos) {
      return put(c == 'v' ? "\\x{b}" : std::string{'\\', c});
    }
    if (std::string_view("bB123456789").find(c) != std::string_view::npos && !in_class_) {
      return put({'\\', c});
    }
    const auto byte = static_cast<unsigned char>(c);
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (letter) {
      return bad_pattern(in_, begin, fmt::format("'\\{}' is no escape of ECMA-262", c));
    }
    // an escaped sign stands for itself; a byte of a longer character needs no backslash
    return put(byte >= 0x80 ? std::string{c} : std::string{'\\', c});
  }

  Status put(const std::string& text) {
    out_ += text;
    return ok_status();
  }

  Status space(bool is_space) {
    if (!in_class_) out_ += '[';
    out_ += is_space ? kSpace : kNotSpace;
    if (!in_class_) out_ += ']';
    return ok_status();
  }

  Status control(size_t begin) {
    const char c = at_ < in_.size() ? in_[at_] : '\0';
    if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))) {
      return bad_pattern(in_, begin, "'\\c' needs a letter");
    }
    ++at_;
    return put(fmt::format("\\x{{{:x}}}", c & 0x1F));
  }

  Result<uint32_t> hex_digits(size_t begin, size_t count) {
    const auto value = weft::hexadecimal(in_.substr(std::min(at_, in_.size()), count));
    if (!value || in_.size() - at_ < count) {
      return bad_pattern(in_, begin, fmt::format("expected {} hexadecimal digits", count));
    }
    at_ += count;
    return *value;
  }

  Status hexadecimal(size_t begin, size_t count) {
    const uint32_t value = TRY(hex_digits(begin, count));
    return put(fmt::format("\\x{{{:x}}}", value));
  }

  // \u0041, \u{1F600}, or a surrogate pair \uD83D\uDE00 that means one character
  Status unicode_escape(size_t begin) {
    if (next_is("{")) {
      const size_t end = in_.find('}', at_);
      if (end == in_.npos || end - at_ < 2 || end - at_ > 7) {
        return bad_pattern(in_, begin, "'\\u{' needs 1 to 6 hexadecimal digits and '}'");
      }
      ++at_;
      const uint32_t value = TRY(hex_digits(begin, end - at_));
      ++at_;
      return put(fmt::format("\\x{{{:x}}}", value));
    }
    uint32_t value = TRY(hex_digits(begin, 4));
    if (value >= 0xD800 && value < 0xDC00 && next_is("\\u")) {
      at_ += 2;
      const uint32_t low = TRY(hex_digits(begin, 4));
      if (low < 0xDC00 || low > 0xDFFF) return bad_pattern(in_, begin, "half a surrogate pair");
      value = 0x10000 + ((value - 0xD800) << 10) + (low - 0xDC00);
    }
    return put(fmt::format("\\x{{{:x}}}", value));
  }

  Status property(size_t begin, char letter) {
    const size_t end = in_.find('}', at_);
    if (!next_is("{") || end == in_.npos) {
      return bad_pattern(in_, begin, "'\\p' needs a property in braces, as in \\p{L}");
    }
    std::string_view name = in_.substr(at_ + 1, end - at_ - 1);
    at_ = end + 1;
    for (const std::string_view prefix : {"General_Category=", "gc="}) {
      if (name.substr(0, prefix.size()) == prefix) name.remove_prefix(prefix.size());
    }
    const auto known = std::find_if(kLongNames.begin(), kLongNames.end(),
                                    [&](const LongName& one) { return one.name == name; });
    if (known != kLongNames.end()) name = known->category;
    return put(fmt::format("\\{}{{{}}}", letter, name));
  }

  std::string_view in_;
  size_t at_ = 0;
  std::string out_;
  bool in_class_ = false;
  size_t class_begin_ = 0;
  size_t depth_ = 0;
  size_t quantified_at_ = 0;  // the offset after the last quantifier
};

}  // namespace

Result<std::string> pcre_pattern(std::string_view pattern) { return Translator(pattern).run(); }

Result<Regex> Regex::compile(std::string_view pattern) {
  if (pattern.size() > kPatternBytesMax) {
    return bad_pattern(pattern, kPatternBytesMax, "longer than 64 KiB", "split the pattern");
  }
  const std::string translated = TRY(pcre_pattern(pattern));
  const uint32_t options = PCRE2_UTF | PCRE2_DOLLAR_ENDONLY | PCRE2_ALLOW_EMPTY_CLASS |
                           PCRE2_MATCH_UNSET_BACKREF | PCRE2_NEVER_BACKSLASH_C;
  int code = 0;
  PCRE2_SIZE offset = 0;
  const auto made = [&](uint32_t more) {
    return pcre2_compile(reinterpret_cast<PCRE2_SPTR>(translated.data()), translated.size(),
                         options | more, &code, &offset, nullptr);
  };
  pcre2_code* compiled = made(PCRE2_AUTO_CALLOUT);
  const bool counted = compiled != nullptr;
  if (!counted) compiled = made(0);  // a long pattern may have no room for it
  if (!compiled) {
    PCRE2_UCHAR message[200] = {};
    pcre2_get_error_message(code, message, sizeof(message));
    return bad_pattern(pattern, std::min<size_t>(offset, pattern.size()),
                       reinterpret_cast<const char*>(message));
  }
  Regex regex;
  regex.source_ = std::string(pattern);
  regex.counted_ = counted;
  regex.code_ = std::shared_ptr<pcre2_code>(compiled, pcre2_code_free);
  return regex;
}

namespace {

struct Steps {
  size_t taken = 0;
  size_t most = 0;
  size_t at = 0;
};

// Before every item of the pattern that is tried.
int count_step(pcre2_callout_block* block, void* data) {
  auto& steps = *static_cast<Steps*>(data);
  const size_t at = block->current_position;
  steps.taken += 1 + (at > steps.at ? (at - steps.at) / 8 : 0);
  steps.at = at;
  return steps.taken > steps.most ? PCRE2_ERROR_MATCHLIMIT : 0;
}

}  // namespace

Regex::Search Regex::searched(std::string_view text) const {
  const auto* code = static_cast<const pcre2_code*>(code_.get());
  CHECK(code != nullptr);
  pcre2_match_data* data = pcre2_match_data_create(1, nullptr);
  pcre2_match_context* context = pcre2_match_context_create(nullptr);
  CHECK(data && context);
  Steps steps{.taken = 0, .most = kStepsMax + kStepsPerByte * text.size(), .at = 0};
  const auto share = static_cast<uint32_t>(kStepsMax / (text.size() + 1));
  pcre2_set_match_limit(context, counted_ ? kMatchLimit : std::max(kUncountedLimit, share));
  if (counted_) pcre2_set_callout(context, count_step, &steps);
  pcre2_set_heap_limit(context, kHeapLimitKib);
  const char* begin = text.empty() ? "" : text.data();
  const int result = pcre2_match(code, reinterpret_cast<PCRE2_SPTR>(begin), text.size(), 0, 0,
                                 data, context);
  pcre2_match_context_free(context);
  pcre2_match_data_free(data);
  if (!counted_) steps.taken = kStepsPerByte * text.size();
  if (result >= 0) return {Match::kYes, steps.taken};
  const bool limit = result == PCRE2_ERROR_MATCHLIMIT || result == PCRE2_ERROR_DEPTHLIMIT ||
                     result == PCRE2_ERROR_HEAPLIMIT || result == PCRE2_ERROR_NOMEMORY;
  if (limit) return {Match::kTooMuchWork, std::max(steps.taken, kStepsMax)};
  return {Match::kNo, steps.taken};
}

}  // namespace weft::schema
