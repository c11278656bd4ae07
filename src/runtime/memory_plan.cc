// SPDX-License-Identifier: Apache-2.0
#include "runtime/memory_plan.h"

#include <algorithm>

#include "runtime/kv_cache.h"
#include "runtime/scheduler.h"

namespace weft::runtime {

MemoryPlan plan_memory(const ModelInstance& model, const EngineOptions& options) {
  MemoryPlan out{.sequences = options.sequences_max};
  size_t left = options.kv_bytes_max;
  const size_t state = static_cast<size_t>(model.family->state_floats()) * sizeof(float);
  if (state > 0) {
    const auto fitting = static_cast<int64_t>(left / 2 / state);
    out.sequences = static_cast<int>(std::clamp<int64_t>(fitting, 1, out.sequences));
    left -= std::min(left, state * static_cast<size_t>(out.sequences));
  }
  const size_t wanted = left / KvCache::block_bytes(model.kv_shape());
  const int64_t useful = int64_t{out.sequences} * Scheduler::blocks_for(model.config.context);
  CHECK(useful > 0, "a context of {} positions", model.config.context);
  CHECK(useful <= INT32_MAX, "{} blocks", useful);
  out.blocks = static_cast<int>(std::clamp<int64_t>(static_cast<int64_t>(wanted), 1, useful));
  CHECK(out.sequences > 0 && out.blocks > 0, "{} {}", out.sequences, out.blocks);
  return out;
}

}  // namespace weft::runtime
