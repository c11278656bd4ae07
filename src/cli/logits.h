// SPDX-License-Identifier: Apache-2.0
//
// `weft logits`: the bare numbers of a model, for comparisons with other implementations. Reads
// JSON lines {"tokens": [...], "top": k?, "positions": [...]?, "greedy": n?, "chunks": [...]?} and
// answers each with {"positions": [{"pos", "top": [[id, logit], ...], "mean", "l2"}], "greedy":
// [ids]}. A line that cannot be computed is answered with {"error": text}; the rest goes on.
#pragma once

#include <string>

#include "cli/model_flags.h"

namespace weft::cli {

struct LogitsOptions {
  std::string model = "default";  // a directory in Hugging Face layout; default = the embedded one
  std::string dtype = "f32";      // f32 native q8
  ModelFlags flags;
  int threads = 0;                // 0 = all usable cores
};

// kExitOk; kExitFailed if a line failed; kExitUsage, kExitNotFound or kExitConfiguration if
// the model is not usable.
int run_logits(const LogitsOptions& options);

}  // namespace weft::cli
