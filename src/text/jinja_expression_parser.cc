// SPDX-License-Identifier: Apache-2.0
#include "text/jinja_expression_parser.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>

#include "base/strings.h"
#include "text/jinja_parser.h"

namespace weft::text::jinja {

Result<ExpressionParser::Nesting> ExpressionParser::enter() {
  if (nesting_ >= nesting_max_) {
    return limit_error(fmt::format("the source is nested more than {} deep", nesting_max_));
  }
  return Nesting(nesting_);
}

Status ExpressionParser::symbol(std::string_view text) {
  if (!at_symbol(text)) return unexpected(fmt::format("'{}'", text));
  next();
  return ok_status();
}

NodePtr ExpressionParser::make(NodeKind kind) const {
  auto node = std::make_unique<Node>();
  node->kind = kind;
  node->offset = static_cast<uint32_t>(position_ > 0 ? tokens_[position_ - 1].offset : offset());
  return node;
}

Status ExpressionParser::grow(Node& node, const Node& child) const {
  if (child.depth + 1 > kTreeDepthMax) {
    return limit_error(fmt::format("the syntax tree is more than {} deep", kTreeDepthMax),
                       "split long chains of operators with {% set %}");
  }
  node.depth = std::max(node.depth, static_cast<uint16_t>(child.depth + 1));
  return ok_status();
}

Status ExpressionParser::grow(Node& node, const std::vector<NodePtr>& children) const {
  for (const NodePtr& child : children) TRY(grow(node, *child));
  return ok_status();
}

Status ExpressionParser::add(Node& node, NodePtr child) {
  if (child) TRY(grow(node, *child));
  node.args.push_back(std::move(child));
  return ok_status();
}

Error ExpressionParser::unexpected(std::string_view expected) const {
  const Token& token = peek(0);
  std::string found = quoted(token.text, 40);
  if (token.kind == TokenKind::kEnd) found = "the end";
  if (token.kind == TokenKind::kPrintEnd) found = "'}}'";
  if (token.kind == TokenKind::kBlockEnd) found = "'%}'";
  if (token.kind == TokenKind::kString) found = "string " + found;
  return fail(token.offset, fmt::format("expected {}, found {}", expected, found));
}

Result<NodePtr> ExpressionParser::tuple(TupleOptions options) {
  const size_t begin = offset();
  std::vector<NodePtr> items;
  bool comma = false;
  for (;;) {
    const bool ends = at(TokenKind::kPrintEnd) || at(TokenKind::kBlockEnd) || at(TokenKind::kEnd) ||
                      at_symbol(")") || at_symbol("=");
    if (ends && (comma || options.in_brackets)) break;
    items.push_back(options.conditional ? TRY(expression()) : TRY(disjunction()));
    if (!at_symbol(",")) break;
    comma = true;
    next();
  }
  if (items.size() == 1 && !comma) return std::move(items[0]);
  NodePtr node = make(NodeKind::kTuple);
  node->offset = static_cast<uint32_t>(begin);
  for (NodePtr& item : items) TRY(add(*node, std::move(item)));
  return node;
}

Result<NodePtr> ExpressionParser::target(bool member_allowed) {
  const size_t begin = offset();
  std::vector<NodePtr> names;
  bool comma = false;
  const bool bracket = at_symbol("(");
  if (bracket) next();
  do {
    if (comma) next();
    if (comma && !at(TokenKind::kName)) break;
    if (!at(TokenKind::kName)) return unexpected("a name");
    static constexpr std::string_view kReserved[] = {"true", "false", "none", "not", "and",
                                                     "or",   "in",    "is",   "if",  "else"};
    const std::string& word = peek(0).text;
    if (std::find(std::begin(kReserved), std::end(kReserved), word) != std::end(kReserved)) {
      return fail(offset(), fmt::format("'{}' is a word of the language, not a name", word));
    }
    next();
    NodePtr name = make(NodeKind::kName);
    name->text = word;
    if (member_allowed && !comma && at_symbol(".")) {
      next();
      if (!at(TokenKind::kName)) return unexpected("the name of a member");
      NodePtr member = make(NodeKind::kAttribute);
      member->text = next().text;
      TRY(add(*member, std::move(name)));
      return member;
    }
    names.push_back(std::move(name));
    comma = true;
  } while (at_symbol(","));
  if (bracket) TRY(symbol(")"));
  const bool several = names.size() > 1 || tokens_[position_ - 1].text == ",";
  if (!several) return std::move(names[0]);
  NodePtr node = make(NodeKind::kTuple);
  node->offset = static_cast<uint32_t>(begin);
  for (NodePtr& name : names) TRY(add(*node, std::move(name)));
  return node;
}

Result<NodePtr> ExpressionParser::expression() {
  const Nesting nesting = TRY(enter());
  NodePtr value = TRY(disjunction());
  while (at_name("if")) {
    next();
    NodePtr node = make(NodeKind::kConditional);
    TRY(add(*node, TRY(disjunction())));
    TRY(add(*node, std::move(value)));
    NodePtr otherwise;
    if (at_name("else")) {
      next();
      otherwise = TRY(expression());
    }
    TRY(add(*node, std::move(otherwise)));
    value = std::move(node);
  }
  return value;
}

Result<NodePtr> ExpressionParser::disjunction() {
  NodePtr left = TRY(conjunction());
  while (at_name("or")) {
    next();
    NodePtr node = make(NodeKind::kOr);
    TRY(add(*node, std::move(left)));
    TRY(add(*node, TRY(conjunction())));
    left = std::move(node);
  }
  return left;
}

Result<NodePtr> ExpressionParser::conjunction() {
  NodePtr left = TRY(negation());
  while (at_name("and")) {
    next();
    NodePtr node = make(NodeKind::kAnd);
    TRY(add(*node, std::move(left)));
    TRY(add(*node, TRY(negation())));
    left = std::move(node);
  }
  return left;
}

Result<NodePtr> ExpressionParser::negation() {
  if (!at_name("not")) return comparison();
  const Nesting nesting = TRY(enter());
  next();
  NodePtr node = make(NodeKind::kNot);
  TRY(add(*node, TRY(negation())));
  return node;
}

bool ExpressionParser::comparison_operator(Op& op) {
  static constexpr std::pair<std::string_view, Op> kOperators[] = {
      {"==", Op::kEqual},     {"!=", Op::kNotEqual}, {"<", Op::kLess},
      {"<=", Op::kLessEqual}, {">", Op::kGreater},   {">=", Op::kGreaterEqual}};
  if (at_name("in")) {
    next();
    op = Op::kIn;
    return true;
  }
  if (at_name("not") && peek(1).kind == TokenKind::kName && peek(1).text == "in") {
    next();
    next();
    op = Op::kNotIn;
    return true;
  }
  for (const auto& [text, candidate] : kOperators) {
    if (!at_symbol(text)) continue;
    next();
    op = candidate;
    return true;
  }
  return false;
}

Result<NodePtr> ExpressionParser::comparison() {
  NodePtr left = TRY(sum());
  Op op = Op::kEqual;
  if (!comparison_operator(op)) return left;
  NodePtr node = make(NodeKind::kCompare);
  TRY(add(*node, std::move(left)));
  do {
    node->ops.push_back(op);
    TRY(add(*node, TRY(sum())));
  } while (comparison_operator(op));
  return node;
}

namespace {
Op binary_operator(std::string_view text) {
  if (text == "+") return Op::kAdd;
  if (text == "-") return Op::kSubtract;
  if (text == "*") return Op::kMultiply;
  if (text == "/") return Op::kDivide;
  if (text == "//") return Op::kFloorDivide;
  return text == "%" ? Op::kModulo : Op::kPower;
}
}  // namespace

Result<NodePtr> ExpressionParser::binary_chain(Rule operand,
                                               std::initializer_list<std::string_view> symbols) {
  NodePtr left = TRY((this->*operand)());
  while (at(TokenKind::kSymbol) &&
         std::find(symbols.begin(), symbols.end(), peek(0).text) != symbols.end()) {
    const Op op = binary_operator(next().text);
    NodePtr node = make(NodeKind::kBinary);
    node->op = op;
    TRY(add(*node, std::move(left)));
    TRY(add(*node, TRY((this->*operand)())));
    left = std::move(node);
  }
  return left;
}

Result<NodePtr> ExpressionParser::sum() {
  return binary_chain(&ExpressionParser::concatenation, {"+", "-"});
}
Result<NodePtr> ExpressionParser::product() {
  return binary_chain(&ExpressionParser::power, {"*", "/", "//", "%"});
}
Result<NodePtr> ExpressionParser::power() {
  return binary_chain(&ExpressionParser::unary, {"**"});
}

Result<NodePtr> ExpressionParser::concatenation() {
  NodePtr first = TRY(product());
  if (!at_symbol("~")) return first;
  NodePtr node = make(NodeKind::kConcat);
  TRY(add(*node, std::move(first)));
  while (at_symbol("~")) {
    next();
    TRY(add(*node, TRY(product())));
  }
  return node;
}

Result<NodePtr> ExpressionParser::signed_operand(bool with_filters) {
  NodePtr node;
  if (at_symbol("-") || at_symbol("+")) {
    const Nesting nesting = TRY(enter());
    const bool minus = next().text == "-";
    node = make(minus ? NodeKind::kNegative : NodeKind::kPositive);
    TRY(add(*node, TRY(signed_operand(false))));
  } else {
    node = TRY(primary());
  }
  node = TRY(postfix(std::move(node)));
  return with_filters ? filters_and_tests(std::move(node)) : Result<NodePtr>(std::move(node));
}

Result<NodePtr> ExpressionParser::primary() {
  if (at(TokenKind::kName)) return name_or_constant();
  if (at(TokenKind::kInteger) || at(TokenKind::kFloat)) return number();
  if (at(TokenKind::kString)) {
    std::string text = next().text;
    NodePtr node = make(NodeKind::kConstant);
    while (at(TokenKind::kString)) text += next().text;
    node->value = Value::string(literal(text));
    return node;
  }
  if (at_symbol("(")) {
    next();
    NodePtr node = TRY(tuple({.conditional = true, .in_brackets = true}));
    TRY(symbol(")"));
    return node;
  }
  if (at_symbol("[")) return list();
  if (at_symbol("{")) return dict();
  return unexpected("a value");
}

Result<NodePtr> ExpressionParser::name_or_constant() {
  const std::string text = next().text;
  NodePtr node = make(NodeKind::kConstant);
  if (text == "true" || text == "True" || text == "false" || text == "False") {
    node->value = Value::boolean(text == "true" || text == "True");
    return node;
  }
  if (text == "none" || text == "None" || text == "null") {
    if (text != "null") return node;
    return fail(node->offset, "'null' is not a name", "write none");
  }
  static constexpr std::string_view kWords[] = {"and", "else", "if", "in", "is", "not", "or"};
  if (std::find(std::begin(kWords), std::end(kWords), text) != std::end(kWords)) {
    return fail(node->offset, fmt::format("expected a value, found '{}'", text));
  }
  node->kind = NodeKind::kName;
  node->text = text;
  return node;
}

Result<NodePtr> ExpressionParser::number() {
  const Token& token = next();
  NodePtr node = make(NodeKind::kConstant);
  const char* begin = token.text.data();
  const char* end = begin + token.text.size();
  if (token.kind == TokenKind::kFloat) {
    double value = 0;
    const auto [stop, ec] = std::from_chars(begin, end, value);
    if (stop != end || ec != std::errc()) {
      return fail(token.offset, fmt::format("number {} is out of range", quoted(token.text, 40)));
    }
    node->value = Value::number(value);
    return node;
  }
  int base = 10;
  std::string digits = token.text;
  if (digits.size() > 1 && digits[0] == '0' && digits[1] > '9') {
    base =
        digits[1] == 'x' || digits[1] == 'X' ? 16 : (digits[1] == 'b' || digits[1] == 'B' ? 2 : 8);
    digits.erase(0, 2);
    std::erase(digits, '_');
  }
  int64_t value = 0;
  const auto [stop, ec] =
      std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
  if (ec == std::errc::result_out_of_range && base == 10 && digits.size() <= 1000) {
    node->value = Value::big(digits);
    return node;
  }
  if (digits.empty() || ec != std::errc() || stop != digits.data() + digits.size()) {
    return fail(token.offset, fmt::format("{} is not a number", quoted(token.text, 40)));
  }
  node->value = Value::integer(value);
  return node;
}

Result<NodePtr> ExpressionParser::list() {
  next();
  NodePtr node = make(NodeKind::kList);
  while (!at_symbol("]")) {
    if (!node->args.empty()) TRY(symbol(","));
    if (at_symbol("]")) break;
    TRY(add(*node, TRY(expression())));
  }
  next();
  return node;
}

Result<NodePtr> ExpressionParser::dict() {
  next();
  NodePtr node = make(NodeKind::kDict);
  while (!at_symbol("}")) {
    if (!node->args.empty()) TRY(symbol(","));
    if (at_symbol("}")) break;
    TRY(add(*node, TRY(expression())));
    TRY(symbol(":"));
    TRY(add(*node, TRY(expression())));
  }
  next();
  return node;
}

Result<NodePtr> ExpressionParser::postfix(NodePtr node) {
  for (;;) {
    if (at_symbol(".")) {
      node = TRY(attribute(std::move(node)));
    } else if (at_symbol("[")) {
      node = TRY(subscript(std::move(node)));
    } else if (at_symbol("(")) {
      node = TRY(call(std::move(node)));
    } else {
      return node;
    }
  }
}

Result<NodePtr> ExpressionParser::attribute(NodePtr subject) {
  next();
  if (at(TokenKind::kInteger)) {
    NodePtr index = TRY(number());
    NodePtr node = make(NodeKind::kSubscript);
    TRY(add(*node, std::move(subject)));
    TRY(add(*node, std::move(index)));
    return node;
  }
  if (!at(TokenKind::kName)) return unexpected("the name of a member");
  next();
  NodePtr node = make(NodeKind::kAttribute);
  node->text = tokens_[position_ - 1].text;
  TRY(add(*node, std::move(subject)));
  return node;
}

Result<NodePtr> ExpressionParser::subscript(NodePtr subject) {
  next();
  NodePtr node = make(NodeKind::kSubscript);
  TRY(add(*node, std::move(subject)));
  NodePtr parts[3];
  size_t count = 0;
  if (!at_symbol(":")) parts[0] = TRY(expression());
  while (at_symbol(":") && count < 2) {
    next();
    ++count;
    if (!at_symbol(":") && !at_symbol("]")) parts[count] = TRY(expression());
  }
  TRY(symbol("]"));
  if (count > 0) node->kind = NodeKind::kSlice;
  for (size_t i = 0; i < (count > 0 ? 3 : 1); ++i) TRY(add(*node, std::move(parts[i])));
  return node;
}

Result<NodePtr> ExpressionParser::call(NodePtr callee) {
  NodePtr node = make(NodeKind::kCall);
  TRY(add(*node, std::move(callee)));
  TRY(arguments(*node));
  return node;
}

Status ExpressionParser::arguments(Node& node) {
  TRY(symbol("("));
  bool first = true;
  while (!at_symbol(")")) {
    if (!first) TRY(symbol(","));
    first = false;
    if (at_symbol(")")) break;
    if (at_symbol("*") || at_symbol("**")) {
      return fail(offset(), "unpacking arguments with * or ** is not supported");
    }
    if (at(TokenKind::kName) && peek(1).kind == TokenKind::kSymbol && peek(1).text == "=") {
      std::string name = next().text;
      next();
      NodePtr value = TRY(expression());
      TRY(grow(node, *value));
      node.named.emplace_back(std::move(name), std::move(value));
    } else {
      if (!node.named.empty()) {
        return fail(offset(), "a positional argument follows a named one");
      }
      TRY(add(node, TRY(expression())));
    }
  }
  next();
  return ok_status();
}

Result<NodePtr> ExpressionParser::filters_and_tests(NodePtr node) {
  for (;;) {
    if (at_symbol("|")) {
      next();
      node = TRY(filter(std::move(node)));
    } else if (at_name("is")) {
      node = TRY(test(std::move(node)));
    } else if (at_symbol("(")) {
      node = TRY(call(std::move(node)));
    } else {
      return node;
    }
  }
}

Result<NodePtr> ExpressionParser::filters(NodePtr subject) {
  while (at_symbol("|")) {
    next();
    subject = TRY(filter(std::move(subject)));
  }
  return subject;
}

Result<NodePtr> ExpressionParser::filter_chain() {
  NodePtr first = TRY(filter(nullptr));
  return filters(std::move(first));
}

Result<NodePtr> ExpressionParser::filter(NodePtr subject) {
  if (!at(TokenKind::kName)) return unexpected("the name of a filter");
  const Token& name = next();
  NodePtr node = make(NodeKind::kFilter);
  node->text = name.text;
  if (!known_filter(node->text)) {
    return fail(name.offset, fmt::format("there is no filter {}", quoted(node->text)),
                name_hint(node->text, filter_names()));
  }
  TRY(add(*node, std::move(subject)));
  if (at_symbol("(")) TRY(arguments(*node));
  return node;
}

Result<NodePtr> ExpressionParser::test(NodePtr subject) {
  next();
  const bool negated = at_name("not");
  if (negated) next();
  if (!at(TokenKind::kName)) return unexpected("the name of a test");
  const Token& name = next();
  NodePtr node = make(NodeKind::kTest);
  node->text = name.text;
  if (!known_test(node->text)) {
    return fail(name.offset, fmt::format("there is no test {}", quoted(node->text)),
                name_hint(node->text, test_names()));
  }
  TRY(add(*node, std::move(subject)));
  static constexpr std::string_view kEnds[] = {"else", "or", "and", "if", "is", "in", "not"};
  const bool ends = at(TokenKind::kName) &&
                    std::find(std::begin(kEnds), std::end(kEnds), peek(0).text) != std::end(kEnds);
  if (at_symbol("(")) {
    TRY(arguments(*node));
  } else if (!ends && (at(TokenKind::kName) || at(TokenKind::kString) || at(TokenKind::kInteger) ||
                       at(TokenKind::kFloat) || at_symbol("[") || at_symbol("{"))) {
    TRY(add(*node, TRY(postfix(TRY(primary())))));
  }
  if (!negated) return node;
  NodePtr inverted = make(NodeKind::kNot);
  inverted->offset = node->offset;
  TRY(add(*inverted, std::move(node)));
  return inverted;
}

}  // namespace weft::text::jinja
