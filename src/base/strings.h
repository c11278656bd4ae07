// SPDX-License-Identifier: Apache-2.0
//
// Small text helpers that error messages and parsers share. Bytes in, bytes out; nothing here
// knows Unicode beyond well-formedness of UTF-8 (text/unicode does).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace weft {

std::vector<std::string_view> split(std::string_view text, char separator);
std::string_view trim(std::string_view text);  // ASCII white space at both ends
std::string join(std::span<const std::string> parts, std::string_view separator);

// Offset of the first byte that is not well-formed UTF-8 (no surrogates, no overlong forms, at
// most U+10FFFF), or nothing.
std::optional<size_t> invalid_utf8_at(std::string_view text);

// The beginning of a text, at most `bytes_max` bytes of it, that ends between two characters.
std::string_view beginning(std::string_view text, size_t bytes_max);

// Text as it may stand in a message: in single quotes, control characters and invalid UTF-8
// escaped, cut after `bytes_max` bytes at a character border with "…".
// An object, not a function: std::quoted, which <filesystem> brings along, would be found for
// strings by the namespace of their type.
struct Quoted {
  std::string operator()(std::string_view text, size_t bytes_max = 80) const;
};
inline constexpr Quoted quoted;

// The candidate closest to `name` by edit distance with transpositions (Damerau–Levenshtein,
// optimal string alignment), if it is near enough to be what was meant: at most a third of the
// longer length. Ties go to the first candidate.
std::optional<std::string> nearest_name(std::string_view name,
                                        std::span<const std::string> candidates);

// ". did you mean 'x'?"-style hint: "did you mean 'x'?" or "expected one of a, b, c" (at most 12).
std::string name_hint(std::string_view name, std::span<const std::string> candidates);

struct Place {
  int line = 1;    // from 1
  int column = 1;  // from 1, in characters (code points)
};
Place place_of(std::string_view text, size_t byte_offset);

}  // namespace weft
