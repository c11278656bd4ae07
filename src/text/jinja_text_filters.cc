// SPDX-License-Identifier: Apache-2.0
//
// Filters that make text of text.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "text/jinja_print.h"
#include "text/jinja_tables.h"

namespace weft::text::jinja {
namespace {

using Kind = Value::Kind;

constexpr size_t kFormattedMax = 511;  // characters of a number

Result<MarkedText> subject_text(const Call& call) {
  return text_of(call.session.budget, call.self);
}
Result<Value> made(const Call& call, MarkedText text) {
  TRY(call.session.budget.pay_string(text.text.size()));
  return Value::string(std::move(text));
}

Result<Value> upper(const Call& call) {
  return made(call, change_case(TRY(subject_text(call)), Case::kUpper));
}
Result<Value> lower(const Call& call) {
  return made(call, change_case(TRY(subject_text(call)), Case::kLower));
}
Result<Value> capitalize(const Call& call) {
  return made(call, change_case(TRY(subject_text(call)), Case::kCapitalize));
}

// jinja2's own: a word begins after white space, hyphens and opening brackets.
Result<Value> title(const Call& call) {
  const MarkedText text = TRY(subject_text(call));
  MarkedText out;
  size_t begin = 0;
  const auto flush = [&](size_t end) {
    append(out, change_case(slice(text, begin, end), Case::kCapitalize));
    begin = end;
  };
  for (size_t at = 0; at < text.text.size();) {
    const CodePoint c = code_point_at(text.text, at);
    at += c.bytes;
    const bool border =
        is_space(c.value) ||
        (c.value < 0x80 &&
         std::string_view("-({[<").find(static_cast<char>(c.value)) != std::string_view::npos);
    if (border) flush(at);
  }
  flush(text.text.size());
  return made(call, std::move(out));
}

Result<Value> trim(const Call& call) {
  const MarkedText text = TRY(subject_text(call));
  if (!call.bound[0] || call.bound[0]->is(Kind::kNone)) return made(call, strip(text, {}));
  const MarkedText characters = TRY(text_argument(call, 0, ""));
  return made(call, strip(text, {.characters = characters.text}));
}

Result<Value> string(const Call& call) {
  return Value::string(TRY(subject_text(call)));
}
Result<Value> safe(const Call& call) {
  return call.self;
}

Result<Value> replace(const Call& call) {
  const MarkedText text = TRY(subject_text(call));
  if (!call.bound[0] || !call.bound[1]) return type_error("'replace' needs what and by what");
  const MarkedText from = TRY(text_of(call.session.budget, *call.bound[0]));
  const MarkedText to = TRY(text_of(call.session.budget, *call.bound[1]));
  const int64_t count = TRY(integer_argument(call, 2, -1));
  const uint64_t hits = count_text(text.text, from.text);
  TRY(call.session.budget.pay_steps(hits));
  TRY(call.session.budget.pay_string(text.text.size() + hits * to.text.size()));
  return Value::string(replace_text(text, from.text, to, count));
}

Result<Value> escape(const Call& call) {
  const MarkedText text = TRY(subject_text(call));
  MarkedText out;
  for (size_t at = 0; at < text.text.size(); ++at) {
    switch (text.text[at]) {
      case '&':
        append_data(out, "&amp;");
        break;
      case '<':
        append_data(out, "&lt;");
        break;
      case '>':
        append_data(out, "&gt;");
        break;
      case '"':
        append_data(out, "&#34;");
        break;
      case '\'':
        append_data(out, "&#39;");
        break;
      default:
        append_slice(out, text, at, at + 1);
    }
  }
  return made(call, std::move(out));
}

Result<Value> indent(const Call& call) {
  if (call.self.is(Kind::kUndefined)) return wrong_subject(call, "a string");
  const MarkedText text = TRY(subject_text(call));
  MarkedText margin;
  if (call.bound[0] && call.bound[0]->is(Kind::kString)) {
    margin = call.bound[0]->string();
  } else {
    const int64_t width = TRY(integer_argument(call, 0, 4));
    TRY(call.session.budget.pay_string(static_cast<uint64_t>(std::max<int64_t>(width, 0))));
    margin = literal(std::string(static_cast<size_t>(std::max<int64_t>(width, 0)), ' '));
  }
  const bool first = flag_argument(call, 1, false);
  const bool blank = flag_argument(call, 2, false);
  const std::vector<MarkedText> lines = split_lines(text, false);
  TRY(call.session.budget.pay_string(text.text.size() + (lines.size() + 1) * margin.text.size()));
  MarkedText out;
  if (first) append(out, margin);
  for (size_t i = 0; i < lines.size(); ++i) {
    if (i > 0) append_literal(out, "\n");
    if (i > 0 && (blank || !lines[i].text.empty())) append(out, margin);
    append(out, lines[i]);
  }
  // jinja2 adds a newline before it cuts lines: one at the end of the text stays.
  const size_t size = text.text.size();
  if (size > 0 &&
      (lines.empty() || split_lines(slice(text, size - 1, size), false)[0].text.empty())) {
    append_literal(out, "\n");
    if (blank) append(out, margin);
  }
  return Value::string(std::move(out));
}

Result<Value> truncate(const Call& call) {
  const MarkedText text = TRY(subject_text(call));
  const int64_t length = TRY(integer_argument(call, 0, 255));
  const bool kill_words = flag_argument(call, 1, false);
  const MarkedText end = TRY(text_argument(call, 2, "..."));
  const int64_t leeway = TRY(integer_argument(call, 3, 5));
  const auto size = static_cast<int64_t>(length_of(text.text));
  const auto end_size = static_cast<int64_t>(length_of(end.text));
  if (length < end_size) return type_error("'truncate' to less than its ending is long");
  if (leeway < 0 || size - leeway <= length) return Value::string(text);
  const size_t cut = offset_of(text.text, static_cast<size_t>(length - end_size));
  MarkedText out = slice(text, 0, cut);
  const size_t space = out.text.rfind(' ');
  if (!kill_words && space != std::string::npos) out = slice(out, 0, space);
  append(out, end);
  return made(call, std::move(out));
}

// Runs of letters, digits and underscores.
Result<Value> wordcount(const Call& call) {
  const MarkedText text = TRY(subject_text(call));
  int64_t count = 0;
  bool inside = false;
  for (size_t at = 0; at < text.text.size();) {
    const CodePoint c = code_point_at(text.text, at);
    at += c.bytes;
    const bool part = c.value == '_' || is_a(c.value, CharacterClass::kAlphaNumeric);
    count += part && !inside ? 1 : 0;
    inside = part;
  }
  return Value::integer(count);
}

// RFC 3986: unreserved characters stay. `kept`: further ones that stay.
MarkedText percent_encoded(const MarkedText& in, std::string_view kept, bool plus) {
  MarkedText out;
  for (const char c : in.text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       std::string_view("_.-~").find(c) != std::string_view::npos ||
                       kept.find(c) != std::string_view::npos;
    if (plain)
      append_data(out, std::string_view(&c, 1));
    else
      append_data(out, plus && c == ' ' ? "+" : fmt::format("%{:02X}", byte));
  }
  return out;
}

// Text: one path segment or value, so that `/` is escaped in workflows (jinja2 leaves it alone,
// which lets data choose another path). A map or pairs: a query, a=1&b=2.
Result<Value> urlencode(const Call& call) {
  Budget& budget = call.session.budget;
  std::vector<Dict::Item> items;
  if (call.self.is(Kind::kDict)) {
    items = call.self.dict().items();
  } else if (call.self.is(Kind::kList)) {
    for (const Value& pair : call.self.list().items()) {
      if (!pair.is(Kind::kList) || pair.list().size() != 2) {
        return type_error("'urlencode' of a list needs pairs");
      }
      items.emplace_back(pair.list().at(0), pair.list().at(1));
    }
  } else {
    const MarkedText text = TRY(subject_text(call));
    return made(call, percent_encoded(text, call.session.strict ? "" : "/", false));
  }
  MarkedText out;
  for (const Dict::Item& item : items) {
    if (!out.text.empty()) append_literal(out, "&");
    append(out, percent_encoded(TRY(text_of(budget, item.first)), "", true));
    append_literal(out, "=");
    append(out, percent_encoded(TRY(text_of(budget, item.second)), "", true));
    TRY(budget.pay_string(out.text.size()));
  }
  return Value::string(std::move(out));
}

// Python's %-formatting: %s %r %d %i %f %.2f %x %%, with width, precision and flags.
struct FormatSpec {
  bool left = false, zeros = false;
  std::string sign;  // of what is not negative
  size_t width = 0;
  std::optional<size_t> precision;
};

FormatSpec format_spec(std::string_view flags) {
  FormatSpec spec;
  const auto number = [](std::string_view digits) {
    size_t out = 0;
    std::from_chars(digits.data(), digits.data() + digits.size(), out);
    return out;
  };
  size_t at = 0;
  for (; at < flags.size() && std::string_view("-+ 0").find(flags[at]) != flags.npos; ++at) {
    if (flags[at] == '-') spec.left = true;
    if (flags[at] == '0') spec.zeros = true;
    if (flags[at] == '+' || (flags[at] == ' ' && spec.sign.empty())) spec.sign = flags[at];
  }
  const size_t dot = std::min(flags.find('.'), flags.size());
  if (at < dot) spec.width = number(flags.substr(at, dot - at));
  if (dot < flags.size()) spec.precision = number(flags.substr(dot + 1));
  return spec;
}

// Cut and padded by characters.
Status append_formatted(Budget& budget, MarkedText& out, MarkedText text,
                        const std::string& flags) {
  const FormatSpec spec = format_spec(flags);
  if (spec.precision) text = slice(text, 0, offset_of(text.text, *spec.precision));
  const size_t length = length_of(text.text);
  const size_t missing = spec.width > length ? spec.width - length : 0;
  TRY(budget.pay_string(out.text.size() + text.text.size() + missing));
  if (!spec.left) append_literal(out, std::string(missing, ' '));
  append(out, text);
  if (spec.left) append_literal(out, std::string(missing, ' '));
  return ok_status();
}

// Decimal digits, or those of the base; '-' in front.
Result<std::string> whole_digits(const Value& value, char form) {
  const bool decimal = form == 'd' || form == 'i';
  if (value.is(Kind::kBig) && decimal) return value.digits();
  int64_t integer = 0;
  if (value.is(Kind::kInt)) integer = value.integer();
  if (value.is(Kind::kBool)) integer = value.boolean() ? 1 : 0;
  if (value.is(Kind::kFloat)) integer = static_cast<int64_t>(value.number());
  if (decimal) return std::to_string(integer);
  const uint64_t size = integer < 0 ? 0 - static_cast<uint64_t>(integer)
                                    : static_cast<uint64_t>(integer);
  const std::string digits = form == 'o'   ? fmt::format("{:o}", size)
                             : form == 'x' ? fmt::format("{:x}", size)
                                           : fmt::format("{:X}", size);
  return integer < 0 ? "-" + digits : digits;
}

Result<Value> format_whole(const Call& call, const Value& value, const std::string& flags,
                           char form) {
  const bool big = value.is(Kind::kBig) && form != 'd' && form != 'i';
  const bool far = value.is(Kind::kFloat) && !(value.number() > -9e18 && value.number() < 9e18);
  if (big || far) return type_error("the number does not fit a 64-bit integer");
  const FormatSpec spec = format_spec(flags);
  std::string digits = TRY(whole_digits(value, form));
  std::string sign = spec.sign;
  if (digits.starts_with('-')) {
    sign = "-";
    digits.erase(0, 1);
  }
  if (std::max(spec.width, spec.precision.value_or(0)) > kFormattedMax) {
    return type_error("the formatted number is too long");
  }
  const auto lengthened = [&](size_t size) {
    if (digits.size() < size) digits.insert(0, size - digits.size(), '0');
  };
  lengthened(spec.precision.value_or(0));
  if (spec.zeros && !spec.left && spec.width > sign.size()) lengthened(spec.width - sign.size());
  std::string text = sign + digits;
  const size_t missing = spec.width > text.size() ? spec.width - text.size() : 0;
  text.insert(spec.left ? text.size() : 0, missing, ' ');
  return made(call, from_data(text));
}

Result<Value> format_number(const Call& call, const Value& value, const std::string& flags,
                            char form) {
  const bool whole = std::string_view("dixXo").find(form) != std::string_view::npos;
  if (whole && value.is(Kind::kBig)) return format_whole(call, value, flags, form);
  double number = 0;
  if (value.is(Kind::kFloat))
    number = value.number();
  else if (value.is(Kind::kInt))
    number = static_cast<double>(value.integer());
  else if (value.is(Kind::kBool))
    number = value.boolean() ? 1 : 0;
  else
    return type_error(fmt::format("%{} needs a number, found {}", form, described(value)));
  if (whole) return format_whole(call, value, flags, form);
  char buffer[kFormattedMax + 1];
  const std::string pattern = "%" + flags + form;
  const int length = snprintf(buffer, sizeof(buffer), pattern.c_str(), number);
  if (length < 0 || length >= static_cast<int>(sizeof(buffer))) {
    return type_error("the formatted number is too long");
  }
  return made(call, from_data(std::string_view(buffer, static_cast<size_t>(length))));
}

Result<Value> format(const Call& call) {
  const MarkedText text = TRY(subject_text(call));
  Budget& budget = call.session.budget;
  MarkedText out;
  size_t next = 0;
  for (size_t at = 0; at < text.text.size();) {
    const size_t percent = std::min(text.text.find('%', at), text.text.size());
    append_slice(out, text, at, percent);
    if (percent == text.text.size()) break;
    size_t end = percent + 1;
    while (end < text.text.size() &&
           std::string_view("-+ 0123456789.").find(text.text[end]) != std::string_view::npos) {
      ++end;
    }
    const char form = end < text.text.size() ? text.text[end] : '\0';
    const std::string flags = text.text.substr(percent + 1, end - percent - 1);
    at = end + 1;
    if (form == '%') {
      append_literal(out, "%");
      continue;
    }
    if (flags.size() > 8) return type_error("the width of a format is too large");
    if (std::string_view("srdifeEgGxXo").find(form) == std::string_view::npos || form == '\0') {
      return type_error(fmt::format("'format' does not know %{}", form == '\0' ? ' ' : form));
    }
    if (next >= call.arguments.positional.size()) {
      return type_error("'format' has fewer values than places");
    }
    const Value& value = call.arguments.positional[next++];
    if (form == 's')
      TRY(append_formatted(budget, out, TRY(text_of(budget, value)), flags));
    else if (form == 'r')
      TRY(append_formatted(budget, out, TRY(repr_of(budget, value)), flags));
    else
      append(out, TRY(format_number(call, value, flags, form)).string());
    TRY(budget.pay_string(out.text.size()));
  }
  if (next < call.arguments.positional.size()) {
    return type_error("'format' has more values than places");
  }
  return Value::string(std::move(out));
}

constexpr Entry kTextFilters[] = {
    {"upper", upper},
    {"lower", lower},
    {"capitalize", capitalize},
    {"title", title},
    {"trim", trim, {"chars"}},
    {"string", string},
    {"safe", safe},
    {"replace", replace, {"old", "new", "count"}},
    {"escape", escape},
    {"e", escape},
    {"indent", indent, {"width", "first", "blank"}},
    {"truncate", truncate, {"length", "killwords", "end", "leeway"}},
    {"wordcount", wordcount},
    {"urlencode", urlencode},
    {"format", format, {}, true},
};

}  // namespace

std::span<const Entry> text_filters() {
  return kTextFilters;
}

}  // namespace weft::text::jinja
