// SPDX-License-Identifier: Apache-2.0
//
// The section `retention` of weft.yaml: what `weft serve` removes by itself when it is old enough,
// and how often it looks.
//
//   retention: { audit: 400d, runs: 90d, every: 1d }
//
// Without it nothing is ever removed but by a command.
#pragma once

#include <cstdint>

namespace weft::workflow {
class Fields;
}

namespace weft::cli {

struct ConfigScope;

struct RetentionConfig {
  int64_t audit_us = 0;  // audit records; 0: they stay
  int64_t runs_us = 0;   // runs, after their end; 0: they stay
  int64_t every_us = int64_t{86'400} * 1'000'000;
  bool given() const { return audit_us > 0 || runs_us > 0; }
};
void read_retention(workflow::Fields& fields, const ConfigScope& scope, RetentionConfig& out);

}  // namespace weft::cli
