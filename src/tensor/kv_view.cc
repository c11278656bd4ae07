// SPDX-License-Identifier: Apache-2.0
#include "tensor/kv_view.h"

#include <fmt/format.h>

#include <string>
#include <vector>

#include "base/strings.h"

namespace weft::tensor {

std::string_view name_of(KvType type) {
  constexpr std::string_view kNames[] = {"f32", "f16", "q8"};
  return kNames[static_cast<int>(type)];
}

Result<KvType> kv_type_of(std::string_view name) {
  const std::vector<std::string> names = {"f32", "f16", "q8"};
  for (const KvType type : {KvType::kF32, KvType::kF16, KvType::kQ8}) {
    if (name == name_of(type)) return type;
  }
  return make_error("E0214", fmt::format("cache type {} is not known", quoted(name)),
                    name_hint(name, names));
}

}  // namespace weft::tensor
