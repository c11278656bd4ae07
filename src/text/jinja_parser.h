// SPDX-License-Identifier: Apache-2.0
//
// Source to syntax tree, with the grammar and the precedences of jinja2's parser. Nesting is
// bounded: of brackets by the lexer, of expressions and blocks here, of the tree (long chains of
// operators lean to one side) when a node is made.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "text/jinja.h"
#include "text/jinja_tree.h"

namespace weft::text::jinja {

inline constexpr int kTreeDepthMax = 400;
inline constexpr size_t kTemplateBytesMax = size_t{4} << 20;
inline constexpr size_t kExpressionBytesMax = size_t{1} << 20;

struct ParseOptions {
  bool strict = false;           // workflow mode
  bool expression_only = false;  // the source is one expression
  bool statements = true;        // {% %} and {# #} are allowed
  int nesting_max = 100;         // of expressions and blocks
};

// Errors: E0130 with line and column, E0133 when the source is too large.
Result<std::shared_ptr<const Program>> parse_program(std::string source, std::string name,
                                                     const ParseOptions& options);

// The names a program reads and does not itself set.
std::vector<FreeName> free_names(const Program& program);

// "steps.classify.category", as far as a node is written out as names; else empty.
std::string path_of(const Node& node);

bool known_filter(std::string_view name);
bool known_test(std::string_view name);
const std::vector<std::string>& filter_names();
const std::vector<std::string>& test_names();

}  // namespace weft::text::jinja
