// SPDX-License-Identifier: Apache-2.0
//
// Values of the template engine, after Python's: int and float are two types, integers beyond 64
// bits keep their digits, strings know which bytes are data (jinja_text.h), lists and maps keep
// order and never change once made. A Value is small and shares what is large.
//
// Lists and maps made from JSON are wrapped, not copied: their members become Values when someone
// looks at them. Whoever evaluates keeps the JSON alive and unchanged until the end of evaluation.
//
// Nesting is bounded when a container is made, so recursion over a value is bounded. Shared parts
// can still make a small value look exponentially large, hence every walk pays from a Budget.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "text/jinja.h"
#include "text/jinja_text.h"

namespace weft::text::jinja {

struct Node;
class List;
class Dict;
struct Namespace;
struct Loop;
class Value;

inline constexpr int kValueDepthMax = 300;

// Error codes of the engine: E0130 syntax, E0131 a value of the wrong kind, E0132 undefined,
// E0133 limit reached, E0134 the template itself refused (raise_exception).
Error type_error(std::string message, std::string hint = {});
Error limit_error(std::string message, std::string hint = {});

// What one evaluation may still cost.
struct Budget {
  uint64_t steps = 0;
  uint64_t bytes = 0;       // of all strings and lists made, also of those already gone
  size_t string_bytes = 0;  // of any one string
  Status pay_steps(uint64_t count);
  Status pay_search(uint64_t size) { return pay_steps(size / 16384); }  // through a text
  Status pay_bytes(uint64_t count);
  Status pay_string(uint64_t count);  // a string of so many bytes is about to be made
};

struct Undefined {
  std::string message;  // "'steps.x' is undefined"
  std::string hint;
};
struct BigInteger {
  std::string digits;  // with sign
};
struct Function {
  std::string_view name;  // of the table in jinja_functions.cc
};

class Value {
 public:
  enum class Kind {
    kUndefined,
    kNone,
    kBool,
    kInt,
    kBig,
    kFloat,
    kString,
    kList,
    kDict,
    kNamespace,
    kLoop,
    kMacro,
    kFunction,
  };

  Value() : data_(std::in_place_index<1>) {}  // None
  static Value undefined(std::string message, std::string hint = {});
  static Value boolean(bool value) { return Value(Data(value)); }
  static Value integer(int64_t value) { return Value(Data(value)); }
  static Value big(std::string digits);
  static Value number(double value) { return Value(Data(value)); }
  static Value string(MarkedText text);
  static Value list(std::shared_ptr<const List> list) { return Value(Data(std::move(list))); }
  static Value dict(std::shared_ptr<const Dict> dict) { return Value(Data(std::move(dict))); }
  static Value space(Namespace* space) { return Value(Data(space)); }
  static Value loop(std::shared_ptr<Loop> loop) { return Value(Data(std::move(loop))); }
  static Value macro(const Node* node) { return Value(Data(node)); }
  static Value function(std::string_view name) { return Value(Data(Function{name})); }
  // Wraps; strings below count as data.
  static Value from_json(const json::Value& value);

  Kind kind() const { return static_cast<Kind>(data_.index()); }
  bool is(Kind k) const { return kind() == k; }
  bool is_number() const { return is(Kind::kInt) || is(Kind::kFloat) || is(Kind::kBig); }

  const Undefined& undefined() const { return *std::get<0>(data_); }
  bool boolean() const { return std::get<bool>(data_); }
  int64_t integer() const { return std::get<int64_t>(data_); }
  const std::string& digits() const { return std::get<4>(data_)->digits; }
  double number() const { return std::get<double>(data_); }
  const MarkedText& string() const { return *std::get<6>(data_); }
  const List& list() const { return *std::get<7>(data_); }
  const Dict& dict() const { return *std::get<8>(data_); }
  Namespace& space() const { return *std::get<9>(data_); }
  Loop& loop() const { return *std::get<10>(data_); }
  const Node* macro() const { return std::get<11>(data_); }
  std::string_view function() const { return std::get<12>(data_).name; }

  int depth() const;  // 0 for what holds nothing

 private:
  using Data =
      std::variant<std::shared_ptr<const Undefined>, std::monostate, bool, int64_t,
                   std::shared_ptr<const BigInteger>, double, std::shared_ptr<const MarkedText>,
                   std::shared_ptr<const List>, std::shared_ptr<const Dict>, Namespace*,
                   std::shared_ptr<Loop>, const Node*, Function>;
  explicit Value(Data data) : data_(std::move(data)) {}
  Data data_;
};

// A list or a tuple.
class List {
 public:
  // Refuses nesting beyond kValueDepthMax.
  static Result<Value> make(std::vector<Value> items, bool tuple = false);
  explicit List(const json::Array& source) : source_(&source) {}
  List(std::vector<Value> items, bool tuple, int depth)
      : items_(std::move(items)), tuple_(tuple), depth_(depth) {}

  size_t size() const { return source_ ? source_->size() : items_.size(); }
  Value at(size_t index) const {
    return source_ ? Value::from_json((*source_)[index]) : items_[index];
  }
  bool is_tuple() const { return tuple_; }
  int depth() const { return depth_; }
  std::vector<Value> items() const;

 private:
  const json::Array* source_ = nullptr;
  std::vector<Value> items_;
  bool tuple_ = false;
  int depth_ = 1;
};

// A map in order of insertion. Keys are strings, numbers, booleans or None.
class Dict {
 public:
  using Item = std::pair<Value, Value>;
  // A later item with an equal key replaces the value of the earlier one.
  static Result<Value> make(std::vector<Item> items);
  explicit Dict(const json::Object& source) : source_(&source) {}
  explicit Dict(const Scope& scope) : scope_(&scope) {}

  size_t size() const;
  bool find(const Value& key, Value& out) const;
  bool find(std::string_view key, Value& out) const;
  std::vector<Item> items() const;
  std::vector<std::string> names() const;  // the keys that are strings
  int depth() const { return depth_; }

 private:
  Dict() = default;
  const json::Object* source_ = nullptr;
  const Scope* scope_ = nullptr;
  std::vector<Item> items_;
  std::vector<std::pair<std::string, size_t>> index_;  // sorted by key text
  int depth_ = 1;
};

// namespace(…): the one value that changes. Owned by the evaluation.
struct Namespace {
  std::vector<std::pair<std::string, Value>> members;
};

// The variable `loop`.
struct Loop {
  std::vector<Value> items;
  size_t index = 0;
  int depth = 1;
  std::vector<Value> changed;  // the last arguments of loop.changed()
};

std::string_view described(const Value& value);  // "a string", "an integer", … for messages

// Python's truth of a value; undefined is false (strict evaluation refuses it before).
bool truth(const Value& value);

// The members a loop walks over: of a list, the keys of a map, the characters of a string.
Result<std::vector<Value>> members_of(Budget& budget, const Value& value);

// JSON of a value. Undefined, macros and integers beyond uint64 have none: E0131.
Result<json::Value> to_json(Budget& budget, const Value& value);

}  // namespace weft::text::jinja
