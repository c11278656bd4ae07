// SPDX-License-Identifier: Apache-2.0
//
// What people and programs may do to a run from outside, whichever process owns it: cancel it,
// send it a signal, decide an approval or a cut-off effect, try it again, fork it; and the list of
// what runs wait for people to do. The command line and the HTTP API are thin callers of this.
//
//   actor → checks against the run's events → row in `inbox` → (owner) event + outcome, one
//   transaction of the owner, under its fence and in its hash chain
//
// A post is durable when it returns; who owns the run takes it within a fraction of a second, and a
// run that nobody owns is claimed for it by the next worker with room. Checks here give people an
// answer at once; the planner has the last word (outcome "too late").
//
// Retry and fork make new runs, because terminal states never change: they return a NewRun for
// Executor::submit. Functions block on the store and belong on no event loop's thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/env.h"
#include "base/error.h"
#include "base/json.h"
#include "store/db.h"
#include "worker/new_run.h"
#include "workflow/events.h"

namespace weft::worker {

// Who acts. Whoever has every role is this machine's user, or an administrator.
struct Actor {
  std::string name;
  std::vector<std::string> roles;
  bool every_role = false;
  std::string as = {};  // whom an approval's list of people names; empty: `name`
};

// `message` names what was posted. The same id twice is the same act: callers that repeat a
// request give their own (else a fresh one is made).
struct Posted {
  std::string message;
  bool owned = false;  // a process has the run and will hear of it
};
struct PostContext {
  store::Db& db;
  Env& env;
  const Actor& actor;
  std::string message_id = {};
};

// Errors: E0601 no such run or step, E0613 the actor lacks the role, E0614 the act does not fit the
// state of the run; for signals also those of the step's schema.
Result<Posted> cancel_run(const PostContext& context, std::string_view run, std::string reason);
Result<Posted> signal_run(const PostContext& context, std::string_view run, std::string_view name,
                          json::Value payload);
struct ApprovalAct {
  std::string step;  // path; empty: the only approval that the run waits for
  bool approved = false;
  std::string comment = {};
};
Result<Posted> decide_approval(const PostContext& context, std::string_view run,
                               const ApprovalAct& act);
struct ResolveAct {
  std::string step;  // path; empty: the only one that is unknown
  workflow::UnknownResolved::Resolution resolution = workflow::UnknownResolved::Resolution::kFail;
  json::Value output = {};  // of a success
};
Result<Posted> resolve_step(const PostContext& context, std::string_view run,
                            const ResolveAct& act);

// Whether a message to the run waits for its owner.
Result<bool> has_messages(store::Db& db, std::string_view run);

// "applied", "too late", "refused"; empty while nobody has taken the message.
Result<std::string> outcome_of(store::Db& db, std::string_view message);

// The failed steps of an ended run, and all behind them, once more; everything else is kept.
// `from` names a step to begin at instead.
Result<NewRun> retry_request(store::Db& db, std::string_view run, std::string_view from = {});
// The run once more from `from` on, with `edits` over its input.
Result<NewRun> fork_request(store::Db& db, std::string_view run, std::string_view from,
                            const json::Object& edits);

struct RequiredAction {
  std::string run;
  std::string workflow;
  std::string path;
  std::string kind;        // "approval", "signal", "resolve"
  json::Object body;       // approval: role, title, show, assignees; signal: name, schema
  int64_t since_us = 0;
  int64_t deadline_us = 0; // 0: none
};
struct ActionQuery {
  std::string run = {};    // empty: all
  std::string role = {};   // empty: any; else only approvals of this role
  int64_t limit = 100;
  std::optional<std::string> tenant = {};  // nothing: of all
};
// Oldest first.
Result<std::vector<RequiredAction>> required_actions(store::Db& db, const ActionQuery& query);

// When the step of `parent` that waits for its run `child` gives up: now, if none does any more;
// 0: never.
Result<int64_t> child_waited_until(store::Db& db, std::string_view parent,
                                   std::string_view child);

}  // namespace weft::worker
