// SPDX-License-Identifier: Apache-2.0
//
// What a model costs: parameters, bytes on disk, bytes in memory once packed, bytes of cache a
// token. Worked out from headers alone, before a weight is read, so that a model that cannot fit
// is refused with the figure that says so, and `weft models show` can tell what would.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "base/error.h"
#include "model/config.h"
#include "model/checkpoint.h"
#include "model/weights.h"

namespace weft::model {

struct Footprint {
  uint64_t parameters = 0;
  uint64_t file_bytes = 0;    // of all tensors as stored
  uint64_t weight_bytes = 0;  // in memory, packed
  uint64_t kv_token_bytes = 0;  // a position in the cache, all layers; windows are not taken off
  uint64_t state_bytes = 0;     // a sequence's Mamba state
  std::map<std::string, uint64_t> stored;  // parameters by type, e.g. {"Q4_K": 350…}
};
Footprint footprint(const Config& config, const Checkpoint& checkpoint, Precision precision);

// Tokens of context that fit beside the weights; 0 if these do not fit. `room` in bytes.
uint64_t tokens_that_fit(const Footprint& cost, uint64_t room);

// E0221 if the packed weights need more than `room` bytes; the hint names a precision that fits.
// No room known: fits.
Status check_fits(const Config& config, const Checkpoint& checkpoint, Precision precision,
                  std::optional<uint64_t> room, const std::string& where);

}  // namespace weft::model
