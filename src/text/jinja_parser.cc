// SPDX-License-Identifier: Apache-2.0
#include "text/jinja_parser.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <span>

#include "base/strings.h"
#include "text/jinja_expression_parser.h"
#include "text/jinja_lexer.h"

namespace weft::text::jinja {
namespace {

// Statements, over the expression parser.
class Parser : public ExpressionParser {
 public:
  Parser(std::string_view source, std::vector<Token> tokens, const ParseOptions& options)
      : ExpressionParser(source, std::move(tokens), options.nesting_max), options_(options) {}

  Result<NodePtr> whole_expression() {
    NodePtr node = TRY(tuple({.conditional = true}));
    if (!at(TokenKind::kEnd)) return unexpected("the end of the expression");
    return node;
  }

  // Nodes up to the end of the source or to one of the words in `ends`, which stays unread.
  Result<std::vector<NodePtr>> body(std::span<const std::string_view> ends) {
    const Nesting nesting = TRY(enter());
    std::vector<NodePtr> nodes;
    while (!at(TokenKind::kEnd)) {
      if (at(TokenKind::kText)) {
        NodePtr node = make(NodeKind::kText);
        node->value = Value::string(literal(next().text));
        nodes.push_back(std::move(node));
      } else if (at(TokenKind::kPrintBegin)) {
        next();
        NodePtr node = make(NodeKind::kPrint);
        TRY(add(*node, TRY(tuple({.conditional = true}))));
        if (!at(TokenKind::kPrintEnd)) return unexpected("'}}'");
        next();
        nodes.push_back(std::move(node));
      } else {
        if (peek(1).kind == TokenKind::kName &&
            std::find(ends.begin(), ends.end(), peek(1).text) != ends.end()) {
          return nodes;
        }
        nodes.push_back(TRY(statement()));
      }
    }
    if (!ends.empty()) {
      return fail(offset(), fmt::format("the template ends inside a block, expected '{{% {} %}}'",
                                        ends.back()));
    }
    return nodes;
  }

 private:
  Result<NodePtr> statement() {
    const size_t begin = offset();
    if (!options_.statements) {
      return fail(begin, "'{% %}' is not allowed here, only '{{ }}'",
                  "write the condition as {{ a if b else c }}; prompts may use '{% %}'");
    }
    next();  // {%
    if (!at(TokenKind::kName)) return unexpected("the name of a block");
    const std::string word = next().text;
    if (word == "if") return if_block();
    if (word == "for") return for_block();
    if (word == "set") return set_block();
    if (word == "macro") return macro_block();
    if (word == "with") return with_block();
    if (word == "filter") return filter_block();
    if (word == "generation") return plain_block();
    if (word == "break" || word == "continue") {
      if (loops_ == 0) return fail(begin, fmt::format("'{}' stands outside a loop", word));
      NodePtr node = make(word == "break" ? NodeKind::kBreak : NodeKind::kContinue);
      TRY(block_end());
      return node;
    }
    static const std::vector<std::string> kBlocks = {
        "if", "for", "set", "macro", "with", "filter", "generation", "break", "continue", "raw"};
    return fail(begin, fmt::format("unknown block {}", quoted(word)), name_hint(word, kBlocks));
  }

  Status block_end() {
    if (!at(TokenKind::kBlockEnd)) return unexpected("'%}'");
    next();
    return ok_status();
  }

  // {% word %}; the name of a macro may follow.
  Status end_word(std::string_view word, bool name_allowed = false) {
    next();  // {%
    if (!at_name(word)) return unexpected(fmt::format("'{}'", word));
    next();
    if (name_allowed && at(TokenKind::kName)) next();
    return block_end();
  }

