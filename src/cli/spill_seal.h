// SPDX-License-Identifier: Apache-2.0
//
// Seals blocks of the KV cache on their way to the disk (runtime/kv_spill.h), under a key that only
// this process's memory has: with the process the key goes, and what the disk still holds is noise.
#pragma once

#include <memory>

#include "runtime/kv_spill.h"

namespace weft::cli {

std::shared_ptr<runtime::SpillSeal> make_spill_seal();

}  // namespace weft::cli
