// SPDX-License-Identifier: Apache-2.0
//
// `weft validate` and `weft graph`: what can be said about workflow files without running them.
// The sentences come from workflow/loader and workflow/picture; here they only find their way to
// stdout and stderr. Nothing is stored, rendered or sent.
#pragma once

#include <string>
#include <vector>

namespace weft::cli {

struct ValidateOptions {
  std::vector<std::string> files;
  std::string config;   // weft.yaml: its classes and secrets; empty: nothing is said about secrets
  bool schema = false;  // print the JSON Schema of documents instead
  bool json = false;
};
// Every problem of every file, or the schema. kExitOk, kExitFailed if a file is wrong,
// kExitNotFound if one cannot be read, kExitConfiguration if the configuration is wrong.
int run_validate(const ValidateOptions& options);

struct GraphOptions {
  std::string file;
  std::string format = "mermaid";  // mermaid, dot, json
  bool json = false;               // the same as format json
};
int run_graph(const GraphOptions& options);

}  // namespace weft::cli
