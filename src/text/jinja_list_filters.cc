// SPDX-License-Identifier: Apache-2.0
//
// Filters over lists and maps.
#include <fmt/core.h>

#include <algorithm>
#include <numeric>

#include "base/strings.h"
#include "text/jinja_access.h"
#include "text/jinja_compare.h"
#include "text/jinja_print.h"
#include "text/jinja_tables.h"

namespace weft::text::jinja {
namespace {

using Kind = Value::Kind;

Result<std::vector<Value>> members(const Call& call) {
  return members_of(call.session.budget, call.self);
}

Value without_case(const Value& key) {
  if (!key.is(Kind::kString)) return key;
  return Value::string(change_case(key.string(), Case::kLower));
}

// What sort, unique, min and max look at: an attribute of the item, text without case. "a,b"
// stands for two attributes.
Result<Value> key_of(const Value& item, const Value* attribute, bool case_sensitive) {
  if (!attribute || attribute->is(Kind::kNone)) return case_sensitive ? item : without_case(item);
  const bool several =
      attribute->is(Kind::kString) && attribute->string().text.find(',') != std::string::npos;
  if (!several) {
    const Value key = TRY(attribute_path(item, *attribute));
    return case_sensitive ? key : without_case(key);
  }
  std::vector<Value> keys;
  for (const std::string_view part : split(attribute->string().text, ',')) {
    const Value key = TRY(attribute_path(item, Value::string(literal(part))));
    keys.push_back(case_sensitive ? key : without_case(key));
  }
  return List::make(std::move(keys));
}

Result<std::vector<Value>> keys_of(const std::vector<Value>& items, const Value* attribute,
                                   bool case_sensitive) {
  std::vector<Value> keys;
  for (const Value& item : items) keys.push_back(TRY(key_of(item, attribute, case_sensitive)));
  return keys;
}

// Places of `keys` in ascending order, stable. The first failed comparison is the result.
Result<std::vector<size_t>> sorted_places(const Call& call, const std::vector<Value>& keys,
                                          bool reverse) {
  std::vector<size_t> places(keys.size());
  std::iota(places.begin(), places.end(), size_t{0});
  Status failure = ok_status();
  // Python's reverse sort keeps equal items in their order: b < a, not the reversed result.
  std::stable_sort(places.begin(), places.end(), [&](size_t a, size_t b) {
    if (!failure.ok()) return false;
    const Result<int> sign = order(call.session.budget, keys[a], keys[b]);
    if (!sign.ok()) {
      failure = sign.error();
      return false;
    }
    return reverse ? *sign > 0 : *sign < 0;
  });
  if (!failure.ok()) return std::move(failure).error();
  return places;
}

Result<Value> sort(const Call& call) {
  const std::vector<Value> items = TRY(members(call));
  const auto keys = TRY(keys_of(items, call.bound[2], flag_argument(call, 1, false)));
  const auto places = TRY(sorted_places(call, keys, flag_argument(call, 0, false)));
  std::vector<Value> out;
  for (const size_t place : places) out.push_back(items[place]);
  return List::make(std::move(out));
}

Result<Value> dictsort(const Call& call) {
  if (!call.self.is(Kind::kDict)) return wrong_subject(call, "a map");
  const std::vector<Dict::Item> items = call.self.dict().items();
  TRY(call.session.budget.pay_steps(items.size()));
  const bool by_value = TRY(text_argument(call, 1, "key")).text == "value";
  std::vector<Value> keys;
  for (const Dict::Item& item : items) {
    keys.push_back(
        TRY(key_of(by_value ? item.second : item.first, nullptr, flag_argument(call, 0, false))));
  }
  std::vector<Value> out;
  for (const size_t i : TRY(sorted_places(call, keys, flag_argument(call, 2, false)))) {
    out.push_back(TRY(List::make({items[i].first, items[i].second}, true)));
  }
  return List::make(std::move(out));
}

Result<Value> extreme(const Call& call, int wanted) {
  const std::vector<Value> items = TRY(members(call));
  if (items.empty()) return Value::undefined(fmt::format("'{}' of nothing", call.name));
  const auto keys = TRY(keys_of(items, call.bound[1], flag_argument(call, 0, false)));
  size_t best = 0;
  for (size_t i = 1; i < items.size(); ++i) {
    bool unordered = false;
    const int sign = TRY(order(call.session.budget, keys[i], keys[best], &unordered));
    if (sign == wanted && !unordered) best = i;
  }
  return items[best];
}
Result<Value> min(const Call& call) {
  return extreme(call, -1);
}
Result<Value> max(const Call& call) {
  return extreme(call, 1);
}

Result<Value> unique(const Call& call) {
  const std::vector<Value> items = TRY(members(call));
  const auto keys = TRY(keys_of(items, call.bound[1], flag_argument(call, 0, false)));
  std::vector<Value> out;
  std::vector<size_t> kept;
  for (size_t i = 0; i < items.size(); ++i) {
    bool seen = false;
    for (size_t k = 0; k < kept.size() && !seen; ++k) {
      seen = TRY(equal(call.session.budget, keys[kept[k]], keys[i]));
    }
    if (seen) continue;
    kept.push_back(i);
    out.push_back(items[i]);
  }
  return List::make(std::move(out));
}

Result<Value> sum(const Call& call) {
  Value total = call.bound[1] ? *call.bound[1] : Value::integer(0);
  for (Value item : TRY(members(call))) {
    if (call.bound[0] && !call.bound[0]->is(Kind::kNone)) {
      item = TRY(attribute_path(item, *call.bound[0]));
    }
    if (total.is(Kind::kString)) return type_error("'sum' adds numbers; use join for text");
    total = TRY(arithmetic(call.session, Op::kAdd, total, item));
  }
  return total;
}

Result<Value> join(const Call& call) {
  const MarkedText separator =
      call.bound[0] ? TRY(text_of(call.session.budget, *call.bound[0])) : MarkedText{};
  MarkedText out;
  bool first = true;
  for (Value item : TRY(members(call))) {
    if (call.bound[1] && !call.bound[1]->is(Kind::kNone)) {
      item = TRY(attribute_path(item, *call.bound[1]));
    }
    if (!first) append(out, separator);
    first = false;
    append(out, TRY(text_of(call.session.budget, item)));
    if (out.text.size() > call.session.budget.string_bytes) {
      TRY(call.session.budget.pay_string(out.text.size()));
    }
  }
  TRY(call.session.budget.pay_string(out.text.size()));
  return Value::string(std::move(out));
}

Result<Value> first(const Call& call) {
  const std::vector<Value> items = TRY(members(call));
  return items.empty() ? Value::undefined("'first' of nothing") : items.front();
}
Result<Value> last(const Call& call) {
  const std::vector<Value> items = TRY(members(call));
  return items.empty() ? Value::undefined("'last' of nothing") : items.back();
}

Result<Value> length(const Call& call) {
  switch (call.self.kind()) {
    case Kind::kUndefined:
      return Value::integer(0);
    case Kind::kString:
      return Value::integer(static_cast<int64_t>(length_of(call.self.string().text)));
    case Kind::kList:
      return Value::integer(static_cast<int64_t>(call.self.list().size()));
    case Kind::kDict:
      return Value::integer(static_cast<int64_t>(call.self.dict().size()));
    default:
      return wrong_subject(call, "a list, a map or a string");
  }
}

Result<Value> list(const Call& call) {
  return List::make(TRY(members(call)));
}

Result<Value> reverse(const Call& call) {
  std::vector<Value> items = TRY(members(call));
  std::reverse(items.begin(), items.end());
  if (!call.self.is(Kind::kString)) return List::make(std::move(items));
  MarkedText out;
  for (const Value& item : items) append(out, item.string());
  return Value::string(std::move(out));
}

Result<Value> items(const Call& call) {
  std::vector<Value> out;
  if (call.self.is(Kind::kUndefined)) return List::make(std::move(out));
  if (!call.self.is(Kind::kDict)) return wrong_subject(call, "a map");
  TRY(call.session.budget.pay_steps(call.self.dict().size()));
  for (const Dict::Item& item : call.self.dict().items()) {
    out.push_back(TRY(List::make({item.first, item.second}, true)));
  }
  return List::make(std::move(out));
}

// The arguments after the first `count`.
Arguments rest_of(const Arguments& arguments, size_t count) {
  Arguments out;
  for (size_t i = count; i < arguments.positional.size(); ++i) {
    out.positional.push_back(arguments.positional[i]);
  }
  return out;
}

const Value* named_argument(const Arguments& arguments, std::string_view name) {
  for (const auto& [known, value] : arguments.named) {
    if (known == name) return &value;
  }
  return nullptr;
}

// map('filter', arguments…) or map(attribute='a.b', default=x).
Result<Value> map(const Call& call) {
  const Value* attribute = named_argument(call.arguments, "attribute");
  const Value* otherwise = named_argument(call.arguments, "default");
  const auto& given = call.arguments.positional;
  if (!attribute && (given.empty() || !given[0].is(Kind::kString))) {
    return type_error("'map' needs the name of a filter or attribute=");
  }
  Arguments rest = rest_of(call.arguments, 1);
  if (!attribute) rest.named = call.arguments.named;
  std::vector<Value> out;
  for (const Value& item : TRY(members(call))) {
    if (attribute) {
      Value found = TRY(attribute_path(item, *attribute));
      if (found.is(Kind::kUndefined) && otherwise) found = *otherwise;
      if (found.is(Kind::kUndefined) && call.session.strict) {
        return make_error("E0132", found.undefined().message, found.undefined().hint);
      }
      out.push_back(std::move(found));
    } else {
      out.push_back(TRY(apply_filter(call.session, given[0].string().text, item, rest)));
    }
  }
  return List::make(std::move(out));
}

// select, reject: by a test, or by truth. selectattr, rejectattr: of an attribute.
Result<Value> selected(const Call& call, bool by_attribute, bool wanted) {
  const auto& given = call.arguments.positional;
  const size_t skip = by_attribute ? 1 : 0;
  if (by_attribute && given.empty()) {
    return type_error(fmt::format("'{}' needs the name of an attribute", call.name));
  }
  const Arguments rest = rest_of(call.arguments, skip + 1);
  std::vector<Value> out;
  for (Value& item : TRY(members(call))) {
    TRY(call.session.budget.pay_steps(1));
    const Value subject = by_attribute ? TRY(attribute_path(item, given[0])) : item;
    bool holds = truth(subject);
    if (given.size() > skip) {
      if (!given[skip].is(Kind::kString)) return type_error("the name of a test is a string");
      holds = TRY(apply_test(call.session, given[skip].string().text, subject, rest));
    }
    if (holds == wanted) out.push_back(std::move(item));
  }
  return List::make(std::move(out));
}
Result<Value> select(const Call& call) {
  return selected(call, false, true);
}
Result<Value> reject(const Call& call) {
  return selected(call, false, false);
}
Result<Value> selectattr(const Call& call) {
  return selected(call, true, true);
}
Result<Value> rejectattr(const Call& call) {
  return selected(call, true, false);
}

Result<Value> batch(const Call& call) {
  const int64_t count = TRY(integer_argument(call, 0, 0));
  if (count <= 0) return type_error("'batch' needs a positive size");
  std::vector<Value> out;
  std::vector<Value> part;
  const std::vector<Value> items = TRY(members(call));
  for (size_t i = 0; i < items.size(); ++i) {
    part.push_back(items[i]);
    if (part.size() < static_cast<size_t>(count) && i + 1 < items.size()) continue;
    if (call.bound[1] && !call.bound[1]->is(Kind::kNone)) {
      TRY(call.session.budget.pay_steps(static_cast<uint64_t>(count) - part.size()));
      part.resize(static_cast<size_t>(count), *call.bound[1]);
    }
    out.push_back(TRY(List::make(std::exchange(part, {}))));
  }
  return List::make(std::move(out));
}

// [(key, [items…]), …] by ascending key.
Result<Value> groupby(const Call& call) {
  if (!call.bound[0]) return type_error("'groupby' needs the name of an attribute");
  const std::vector<Value> items = TRY(members(call));
  std::vector<Value> keys;
  for (const Value& item : items) {
    Value key = TRY(key_of(item, call.bound[0], true));
    if (key.is(Kind::kUndefined) && call.bound[1]) key = *call.bound[1];
    keys.push_back(std::move(key));
  }
  const bool case_sensitive = flag_argument(call, 2, false);
  std::vector<Value> compared;
  for (const Value& key : keys) compared.push_back(TRY(key_of(key, nullptr, case_sensitive)));
  std::vector<Value> out;
  std::vector<Value> group;
  const auto places = TRY(sorted_places(call, compared, false));
  for (size_t i = 0; i < places.size(); ++i) {
    group.push_back(items[places[i]]);
    const bool ends = i + 1 == places.size() || !TRY(equal(call.session.budget, compared[places[i]],
                                                           compared[places[i + 1]]));
    if (!ends) continue;
    const Value key = keys[places[i + 1 - group.size()]];
    out.push_back(TRY(List::make({key, TRY(List::make(std::exchange(group, {})))}, true)));
  }
  return List::make(std::move(out));
}

constexpr Entry kListFilters[] = {
    {"sort", sort, {"reverse", "case_sensitive", "attribute"}},
    {"dictsort", dictsort, {"case_sensitive", "by", "reverse"}},
    {"min", min, {"case_sensitive", "attribute"}},
    {"max", max, {"case_sensitive", "attribute"}},
    {"unique", unique, {"case_sensitive", "attribute"}},
    {"sum", sum, {"attribute", "start"}},
    {"join", join, {"d", "attribute"}},
    {"first", first},
    {"last", last},
    {"length", length},
    {"count", length},
    {"list", list},
    {"reverse", reverse},
    {"items", items},
    {"map", map, {}, true},
    {"select", select, {}, true},
    {"reject", reject, {}, true},
    {"selectattr", selectattr, {}, true},
    {"rejectattr", rejectattr, {}, true},
    {"batch", batch, {"linecount", "fill_with"}},
    {"groupby", groupby, {"attribute", "default", "case_sensitive"}},
};

}  // namespace

std::span<const Entry> list_filters() {
  return kListFilters;
}

}  // namespace weft::text::jinja
