// SPDX-License-Identifier: Apache-2.0
//
// Methods of strings, maps and lists: those of Python that read. Nothing that changes a value.
#include <fmt/core.h>

#include <algorithm>

#include "base/strings.h"
#include "text/jinja_compare.h"
#include "text/jinja_print.h"
#include "text/jinja_tables.h"

namespace weft::text::jinja {
namespace {

using Kind = Value::Kind;

const MarkedText& self_of(const Call& call) {
  return call.self.string();
}

Result<Value> made_by_method(const Call& call, MarkedText text) {
  TRY(call.session.budget.pay_string(text.text.size()));
  return Value::string(std::move(text));
}
Result<Value> made_by_method(const Call& call, std::vector<MarkedText> parts, bool tuple = false) {
  TRY(call.session.budget.pay_steps(parts.size()));
  TRY(call.session.budget.pay_bytes(self_of(call).text.size()));
  std::vector<Value> items;
  for (MarkedText& part : parts) items.push_back(Value::string(std::move(part)));
  return List::make(std::move(items), tuple);
}

template <Case form>
Result<Value> cased(const Call& call) {
  return made_by_method(call, change_case(self_of(call), form));
}

template <bool left, bool right>
Result<Value> stripped(const Call& call) {
  StripOptions options{.characters = {}, .left = left, .right = right};
  MarkedText characters;
  if (call.bound[0] && !call.bound[0]->is(Kind::kNone)) {
    characters = TRY(text_argument(call, 0, ""));
    options.characters = characters.text;
  }
  return made_by_method(call, strip(self_of(call), options));
}

Result<Value> split_at(const Call& call, bool from_right) {
  SplitOptions options;
  options.from_right = from_right;
  options.count = TRY(integer_argument(call, 1, -1));
  MarkedText separator;
  if (call.bound[0] && !call.bound[0]->is(Kind::kNone)) {
    separator = TRY(text_argument(call, 0, ""));
    if (separator.text.empty()) return type_error(fmt::format("'{}' by nothing", call.name));
    options.separator = separator.text;
  }
  return made_by_method(call, split_text(self_of(call), options));
}
Result<Value> split(const Call& call) {
  return split_at(call, false);
}
Result<Value> rsplit(const Call& call) {
  return split_at(call, true);
}
Result<Value> splitlines(const Call& call) {
  return made_by_method(call, split_lines(self_of(call), flag_argument(call, 0, false)));
}

Result<Value> parted(const Call& call, bool from_right) {
  const MarkedText& self = self_of(call);
  const MarkedText separator = TRY(text_argument(call, 0, ""));
  if (separator.text.empty()) return type_error(fmt::format("'{}' by nothing", call.name));
  TRY(call.session.budget.pay_search(self.text.size()));
  const size_t at = from_right ? rfind_text(self.text, separator.text)
                               : find_text(self.text, separator.text);
  if (at == std::string::npos) {
    if (from_right) return made_by_method(call, {MarkedText{}, MarkedText{}, self}, true);
    return made_by_method(call, {self, MarkedText{}, MarkedText{}}, true);
  }
  return made_by_method(call,
                        {slice(self, 0, at), slice(self, at, at + separator.text.size()),
                         slice(self, at + separator.text.size(), self.text.size())},
                        true);
}
Result<Value> partition(const Call& call) {
  return parted(call, false);
}
Result<Value> rpartition(const Call& call) {
  return parted(call, true);
}

// One prefix or a tuple of them.
Result<Value> has_edge(const Call& call, bool (*holds)(std::string_view, std::string_view)) {
  if (!call.bound[0]) return type_error(fmt::format("'{}' needs a string", call.name));
  std::vector<Value> candidates = {*call.bound[0]};
  if (call.bound[0]->is(Kind::kList)) candidates = call.bound[0]->list().items();
  for (const Value& candidate : candidates) {
    if (!candidate.is(Kind::kString)) {
      return type_error(
          fmt::format("'{}' needs a string, found {}", call.name, described(candidate)));
    }
    if (holds(self_of(call).text, candidate.string().text)) return Value::boolean(true);
  }
  return Value::boolean(false);
}
Result<Value> startswith(const Call& call) {
  return has_edge(call, [](std::string_view a, std::string_view b) { return a.starts_with(b); });
}
Result<Value> endswith(const Call& call) {
  return has_edge(call, [](std::string_view a, std::string_view b) { return a.ends_with(b); });
}
Result<Value> removeprefix(const Call& call) {
  const MarkedText prefix = TRY(text_argument(call, 0, ""));
  const MarkedText& self = self_of(call);
  if (!self.text.starts_with(prefix.text)) return call.self;
  return made_by_method(call, slice(self, prefix.text.size(), self.text.size()));
}
Result<Value> removesuffix(const Call& call) {
  const MarkedText suffix = TRY(text_argument(call, 0, ""));
  const MarkedText& self = self_of(call);
  if (!self.text.ends_with(suffix.text)) return call.self;
  return made_by_method(call, slice(self, 0, self.text.size() - suffix.text.size()));
}

Result<Value> found_at(const Call& call, bool from_right, bool must) {
  const MarkedText what = TRY(text_argument(call, 0, ""));
  const std::string& text = self_of(call).text;
  TRY(call.session.budget.pay_search(text.size()));
  const size_t at = from_right ? rfind_text(text, what.text) : find_text(text, what.text);
  if (at != std::string::npos) {
    return Value::integer(static_cast<int64_t>(length_of(std::string_view(text).substr(0, at))));
  }
  if (must) return type_error(fmt::format("'{}' does not find {}", call.name, quoted(what.text)));
  return Value::integer(-1);
}
Result<Value> find(const Call& call) {
  return found_at(call, false, false);
}
Result<Value> rfind(const Call& call) {
  return found_at(call, true, false);
}
Result<Value> index(const Call& call) {
  return found_at(call, false, true);
}
Result<Value> rindex(const Call& call) {
  return found_at(call, true, true);
}
Result<Value> count(const Call& call) {
  const MarkedText what = TRY(text_argument(call, 0, ""));
  TRY(call.session.budget.pay_search(self_of(call).text.size()));
  return Value::integer(static_cast<int64_t>(count_text(self_of(call).text, what.text)));
}

Result<Value> replace_method(const Call& call) {
  if (!call.bound[0] || !call.bound[1]) return type_error("'replace' needs what and by what");
  const MarkedText from = TRY(text_argument(call, 0, ""));
  const MarkedText to = TRY(text_argument(call, 1, ""));
  const uint64_t hits = count_text(self_of(call).text, from.text);
  TRY(call.session.budget.pay_steps(hits));
  TRY(call.session.budget.pay_string(self_of(call).text.size() + hits * to.text.size()));
  return Value::string(
      replace_text(self_of(call), from.text, to, TRY(integer_argument(call, 2, -1))));
}

Result<Value> join_method(const Call& call) {
  if (!call.bound[0]) return type_error("'join' needs a list");
  MarkedText out;
  bool first = true;
  for (const Value& item : TRY(members_of(call.session.budget, *call.bound[0]))) {
    if (!item.is(Kind::kString)) {
      return type_error(fmt::format("'join' needs strings, found {}", described(item)));
    }
    if (!first) append(out, self_of(call));
    first = false;
    append(out, item.string());
    TRY(call.session.budget.pay_bytes(item.string().text.size() + self_of(call).text.size()));
  }
  return made_by_method(call, std::move(out));
}

enum class Side { kLeft, kRight, kBoth };
template <Side side>
Result<Value> padded(const Call& call) {
  const MarkedText& self = self_of(call);
  const MarkedText fill = TRY(text_argument(call, 1, " "));
  if (length_of(fill.text) != 1) return type_error("the padding should be one character");
  const auto size = static_cast<int64_t>(length_of(self.text));
  const int64_t width = TRY(integer_argument(call, 0, 0));
  const int64_t missing = std::max<int64_t>(width - size, 0);
  TRY(call.session.budget.pay_string(self.text.size() + static_cast<uint64_t>(missing) * 4));
  // Python's center puts the odd one to the left when the width is odd.
  int64_t before = side == Side::kRight ? 0 : missing;
  if (side == Side::kBoth) before = missing / 2 + (missing & width & 1);
  MarkedText out;
  for (int64_t i = 0; i < before; ++i) append(out, fill);
  append(out, self);
  for (int64_t i = before; i < missing; ++i) append(out, fill);
  return Value::string(std::move(out));
}

Result<Value> zfill(const Call& call) {
  const MarkedText& self = self_of(call);
  const int64_t width = TRY(integer_argument(call, 0, 0));
  const int64_t missing = std::max<int64_t>(width - static_cast<int64_t>(length_of(self.text)), 0);
  TRY(call.session.budget.pay_string(self.text.size() + static_cast<uint64_t>(missing)));
  const size_t sign = self.text.starts_with('-') || self.text.starts_with('+') ? 1 : 0;
  MarkedText out = slice(self, 0, sign);
  append_literal(out, std::string(static_cast<size_t>(missing), '0'));
  append_slice(out, self, sign, self.text.size());
  return Value::string(std::move(out));
}

template <CharacterClass form>
Result<Value> all_are(const Call& call) {
  const std::string& text = self_of(call).text;
  bool letters = false;
  for (size_t at = 0; at < text.size();) {
    const CodePoint c = code_point_at(text, at);
    at += c.bytes;
    if (form == CharacterClass::kUpper || form == CharacterClass::kLower) {
      const CharacterClass other =
          form == CharacterClass::kUpper ? CharacterClass::kLower : CharacterClass::kUpper;
      if (is_a(c.value, other)) return Value::boolean(false);
      letters = letters || is_a(c.value, form);
    } else {
      if (!is_a(c.value, form)) return Value::boolean(false);
      letters = true;
    }
  }
  return Value::boolean(letters);
}
Result<Value> isascii(const Call& call) {
  const std::string& text = self_of(call).text;
  return Value::boolean(std::all_of(text.begin(), text.end(),
                                    [](char c) { return static_cast<unsigned char>(c) < 0x80; }));
}

constexpr Entry kStringMethods[] = {
    {"upper", cased<Case::kUpper>},
    {"lower", cased<Case::kLower>},
    {"casefold", cased<Case::kLower>},
    {"title", cased<Case::kTitle>},
    {"capitalize", cased<Case::kCapitalize>},
    {"swapcase", cased<Case::kSwap>},
    {"strip", stripped<true, true>, {"chars"}},
    {"lstrip", stripped<true, false>, {"chars"}},
    {"rstrip", stripped<false, true>, {"chars"}},
    {"split", split, {"sep", "maxsplit"}},
    {"rsplit", rsplit, {"sep", "maxsplit"}},
    {"splitlines", splitlines, {"keepends"}},
    {"partition", partition, {"sep"}},
    {"rpartition", rpartition, {"sep"}},
    {"startswith", startswith, {"prefix"}},
    {"endswith", endswith, {"suffix"}},
    {"removeprefix", removeprefix, {"prefix"}},
    {"removesuffix", removesuffix, {"suffix"}},
    {"find", find, {"sub"}},
    {"rfind", rfind, {"sub"}},
    {"index", index, {"sub"}},
    {"rindex", rindex, {"sub"}},
    {"count", count, {"sub"}},
    {"replace", replace_method, {"old", "new", "count"}},
    {"join", join_method, {"iterable"}},
    {"ljust", padded<Side::kRight>, {"width", "fillchar"}},
    {"rjust", padded<Side::kLeft>, {"width", "fillchar"}},
    {"center", padded<Side::kBoth>, {"width", "fillchar"}},
    {"zfill", zfill, {"width"}},
    {"isalpha", all_are<CharacterClass::kAlpha>},
    {"isdigit", all_are<CharacterClass::kDigit>},
    {"isdecimal", all_are<CharacterClass::kDigit>},
    {"isnumeric", all_are<CharacterClass::kDigit>},
    {"isalnum", all_are<CharacterClass::kAlphaNumeric>},
    {"isspace", all_are<CharacterClass::kSpace>},
    {"isupper", all_are<CharacterClass::kUpper>},
    {"islower", all_are<CharacterClass::kLower>},
    {"isascii", isascii},
};

Result<Value> dict_items(const Call& call) {
  return apply_filter(call.session, "items", call.self, {});
}
Result<Value> dict_keys(const Call& call) {
  return apply_filter(call.session, "list", call.self, {});
}
Result<Value> dict_values(const Call& call) {
  TRY(call.session.budget.pay_steps(call.self.dict().size()));
  std::vector<Value> out;
  for (Dict::Item& item : call.self.dict().items()) out.push_back(std::move(item.second));
  return List::make(std::move(out));
}
Result<Value> dict_get(const Call& call) {
  if (!call.bound[0]) return type_error("'get' needs a key");
  Value out;
  if (call.self.dict().find(*call.bound[0], out)) return out;
  return call.bound[1] ? *call.bound[1] : Value();
}
Result<Value> dict_copy(const Call& call) {
  return call.self;
}

constexpr Entry kDictMethods[] = {
    {"items", dict_items},   {"keys", dict_keys},
    {"values", dict_values}, {"get", dict_get, {"key", "default"}},
    {"copy", dict_copy},
};

Result<Value> list_count(const Call& call) {
  if (!call.bound[0]) return type_error("'count' needs a value");
  int64_t hits = 0;
  for (const Value& item : TRY(members_of(call.session.budget, call.self))) {
    hits += TRY(equal(call.session.budget, item, *call.bound[0])) ? 1 : 0;
  }
  return Value::integer(hits);
}
Result<Value> list_index(const Call& call) {
  if (!call.bound[0]) return type_error("'index' needs a value");
  const std::vector<Value> items = TRY(members_of(call.session.budget, call.self));
  for (size_t i = 0; i < items.size(); ++i) {
    if (TRY(equal(call.session.budget, items[i], *call.bound[0]))) {
      return Value::integer(static_cast<int64_t>(i));
    }
  }
  return type_error("'index' does not find the value");
}

constexpr Entry kListMethods[] = {
    {"count", list_count, {"value"}},
    {"index", list_index, {"value"}},
};

std::span<const Entry> methods_of(const Value& self) {
  if (self.is(Kind::kString)) return kStringMethods;
  if (self.is(Kind::kDict)) return kDictMethods;
  if (self.is(Kind::kList)) return kListMethods;
  return {};
}

}  // namespace

bool has_method(const Value& self, std::string_view name) {
  return find_entry(methods_of(self), name) != nullptr;
}

std::vector<std::string> method_names(const Value& self) {
  std::vector<std::string> out;
  for (const Entry& entry : methods_of(self)) out.emplace_back(entry.name);
  return out;
}

Result<Value> apply_method(Session& session, std::string_view name, const Value& self,
                           const Arguments& arguments) {
  const Entry* entry = find_entry(methods_of(self), name);
  CHECK(entry != nullptr);
  return call_entry(*entry, "method", session, self, arguments);
}

}  // namespace weft::text::jinja
