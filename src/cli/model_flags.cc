// SPDX-License-Identifier: Apache-2.0
#include "cli/model_flags.h"

namespace weft::cli {

Status ModelFlags::set(runtime::LoadOptions& load) const {
  if (!kv.empty()) load.kv = TRY(tensor::kv_type_of(kv));
  if (!numerics.empty()) load.numerics = TRY(tensor::numerics_of(numerics));
  return ok_status();
}

}  // namespace weft::cli
