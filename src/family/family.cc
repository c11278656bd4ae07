// SPDX-License-Identifier: Apache-2.0
#include "family/family.h"

#include "family/exaone3.h"
#include "family/exaone4.h"
#include "family/granite.h"
#include "family/qwen3.h"

namespace weft::family {
namespace {

struct Entry {
  std::string_view name;  // model::Config::family
  Result<std::unique_ptr<Family>> (*bind)(const model::Config&, model::WeightBinder&);
};
constexpr Entry kFamilies[] = {
    {"qwen3", Qwen3::bind},
    {"exaone3", Exaone3::bind},
    {"exaone4", Exaone4::bind},
    {"granite", Granite::bind},
};

Result<std::unique_ptr<Family>> bind_by_name(const model::Config& config,
                                             model::WeightBinder& weights) {
  for (const Entry& entry : kFamilies) {
    if (entry.name != config.family) continue;
    std::unique_ptr<Family> out = TRY(entry.bind(config, weights));
    TRY(weights.finish());
    return out;
  }
  CHECK(false, "family '{}' is not in the table", config.family);  // model/config knows no other
}

}  // namespace

Result<std::unique_ptr<Family>> make_family(const model::Config& config,
                                            const model::Checkpoint& checkpoint,
                                            model::Precision precision, ThreadPool& pool,
                                            model::PackedCache* cache) {
  model::WeightBinder weights(checkpoint, config, precision, pool, cache);
  return bind_by_name(config, weights);
}

Status check_weights(const model::Config& config, const model::Checkpoint& checkpoint) {
  ThreadPool pool(1);
  model::WeightBinder weights(checkpoint, config, model::Precision::kNative, pool);
  weights.only_check();
  (void)TRY(bind_by_name(config, weights));
  return ok_status();
}

}  // namespace weft::family
