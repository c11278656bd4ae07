// SPDX-License-Identifier: Apache-2.0
//
// Fields by which published configurations change the arithmetic, and which nothing here computes:
// soft caps, partial rotation, ALiBi, biases, parallel branches and so on. They may stand there
// with the value that changes nothing; with any other the model would be computed wrongly and
// plausibly, so it is refused by the field's name. What says nothing about the arithmetic
// (torch_dtype, transformers_version, dropout, losses, …) is not listed, and passes.
//
// What an architecture reads itself is config_families.h's business.
#pragma once

#include <string_view>

#include "base/error.h"
#include "model/config_fields.h"

namespace weft::model {

// E0211. `architecture` as in the field `architectures`.
Status refuse_other_arithmetic(const Fields& fields, std::string_view architecture);

}  // namespace weft::model
