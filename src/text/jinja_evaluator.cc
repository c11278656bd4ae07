// SPDX-License-Identifier: Apache-2.0
#include "text/jinja_evaluator.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/strings.h"
#include "text/jinja_access.h"
#include "text/jinja_compare.h"
#include "text/jinja_parser.h"
#include "text/jinja_print.h"

namespace weft::text::jinja {

using Kind = Value::Kind;

Evaluator::Evaluator(const Program& program, const Dict& globals, const RenderOptions& options)
    : program_(program), globals_(globals) {
  session_.budget = {options.limits.steps, options.limits.total_bytes, options.limits.output_bytes};
  session_.strict = program.strict;
  session_.now = options.now;
}

Result<Value> Evaluator::expression() {
  CHECK(program_.expression != nullptr);
  return used(*program_.expression);
}

Result<MarkedText> Evaluator::render() {
  if (program_.expression) {
    const Value value = TRY(expression());
    return text_of(session_.budget, value);
  }
  TRY(execute(program_.body));
  return std::move(text_);
}

Result<Value> Evaluator::eval(const Node& node) {  // NOLINT(misc-no-recursion)
  Result<Value> result = Value();
  if (++depth_ > kEvaluationDepthMax) {
    result = limit_error("evaluation is nested too deep", "does a macro call itself without end?");
  } else if (Status paid = session_.budget.pay_steps(1); !paid.ok()) {
    result = std::move(paid).error();
  } else {
    result = dispatch(node);
  }
  --depth_;
  if (!result.ok() && !placed_) {
    placed_ = true;
    const Place place = place_of(program_.source, node.offset);
    return in_context(std::move(result).error(),
                      fmt::format("line {} column {}", place.line, place.column));
  }
  return result;
}

Result<Value> Evaluator::used(const Node& node) {  // NOLINT(misc-no-recursion)
  Value value = TRY(eval(node));
  if (!session_.strict || !value.is(Kind::kUndefined)) return value;
  Error error = make_error("E0132", value.undefined().message, value.undefined().hint);
  if (placed_) return error;
  placed_ = true;
  const Place place = place_of(program_.source, node.offset);
  return in_context(std::move(error), fmt::format("line {} column {}", place.line, place.column));
}

Result<bool> Evaluator::condition(const Node& node) {  // NOLINT(misc-no-recursion)
  return truth(TRY(used(node)));
}

Result<Value> Evaluator::dispatch(const Node& node) {  // NOLINT(misc-no-recursion)
  switch (node.kind) {
    case NodeKind::kConstant:
      return node.value;
    case NodeKind::kName:
      return name(node);
    case NodeKind::kAttribute:
    case NodeKind::kSubscript:
      return member(node);
    case NodeKind::kSlice:
      return slice_node(node);
    case NodeKind::kCall:
      return call(node);
    case NodeKind::kFilter:
      return filter(node);
    case NodeKind::kTest:
      return test(node);
    case NodeKind::kList:
    case NodeKind::kTuple:
      return sequence(node);
    case NodeKind::kDict:
      return dict(node);
    case NodeKind::kNegative:
      return negated(TRY(used(*node.args[0])));
    case NodeKind::kPositive:
      return arithmetic(session_, Op::kAdd, Value::integer(0), TRY(used(*node.args[0])));
    case NodeKind::kNot:
      return Value::boolean(!TRY(condition(*node.args[0])));
    case NodeKind::kAnd: {
      Value left = TRY(used(*node.args[0]));
      return truth(left) ? used(*node.args[1]) : Result<Value>(std::move(left));
    }
    case NodeKind::kOr: {
      Value left = TRY(used(*node.args[0]));
      return truth(left) ? Result<Value>(std::move(left)) : used(*node.args[1]);
    }
    case NodeKind::kBinary: {
      const Value left = TRY(used(*node.args[0]));
      return arithmetic(session_, node.op, left, TRY(used(*node.args[1])));
    }
    case NodeKind::kCompare:
      return compare(node);
    case NodeKind::kConcat:
      return concat(node);
    case NodeKind::kConditional:
      if (TRY(condition(*node.args[0]))) return eval(*node.args[1]);
      if (node.args[2]) return eval(*node.args[2]);
      return Value::undefined("the condition is false and there is no else",
                              "write {{ a if b else c }}");
    default:
      break;
  }
  CHECK(false, "a statement where an expression belongs");
}

Value* Evaluator::find_local(std::string_view name) {
  for (Frame* frame = frame_; frame != nullptr; frame = frame->parent) {
    for (auto& [known, value] : frame->names) {
      if (known == name) return &value;
    }
  }
  return nullptr;
}

Result<Value> Evaluator::name(const Node& node) {
  if (const Value* local = find_local(node.text)) return *local;
  Value out;
  if (globals_.find(node.text, out)) return out;
  if (known_function(node.text)) return Value::function(node.text);
  std::vector<std::string> names = globals_.names();
  for (const Frame* frame = frame_; frame != nullptr; frame = frame->parent) {
    for (const auto& [known, value] : frame->names) names.emplace_back(known);
  }
  return Value::undefined(fmt::format("{} is undefined", quoted(node.text)),
                          names.empty() ? "there are no variables" : name_hint(node.text, names));
}

Result<Value> Evaluator::member(const Node& node) {  // NOLINT(misc-no-recursion)
  const Value subject = TRY(used(*node.args[0]));
  if (node.kind == NodeKind::kAttribute) return attribute_of(subject, node.text, path_of(node));
  const Value key = TRY(used(*node.args[1]));
  return subscript_of(subject, key, path_of(node));
}

Result<Value> Evaluator::slice_node(const Node& node) {  // NOLINT(misc-no-recursion)
  const Value subject = TRY(used(*node.args[0]));
  std::optional<int64_t> bounds[3];
  for (size_t i = 0; i < 3; ++i) {
    if (!node.args[i + 1]) continue;
    const Value bound = TRY(used(*node.args[i + 1]));
    if (bound.is(Kind::kNone)) continue;
    if (!bound.is(Kind::kInt)) {
      return type_error(
          fmt::format("the bound of a slice is {}, not an integer", described(bound)));
    }
    bounds[i] = bound.integer();
  }
  return slice_of(session_, subject, {bounds[0], bounds[1], bounds[2]});
}

Result<Arguments> Evaluator::arguments(const Node& node) {  // NOLINT(misc-no-recursion)
  Arguments out;
  for (size_t i = 1; i < node.args.size(); ++i) {
    out.positional.push_back(TRY(used(*node.args[i])));
  }
  for (const auto& [name, value] : node.named) out.named.emplace_back(name, TRY(used(*value)));
  return out;
}

Result<Value> Evaluator::call(const Node& node) {  // NOLINT(misc-no-recursion)
  const Node& callee = *node.args[0];
  if (callee.kind == NodeKind::kAttribute) return call_method(node, callee);
  const Value function = TRY(eval(callee));
  const Arguments given = TRY(arguments(node));
  if (function.is(Kind::kMacro)) return call_macro(*function.macro(), given);
  if (function.is(Kind::kFunction)) {
    if (function.function() == "namespace") return make_namespace(given);
    return apply_function(session_, function.function(), given);
  }
  if (function.is(Kind::kUndefined)) {
    std::vector<std::string> names = function_names();
    return make_error(
        "E0132", function.undefined().message,
        callee.kind == NodeKind::kName ? name_hint(callee.text, names) : function.undefined().hint);
  }
  return type_error(fmt::format("{} cannot be called", described(function)));
}

// NOLINTNEXTLINE(misc-no-recursion)
Result<Value> Evaluator::call_method(const Node& node, const Node& callee) {
  const Value self = TRY(used(*callee.args[0]));
  if (self.is(Kind::kUndefined)) {
    return make_error("E0132", self.undefined().message, self.undefined().hint);
  }
  if (self.is(Kind::kLoop)) return call_loop(self.loop(), node, callee);
  if (has_method(self, callee.text)) {
    const Arguments given = TRY(arguments(node));
    return apply_method(session_, callee.text, self, given);
  }
  const Value found = TRY(attribute_of(self, callee.text, path_of(callee)));
  if (found.is(Kind::kMacro)) return call_macro(*found.macro(), TRY(arguments(node)));
  std::vector<std::string> names = method_names(self);
  return type_error(fmt::format("{} has no method {}", described(self), quoted(callee.text)),
                    names.empty() ? std::string() : name_hint(callee.text, names));
}

// loop.cycle(…) and loop.changed(…).
// NOLINTNEXTLINE(misc-no-recursion)
Result<Value> Evaluator::call_loop(Loop& loop, const Node& node, const Node& callee) {
  const Arguments given = TRY(arguments(node));
  if (callee.text == "cycle" && !given.positional.empty()) {
    return given.positional[loop.index % given.positional.size()];
  }
  if (callee.text == "changed") {
    auto& last = loop.changed;
    bool same = last.size() == given.positional.size();
    for (size_t i = 0; same && i < last.size(); ++i) {
      same = TRY(equal(session_.budget, last[i], given.positional[i]));
    }
    last = given.positional;
    return Value::boolean(!same);
  }
  return type_error(fmt::format("'loop.{}' cannot be called", callee.text),
                    "loop.cycle(a, b) and loop.changed(x) can");
}

Result<Value> Evaluator::make_namespace(const Arguments& given) {
  TRY(session_.budget.pay_bytes(sizeof(Namespace)));
  Namespace space;
  for (const Value& value : given.positional) {
    if (!value.is(Kind::kDict)) return type_error("namespace() takes name=value or a map");
    for (Dict::Item& item : value.dict().items()) {
      if (!item.first.is(Kind::kString)) return type_error("a name is not a string");
      space.members.emplace_back(item.first.string().text, std::move(item.second));
    }
  }
  for (const auto& member : given.named) space.members.push_back(member);
  spaces_.push_back(std::move(space));
  return Value::space(&spaces_.back());
}

// NOLINTNEXTLINE(misc-no-recursion)
Result<Value> Evaluator::call_macro(const Node& macro, const Arguments& given) {
  const std::string what = fmt::format("macro '{}'", macro.text);
  if (given.positional.size() > macro.named.size()) {
    return type_error(fmt::format("{} takes {} arguments, found {}", what, macro.named.size(),
                                  given.positional.size()));
  }
  Frame frame{&root_, {}};
  Frame* const caller = std::exchange(frame_, &frame);
  const auto bind_all = [&]() -> Status {
    for (const auto& [name, value] : given.named) {
      const bool known =
          std::any_of(macro.named.begin(), macro.named.end(),
                      [&](const auto& parameter) { return parameter.first == name; });
      if (!known) return type_error(fmt::format("{} has no parameter {}", what, quoted(name)));
    }
    for (size_t i = 0; i < macro.named.size(); ++i) {
      const auto& [name, otherwise] = macro.named[i];
      Value value = Value::undefined(fmt::format("parameter {} was not provided", quoted(name)));
      const auto named = std::find_if(given.named.begin(), given.named.end(),
                                      [&](const auto& argument) { return argument.first == name; });
      if (i < given.positional.size()) {
        if (named != given.named.end()) {
          return type_error(fmt::format("{} got {} twice", what, quoted(name)));
        }
        value = given.positional[i];
      } else if (named != given.named.end()) {
        value = named->second;
      } else if (otherwise) {
        value = TRY(eval(*otherwise));
      }
      frame.names.emplace_back(name, std::move(value));
    }
    return ok_status();
  };
  Status bound = bind_all();
  Result<MarkedText> text = bound.ok() ? capture(macro.body) : std::move(bound).error();
  frame_ = caller;
  return Value::string(TRY(std::move(text)));
}

Result<Value> Evaluator::filter(const Node& node) {  // NOLINT(misc-no-recursion)
  Value self;
  if (!node.args[0]) {
    CHECK(filter_input_ != nullptr, "a filter without subject outside a filter block");
    self = *filter_input_;
  } else if (node.text == "default" || node.text == "d") {
    self = TRY(eval(*node.args[0]));
  } else {
    self = TRY(used(*node.args[0]));
  }
  const Arguments given = TRY(arguments(node));
  return apply_filter(session_, node.text, self, given);
}

Result<Value> Evaluator::test(const Node& node) {  // NOLINT(misc-no-recursion)
  const bool asks_definition = node.text == "defined" || node.text == "undefined";
  const Value self = asks_definition ? TRY(eval(*node.args[0])) : TRY(used(*node.args[0]));
  const Arguments given = TRY(arguments(node));
  return Value::boolean(TRY(apply_test(session_, node.text, self, given)));
}

Result<Value> Evaluator::sequence(const Node& node) {  // NOLINT(misc-no-recursion)
  std::vector<Value> items;
  for (const NodePtr& item : node.args) items.push_back(TRY(used(*item)));
  return List::make(std::move(items), node.kind == NodeKind::kTuple);
}

Result<Value> Evaluator::dict(const Node& node) {  // NOLINT(misc-no-recursion)
  std::vector<Dict::Item> items;
  for (size_t i = 0; i + 1 < node.args.size(); i += 2) {
    Value key = TRY(used(*node.args[i]));
    items.emplace_back(std::move(key), TRY(used(*node.args[i + 1])));
  }
  return Dict::make(std::move(items));
}

Result<bool> Evaluator::compare_pair(Op op, const Value& a, const Value& b) {
  const CompareOptions options{.strict = session_.strict};
  if (op == Op::kEqual) return equal(session_.budget, a, b, options);
  if (op == Op::kNotEqual) return !TRY(equal(session_.budget, a, b, options));
  if (op == Op::kIn) return contains(session_.budget, b, a);
  if (op == Op::kNotIn) return !TRY(contains(session_.budget, b, a));
  if (session_.strict && (a.is(Kind::kBool) || b.is(Kind::kBool))) {
    return type_error(fmt::format("{} and {} have no order", described(a), described(b)));
  }
  bool unordered = false;
  const int sign = TRY(order(session_.budget, a, b, &unordered));
  if (unordered) return false;
  switch (op) {
    case Op::kLess:
      return sign < 0;
    case Op::kLessEqual:
      return sign <= 0;
    case Op::kGreater:
      return sign > 0;
    default:
      return sign >= 0;
  }
}

// a < b < c means a < b and b < c, each evaluated once.
Result<Value> Evaluator::compare(const Node& node) {  // NOLINT(misc-no-recursion)
  Value left = TRY(used(*node.args[0]));
  for (size_t i = 0; i < node.ops.size(); ++i) {
    Value right = TRY(used(*node.args[i + 1]));
    if (!TRY(compare_pair(node.ops[i], left, right))) return Value::boolean(false);
    left = std::move(right);
  }
  return Value::boolean(true);
}

Result<Value> Evaluator::concat(const Node& node) {  // NOLINT(misc-no-recursion)
  MarkedText out;
  for (const NodePtr& part : node.args) {
    const Value value = TRY(used(*part));
    append(out, TRY(text_of(session_.budget, value)));
    TRY(session_.budget.pay_string(out.text.size()));
  }
  return Value::string(std::move(out));
}

}  // namespace weft::text::jinja
