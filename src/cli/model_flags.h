// SPDX-License-Identifier: Apache-2.0
//
// Flags of every command in which models of this process answer: what their tokens depend on
// besides the weights. As given on the command line; empty means as usual, or as weft.yaml says.
// They are parts of the system_fingerprint, so a run is replayed with those it was made with.
#pragma once

#include <string>

#include "base/error.h"
#include "runtime/model_instance.h"

namespace weft::cli {

struct ModelFlags {
  std::string kv;        // --kv: f32, f16 or q8, the type of the KV cache
  std::string numerics;  // --numerics: portable or fast

  // E0214: a name that is none of these. What is not given stays as it is.
  Status set(runtime::LoadOptions& load) const;
};

}  // namespace weft::cli
