// SPDX-License-Identifier: Apache-2.0
//
// How sure a model was of one field of its JSON answer: the product of the probabilities of the
// tokens that spell the value, from its first byte to the one that ends it. Under greedy decoding
// that is the probability of this very text, given what stands before it: a lower bound of the
// probability of the value, since other spellings are not counted.
//
// Under a grammar the probabilities are those among the allowed tokens, so that what the grammar
// forces costs nothing: then it is how sure the model was to choose this value among the possible.
//
// Not here: whether the value is right (eval/score) and how well both agree (eval/report).
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "text/token.h"

namespace weft::text {

struct TokenText {
  std::string bytes;  // as generated; may be a part of a character
  float logprob = 0;  // ln; 0 for a token that was forced
};

// Where the value of `field` stands in the JSON text of an object: a member's name, or a JSON
// pointer through objects ("/order/id"). Nothing if it is not there or the text is no object.
std::optional<ByteRange> value_range(std::string_view json, std::string_view field);

// Nothing if `answer` is no text that `tokens` spell, or has no such field. (0, 1].
std::optional<double> field_probability(const std::vector<TokenText>& tokens,
                                        std::string_view answer, std::string_view field);

}  // namespace weft::text
