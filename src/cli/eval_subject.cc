// SPDX-License-Identifier: Apache-2.0
#include "cli/eval_subject.h"

#include <utility>

namespace weft::cli {

std::vector<eval::CaseResult> ended_cases(CaseResults results) {
  std::vector<eval::CaseResult> out;
  for (auto& result : results) {
    if (result) out.push_back(std::move(*result));
  }
  return out;
}

}  // namespace weft::cli
