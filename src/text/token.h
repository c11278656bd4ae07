// SPDX-License-Identifier: Apache-2.0
//
// The small types that tokenizer, templates, grammar and engine share. No behaviour: text knows
// how to make them, the engine only passes them on.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace weft::text {

// A row of the embedding table. Negative ids do not occur in valid sequences.
using TokenId = int32_t;

// Text that knows where its characters come from. A chat template writes both its own markup and
// the data of users into one string; only in what the template itself wrote may a control token
// be recognised. `data` holds the byte ranges [begin, end) that came from data: ascending, not
// touching, at character borders, inside `text`.
struct ByteRange {
  size_t begin = 0;
  size_t end = 0;
  bool operator==(const ByteRange&) const = default;
};
struct MarkedText {
  std::string text;
  std::vector<ByteRange> data;
};

}  // namespace weft::text
