// SPDX-License-Identifier: Apache-2.0
//
// Texts as vectors: the hidden states of a local model (behind its final norm), pooled into one
// vector a text and scaled to length 1, so that a dot product is a cosine.
//
// A text is computed as one sequence of its own, between the ticks of the model's engine: the same
// text gives the same vector to the bit, whatever else runs. Sums run in double, in order.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "backend/backend.h"

namespace weft::backend {

class LocalBackend;

enum class Pooling : uint8_t { kMean, kLast };

struct EmbeddingInput {
  std::string text;          // encoded as a user's: no control token comes out of it; or,
  std::vector<int32_t> ids;  // if not empty, instead of the text
};
struct EmbeddingRequest {
  std::string model = "default";
  std::vector<EmbeddingInput> inputs = {};
  Pooling pooling = Pooling::kMean;
  std::optional<int64_t> dimensions = {};  // the first so many, scaled again; 1 .. hidden size
};
struct Embeddings {
  std::vector<std::vector<float>> vectors;  // one an input, in order
  int64_t tokens = 0;
};

// `done` comes once, on a thread of the backend; an embedding is ended by ChatCall::cancel() with
// E0713. Errors: E0710 and E0711 as chats, E0712 dimensions out of range or an input without a
// token, E0730 an id outside the vocabulary, E0731 an input longer than the context.
std::shared_ptr<ChatCall> embed(LocalBackend& backend, EmbeddingRequest request,
                                std::function<void(Result<Embeddings>)> done);

}  // namespace weft::backend
