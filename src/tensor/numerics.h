// SPDX-License-Identifier: Apache-2.0
//
// Which arithmetic the matrix products do. The one idea: each numerics is one class of bits for
// every token, prompt or generated, at every batch size, on every instruction set; so nothing that
// is cached or computed again needs to know how it was made. Two numerics differ from each other.
//
//   portable   weights of f32, bf16 and f16 meet f32 activations
//   fast       bf16 weights meet activations rounded to bf16, as the dot products of AMX and
//              AVX512_BF16 do (kernels/table.h has the formula); all others as portable
//
// Quantised weights meet int8 activations in both.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/error.h"

namespace weft::tensor {

enum class Numerics : uint8_t { kPortable, kFast };

std::string_view name_of(Numerics numerics);  // "portable", "fast"
// E0214: another name.
Result<Numerics> numerics_of(std::string_view name);

}  // namespace weft::tensor
