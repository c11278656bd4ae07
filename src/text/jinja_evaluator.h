// SPDX-License-Identifier: Apache-2.0
//
// Walks the syntax tree: expressions to values, statements to marked text. One Evaluator is one
// evaluation, on one thread. Scopes are a chain of frames: loops, macros, `with` and block `set`
// open one, `if` does not; a macro sees the outermost frame, not its caller's.
//
// The first error gets the place of the innermost node that failed.
#pragma once

#include <deque>
#include <string_view>
#include <utility>
#include <vector>

#include "text/jinja_session.h"
#include "text/jinja_tree.h"

namespace weft::text::jinja {

// Expressions and blocks on top of each other: a macro that calls itself ends here, long before
// the stack does (about 1 KB a level, 8 KB under AddressSanitizer). A tree alone may be 400 deep.
inline constexpr int kEvaluationDepthMax = 600;

class Evaluator {
 public:
  // `globals` are the variables. All arguments must outlive the evaluator.
  Evaluator(const Program& program, const Dict& globals, const RenderOptions& options);

  Result<Value> expression();  // the program's one expression, never undefined when strict
  Result<MarkedText> render();
  Session& session() { return session_; }

 private:
  enum class Flow { kNext, kBreak, kContinue };
  struct Frame {
    Frame* parent = nullptr;
    std::vector<std::pair<std::string_view, Value>> names;
  };

  Result<Value> eval(const Node& node);
  Result<Value> used(const Node& node);  // eval, where undefined is an error when strict
  Result<Value> dispatch(const Node& node);
  Result<bool> condition(const Node& node);
  Result<Value> name(const Node& node);
  Result<Value> member(const Node& node);
  Result<Value> slice_node(const Node& node);
  Result<Value> call(const Node& node);
  Result<Value> call_method(const Node& node, const Node& callee);
  Result<Value> call_loop(Loop& loop, const Node& node, const Node& callee);
  Result<Value> call_macro(const Node& macro, const Arguments& arguments);
  Result<Value> make_namespace(const Arguments& arguments);
  Result<Arguments> arguments(const Node& node);
  Result<Value> filter(const Node& node);
  Result<Value> test(const Node& node);
  Result<Value> sequence(const Node& node);
  Result<Value> dict(const Node& node);
  Result<Value> compare(const Node& node);
  Result<bool> compare_pair(Op op, const Value& a, const Value& b);
  Result<Value> concat(const Node& node);

  Result<Flow> execute(const std::vector<NodePtr>& body);
  Result<Flow> statement(const Node& node);
  Status print(const Node& node);
  Result<Flow> loop(const Node& node);
  Result<std::vector<Value>> loop_items(const Node& node);
  Result<Flow> branch(const Node& node);
  Result<Flow> with(const Node& node);
  Result<MarkedText> capture(const std::vector<NodePtr>& body);
  Status assign(const Node& target, Value value);
  Status write(const MarkedText& text);
  Value* find_local(std::string_view name);

  const Program& program_;
  const Dict& globals_;
  Session session_;
  Frame root_;
  Frame* frame_ = &root_;
  MarkedText text_;
  MarkedText* out_ = &text_;
  std::deque<Namespace> spaces_;
  const Value* filter_input_ = nullptr;  // of the filter block being applied
  int depth_ = 0;
  int loop_depth_ = 0;
  bool placed_ = false;  // the error on its way has its place
};

}  // namespace weft::text::jinja
