// SPDX-License-Identifier: Apache-2.0
//
// Cuts the source of a template into tokens: text, the marks {{ }} and {% %}, and the words of
// the language between them. White space control happens here: `-` and `+` at the marks,
// trim_blocks (a newline after a block goes), lstrip_blocks (the indentation before one goes).
// Comments and raw blocks are resolved here too. Follows jinja2's lexer.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace weft::text::jinja {

enum class TokenKind : uint8_t {
  kText,
  kPrintBegin,
  kPrintEnd,
  kBlockBegin,
  kBlockEnd,
  kName,
  kInteger,
  kFloat,
  kString,
  kSymbol,
  kEnd,
};

struct Token {
  TokenKind kind = TokenKind::kEnd;
  uint32_t offset = 0;  // in the source
  std::string text;     // decoded for strings, without underscores for numbers
};

struct LexerOptions {
  bool expression_only = false;  // the source is one expression without marks
  bool trim_blocks = true;       // and lstrip_blocks, and the last newline of the source goes
  size_t nesting_max = 200;      // of brackets
};

// The source must have \n newlines (normalize_newlines) and be well-formed UTF-8.
Result<std::vector<Token>> tokenize(std::string_view source, const LexerOptions& options);

std::string normalize_newlines(std::string source);

// E0130 with line and column.
Error syntax_error(std::string_view source, size_t offset, std::string message,
                   std::string hint = {});

}  // namespace weft::text::jinja
