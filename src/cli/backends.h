// SPDX-License-Identifier: Apache-2.0
//
// The models of a command as one backend: those of this process and those that other servers
// answer for, as the flags and the configuration name them, behind the rules that choose.
//
// It starts nothing: models load and servers are asked when the first request comes.
#pragma once

#include <memory>

#include "backend/models.h"
#include "backend/router.h"
#include "cli/config_models.h"
#include "cli/grants.h"

namespace weft::cli {

// E0905: --backend is malformed, or names what the configuration names. E0214: --kv, --numerics.
// E0773: a server's kind or address, or rules that name a model nobody has.
Result<std::unique_ptr<backend::Router>> open_router(backend::ModelsOptions models,
                                                     const Grants& grants,
                                                     const ModelsConfig& config = {});

}  // namespace weft::cli
