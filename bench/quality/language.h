// SPDX-License-Identifier: Apache-2.0
//
// Random weights whose logits are distributed as a language model's are. The one idea: what an
// error of the weights does to an answer depends on how far ahead the likeliest word is, and
// independent normal logits have no words ahead: rounding turns the first choice of any such
// network about (tests/engine/quantised_test.cc), which says nothing of a network that knows what
// to say. So every word has a word before it, whose embedding its row of the head leans towards,
// each by an amount of its own:
//
//   embedding   N(0, 1)                   matrices  N(0, 1 / columns); those that write into the
//                                                   residual stream (o, down) / sqrt(2 layers)
//   norms       exp(N(0, 0.3^2)): the channels of a group of 32 differ, as in trained networks;
//               of queries twice that, so that attention is to some positions and not to all
//   head row w  N(0, s^2 / columns) + lean_w embedding(w - 1) / columns, lean_w ~ N(m, d^2)
//
// s, m and d (language.cc) are chosen by two numbers that the benchmark prints, the entropy and the
// mean probability of the likeliest word: nearly 3 nats and one half, as of models of this size on
// prose. Values are rounded to bf16, so that a bf16 file holds the same network.
#pragma once

#include <cstdint>
#include <string>

#include "base/error.h"

namespace weft::bench {

// Writes the values into a GGUF file of make_model.py's variant "blank".
Status fill_language(const std::string& path, uint64_t seed);

}  // namespace weft::bench
