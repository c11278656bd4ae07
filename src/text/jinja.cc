// SPDX-License-Identifier: Apache-2.0
#include "text/jinja.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/strings.h"
#include "text/jinja_evaluator.h"
#include "text/jinja_parser.h"
#include "text/jinja_print.h"
#include "text/jinja_variables.h"

namespace weft::text {

const json::Value* ObjectScope::find(std::string_view name) const {
  return object_->if_contains(name);
}

std::vector<std::string> ObjectScope::names() const {
  std::vector<std::string> out;
  for (const auto& member : *object_) out.emplace_back(member.key());
  return out;
}

namespace {

// The evaluation of a workflow program over a scope; `f` gets the evaluator.
template <class Function>
auto evaluate_program(const jinja::Program& program, const Scope& scope, const Limits& limits,
                      Function f) -> decltype(f(std::declval<jinja::Evaluator&>())) {
  const jinja::Dict globals(scope);
  RenderOptions options;
  options.limits = limits;
  jinja::Evaluator evaluator(program, globals, options);
  auto result = f(evaluator);
  if (result.ok()) return result;
  return in_context(std::move(result).error(), program.name);
}

Result<bool> condition_of(const jinja::Program& program, const Scope& scope, const Limits& limits) {
  return evaluate_program(program, scope, limits, [&](jinja::Evaluator& evaluator) -> Result<bool> {
    const jinja::Value value = TRY(evaluator.expression());
    if (value.is(jinja::Value::Kind::kBool)) return value.boolean();
    return jinja::type_error(
        fmt::format("a condition should be true or false, {} is {}", quoted(program.source),
                    jinja::described(value)),
        "compare it with something, e.g. {{ x == 'yes' }}, {{ x is not none }}");
  });
}

Result<json::Value> json_of(jinja::Evaluator& evaluator) {
  const jinja::Value value = TRY(evaluator.expression());
  if (value.is(jinja::Value::Kind::kString)) {
    TRY(evaluator.session().budget.pay_string(value.string().text.size()));
  }
  // The whole result, nested strings included, stays within the limit of one string.
  jinja::Budget& budget = evaluator.session().budget;
  budget.bytes = std::min<uint64_t>(budget.bytes, budget.string_bytes * 4);
  return jinja::to_json(budget, value);
}

}  // namespace

Result<Expression> Expression::parse(std::string_view source) {
  jinja::ParseOptions options;
  options.strict = true;
  options.expression_only = true;
  options.nesting_max = 64;
  return Expression(TRY(jinja::parse_program(std::string(source), "expression", options)));
}

Result<json::Value> Expression::evaluate(const Scope& scope, const Limits& limits) const {
  return evaluate_program(*program_, scope, limits, json_of);
}

Result<bool> Expression::evaluate_condition(const Scope& scope, const Limits& limits) const {
  return condition_of(*program_, scope, limits);
}

std::vector<FreeName> Expression::names() const {
  return jinja::free_names(*program_);
}
const std::string& Expression::source() const {
  return program_->source;
}

Result<Interpolation> Interpolation::parse(std::string_view source, Options options) {
  jinja::ParseOptions parse;
  parse.strict = true;
  parse.statements = options.statements;
  parse.nesting_max = 64;
  return Interpolation(TRY(jinja::parse_program(std::string(source), "expression", parse)));
}

Result<json::Value> Interpolation::evaluate(const Scope& scope, const Limits& limits) const {
  if (is_single()) return evaluate_program(*program_, scope, limits, json_of);
  return json::Value(TRY(evaluate_text(scope, limits)).text);
}

Result<bool> Interpolation::evaluate_condition(const Scope& scope, const Limits& limits) const {
  if (is_single()) return condition_of(*program_, scope, limits);
  return make_error("E0131",
                    fmt::format("{}: a condition should be exactly one {{{{ }}}}, found {}",
                                program_->name, quoted(program_->source)),
                    "write it as \"{{ … }}\" with nothing around it");
}

Result<MarkedText> Interpolation::evaluate_text(const Scope& scope, const Limits& limits) const {
  return evaluate_program(*program_, scope, limits,
                          [](jinja::Evaluator& evaluator) { return evaluator.render(); });
}

std::vector<FreeName> Interpolation::names() const {
  return jinja::free_names(*program_);
}
bool Interpolation::is_single() const {
  return program_->single;
}
bool Interpolation::is_constant() const {
  return program_->constant;
}
const std::string& Interpolation::source() const {
  return program_->source;
}

Variables::Variables() : table_(std::make_shared<jinja::VariableTable>()) {}

jinja::VariableTable& Variables::table() {
  if (table_.use_count() > 1) table_ = std::make_shared<jinja::VariableTable>(*table_);
  return *table_;
}

Result<Variables> Variables::parse(std::string_view json_text) {
  const jinja::Value value = TRY(jinja::value_of_json_text(json_text));
  if (!value.is(jinja::Value::Kind::kDict)) {
    return jinja::type_error(
        fmt::format("variables should be a JSON object, found {}", jinja::described(value)));
  }
  Variables variables;
  for (auto& [key, content] : value.dict().items()) {
    variables.table().set(key.string().text, std::move(content));
  }
  return variables;
}

void Variables::set(std::string_view name, json::Value value) {
  auto kept = std::make_shared<const json::Value>(std::move(value));
  table().set(name, jinja::Value::from_json(*kept));
  table().owned.push_back(std::move(kept));
}

void Variables::set_markup(std::string_view name, std::string text) {
  table().set(name, jinja::Value::string(jinja::literal(text)));
}

void Variables::merge(const Variables& other) {
  const std::shared_ptr<jinja::VariableTable> source = other.table_;
  for (const auto& [name, value] : source->entries) table().set(name, value);
  for (const auto& owned : source->owned) table().owned.push_back(owned);
}

Variables Variables::only(const std::vector<std::string>& names) const {
  Variables out;
  for (const auto& [name, value] : table_->entries) {
    if (std::find(names.begin(), names.end(), name) != names.end()) out.table().set(name, value);
  }
  out.table().owned = table_->owned;
  return out;
}

Variables Variables::members_of(std::string_view name) const {
  Variables out;
  for (const auto& [known, value] : table_->entries) {
    if (known != name || !value.is(jinja::Value::Kind::kDict)) continue;
    for (auto& [key, content] : value.dict().items()) {
      if (key.is(jinja::Value::Kind::kString))
        out.table().set(key.string().text, std::move(content));
    }
  }
  out.table().owned = table_->owned;
  return out;
}

Result<Template> Template::parse(std::string source, std::string name) {
  return Template(
      TRY(jinja::parse_program(std::move(source), std::move(name), jinja::ParseOptions())));
}

Result<MarkedText> Template::render(const Variables& variables,
                                    const RenderOptions& options) const {
  std::vector<jinja::Dict::Item> items;
  for (const auto& [name, value] : variables.table_->entries) {
    items.emplace_back(jinja::Value::string(jinja::literal(name)), value);
  }
  const jinja::Value globals = TRY(jinja::Dict::make(std::move(items)));
  jinja::Evaluator evaluator(*program_, globals.dict(), options);
  Result<MarkedText> text = evaluator.render();
  if (text.ok()) return text;
  return in_context(std::move(text).error(), program_->name);
}

Result<MarkedText> Template::render(const json::Object& variables,
                                    const RenderOptions& options) const {
  const jinja::Dict globals(variables);
  jinja::Evaluator evaluator(*program_, globals, options);
  Result<MarkedText> text = evaluator.render();
  if (text.ok()) return text;
  return in_context(std::move(text).error(), program_->name);
}

std::vector<FreeName> Template::names() const {
  return jinja::free_names(*program_);
}
const std::string& Template::source() const {
  return program_->source;
}

}  // namespace weft::text
