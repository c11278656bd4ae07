// SPDX-License-Identifier: Apache-2.0
//
// The expression half of the parser: recursive descent with jinja2's precedences, loosest first:
// a if b else c, or, and, not, comparisons and `in`, + -, ~, * / // %, **, signs, then postfix
// (.name, [i], calls), filters and tests. Statements (jinja_parser.cc) build on it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "text/jinja_lexer.h"
#include "text/jinja_tree.h"

namespace weft::text::jinja {

class ExpressionParser {
 public:
  ExpressionParser(std::string_view source, std::vector<Token> tokens, int nesting_max)
      : source_(source), tokens_(std::move(tokens)), nesting_max_(nesting_max) {}

 protected:
  // One more level of nesting for as long as it lives.
  class Nesting {
   public:
    explicit Nesting(int& depth) : depth_(&depth) { ++depth; }
    Nesting(Nesting&& other) noexcept : depth_(std::exchange(other.depth_, nullptr)) {}
    Nesting& operator=(Nesting&&) = delete;
    ~Nesting() {
      if (depth_) --*depth_;
    }

   private:
    int* depth_;
  };
  Result<Nesting> enter();

  struct TupleOptions {
    bool conditional = true;   // a if b else c is allowed without brackets
    bool in_brackets = false;  // () is a tuple of nothing
  };
  Result<NodePtr> expression();                 // one expression, conditional included
  Result<NodePtr> tuple(TupleOptions options);  // one, or several with commas
  Result<NodePtr> target(bool member_allowed);  // what for, set and with assign to
  Result<NodePtr> filters(NodePtr subject);     // | name(…) | …; subject may be null
  Result<NodePtr> filter_chain();               // name(…) | … of a filter block

  bool at(TokenKind kind) const { return peek(0).kind == kind; }
  bool at_symbol(std::string_view text) const {
    return at(TokenKind::kSymbol) && peek(0).text == text;
  }
  bool at_name(std::string_view text) const { return at(TokenKind::kName) && peek(0).text == text; }
  const Token& peek(size_t ahead) const {
    return tokens_[std::min(position_ + ahead, tokens_.size() - 1)];
  }
  const Token& next() {
    const Token& token = peek(0);
    if (position_ + 1 < tokens_.size()) ++position_;
    return token;
  }
  size_t offset() const { return peek(0).offset; }
  Status symbol(std::string_view text);

  NodePtr make(NodeKind kind) const;
  // Adds a child (or null) and its depth.
  Status add(Node& node, NodePtr child);
  Status grow(Node& node, const Node& child) const;
  Status grow(Node& node, const std::vector<NodePtr>& children) const;

  Error fail(size_t where, std::string message, std::string hint = {}) const {
    return syntax_error(source_, where, std::move(message), std::move(hint));
  }
  Error unexpected(std::string_view expected) const;

 private:
  using Rule = Result<NodePtr> (ExpressionParser::*)();
  Result<NodePtr> disjunction();
  Result<NodePtr> conjunction();
  Result<NodePtr> negation();
  Result<NodePtr> comparison();
  Result<NodePtr> sum();
  Result<NodePtr> concatenation();
  Result<NodePtr> product();
  Result<NodePtr> power();
  Result<NodePtr> unary() { return signed_operand(true); }
  Result<NodePtr> signed_operand(bool with_filters);
  Result<NodePtr> primary();
  Result<NodePtr> name_or_constant();
  Result<NodePtr> number();
  Result<NodePtr> list();
  Result<NodePtr> dict();
  Result<NodePtr> postfix(NodePtr node);
  Result<NodePtr> attribute(NodePtr subject);
  Result<NodePtr> subscript(NodePtr subject);
  Result<NodePtr> call(NodePtr callee);
  Status arguments(Node& node);
  Result<NodePtr> filters_and_tests(NodePtr node);
  Result<NodePtr> filter(NodePtr subject);
  Result<NodePtr> test(NodePtr subject);
  Result<NodePtr> binary_chain(Rule operand, std::initializer_list<std::string_view> symbols);
  bool comparison_operator(Op& op);

  std::string_view source_;
  std::vector<Token> tokens_;
  size_t position_ = 0;
  int nesting_ = 0;
  int nesting_max_;
};

}  // namespace weft::text::jinja
