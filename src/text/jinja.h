// SPDX-License-Identifier: Apache-2.0
//
// Jinja in two modes of one engine. A Template renders the chat template of a model as Python's
// jinja2 does in its makers' tools: undefined prints as nothing, blocks are trimmed. An Expression
// (and an Interpolation, text with expressions inside) evaluates the expressions of workflow
// documents: undefined is an error that names the path and the nearest valid name, comparing
// values of different types is an error, integers are 64-bit and overflow is an error.
//
// Evaluation reads nothing but what it is given: no file, clock, randomness. It is one pass: text
// that comes from data is never evaluated. Everything is bounded: source, nesting, steps, bytes.
//
// Parsed objects are immutable and may be used by several threads at once.
//
// Not offered: inheritance, include, import, call blocks, recursive loops, custom filters.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "text/token.h"

namespace weft::text {

namespace jinja {
class Program;
struct VariableTable;
}  // namespace jinja

// The names an expression may use. Read-only; what it hands out must stay alive and unchanged
// until the end of evaluate(). For `steps`, whose members come from many places, nested() hands
// out a further Scope, so that no large object has to be assembled.
class Scope {
 public:
  virtual ~Scope() = default;
  // The value of a name, or null when there is no such name.
  virtual const json::Value* find(std::string_view name) const = 0;
  // The names behind a name, or null; asked before find().
  virtual const Scope* nested(std::string_view name) const {
    (void)name;
    return nullptr;
  }
  // All valid names, for hints and for loops over a nested scope.
  virtual std::vector<std::string> names() const = 0;
};

// The members of a JSON object as names. The object must outlive the scope.
class ObjectScope final : public Scope {
 public:
  explicit ObjectScope(const json::Object& object) : object_(&object) {}
  const json::Value* find(std::string_view name) const override;
  std::vector<std::string> names() const override;

 private:
  const json::Object* object_;
};

struct Limits {
  uint64_t steps = 100'000;            // evaluation steps, loop rounds and list members included
  size_t output_bytes = 10'000'000;    // of the result and of any string on the way
  uint64_t total_bytes = 160'000'000;  // of everything made on the way
};

// A free name of an expression: `steps.classify.category` has path {steps, classify, category},
// as far as it is written out (a computed subscript or a call ends it).
struct FreeName {
  std::vector<std::string> path;
  int line = 1;
  int column = 1;
  bool optional = false;  // stands under `is defined`, `is undefined` or `default(…)`
};

// One workflow expression, without its {{ }}. Errors: E0130 syntax, E0131 wrong type, E0132
// undefined, E0133 limit.
class Expression {
 public:
  static Result<Expression> parse(std::string_view source);
  Result<json::Value> evaluate(const Scope& scope, const Limits& limits = {}) const;
  // For conditions: anything but a boolean is an error.
  Result<bool> evaluate_condition(const Scope& scope, const Limits& limits = {}) const;
  std::vector<FreeName> names() const;
  const std::string& source() const;

 private:
  explicit Expression(std::shared_ptr<const jinja::Program> program)
      : program_(std::move(program)) {}
  std::shared_ptr<const jinja::Program> program_;
};

// A string of a workflow document: text with {{ }} inside. A string that is exactly one {{ }} and
// nothing else keeps the type of its value; otherwise the result is text.
class Interpolation {
 public:
  struct Options {
    bool statements = false;  // {% %} and {# #} are allowed: prompts and other long text
  };
  static Result<Interpolation> parse(std::string_view source, Options options);
  static Result<Interpolation> parse(std::string_view source) { return parse(source, Options()); }
  Result<json::Value> evaluate(const Scope& scope, const Limits& limits = {}) const;
  Result<bool> evaluate_condition(const Scope& scope, const Limits& limits = {}) const;
  // The result as text, with the marks of its origin (for prompts).
  Result<MarkedText> evaluate_text(const Scope& scope, const Limits& limits = {}) const;
  std::vector<FreeName> names() const;
  bool is_single() const;    // exactly one {{ }}
  bool is_constant() const;  // nothing to evaluate: plain text
  const std::string& source() const;

 private:
  explicit Interpolation(std::shared_ptr<const jinja::Program> program)
      : program_(std::move(program)) {}
  std::shared_ptr<const jinja::Program> program_;
};

// Variables of a template. Values set from JSON count as data; set_markup() is for the names of
// special tokens (bos_token, eos_token, …), whose text counts as written by the template.
class Variables {
 public:
  Variables();
  // A JSON object as text: integers beyond 64 bits keep their digits, floats their type.
  static Result<Variables> parse(std::string_view json_text);
  void set(std::string_view name, json::Value value);
  void set_markup(std::string_view name, std::string text);
  // Everything of `other`; its values win.
  void merge(const Variables& other);
  // Those with one of these names; and the members of one that is an object, as variables.
  Variables only(const std::vector<std::string>& names) const;
  Variables members_of(std::string_view name) const;

 private:
  friend class Template;
  jinja::VariableTable& table();  // unshared from other copies
  std::shared_ptr<jinja::VariableTable> table_;
};

struct RenderOptions {
  // What strftime_now(format) says; absent: the function is an error. Local time of whoever asks.
  struct Time {
    int year = 1970, month = 1, day = 1, hour = 0, minute = 0, second = 0, microsecond = 0;
  };
  std::optional<Time> now;
  Limits limits{
      .steps = 50'000'000, .output_bytes = size_t{256} << 20, .total_bytes = uint64_t{4} << 30};
};

class Template {
 public:
  // `name` stands in messages.
  static Result<Template> parse(std::string source, std::string name = "template");
  Result<MarkedText> render(const Variables& variables, const RenderOptions& options = {}) const;
  Result<MarkedText> render(const json::Object& variables, const RenderOptions& options = {}) const;
  // The variables it mentions.
  std::vector<FreeName> names() const;
  const std::string& source() const;

 private:
  explicit Template(std::shared_ptr<const jinja::Program> program) : program_(std::move(program)) {}
  std::shared_ptr<const jinja::Program> program_;
};

}  // namespace weft::text