  Result<NodePtr> if_block() {
    static constexpr std::string_view kEnds[] = {"elif", "else", "endif"};
    static constexpr std::string_view kLast[] = {"endif"};
    NodePtr node = make(NodeKind::kIf);
    for (;;) {
      TRY(add(*node, TRY(tuple({.conditional = true}))));
      TRY(block_end());
      std::vector<NodePtr> branch = TRY(body(kEnds));
      TRY(grow(*node, branch));
      node->blocks.push_back(std::move(branch));
      if (peek(1).text != "elif") break;
      next();
      next();
    }
    if (peek(1).text == "else") {
      TRY(end_word("else"));
      node->otherwise = TRY(body(kLast));
      TRY(grow(*node, node->otherwise));
    }
    TRY(end_word("endif"));
    return node;
  }

  Result<NodePtr> for_block() {
    static constexpr std::string_view kEnds[] = {"else", "endfor"};
    static constexpr std::string_view kLast[] = {"endfor"};
    NodePtr node = make(NodeKind::kFor);
    TRY(add(*node, TRY(target(false))));
    if (!at_name("in")) return unexpected("'in'");
    next();
    TRY(add(*node, TRY(tuple({.conditional = false}))));
    NodePtr condition;
    if (at_name("if")) {
      next();
      condition = TRY(expression());
    }
    TRY(add(*node, std::move(condition)));
    if (at_name("recursive")) return fail(offset(), "recursive loops are not supported");
    TRY(block_end());
    ++loops_;
    node->body = TRY(body(kEnds));
    --loops_;
    TRY(grow(*node, node->body));
    if (peek(1).text == "else") {
      TRY(end_word("else"));
      node->otherwise = TRY(body(kLast));
      TRY(grow(*node, node->otherwise));
    }
    TRY(end_word("endfor"));
    return node;
  }

  Result<NodePtr> set_block() {
    static constexpr std::string_view kEnds[] = {"endset"};
    NodePtr node = make(NodeKind::kSet);
    TRY(add(*node, TRY(target(true))));
    if (at_symbol("=")) {
      next();
      TRY(add(*node, TRY(tuple({.conditional = true}))));
      TRY(block_end());
      return node;
    }
    node->kind = NodeKind::kSetBlock;
    NodePtr filter;
    if (at_symbol("|")) filter = TRY(filters(nullptr));
    TRY(add(*node, std::move(filter)));
    TRY(block_end());
    node->body = TRY(body_outside_loops(kEnds));
    TRY(grow(*node, node->body));
    TRY(end_word("endset"));
    return node;
  }

  // break and continue must not leave a block whose text is being collected.
  Result<std::vector<NodePtr>> body_outside_loops(std::span<const std::string_view> ends) {
    const int loops = loops_;
    loops_ = 0;
    auto nodes = body(ends);
    loops_ = loops;
    return nodes;
  }

  Result<NodePtr> macro_block() {
    static constexpr std::string_view kEnds[] = {"endmacro"};
    NodePtr node = make(NodeKind::kMacro);
    if (!at(TokenKind::kName)) return unexpected("the name of the macro");
    node->text = next().text;
    if (!at_symbol("(")) return unexpected("'('");
    next();
    while (!at_symbol(")")) {
      if (!node->named.empty()) TRY(symbol(","));
      if (at_symbol(")")) break;
      if (!at(TokenKind::kName)) return unexpected("the name of a parameter");
      std::string name = next().text;
      NodePtr value;
      if (at_symbol("=")) {
        next();
        value = TRY(expression());
        TRY(grow(*node, *value));
      } else if (!node->named.empty() && node->named.back().second) {
        return fail(offset(), "a parameter without default follows one with a default");
      }
      node->named.emplace_back(std::move(name), std::move(value));
    }
    next();
    TRY(block_end());
    node->body = TRY(body_outside_loops(kEnds));
    TRY(grow(*node, node->body));
    TRY(end_word("endmacro", true));
    return node;
  }

  Result<NodePtr> with_block() {
    static constexpr std::string_view kEnds[] = {"endwith"};
    NodePtr node = make(NodeKind::kWith);
    while (!at(TokenKind::kBlockEnd)) {
      if (!node->args.empty()) TRY(symbol(","));
      TRY(add(*node, TRY(target(false))));
      TRY(symbol("="));
      TRY(add(*node, TRY(expression())));
    }
    TRY(block_end());
    node->body = TRY(body(kEnds));
    TRY(grow(*node, node->body));
    TRY(end_word("endwith"));
    return node;
  }

