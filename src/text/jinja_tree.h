// SPDX-License-Identifier: Apache-2.0
//
// The syntax tree of templates and expressions. One node type for all constructs: a tree is built
// once, walked by the evaluator and by the collector of free names, and needs no class hierarchy.
// The table beside each kind says which fields it uses. Depth is bounded by the parser, so that
// recursion over a tree is bounded too.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "text/jinja_value.h"

namespace weft::text::jinja {

struct Node;
using NodePtr = std::unique_ptr<Node>;

enum class NodeKind : uint8_t {
  // expressions
  kConstant,     // value
  kName,         // text
  kAttribute,    // args[0], text
  kSubscript,    // args[0], args[1]
  kSlice,        // args[0], then start, stop, step (each may be null)
  kCall,         // args[0] the callee, args[1..], named
  kFilter,       // text, args[0] the subject (null in a filter block), args[1..], named
  kTest,         // text, args[0] the subject, args[1..]
  kList,         // args
  kTuple,        // args
  kDict,         // args: key, value, key, value, …
  kNegative,     // args[0]
  kPositive,     // args[0]
  kNot,          // args[0]
  kAnd,          // args[0], args[1]
  kOr,           // args[0], args[1]
  kBinary,       // op, args[0], args[1]
  kCompare,      // args[0], then args[i] compared by ops[i - 1] with its left neighbour
  kConcat,       // args
  kConditional,  // args: condition, value, otherwise (may be null)
  // statements
  kText,         // value
  kPrint,        // args[0]
  kFor,          // args: target, items, condition (may be null); body, otherwise
  kIf,           // args: conditions; branches in `blocks`, otherwise
  kSet,          // args: target, value
  kSetBlock,     // args: target, filter (may be null); body
  kMacro,        // text; named: parameters with defaults (may be null); body
  kWith,         // args: target, value, target, value, …; body
  kFilterBlock,  // args[0]: chain of filters; body
  kBlock,        // body, without a scope of its own ({% generation %})
  kBreak,
  kContinue,
};

enum class Op : uint8_t {
  kAdd,
  kSubtract,
  kMultiply,
  kDivide,
  kFloorDivide,
  kModulo,
  kPower,
  kEqual,
  kNotEqual,
  kLess,
  kLessEqual,
  kGreater,
  kGreaterEqual,
  kIn,
  kNotIn,
};

struct Node {
  NodeKind kind = NodeKind::kConstant;
  Op op = Op::kAdd;
  uint16_t depth = 1;
  uint32_t offset = 0;  // in the source
  std::string text;
  Value value;
  std::vector<NodePtr> args;
  std::vector<std::pair<std::string, NodePtr>> named;
  std::vector<Op> ops;
  std::vector<NodePtr> body;
  std::vector<std::vector<NodePtr>> blocks;
  std::vector<NodePtr> otherwise;
};

// A parsed source.
class Program {
 public:
  std::string name;    // in messages; "expression" for expressions
  std::string source;  // with newlines as \n
  bool strict = false;
  bool single = false;    // exactly one {{ }}
  bool constant = false;  // plain text
  NodePtr expression;     // of an Expression or a single Interpolation, else null
  std::vector<NodePtr> body;
};

}  // namespace weft::text::jinja
