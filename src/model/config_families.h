// SPDX-License-Identifier: Apache-2.0
//
// Which fields each architecture's config.json has, what their absence means, and how they lead
// to the one form of model/config.h. One reader an architecture; defaults are those of the
// published configuration classes, and differ between them (a head is tied by default in EXAONE
// 3.x and nowhere else).
//
// It does not open files, and knows nothing of tokens, generation or quantisation (config.cc).
#pragma once

#include "model/config.h"
#include "model/config_fields.h"

namespace weft::model {

// Fills everything that depends on the architecture: architectures[0], else model_type, names it.
// E0211.
Status read_family(const Fields& fields, Config& config);

}  // namespace weft::model
