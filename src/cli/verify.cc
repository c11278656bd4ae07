// SPDX-License-Identifier: Apache-2.0
#include "cli/verify.h"

#include "base/env.h"
#include "base/json.h"
#include "cli/backends.h"
#include "cli/exit.h"
#include "cli/run_session.h"
#include "cli/terminal.h"
#include "worker/asio_loop.h"
#include "worker/fsck.h"
#include "worker/replay.h"
#include "worker/schema.h"

namespace weft::cli {
int run_fsck(const FsckOptions& options) {
  auto db = open_store(options.store);
  if (!db.ok()) return refuse_run(db.error());
  const auto report = worker::check_store(**db);
  if (!report.ok()) return refuse_run(report.error());
  json::Array problems;
  for (const worker::FsckProblem& problem : report->problems) {
    if (!options.json) {
      print_data(problem.run.empty() ? problem.what
                                     : fmt::format("run {}: {}", problem.run, problem.what));
    }
    problems.push_back(json::Object{{"run", problem.run}, {"what", problem.what}});
  }
  if (options.json) {
    const json::Object out{{"runs", report->runs},
                           {"events", report->events},
                           {"chains", report->chains},
                           {"problems_total", report->problems_total},
                           {"problems", std::move(problems)}};
    print_data(json::dump(json::Value(out), {.spaces = true, .indent = 2}));
  }
  say(fmt::format("{} runs, {} events in {} chains: {}", report->runs, report->events,
                  report->chains,
                  report->problems_total == 0
                      ? std::string("tables and journal agree")
                      : fmt::format("{} problems", report->problems_total)));
  return report->problems_total == 0 ? kExitOk : kExitFailed;
}

int run_replay(const ReplayOptions& options) {
  auto db = open_store(options.store);
  if (!db.ok()) return refuse_run(db.error());
  const auto id = worker::find_run(**db, options.run);
  if (!id.ok()) return refuse_run(id.error());
  worker::AsioLoop loop;
  worker::ThreadPool pool(1);
  Grants grants;
  grants.model = options.model;
  const auto router = open_router({}, grants);
  if (!router.ok()) return refuse_run(router.error());
  worker::Services services{real_env(), loop, pool, router->get(), nullptr};
  const auto calls = worker::replay_run(**db, *id, services);
  if (!calls.ok()) return refuse_run(calls.error());
  json::Array out;
  int64_t different = 0;
  int64_t kept = 0;  // of other servers: not asked again
  int64_t tokens = 0;
  for (const worker::ReplayedCall& call : *calls) {
    const bool same = call.difference.empty();
    const bool remote = !call.remote.empty();
    different += same ? 0 : 1;
    kept += remote ? 1 : 0;
    tokens += call.tokens;
    out.push_back(json::Object{{"step", call.path},
                               {"attempt", int64_t{call.attempt}},
                               {"n", int64_t{call.n}},
                               {"model", call.model},
                               {"tokens", call.tokens},
                               {"same", same && !remote},
                               {"remote", call.remote},
                               {"difference", call.difference}});
    if (options.json) continue;
    print_data(fmt::format("{}  attempt {}  {}  {} tokens  {}", call.path, call.attempt,
                           call.model, call.tokens,
                           remote ? "not reproducible: answered by " + call.remote
                           : same ? "the same"
                                  : call.difference));
  }
  if (options.json) print_data(json::dump(json::Value(std::move(out)), {.indent = 2}));
  const std::string others =
      kept == 0 ? "" : fmt::format("; {} of other servers are kept, not made again", kept);
  say(fmt::format("{} decisions, {} tokens: {}{}", calls->size(), tokens,
                  different == 0 ? std::string(kept == 0 ? "all made again, bit for bit"
                                                         : "no difference")
                                 : fmt::format("{} differ", different),
                  others));
  return options.verify && different > 0 ? kExitFailed : kExitOk;
}

}  // namespace weft::cli
