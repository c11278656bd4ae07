// SPDX-License-Identifier: Apache-2.0
//
// The section `traces` of weft.yaml: the OpenTelemetry collector that is told of runs.
//
//   traces: { endpoint: "http://localhost:4318", authorization: "env:OTLP_AUTHORIZATION" }
//
// The collector may lie in a private network: it is the operator who names it.
#pragma once

#include <string>

namespace weft::workflow {
class Fields;
}

namespace weft::cli {

struct ConfigScope;

struct TracesConfig {
  std::string endpoint;       // empty: none
  std::string authorization;  // a header's value; empty: none
};
void read_traces(workflow::Fields& fields, const ConfigScope& scope, TracesConfig& out);

}  // namespace weft::cli
