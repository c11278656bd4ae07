// SPDX-License-Identifier: Apache-2.0
#include "family/family.h"

#include "family/qwen3.h"

namespace weft::family {

Result<std::unique_ptr<Family>> make_family(const model::Config& config,
                                            const model::Checkpoint& checkpoint,
                                            model::Precision precision, ThreadPool& pool) {
  model::WeightBinder weights(checkpoint, config, precision, pool);
  // model/config refuses every other name.
  CHECK(config.family == "qwen3", "family '{}'", config.family);
  std::unique_ptr<Family> out = TRY(Qwen3::bind(config, weights));
  TRY(weights.finish());
  return out;
}

}  // namespace weft::family
