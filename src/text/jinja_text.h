// SPDX-License-Identifier: Apache-2.0
//
// Strings of the template engine: UTF-8 in which every byte is marked as written by the template
// or taken from data (text/token.h). Whatever cuts, joins or rewrites a string keeps the marks of
// the bytes it keeps, so that a control token can later be recognised in template text only.
//
// Indexes and lengths that templates see count code points, as in Python; offsets here are bytes.
// All strings are well-formed UTF-8: the lexer and the JSON reader refuse anything else.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "text/token.h"

namespace weft::text::jinja {

MarkedText literal(std::string_view text);  // written by the template
MarkedText from_data(std::string_view text);

void append_literal(MarkedText& out, std::string_view text);
void append_data(MarkedText& out, std::string_view text);
void append(MarkedText& out, const MarkedText& in);
// Bytes [begin, end) of `in` with their marks.
void append_slice(MarkedText& out, const MarkedText& in, size_t begin, size_t end);
MarkedText slice(const MarkedText& in, size_t begin, size_t end);

// The code point at byte `at` of well-formed UTF-8, and the bytes it takes.
struct CodePoint {
  char32_t value = 0;
  size_t bytes = 1;
};
CodePoint code_point_at(std::string_view text, size_t at);

size_t length_of(std::string_view text);                      // in code points
size_t offset_of(std::string_view text, size_t code_points);  // of the n-th code point, or size
std::vector<size_t> offsets_of(std::string_view text);        // of each code point, and the size

bool is_space(char32_t code_point);  // Python's str.isspace

struct StripOptions {
  std::optional<std::string_view> characters;  // absent: white space
  bool left = true;
  bool right = true;
};
MarkedText strip(const MarkedText& in, const StripOptions& options);

// The first occurrence at or behind `from`, the last one; npos if there is none. Linear: texts and
// what is looked for may both be long, and from anywhere.
size_t find_text(std::string_view in, std::string_view what, size_t from = 0);
size_t rfind_text(std::string_view in, std::string_view what);

// Python's str.split and str.rsplit; count < 0: no limit. An empty separator is the caller's error.
struct SplitOptions {
  std::optional<std::string_view> separator;  // absent: runs of white space
  int64_t count = -1;
  bool from_right = false;
};
std::vector<MarkedText> split_text(const MarkedText& in, const SplitOptions& options);
std::vector<MarkedText> split_lines(const MarkedText& in, bool keep_ends);

// Replaces the first `count` occurrences (all if < 0). An empty `from` matches between characters.
MarkedText replace_text(const MarkedText& in, std::string_view from, const MarkedText& to,
                        int64_t count);
size_t count_text(std::string_view in, std::string_view what);

enum class Case { kUpper, kLower, kTitle, kCapitalize, kSwap };
MarkedText change_case(const MarkedText& in, Case form);

// What a character is, by its Unicode general category.
enum class CharacterClass { kAlpha, kDigit, kAlphaNumeric, kUpper, kLower, kSpace, kPrintable };
bool is_a(char32_t code_point, CharacterClass form);

// Python's repr(str): 'a\n' or "it's".
MarkedText quoted_as_python(const MarkedText& in);

}  // namespace weft::text::jinja
