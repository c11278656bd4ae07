// SPDX-License-Identifier: Apache-2.0
#include "text/jinja_value.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/strings.h"

namespace weft::text::jinja {

Error type_error(std::string message, std::string hint) {
  return make_error("E0131", std::move(message), std::move(hint));
}
Error limit_error(std::string message, std::string hint) {
  return make_error("E0133", std::move(message), std::move(hint));
}

Status Budget::pay_steps(uint64_t count) {
  if (count > steps) {
    return limit_error("evaluation takes too many steps",
                       "shorten loops and ranges, or work on smaller data");
  }
  steps -= count;
  return ok_status();
}

Status Budget::pay_bytes(uint64_t count) {
  if (count > bytes) return limit_error("evaluation makes too much text");
  bytes -= count;
  return ok_status();
}

Status Budget::pay_string(uint64_t count) {
  if (count > string_bytes) {
    return limit_error(
        fmt::format("a text would have {} bytes, at most {} are allowed", count, string_bytes));
  }
  return pay_bytes(count);
}

Value Value::undefined(std::string message, std::string hint) {
  return Value(
      Data(std::make_shared<const Undefined>(Undefined{std::move(message), std::move(hint)})));
}
Value Value::big(std::string digits) {
  return Value(Data(std::make_shared<const BigInteger>(BigInteger{std::move(digits)})));
}
Value Value::string(MarkedText text) {
  return Value(Data(std::make_shared<const MarkedText>(std::move(text))));
}

Value Value::from_json(const json::Value& value) {
  switch (value.kind()) {
    case boost::json::kind::null:
      return Value();
    case boost::json::kind::bool_:
      return boolean(value.get_bool());
    case boost::json::kind::int64:
      return integer(value.get_int64());
    case boost::json::kind::uint64: {
      const uint64_t number = value.get_uint64();
      if (number <= static_cast<uint64_t>(INT64_MAX)) return integer(static_cast<int64_t>(number));
      return big(std::to_string(number));
    }
    case boost::json::kind::double_:
      return number(value.get_double());
    case boost::json::kind::string:
      return string(from_data(value.get_string()));
    case boost::json::kind::array:
      return list(std::make_shared<const List>(value.get_array()));
    case boost::json::kind::object:
      return dict(std::make_shared<const Dict>(value.get_object()));
  }
  return Value();
}

int Value::depth() const {
  if (is(Kind::kList)) return list().depth();
  if (is(Kind::kDict)) return dict().depth();
  return 0;
}

namespace {
Error too_deep() {
  return limit_error(fmt::format("lists and maps are nested more than {} deep", kValueDepthMax));
}
}  // namespace

Result<Value> List::make(std::vector<Value> items, bool tuple) {
  int depth = 0;
  for (const Value& item : items) depth = std::max(depth, item.depth());
  if (depth + 1 > kValueDepthMax) return too_deep();
  return Value::list(std::make_shared<const List>(std::move(items), tuple, depth + 1));
}

std::vector<Value> List::items() const {
  if (source_ == nullptr) return items_;
  std::vector<Value> out;
  out.reserve(source_->size());
  for (const json::Value& item : *source_) out.push_back(Value::from_json(item));
  return out;
}

namespace {

// A text equal for equal keys: 1, 1.0 and True are one key, as in Python.
std::string key_text(const Value& key) {
  switch (key.kind()) {
    case Value::Kind::kString:
      return "s" + key.string().text;
    case Value::Kind::kBool:
      return key.boolean() ? "i1" : "i0";
    case Value::Kind::kInt:
      return "i" + std::to_string(key.integer());
    case Value::Kind::kBig:
      return "i" + key.digits();
    case Value::Kind::kFloat: {
      const double number = key.number();
      const bool whole = number >= -9e18 && number <= 9e18 &&
                         static_cast<double>(static_cast<int64_t>(number)) == number;
      return whole ? "i" + std::to_string(static_cast<int64_t>(number))
                   : "f" + json::number_text(number);
    }
    case Value::Kind::kNone:
      return "n";
    default:
      return {};
  }
}

}  // namespace

Result<Value> Dict::make(std::vector<Item> items) {
  std::shared_ptr<Dict> dict(new Dict());
  std::vector<std::pair<std::string, size_t>> keys;
  int depth = 0;
  for (size_t i = 0; i < items.size(); ++i) {
    std::string text = key_text(items[i].first);
    if (text.empty()) {
      return type_error(fmt::format("{} cannot be a key", described(items[i].first)));
    }
    keys.emplace_back(std::move(text), i);
    depth = std::max(depth, items[i].second.depth());
  }
  if (depth + 1 > kValueDepthMax) return too_deep();
  dict->depth_ = depth + 1;
  std::sort(keys.begin(), keys.end());
  // Of equal keys the first keeps its place and the last its value.
  std::vector<bool> dropped(items.size(), false);
  for (size_t i = 0, first = 0; i < keys.size(); ++i) {
    if (keys[i].first != keys[first].first) first = i;
    if (i == first) continue;
    items[keys[first].second].second = items[keys[i].second].second;
    dropped[keys[i].second] = true;
  }
  std::vector<size_t> place(items.size(), 0);
  for (size_t i = 0; i < items.size(); ++i) {
    if (dropped[i]) continue;
    place[i] = dict->items_.size();
    dict->items_.push_back(std::move(items[i]));
  }
  for (auto& [text, i] : keys) {
    if (!dropped[i]) dict->index_.emplace_back(std::move(text), place[i]);
  }
  return Value::dict(std::move(dict));
}

size_t Dict::size() const {
  if (source_) return source_->size();
  return scope_ ? scope_->names().size() : items_.size();
}

namespace {
bool find_in_scope(const Scope& scope, std::string_view key, Value& out) {
  if (const Scope* nested = scope.nested(key)) {
    out = Value::dict(std::make_shared<const Dict>(*nested));
    return true;
  }
  const json::Value* found = scope.find(key);
  if (found == nullptr) return false;
  out = Value::from_json(*found);
  return true;
}
}  // namespace

bool Dict::find(std::string_view key, Value& out) const {
  if (scope_) return find_in_scope(*scope_, key, out);
  if (source_) {
    const json::Value* found = source_->if_contains(key);
    if (found == nullptr) return false;
    out = Value::from_json(*found);
    return true;
  }
  return find(Value::string(literal(key)), out);
}

bool Dict::find(const Value& key, Value& out) const {
  if (source_ || scope_) return key.is(Value::Kind::kString) && find(key.string().text, out);
  const std::string text = key_text(key);
  const auto entry = std::lower_bound(
      index_.begin(), index_.end(), text,
      [](const auto& member, const std::string& wanted) { return member.first < wanted; });
  if (text.empty() || entry == index_.end() || entry->first != text) return false;
  out = items_[entry->second].second;
  return true;
}

std::vector<Dict::Item> Dict::items() const {
  if (!source_ && !scope_) return items_;
  std::vector<Item> out;
  if (source_) {
    for (const auto& member : *source_) {
      out.emplace_back(Value::string(from_data(member.key())), Value::from_json(member.value()));
    }
    return out;
  }
  for (const std::string& name : scope_->names()) {
    Value value;
    if (find_in_scope(*scope_, name, value)) {
      out.emplace_back(Value::string(from_data(name)), std::move(value));
    }
  }
  return out;
}

std::vector<std::string> Dict::names() const {
  if (scope_) return scope_->names();
  std::vector<std::string> out;
  for (const Item& item : items()) {
    if (item.first.is(Value::Kind::kString)) out.push_back(item.first.string().text);
  }
  return out;
}

std::string_view described(const Value& value) {
  switch (value.kind()) {
    case Value::Kind::kUndefined:
      return "an undefined value";
    case Value::Kind::kNone:
      return "none";
    case Value::Kind::kBool:
      return "a boolean";
    case Value::Kind::kInt:
    case Value::Kind::kBig:
      return "an integer";
    case Value::Kind::kFloat:
      return "a float";
    case Value::Kind::kString:
      return "a string";
    case Value::Kind::kList:
      return value.list().is_tuple() ? "a tuple" : "a list";
    case Value::Kind::kDict:
      return "a map";
    case Value::Kind::kNamespace:
      return "a namespace";
    case Value::Kind::kLoop:
      return "a loop";
    case Value::Kind::kMacro:
      return "a macro";
    case Value::Kind::kFunction:
      return "a function";
  }
  return "a value";
}

bool truth(const Value& value) {
  switch (value.kind()) {
    case Value::Kind::kUndefined:
    case Value::Kind::kNone:
      return false;
    case Value::Kind::kBool:
      return value.boolean();
    case Value::Kind::kInt:
      return value.integer() != 0;
    case Value::Kind::kFloat:
      return value.number() != 0;
    case Value::Kind::kString:
      return !value.string().text.empty();
    case Value::Kind::kList:
      return value.list().size() != 0;
    case Value::Kind::kDict:
      return value.dict().size() != 0;
    default:
      return true;
  }
}

Result<std::vector<Value>> members_of(Budget& budget, const Value& value) {
  std::vector<Value> out;
  switch (value.kind()) {
    case Value::Kind::kUndefined:
      return out;
    case Value::Kind::kList: {
      TRY(budget.pay_steps(value.list().size()));
      return value.list().items();
    }
    case Value::Kind::kDict: {
      TRY(budget.pay_steps(value.dict().size()));
      for (Dict::Item& item : value.dict().items()) out.push_back(std::move(item.first));
      return out;
    }
    case Value::Kind::kString: {
      const MarkedText& text = value.string();
      TRY(budget.pay_steps(length_of(text.text)));
      for (size_t at = 0; at < text.text.size();) {
        const size_t bytes = code_point_at(text.text, at).bytes;
        out.push_back(Value::string(slice(text, at, at + bytes)));
        at += bytes;
      }
      return out;
    }
    case Value::Kind::kLoop:
      return value.loop().items;
    default:
      return type_error(fmt::format("{} cannot be walked through", described(value)),
                        "a list, a map or a string can");
  }
}

namespace {

Result<std::string> key_of_json(const Value& key) {
  switch (key.kind()) {
    case Value::Kind::kString:
      return key.string().text;
    case Value::Kind::kInt:
      return std::to_string(key.integer());
    case Value::Kind::kBig:
      return key.digits();
    case Value::Kind::kFloat:
      return json::number_text(key.number());
    case Value::Kind::kBool:
      return std::string(key.boolean() ? "true" : "false");
    default:
      return std::string("null");
  }
}

}  // namespace

Result<json::Value> to_json(Budget& budget, const Value& value) {  // NOLINT(misc-no-recursion)
  TRY(budget.pay_bytes(sizeof(json::Value)));
  switch (value.kind()) {
    case Value::Kind::kNone:
      return json::Value(nullptr);
    case Value::Kind::kBool:
      return json::Value(value.boolean());
    case Value::Kind::kInt:
      return json::Value(value.integer());
    case Value::Kind::kBig: {
      uint64_t number = 0;
      const std::string& digits = value.digits();
      for (const char c : digits) {
        if (c < '0' || __builtin_mul_overflow(number, uint64_t{10}, &number) ||
            __builtin_add_overflow(number, static_cast<uint64_t>(c - '0'), &number)) {
          return type_error(fmt::format("integer {} does not fit 64 bits", quoted(digits)));
        }
      }
      return json::Value(number);
    }
    case Value::Kind::kFloat:
      return json::Value(value.number());
    case Value::Kind::kString: {
      TRY(budget.pay_bytes(value.string().text.size()));
      return json::Value(value.string().text);
    }
    case Value::Kind::kList: {
      json::Array array;
      TRY(budget.pay_steps(value.list().size()));
      for (size_t i = 0; i < value.list().size(); ++i) {
        array.push_back(TRY(to_json(budget, value.list().at(i))));
      }
      return json::Value(std::move(array));
    }
    case Value::Kind::kDict: {
      json::Object object;
      TRY(budget.pay_steps(value.dict().size()));
      for (const Dict::Item& item : value.dict().items()) {
        const std::string key = TRY(key_of_json(item.first));
        TRY(budget.pay_bytes(key.size()));
        object[key] = TRY(to_json(budget, item.second));
      }
      return json::Value(std::move(object));
    }
    case Value::Kind::kUndefined:
      return make_error("E0132", value.undefined().message, value.undefined().hint);
    default:
      return type_error(fmt::format("{} has no JSON form", described(value)));
  }
}

}  // namespace weft::text::jinja
