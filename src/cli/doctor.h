// SPDX-License-Identifier: Apache-2.0
//
// `weft doctor`: says what this machine offers to weft and what stands in its way. It changes
// nothing.
#pragma once

#include <string>

namespace weft::cli {

struct DoctorOptions {
  std::string config;  // weft.yaml to check; empty: none
  bool json = false;
};

// kExitOk, or kExitConfiguration when weft cannot run here.
int run_doctor(const DoctorOptions& options);

}  // namespace weft::cli
