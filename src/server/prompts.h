// SPDX-License-Identifier: Apache-2.0
//
// A field that is a text, a list of texts, a list of token ids, or a list of such lists: how
// /v1/completions and /v1/embeddings take what they work on. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "server/fields.h"

namespace weft::server {

constexpr int kCompletionsMax = 256;

struct Prompt {
  std::string text;
  std::vector<int32_t> ids;  // not empty: instead of the text
};

// At least one, at most 2048. E0750.
Result<std::vector<Prompt>> read_prompts(Fields& fields, std::string_view name);

// A list of token ids. E0750.
Result<std::vector<int32_t>> read_ids(const json::Array& list, std::string_view name);

}  // namespace weft::server
