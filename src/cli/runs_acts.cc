// SPDX-License-Identifier: Apache-2.0
#include "cli/runs_acts.h"

#include <pwd.h>
#include <unistd.h>

#include <array>

#include "base/env.h"
#include "base/file.h"
#include "base/strings.h"
#include "cli/background.h"
#include "cli/config.h"
#include "cli/exit.h"
#include "cli/run_input.h"
#include "cli/run_session.h"
#include "cli/terminal.h"
#include "store/postgres.h"
#include "worker/folded_run.h"
#include "worker/run_acts.h"
#include "worker/run_reader.h"
#include "worker/schema.h"

namespace weft::cli {
namespace {

constexpr size_t kPayloadBytesMax = size_t{1} << 20;

// A living owner looks at its inbox ten times a second.
constexpr int64_t kOutcomeUsMax = 10'000'000;
constexpr int64_t kOutcomePollUs = 20'000;

std::string user_name() {
  const passwd* entry = ::getpwuid(::geteuid());
  return entry != nullptr ? entry->pw_name : fmt::format("user {}", ::geteuid());
}

Result<json::Value> json_argument(const std::string& text) {
  if (text.empty()) return json::Value();
  if (!text.starts_with('@')) {
    auto value = json::parse(text);
    if (value.ok()) return value;
    return make_error("E0902", fmt::format("expected JSON, found {}: {}", quoted(text),
                                           value.error().message),
                      "text needs quotes of its own: '\"like this\"'");
  }
  return json::parse(TRY(read_file(text.substr(1), kPayloadBytesMax)));
}

Result<worker::Posted> post(const worker::PostContext& context, const std::string& run,
                            const RunActOptions& options) {
  if (options.act == "cancel") return worker::cancel_run(context, run, options.comment);
  if (options.act == "signal") {
    return worker::signal_run(context, run, options.name, TRY(json_argument(options.payload)));
  }
  if (options.act == "approve" || options.act == "reject") {
    return worker::decide_approval(context, run,
                                   {.step = options.step,
                                    .approved = options.act == "approve",
                                    .comment = options.comment});
  }
  using Resolution = workflow::UnknownResolved::Resolution;
  worker::ResolveAct resolve{.step = options.step};
  if (options.decision == "retry") resolve.resolution = Resolution::kRetry;
  if (options.decision == "succeed") resolve.resolution = Resolution::kSucceed;
  resolve.output = TRY(json_argument(options.output));
  return worker::resolve_step(context, run, resolve);
}

// What the owner made of the message; empty if it did not take it in time.
Result<std::string> wait_for_outcome(store::Db& db, const std::string& message) {
  for (int64_t waited = 0; waited < kOutcomeUsMax; waited += kOutcomePollUs) {
    std::string outcome = TRY(worker::outcome_of(db, message));
    if (!outcome.empty()) return outcome;
    real_env().sleep_us(kOutcomePollUs);
  }
  return std::string();
}

int tell_outcome(const RunActOptions& options, const std::string& run,
                 const std::string& outcome) {
  if (options.json) {
    print_data(json::dump(json::Object{{"run", run}, {"act", options.act}, {"outcome", outcome}}));
  } else if (outcome == "applied") {
    say(fmt::format("{}: done; the process that has run {} goes on", options.act, run));
  } else {
    say(fmt::format("{}: {}; see weft explain {}", options.act, outcome, run));
  }
  return outcome == "applied" ? kExitOk : kExitFailed;
}

int tell_stored(const RunActOptions& options, const std::string& run) {
  if (options.json) {
    print_data(json::dump(json::Object{{"run", run}, {"act", options.act}, {"outcome", "stored"}}));
  }
  say(fmt::format("stored; whoever continues the run takes it: weft runs resume {}", run));
  return kExitOk;
}

// Nobody has the run: this process claims it, which takes the message along, and works on it.
int continue_run(const RunActOptions& options, const std::string& run) {
  RunSession session({.store = options.store, .json = options.json, .grants = options.grants});
  if (Status started = session.start(); !started.ok()) return refuse_run(started.error());
  session.process().journal().want(run);
  const int code = session.follow({run});
  if (options.act != "cancel" || code != kExitFailed) return code;
  auto db = open_store(options.store);
  if (!db.ok()) return refuse_run(db.error());
  const auto summary = worker::read_summary(**db, run);
  return summary.ok() && summary->status == "cancelled" ? kExitOk : code;
}

}  // namespace

int act_on_run(const RunActOptions& options) {
  auto db = open_store(options.store);
  if (!db.ok()) return refuse_run(db.error());
  const auto id = worker::find_run(**db, options.run);
  if (!id.ok()) return refuse_run(id.error());
  const worker::Actor actor{options.by.empty() ? user_name() : options.by, {}, true};
  const auto posted = post({**db, real_env(), actor}, *id, options);
  if (!posted.ok()) return refuse_run(posted.error());
  if (posted->owned) {
    const auto outcome = wait_for_outcome(**db, posted->message);
    if (!outcome.ok()) return refuse_run(outcome.error());
    if (!outcome->empty()) return tell_outcome(options, *id, *outcome);
  }
  if (options.detach) return tell_stored(options, *id);
  db->reset();
  return continue_run(options, *id);
}

namespace {

Result<worker::NewRun> request_again(store::Db& db, const std::string& run,
                                     const RunAgainOptions& options) {
  if (!options.fork) return worker::retry_request(db, run, options.from);
  const worker::StoredRun stored = TRY(worker::load_run(db, run));
  const auto definition = TRY(worker::stored_definition(stored));
  const json::Object edits = TRY(input_members(*definition, options.edits));
  return worker::fork_request(db, run, options.from, edits);
}

}  // namespace

int run_again(const RunAgainOptions& options) {
  auto db = open_store(options.store);
  if (!db.ok()) return refuse_run(db.error());
  const auto id = worker::find_run(**db, options.run);
  if (!id.ok()) return refuse_run(id.error());
  auto request = request_again(**db, *id, options);
  if (!request.ok()) return refuse_run(request.error());
  const size_t kept = request->kept.size();
  RunSession session({.store = options.store, .json = options.json, .grants = options.grants});
  if (Status started = session.start(); !started.ok()) return refuse_run(started.error());
  request->detached = options.detach;
  auto run = session.process().executor().submit(std::move(*request));
  if (!run.ok()) return refuse_run(run.error());
  say(fmt::format("run {} keeps {} results of {}", *run, kept, *id));
  if (!options.detach) return session.follow({*run});
  if (Status closed = session.close(); !closed.ok()) return refuse_run(closed.error());
  const Status begun = continue_in_background(*run, session.store(), options.grants);
  if (!begun.ok()) return refuse_run(begun.error());
  print_data(options.json ? json::dump(json::Object{{"run", *run}, {"status", "queued"}}) : *run);
  return kExitOk;
}

namespace {

json::Object action_document(const worker::RequiredAction& action) {
  json::Object out{{"run", action.run},
                   {"workflow", action.workflow},
                   {"step", action.path},
                   {"kind", action.kind},
                   {"since", iso8601(action.since_us)}};
  if (action.deadline_us != 0) out["deadline"] = iso8601(action.deadline_us);
  for (const auto& member : action.body) out[member.key()] = member.value();
  return out;
}

std::string action_line(const worker::RequiredAction& action) {
  std::string line = fmt::format("{}  {:<8}  {}", action.run, action.kind, action.path);
  for (const char* name : {"role", "title", "name"}) {
    const json::Value* value = action.body.if_contains(name);
    if (value == nullptr || !value->is_string() || value->get_string().empty()) continue;
    line += fmt::format("  {} {}", name, quoted(std::string_view(value->get_string())));
  }
  if (action.deadline_us != 0) line += "  until " + iso8601(action.deadline_us);
  return line;
}

}  // namespace

std::string action_command(const worker::RequiredAction& action, const std::string& store) {
  const bool named = !store.empty() && store != default_store_path() &&
                     !store::is_postgres_url(store);
  const std::array<std::string, 2> words{"--store", store};
  const std::string where = named ? " " + command_text(words) : "";
  if (action.kind == "approval") {
    return fmt::format("weft runs approve {} {}{}   (or reject)", action.run, action.path, where);
  }
  if (action.kind == "resolve") {
    return fmt::format("weft runs resolve {} {} retry|fail|succeed{}", action.run, action.path,
                       where);
  }
  const json::Value* name = action.body.if_contains("name");
  return fmt::format("weft runs signal {} {}{}", action.run,
                     name != nullptr && name->is_string() ? std::string_view(name->get_string())
                                                          : std::string_view("NAME"),
                     where);
}

int list_actions(const RunsActionsOptions& options) {
  auto db = open_store(options.store);
  if (!db.ok()) return refuse_run(db.error());
  worker::ActionQuery query{.run = "", .role = options.role, .limit = options.limit};
  if (!options.run.empty()) {
    auto id = worker::find_run(**db, options.run);
    if (!id.ok()) return refuse_run(id.error());
    query.run = std::move(*id);
  }
  const auto actions = worker::required_actions(**db, query);
  if (!actions.ok()) return refuse_run(actions.error());
  if (options.json) {
    json::Array out;
    for (const auto& action : *actions) out.push_back(action_document(action));
    print_data(json::dump(json::Value(std::move(out)), {.spaces = true, .indent = 2}));
    return kExitOk;
  }
  if (actions->empty()) say("nothing waits for a person");
  for (const auto& action : *actions) {
    print_data(action_line(action));
    if (const json::Value* show = action.body.if_contains("show")) {
      print_data("    " + json::dump(*show));
    }
    print_data("    " + action_command(action));
  }
  return kExitOk;
}

}  // namespace weft::cli
