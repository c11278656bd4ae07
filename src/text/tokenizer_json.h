// SPDX-License-Identifier: Apache-2.0
//
// Reads the parts of a tokenizer.json. What is understood:
//   normalizer     null, NFC, NFKC, a Sequence of these
//   pre_tokenizer  ByteLevel; Split (Regex; Isolated, or Removed with invert); a Sequence of
//                  Split that ends in ByteLevel. add_prefix_space must be false
//   model          BPE without dropout, affixes, byte_fallback and ignore_merges
//   decoder        ByteLevel          post_processor   null, ByteLevel (neither changes ids)
//   added_tokens   special or not; not normalized, single_word, lstrip, rstrip
// Everything else is refused with the field's name (E0102), because ignoring it would give other
// tokens than the model was trained on. `truncation` and `padding` concern
// batches and are not read.
#pragma once

#include "base/error.h"
#include "base/json.h"
#include "text/tokenizer.h"

namespace weft::text {

// The result points into `document`. E0101 for wrong types, E0102 for what is not supported.
Result<TokenizerSpec> read_tokenizer_json(const json::Value& document);

}  // namespace weft::text
