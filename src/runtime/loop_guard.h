// SPDX-License-Identifier: Apache-2.0
//
// Notices that a model has begun to repeat itself and will not stop: the last tokens are one and
// the same piece of up to 64 tokens, again and again. Small models do this under greedy sampling,
// and would go on to max_tokens.
//
// Pure and a function of the tokens alone, so that the same request ends at the same place
// whatever runs beside it. What is done about it is the engine's and the guide's business.
#pragma once

#include <span>

#include "text/token.h"

namespace weft::runtime {

// Do the generated tokens end with a cycle: a piece of p <= 64 tokens, at least four times and for
// at least 192 tokens? Lists, tables and code repeat less than that, exactly.
inline bool ends_in_loop(std::span<const text::TokenId> tokens) {
  constexpr size_t kPeriodMax = 64;
  constexpr size_t kLengthMin = 192;
  constexpr size_t kTimes = 4;
  const size_t size = tokens.size();
  for (size_t p = 1; p <= kPeriodMax; ++p) {
    const size_t length = p * kTimes > kLengthMin ? p * kTimes : kLengthMin;
    if (length > size) return false;
    size_t i = size - 1;
    while (i + length > size - 1 + p && tokens[i] == tokens[i - p]) --i;
    if (i + length <= size - 1 + p) return true;
  }
  return false;
}

}  // namespace weft::runtime
