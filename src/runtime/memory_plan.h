// SPDX-License-Identifier: Apache-2.0
//
// What the memory of EngineOptions::kv_bytes_max is used for: how many sequences are computed at
// once, and how many blocks the KV cache has. Pure; nothing is allocated here.
#pragma once

#include "runtime/engine.h"

namespace weft::runtime {

// Recurrent states come first, up to half of the memory, since a sequence without one cannot run;
// the rest is blocks.
struct MemoryPlan {
  int sequences = 0;
  int blocks = 0;
};

MemoryPlan plan_memory(const ModelInstance& model, const EngineOptions& options);

}  // namespace weft::runtime
