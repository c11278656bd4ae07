// SPDX-License-Identifier: Apache-2.0
//
// Writes a model with 8 or 4 bits a weight: a directory in Hugging Face layout that the ordinary
// loader reads (model/config.h says how the tensors lie). The one idea: a tensor at a time goes
// through, so a model larger than memory can be quantised, and what the file will give back is
// compared with what came in at once.
//
//   quantised   matrices named *.weight with at least 16 rows and columns in groups of 32
//   as stored   norms, biases, routers, convolutions; what other types they have become F32
//
// Codes that are exact already (weft_q8_g32, Q8_0 to q8; Q4_0, Q4_1 to q4) are not rounded again.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/threads.h"
#include "model/files.h"
#include "model/weights.h"

namespace weft::model {

struct QuantisedTensor {
  std::string name;
  int64_t rows = 0;
  int64_t columns = 0;
  double relative_error = 0;  // sqrt(sum (w - w')^2 / sum w^2)
};

struct QuantiseOptions {
  Precision precision = Precision::kQ8;  // kQ8 or kQ4
  std::string directory;                 // of the new model; must not exist yet, or be empty
  std::function<void(const QuantisedTensor&)> on_tensor;  // progress; may be empty
};

// The quantised tensors in the order of the file. E0022 cannot write, E0222 the directory holds
// something, and the errors of reading.
Result<std::vector<QuantisedTensor>> quantise_model(ModelFiles& files,
                                                    const QuantiseOptions& options,
                                                    ThreadPool& pool);

}  // namespace weft::model
