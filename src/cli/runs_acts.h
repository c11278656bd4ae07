// SPDX-License-Identifier: Apache-2.0
//
// `weft runs cancel | signal | approve | reject | resolve | retry | fork | actions`: what people do
// to a run. The act is stored first; then whoever has the run takes it, and where nobody has it,
// this process continues the run (unless --detach). A thin caller of worker/run_acts.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cli/config_encryption.h"
#include "cli/grants.h"

namespace weft::worker {
struct RequiredAction;
}

namespace weft::cli {

struct RunActOptions {
  std::string act;         // "cancel", "signal", "approve", "reject", "resolve"
  StoreFlags store;
  std::string run;
  std::string step;        // approve, reject: empty = the only one that waits
  std::string name;        // signal
  std::string payload;     // signal: JSON, or @file.json; empty: null
  std::string decision;    // resolve: "retry", "fail", "succeed"
  std::string output;      // resolve succeed: JSON
  std::string comment;     // approve, reject; cancel: the reason
  std::string by;          // empty: this machine's user
  bool detach = false;     // only store the act
  Grants grants;           // if this process goes on with the run
  bool json = false;
};
int act_on_run(const RunActOptions& options);

struct RunAgainOptions {
  bool fork = false;       // else retry
  StoreFlags store;
  std::string run;
  std::string from;        // retry: empty = whatever failed
  std::vector<std::string> edits;  // fork: "name=value"
  bool detach = false;
  Grants grants;
  bool json = false;
};
int run_again(const RunAgainOptions& options);

struct RunsActionsOptions {
  StoreFlags store;
  std::string run;         // empty: all
  std::string role;
  int64_t limit = 100;
  bool json = false;
};
int list_actions(const RunsActionsOptions& options);
// What a person types to decide it. `store`: where it is named if it is not the user's own; the
// address of a database server, which may hold a password, is never.
std::string action_command(const worker::RequiredAction& action, const std::string& store = "");

}  // namespace weft::cli
