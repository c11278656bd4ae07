// SPDX-License-Identifier: Apache-2.0
//
// The free names of a program: what it reads and does not itself set. Scopes follow the
// evaluator's, but a name set anywhere in a scope counts as set for the rest of it: a check before
// the run must not refuse what may well work.
#include <algorithm>
#include <set>

#include "base/strings.h"
#include "text/jinja_parser.h"
#include "text/jinja_session.h"

namespace weft::text::jinja {
namespace {

// Places in a source, found in steps that do not grow with it: one is kept for every 256 bytes.
class Places {
 public:
  explicit Places(std::string_view source) : source_(source) {}

  Place of(size_t offset) {
    const size_t end = std::min(offset, source_.size());
    while (kept_.size() <= end / kStride) kept_.push_back(behind(kept_.back(), kept_.size() - 1));
    return behind(kept_[end / kStride], end / kStride, end);
  }

 private:
  static constexpr size_t kStride = 256;

  // The place `to`, or a stride, behind the one that is kept as number `index`.
  Place behind(Place place, size_t index, size_t to = SIZE_MAX) const {
    const size_t begin = index * kStride;
    const size_t end = std::min(to, begin + kStride);
    const Place step = place_of(source_.substr(begin, end - begin), end - begin);
    place.column = step.line == 1 ? place.column + step.column - 1 : step.column;
    place.line += step.line - 1;
    return place;
  }

  std::string_view source_;
  std::vector<Place> kept_ = {{}};
};

class Collector {
 public:
  explicit Collector(std::string_view source) : places_(source) {}

  void body(const std::vector<NodePtr>& nodes) {  // NOLINT(misc-no-recursion)
    for (const NodePtr& node : nodes) visit(node.get(), false);
  }

  void visit(const Node* node, bool optional) {  // NOLINT(misc-no-recursion)
    if (node == nullptr) return;
    switch (node->kind) {
      case NodeKind::kName:
      case NodeKind::kAttribute:
      case NodeKind::kSubscript:
        return path(*node, optional);
      case NodeKind::kCall:
        return call(*node);
      case NodeKind::kFilter:
        visit(node->args[0].get(), optional || node->text == "default" || node->text == "d");
        return rest(*node, 1);
      case NodeKind::kTest:
        visit(node->args[0].get(),
              optional || node->text == "defined" || node->text == "undefined");
        return rest(*node, 1);
      case NodeKind::kFor:
        return loop(*node);
      case NodeKind::kSet:
        visit(node->args[1].get(), false);
        return bind(*node->args[0]);
      case NodeKind::kSetBlock:
        scoped([&] { body(node->body); });
        visit(node->args[1].get(), false);
        return bind(*node->args[0]);
      case NodeKind::kMacro:
        return macro(*node);
      case NodeKind::kWith:
        return with(*node);
      default:
        break;
    }
    rest(*node, 0);
    for (const auto& block : node->blocks) body(block);
    body(node->body);
    body(node->otherwise);
  }

  std::vector<FreeName> take() { return std::move(found_); }

 private:
  template <class Function>
  void scoped(Function function) {
    const std::set<std::string, std::less<>> outer = bound_;
    function();
    bound_ = outer;
  }

  void rest(const Node& node, size_t from) {  // NOLINT(misc-no-recursion)
    for (size_t i = from; i < node.args.size(); ++i) visit(node.args[i].get(), false);
    for (const auto& [name, value] : node.named) visit(value.get(), false);
  }

  void bind(const Node& target) {
    if (target.kind == NodeKind::kName) bound_.insert(target.text);
    if (target.kind == NodeKind::kAttribute) visit(target.args[0].get(), false);
    if (target.kind != NodeKind::kTuple) return;
    for (const NodePtr& name : target.args) bound_.insert(name->text);
  }

  // Collects a.b['c'] from the outside in; other subjects are visited by themselves.
  void path(const Node& node, bool optional) {  // NOLINT(misc-no-recursion)
    std::vector<std::string> parts;
    const Node* at = &node;
    for (; at->kind != NodeKind::kName; at = at->args[0].get()) {
      if (at->kind == NodeKind::kAttribute) {
        parts.push_back(at->text);
      } else if (at->kind == NodeKind::kSubscript && at->args[1]->kind == NodeKind::kConstant &&
                 at->args[1]->value.is(Value::Kind::kString)) {
        parts.push_back(at->args[1]->value.string().text);
      } else if (at->kind == NodeKind::kSubscript) {
        parts.clear();  // what stands behind a computed subscript is not known
        visit(at->args[1].get(), false);
      } else {
        return visit(at, false);
      }
    }
    parts.push_back(at->text);
    std::reverse(parts.begin(), parts.end());
    if (bound_.contains(at->text)) return;
    const Place place = places_.of(at->offset);
    found_.push_back({std::move(parts), place.line, place.column, optional});
  }

  void call(const Node& node) {  // NOLINT(misc-no-recursion)
    const Node& callee = *node.args[0];
    if (callee.kind == NodeKind::kAttribute) {
      visit(callee.args[0].get(), false);
    } else if (callee.kind != NodeKind::kName || !known_function(callee.text)) {
      visit(&callee, false);
    }
    rest(node, 1);
  }

  void loop(const Node& node) {  // NOLINT(misc-no-recursion)
    visit(node.args[1].get(), false);
    scoped([&] {
      bind(*node.args[0]);
      visit(node.args[2].get(), false);
      bound_.insert("loop");
      body(node.body);
    });
    body(node.otherwise);
  }

  void macro(const Node& node) {  // NOLINT(misc-no-recursion)
    bound_.insert(node.text);
    scoped([&] {
      for (const auto& [name, value] : node.named) {
        visit(value.get(), false);
        bound_.insert(name);
      }
      body(node.body);
    });
  }

  void with(const Node& node) {  // NOLINT(misc-no-recursion)
    for (size_t i = 1; i < node.args.size(); i += 2) visit(node.args[i].get(), false);
    scoped([&] {
      for (size_t i = 0; i < node.args.size(); i += 2) bind(*node.args[i]);
      body(node.body);
    });
  }

  Places places_;
  std::set<std::string, std::less<>> bound_;
  std::vector<FreeName> found_;
};

}  // namespace

std::vector<FreeName> free_names(const Program& program) {
  Collector collector(program.source);
  collector.visit(program.expression.get(), false);
  collector.body(program.body);
  return collector.take();
}

}  // namespace weft::text::jinja
