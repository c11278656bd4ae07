// SPDX-License-Identifier: Apache-2.0
//
// Continuing a run in the background: another weft process that outlives this one, with its own
// session, nothing on its terminal, the same store and the same grants.
#pragma once

#include <string>

#include "base/error.h"
#include "cli/config_encryption.h"
#include "cli/grants.h"

namespace weft::cli {

// E0903: it cannot be started; the run stays stored.
Status continue_in_background(const std::string& run, const StoreFlags& store,
                              const Grants& grants);

}  // namespace weft::cli
