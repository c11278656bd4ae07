// SPDX-License-Identifier: Apache-2.0
//
// `weft plan FILE`: what a run of the workflow will take, in tokens, seconds and money, before it
// begins: from the runs that the store knows, and from limits where there are none.
//
// It starts nothing and asks nobody.
#pragma once

#include <string>

#include "cli/config_encryption.h"

namespace weft::cli {

struct PlanOptions {
  std::string file;
  StoreFlags store;
  std::string config;  // weft.yaml: prices; empty: none
  bool json = false;
};
int run_plan(const PlanOptions& options);

}  // namespace weft::cli
