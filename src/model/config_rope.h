// SPDX-License-Identifier: Apache-2.0
//
// The rotary settings of a config.json in both spellings in use: `rope_theta` beside
// `rope_scaling` (whose kind is called `rope_type`, or `type` in older files), and transformers
// 5's single object `rope_parameters`. Kinds that weft does not compute are refused by name.
// What the settings mean is model/rope's matter.
#pragma once

#include "model/config_fields.h"
#include "model/rope.h"

namespace weft::model {

// `context` stands for an original context that is absent; `theta` for an absent rope_theta.
Result<RopeSpec> read_rope(const Fields& config, int context, double theta = 10000.0);

}  // namespace weft::model
