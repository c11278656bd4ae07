// SPDX-License-Identifier: Apache-2.0
//
// `weft new --from "…"`: a workflow to start from, drafted by a model
// (worker/workflow_draft.h), checked as every document is before it is shown. Any model gives a
// valid document; a good one gives a useful one. Before it is shown it is tried: a dry run
// (dry_run.h) on an input made up for its schema says what it would do.
//
// A model whose answer is no draft (no grammar holds those of some servers) is told so and asked
// again, three times in all; then a frame to fill in is written, which says that it is one.
//
// It sends nothing and overwrites nothing.
#pragma once

#include <optional>
#include <string>

#include "cli/grants.h"

namespace weft::cli {

struct NewOptions {
  std::string from;    // what the workflow should do
  bool dry_run = true;  // tried once, and told how that went
  std::string model = "default";
  std::string output;  // a file that does not exist; empty: stdout
  std::optional<int64_t> seed;  // sampled with it: another one, another draft
  Grants grants;       // models of other servers
};
int run_new(const NewOptions& options);

}  // namespace weft::cli
