// SPDX-License-Identifier: Apache-2.0
#include "tensor/numerics.h"

#include <fmt/format.h>

#include <string>
#include <vector>

#include "base/strings.h"

namespace weft::tensor {

std::string_view name_of(Numerics numerics) {
  return numerics == Numerics::kFast ? "fast" : "portable";
}

Result<Numerics> numerics_of(std::string_view name) {
  for (const Numerics one : {Numerics::kPortable, Numerics::kFast}) {
    if (name == name_of(one)) return one;
  }
  const std::vector<std::string> names = {"portable", "fast"};
  return make_error("E0214", fmt::format("numerics {} is not known", quoted(name)),
                    name_hint(name, names));
}

}  // namespace weft::tensor