  Result<NodePtr> filter_block() {
    static constexpr std::string_view kEnds[] = {"endfilter"};
    NodePtr node = make(NodeKind::kFilterBlock);
    TRY(add(*node, TRY(filter_chain())));
    TRY(block_end());
    node->body = TRY(body_outside_loops(kEnds));
    TRY(grow(*node, node->body));
    TRY(end_word("endfilter"));
    return node;
  }

  Result<NodePtr> plain_block() {
    static constexpr std::string_view kEnds[] = {"endgeneration"};
    NodePtr node = make(NodeKind::kBlock);
    TRY(block_end());
    node->body = TRY(body(kEnds));
    TRY(grow(*node, node->body));
    TRY(end_word("endgeneration"));
    return node;
  }

  ParseOptions options_;
  int loops_ = 0;
};

bool is_single(const std::vector<NodePtr>& body) {
  return body.size() == 1 && body[0]->kind == NodeKind::kPrint;
}
bool is_constant(const std::vector<NodePtr>& body) {
  return std::all_of(body.begin(), body.end(),
                     [](const NodePtr& node) { return node->kind == NodeKind::kText; });
}

Status check_source(std::string_view source, const ParseOptions& options) {
  const size_t bytes_max = options.strict ? kExpressionBytesMax : kTemplateBytesMax;
  if (source.size() > bytes_max) {
    return limit_error(
        fmt::format("the source has {} bytes, at most {} are allowed", source.size(), bytes_max));
  }
  if (const auto bad = invalid_utf8_at(source)) {
    return make_error("E0130", fmt::format("the source is not UTF-8 (byte {})", *bad),
                      "save the file as UTF-8");
  }
  return ok_status();
}

}  // namespace

Result<std::shared_ptr<const Program>> parse_program(std::string source, std::string name,
                                                     const ParseOptions& options) {
  auto program = std::make_shared<Program>();
  program->name = std::move(name);
  program->strict = options.strict;
  const auto fill = [&]() -> Status {
    TRY(check_source(source, options));
    program->source = normalize_newlines(std::move(source));
    // In chat templates the last newline goes; the text of a workflow document keeps it.
    std::string_view text = program->source;
    if (!options.strict && text.ends_with('\n')) text.remove_suffix(1);
    LexerOptions lexer{.expression_only = options.expression_only};
    lexer.trim_blocks = !options.strict || options.statements;
    Parser parser(program->source, TRY(tokenize(text, lexer)), options);
    if (options.expression_only) {
      program->expression = TRY(parser.whole_expression());
      return ok_status();
    }
    program->body = TRY(parser.body({}));
    program->single = is_single(program->body);
    program->constant = is_constant(program->body);
    if (program->single) program->expression = std::move(program->body[0]->args[0]);
    if (program->single) program->body.clear();
    return ok_status();
  };
  if (Status status = fill(); !status.ok()) {
    return in_context(std::move(status).error(), program->name);
  }
  return std::shared_ptr<const Program>(std::move(program));
}

std::string path_of(const Node& node) {  // NOLINT(misc-no-recursion)
  if (node.kind == NodeKind::kName) return node.text;
  if (node.kind != NodeKind::kAttribute && node.kind != NodeKind::kSubscript) return {};
  const std::string left = path_of(*node.args[0]);
  if (left.empty()) return {};
  if (node.kind == NodeKind::kAttribute) return left + "." + node.text;
  const Node& key = *node.args[1];
  if (key.kind != NodeKind::kConstant) return {};
  if (key.value.is(Value::Kind::kString)) return left + "." + key.value.string().text;
  if (key.value.is(Value::Kind::kInt)) return left + fmt::format("[{}]", key.value.integer());
  return {};
}

}  // namespace weft::text::jinja
