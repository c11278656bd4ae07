// SPDX-License-Identifier: Apache-2.0
//
// The statements of the Evaluator: what writes text and changes variables.
#include <fmt/core.h>

#include "base/strings.h"
#include "text/jinja_evaluator.h"
#include "text/jinja_print.h"

namespace weft::text::jinja {

using Kind = Value::Kind;

Status Evaluator::write(const MarkedText& text) {
  if (out_->text.size() + text.text.size() > session_.budget.string_bytes) {
    return limit_error(
        fmt::format("the output has more than {} bytes", session_.budget.string_bytes));
  }
  append(*out_, text);
  return session_.budget.pay_bytes(text.text.size());
}

// NOLINTNEXTLINE(misc-no-recursion)
Result<Evaluator::Flow> Evaluator::execute(const std::vector<NodePtr>& body) {
  if (++depth_ > kEvaluationDepthMax) {
    return limit_error("evaluation is nested too deep", "does a macro call itself without end?");
  }
  for (const NodePtr& node : body) {
    TRY(session_.budget.pay_steps(1));
    const Flow flow = TRY(statement(*node));
    if (flow == Flow::kNext) continue;
    --depth_;
    return flow;
  }
  --depth_;
  return Flow::kNext;
}

// NOLINTNEXTLINE(misc-no-recursion)
Result<Evaluator::Flow> Evaluator::statement(const Node& node) {
  switch (node.kind) {
    case NodeKind::kText:
      TRY(write(node.value.string()));
      break;
    case NodeKind::kPrint:
      TRY(print(*node.args[0]));
      break;
    case NodeKind::kFor:
      return loop(node);
    case NodeKind::kIf:
      return branch(node);
    case NodeKind::kSet:
      TRY(assign(*node.args[0], TRY(used(*node.args[1]))));
      break;
    case NodeKind::kSetBlock:
    case NodeKind::kFilterBlock: {
      Value value = Value::string(TRY(capture(node.body)));
      const Node* filter = node.args.back().get();
      if (filter) {
        const Value* const outer = std::exchange(filter_input_, &value);
        Result<Value> filtered = eval(*filter);
        filter_input_ = outer;
        value = TRY(std::move(filtered));
      }
      if (node.kind == NodeKind::kSetBlock)
        TRY(assign(*node.args[0], std::move(value)));
      else
        TRY(write(TRY(text_of(session_.budget, value))));
      break;
    }
    case NodeKind::kMacro:
      frame_->names.emplace_back(node.text, Value::macro(&node));
      break;
    case NodeKind::kWith:
      return with(node);
    case NodeKind::kBlock:
      return execute(node.body);
    case NodeKind::kBreak:
      return Flow::kBreak;
    case NodeKind::kContinue:
      return Flow::kContinue;
    default:
      CHECK(false, "an expression where a statement belongs");
  }
  return Flow::kNext;
}

Status Evaluator::print(const Node& node) {  // NOLINT(misc-no-recursion)
  const Value value = TRY(used(node));
  if (value.is(Kind::kString)) return write(value.string());
  return write(TRY(text_of(session_.budget, value)));
}

// NOLINTNEXTLINE(misc-no-recursion)
Result<Evaluator::Flow> Evaluator::branch(const Node& node) {
  for (size_t i = 0; i < node.args.size(); ++i) {
    if (TRY(condition(*node.args[i]))) return execute(node.blocks[i]);
  }
  return execute(node.otherwise);
}

// The items of a loop; `for x in y if z` drops some before the loop counts them.
// NOLINTNEXTLINE(misc-no-recursion)
Result<std::vector<Value>> Evaluator::loop_items(const Node& node) {
  const Value subject = TRY(used(*node.args[1]));
  std::vector<Value> items = TRY(members_of(session_.budget, subject));
  if (!node.args[2]) return items;
  std::vector<Value> kept;
  Frame frame{frame_, {}};
  Frame* const outer = std::exchange(frame_, &frame);
  const auto select = [&]() -> Status {  // NOLINT(misc-no-recursion)
    for (Value& item : items) {
      frame.names.clear();
      TRY(assign(*node.args[0], item));
      if (TRY(condition(*node.args[2]))) kept.push_back(std::move(item));
    }
    return ok_status();
  };
  Status status = select();
  frame_ = outer;
  if (!status.ok()) return std::move(status).error();
  return kept;
}

// NOLINTNEXTLINE(misc-no-recursion)
Result<Evaluator::Flow> Evaluator::loop(const Node& node) {
  auto state = std::make_shared<Loop>();
  state->items = TRY(loop_items(node));
  if (state->items.empty()) return execute(node.otherwise);
  state->depth = ++loop_depth_;
  Frame* const outer = frame_;
  const auto run = [&]() -> Status {  // NOLINT(misc-no-recursion)
    for (; state->index < state->items.size(); ++state->index) {
      Frame frame{outer, {}};
      frame_ = &frame;
      frame.names.emplace_back("loop", Value::loop(state));
      TRY(session_.budget.pay_steps(1));
      TRY(assign(*node.args[0], state->items[state->index]));
      if (TRY(execute(node.body)) == Flow::kBreak) break;
    }
    return ok_status();
  };
  Status status = run();
  frame_ = outer;
  --loop_depth_;
  state->changed.clear();  // could hold the loop itself
  if (!status.ok()) return std::move(status).error();
  return Flow::kNext;
}

// NOLINTNEXTLINE(misc-no-recursion)
Result<Evaluator::Flow> Evaluator::with(const Node& node) {
  Frame frame{frame_, {}};
  std::vector<Value> values;  // all evaluated outside the new scope
  for (size_t i = 1; i < node.args.size(); i += 2) values.push_back(TRY(used(*node.args[i])));
  Frame* const outer = std::exchange(frame_, &frame);
  const auto run = [&]() -> Result<Flow> {  // NOLINT(misc-no-recursion)
    for (size_t i = 0; i < values.size(); ++i) TRY(assign(*node.args[2 * i], std::move(values[i])));
    return execute(node.body);
  };
  Result<Flow> flow = run();
  frame_ = outer;
  return flow;
}

// Runs a body in a scope of its own and returns what it writes.
// NOLINTNEXTLINE(misc-no-recursion)
Result<MarkedText> Evaluator::capture(const std::vector<NodePtr>& body) {
  MarkedText text;
  Frame frame{frame_, {}};
  Frame* const outer = std::exchange(frame_, &frame);
  MarkedText* const out = std::exchange(out_, &text);
  const Result<Flow> flow = execute(body);
  frame_ = outer;
  out_ = out;
  if (!flow.ok()) return flow.error();
  return text;
}

Status Evaluator::assign(const Node& target, Value value) {
  if (target.kind == NodeKind::kName) {
    for (auto& [name, known] : frame_->names) {
      if (name != target.text) continue;
      known = std::move(value);
      return ok_status();
    }
    frame_->names.emplace_back(target.text, std::move(value));
    return ok_status();
  }
  if (target.kind == NodeKind::kAttribute) {
    const Value space = TRY(eval(*target.args[0]));
    if (!space.is(Kind::kNamespace)) {
      return type_error(
          fmt::format("only a namespace has members that can be set, found {}", described(space)),
          "make one with {% set ns = namespace(x=1) %}");
    }
    for (auto& [name, known] : space.space().members) {
      if (name != target.text) continue;
      known = std::move(value);
      return ok_status();
    }
    space.space().members.emplace_back(target.text, std::move(value));
    return ok_status();
  }
  CHECK(target.kind == NodeKind::kTuple);
  const std::vector<Value> items = TRY(members_of(session_.budget, value));
  if (items.size() != target.args.size()) {
    return type_error(
        fmt::format("{} names stand for {} values", target.args.size(), items.size()));
  }
  for (size_t i = 0; i < items.size(); ++i) TRY(assign(*target.args[i], items[i]));
  return ok_status();
}

}  // namespace weft::text::jinja
