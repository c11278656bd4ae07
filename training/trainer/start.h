// SPDX-License-Identifier: Apache-2.0
//
// The weights that a training run begins with: random ones, and among them circuits that would take
// millions of tokens to appear by themselves.
//
//   * The first layer adds the mean of what it sees to the stream. With embeddings trained as a
//     bag of tokens the network is a classifier from the first step on.
//   * Heads that look one token back write down which token stood before, and which before that.
//     Heads above them look for places where the same tokens stood before, and put forward the
//     token that followed there: the network copies from the first step on.
//
// The last 64 floats of the stream are kept free of the embedding's meaning for this: a random
// signature of the token, that of the token before, of the one before that, and a constant one
// (a head without biases can look back by a fixed distance only from a constant). Everything here
// is an ordinary weight and is trained like any other.
#pragma once

#include <cstdint>
#include <vector>

#include "model.h"

namespace weft_training {

// Normal 0.8 / sqrt(inputs); output projections divided by sqrt(2 * layers); embedding 0.02. The
// circuits need at least 3 layers and 3 heads without sharing, 64 floats each, as wide as the
// stream; another shape begins without them.
std::vector<float> initial_parameters(const ModelShape& shape, uint64_t seed);

// Floats of an embedding that carry meaning: what `--embeddings` gives.
int meaning_floats(const ModelShape& shape);

}  // namespace weft_training
