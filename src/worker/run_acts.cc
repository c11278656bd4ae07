// SPDX-License-Identifier: Apache-2.0
#include "worker/run_acts.h"

#include <algorithm>

#include "base/strings.h"
#include "schema/validator.h"
#include "worker/change_writer.h"
#include "worker/folded_run.h"
#include "worker/places.h"
#include "workflow/input.h"
#include "workflow/restart.h"

namespace weft::worker {
namespace {

using workflow::Execution;
using workflow::Phase;
using workflow::WaitReason;

constexpr size_t kPayloadBytesMax = size_t{1} << 20;
constexpr size_t kCommentBytesMax = 16'384;
constexpr size_t kNameBytesMax = 256;

Error misfit(std::string message, std::string hint) {
  return make_error("E0614", std::move(message), std::move(hint));
}

struct LoadedRun {
  StoredRun stored;
  FoldedRun folded;
  workflow::Planner planner;
};

Result<LoadedRun> load(store::Db& db, std::string_view run) {
  StoredRun stored = TRY(load_run(db, run));
  FoldedRun folded = TRY(fold_run(stored));
  workflow::Planner planner(folded.workflow);
  return LoadedRun{std::move(stored), std::move(folded), std::move(planner)};
}

Status check_open(const LoadedRun& run) {
  if (!terminal(run.folded.state.status)) return ok_status();
  return misfit(fmt::format("run {} has ended: {}", run.folded.state.run,
                            workflow::name(run.folded.state.status)),
                "`weft runs retry` does what failed once more, `weft runs fork` any part");
}

Status check_text(std::string_view what, std::string_view text, size_t bytes_max) {
  if (text.size() > bytes_max) {
    return misfit(fmt::format("{}: expected at most {} bytes, found {}", what, bytes_max,
                              text.size()), "");
  }
  if (const auto at = invalid_utf8_at(text)) {
    return misfit(fmt::format("{}: byte {} is not UTF-8", what, *at), "");
  }
  return ok_status();
}

// Paths of the executions that `fits` says yes to.
template <class Fits>
std::vector<std::string> paths(const LoadedRun& run, const Fits& fits) {
  std::vector<std::string> found;
  const auto& steps = run.folded.state.steps;
  for (uint32_t i = 0; i < steps.size(); ++i) {
    if (fits(steps[i].execution)) found.push_back(run.planner.path({i}));
    for (size_t item = 0; item < steps[i].item_executions.size(); ++item) {
      if (!fits(steps[i].item_executions[item])) continue;
      found.push_back(run.planner.path({i, static_cast<int64_t>(item)}));
    }
  }
  return found;
}

// The one of `waiting` that `wanted` names; with no name, the only one.
Result<std::string> choose(const LoadedRun& run, const std::vector<std::string>& waiting,
                           const std::string& wanted, std::string_view what) {
  const std::string& id = run.folded.state.run;
  if (wanted.empty() && waiting.size() == 1) return waiting.front();
  if (!wanted.empty() && !run.planner.find(wanted)) {
    return make_error("E0601", fmt::format("run {} has no step {}", id, quoted(wanted)),
                      name_hint(wanted, waiting));
  }
  if (std::find(waiting.begin(), waiting.end(), wanted) != waiting.end()) return wanted;
  std::string hint = waiting.empty() ? fmt::format("what it waits for: weft explain {}", id)
                                     : "these do: " + join(waiting, ", ");
  if (wanted.empty()) {
    return misfit(waiting.empty() ? fmt::format("no step of run {} waits for {}", id, what)
                                  : fmt::format("several steps of run {} wait for {}", id, what),
                  std::move(hint));
  }
  return misfit(fmt::format("step {} of run {} does not wait for {}", quoted(wanted), id, what),
                std::move(hint));
}

const Execution& execution_at(const LoadedRun& run, const std::string& path) {
  const auto id = run.planner.find(path);
  CHECK(id.has_value(), "{} was found before", path);
  const Execution* execution = workflow::find_execution(run.folded.state, *id);
  CHECK(execution != nullptr, "{} was found before", path);
  return *execution;
}

bool lists(const json::Value* names, const std::vector<std::string>& wanted) {
  const json::Array* array = names != nullptr ? names->if_array() : nullptr;
  if (array == nullptr) return false;
  return std::any_of(array->begin(), array->end(), [&](const json::Value& name) {
    return name.is_string() &&
           std::find(wanted.begin(), wanted.end(), std::string_view(name.get_string())) !=
               wanted.end();
  });
}

// The role that the approval names, or a place in its list of people.
Status check_role(const Actor& actor, const Execution& execution, const std::string& path) {
  if (actor.every_role) return ok_status();
  CHECK(execution.waiting != nullptr, "{} asks nobody", path);
  const json::Object* ask = execution.waiting->ask.if_object();
  const json::Value* role = ask != nullptr ? ask->if_contains("role") : nullptr;
  const std::string wanted =
      role != nullptr && role->is_string() ? std::string(role->get_string()) : std::string();
  const bool has = std::find(actor.roles.begin(), actor.roles.end(), wanted) != actor.roles.end();
  const std::string& who = actor.as.empty() ? actor.name : actor.as;
  const json::Value* assignees = ask != nullptr ? ask->if_contains("assignees") : nullptr;
  if (has && (assignees == nullptr || lists(assignees, {who}))) return ok_status();
  return make_error("E0613",
                    fmt::format("Insufficient privileges: {} may not decide {}",
                                quoted(actor.name), quoted(path)),
                    assignees != nullptr ? "it names the people who may"
                                         : fmt::format("it needs the role {}", quoted(wanted)));
}

Result<Posted> post(const PostContext& context, const LoadedRun& run,
                    workflow::EventBody body) {
  MessageRow message;
  message.id = context.message_id.empty() ? new_id(context.env, "msg_") : context.message_id;
  message.run = run.folded.state.run;
  const workflow::Event event{run.folded.state.now_us, std::move(body)};
  message.body = workflow::to_text(event);
  store::Tx tx = TRY(store::Tx::begin(context.db));
  const bool fresh = TRY(insert_message(context.db, message));
  TRY(context.db.hint());
  const RunSummary now = TRY(read_summary(context.db, message.run));
  TRY(tx.commit());
  if (!fresh && now.finished_us != 0 && TRY(outcome_of(context.db, message.id)).empty()) {
    return misfit(fmt::format("run {} has just ended: {}", message.run, now.status), "");
  }
  return Posted{std::move(message.id), !now.worker.empty()};
}

Status check_signal(const LoadedRun& run, std::string_view name, const json::Value& payload) {
  TRY(check_text("the signal's name", name, kNameBytesMax));
  if (name.empty()) return misfit("expected the name of a signal, found nothing", "");
  if (json::dump(payload).size() > kPayloadBytesMax) {
    return misfit(fmt::format("a signal carries at most {} bytes", kPayloadBytesMax),
                  "put the data elsewhere and send where it is");
  }
  if (run.folded.state.signals.size() >= 1'000) {
    return misfit("the run keeps 1000 signals that nobody waits for", "");
  }
  for (const workflow::ExecutionId& id : run.folded.state.listeners) {
    const Execution* execution = workflow::find_execution(run.folded.state, id);
    CHECK(execution != nullptr && execution->waiting != nullptr, "a listener without a name");
    if (execution->waiting->name != name) continue;
    const json::Object* ask = execution->waiting->ask.if_object();
    const json::Value* document = ask != nullptr ? ask->if_contains("schema") : nullptr;
    if (document == nullptr) return ok_status();
    const schema::Schema schema = TRY(schema::Schema::parse(*document));
    json::Value filled = payload;
    TRY(schema::apply_defaults(schema, filled));
    const auto violations = schema::validate(schema, filled);
    if (violations.empty()) return ok_status();
    return schema::violation_error("the signal's payload", violations);
  }
  return ok_status();
}

// What a new run takes over from an old one.
Result<NewRun> again(const LoadedRun& old, std::vector<workflow::ResultKept> kept) {
  NewRun run;
  const workflow::State& state = old.folded.state;
  run.workflow = old.folded.workflow;
  run.input = state.input;
  run.env = state.env;
  run.context = old.folded.context;
  run.context.erase("depth");
  run.definitions = TRY(pinned_definitions(old.stored));
  run.priority = state.priority;
  run.seed = state.seed;
  run.origin = state.run;
  run.kept = std::move(kept);
  return run;
}

Result<uint32_t> step_of(const LoadedRun& run, std::string_view step) {
  const auto id = run.planner.find(step);
  if (id && id->item < 0) return id->step;
  std::vector<std::string> names;
  for (const workflow::Step& known : run.folded.workflow->steps) names.push_back(known.id);
  return make_error("E0601",
                    fmt::format("run {} has no step {}", run.folded.state.run, quoted(step)),
                    name_hint(step, names));
}

}  // namespace

Result<Posted> cancel_run(const PostContext& context, std::string_view run, std::string reason) {
  const LoadedRun loaded = TRY(load(context.db, run));
  TRY(check_open(loaded));
  TRY(check_text("the reason", reason, kCommentBytesMax));
  return post(context, loaded, workflow::CancelRequested{context.actor.name, std::move(reason)});
}

Result<Posted> signal_run(const PostContext& context, std::string_view run, std::string_view name,
                          json::Value payload) {
  const LoadedRun loaded = TRY(load(context.db, run));
  TRY(check_open(loaded));
  TRY(check_signal(loaded, name, payload));
  return post(context, loaded,
              workflow::SignalReceived{std::string(name), std::move(payload),
                                       context.actor.name});
}

Result<Posted> decide_approval(const PostContext& context, std::string_view run,
                               const ApprovalAct& act) {
  const LoadedRun loaded = TRY(load(context.db, run));
  TRY(check_open(loaded));
  TRY(check_text("the comment", act.comment, kCommentBytesMax));
  const auto waiting = paths(loaded, [](const Execution& e) {
    return e.phase == Phase::kSuspended && e.reason == WaitReason::kPerson &&
           e.woken == workflow::Wake::kNo && e.waiting != nullptr;
  });
  const std::string path = TRY(choose(loaded, waiting, act.step, "an approval"));
  TRY(check_role(context.actor, execution_at(loaded, path), path));
  using Decision = workflow::ApprovalDecided::Decision;
  return post(context, loaded,
              workflow::ApprovalDecided{path,
                                        act.approved ? Decision::kApproved : Decision::kRejected,
                                        context.actor.name, act.comment});
}

Result<Posted> resolve_step(const PostContext& context, std::string_view run,
                            const ResolveAct& act) {
  const LoadedRun loaded = TRY(load(context.db, run));
  TRY(check_open(loaded));
  const auto unknown =
      paths(loaded, [](const Execution& e) { return e.phase == Phase::kUnknown; });
  const std::string path = TRY(choose(loaded, unknown, act.step, "a decision about its effect"));
  return post(context, loaded, workflow::UnknownResolved{path, act.resolution, act.output,
                                                         context.actor.name});
}

Result<bool> has_messages(store::Db& db, std::string_view run) {
  auto rows = TRY(db.query("SELECT 1 FROM inbox WHERE run = $1 AND outcome IS NULL LIMIT 1",
                           {run}));
  return rows->next();
}

Result<std::string> outcome_of(store::Db& db, std::string_view message) {
  auto rows = TRY(db.query("SELECT coalesce(outcome, '') FROM inbox WHERE id = $1", {message}));
  if (!TRY(rows->next())) return std::string();
  return std::string(rows->text(0));
}

Result<NewRun> retry_request(store::Db& db, std::string_view run, std::string_view from) {
  const LoadedRun old = TRY(load(db, run));
  const workflow::State& state = old.folded.state;
  if (!terminal(state.status)) {
    return misfit(fmt::format("run {} has not ended: {}", state.run, workflow::name(state.status)),
                  "`weft runs cancel` it first, or `weft runs fork` it");
  }
  if (!from.empty()) {
    const uint32_t step = TRY(step_of(old, from));
    NewRun request = TRY(again(old, workflow::kept_for_fork(old.planner, state, step)));
    request.effects_of = workflow::effect_run(state);
    return request;
  }
  auto kept = workflow::kept_for_retry(old.planner, state);
  if (!kept) {
    return misfit(fmt::format("no step of run {} failed", state.run),
                  "`weft runs fork RUN --from STEP` does a part of it again");
  }
  NewRun request = TRY(again(old, std::move(*kept)));
  // The same work once more: a peer that knows the key of an effect must recognise it.
  request.effects_of = workflow::effect_run(state);
  return request;
}

Result<NewRun> fork_request(store::Db& db, std::string_view run, std::string_view from,
                            const json::Object& edits) {
  const LoadedRun old = TRY(load(db, run));
  const uint32_t step = TRY(step_of(old, from));
  if (old.folded.state.steps.empty()) {
    return misfit(fmt::format("run {} has not begun", run), "");
  }
  NewRun request = TRY(again(old, workflow::kept_for_fork(old.planner, old.folded.state, step)));
  if (!edits.empty()) {
    if (!request.input.is_object()) request.input = json::Object();
    for (const auto& edit : edits) request.input.as_object()[edit.key()] = edit.value();
    request.input = TRY(workflow::completed_input(*request.workflow, std::move(request.input)));
  }
  return request;
}

Result<std::vector<RequiredAction>> required_actions(store::Db& db, const ActionQuery& query) {
  auto rows = TRY(db.query(
      "SELECT a.run, r.workflow, a.path, a.kind, a.body, a.since_us, coalesce(a.deadline, 0) "
      "FROM required_action a JOIN run r ON r.id = a.run WHERE r.finished_us IS NULL AND "
      "($1 = '' OR a.run = $1) AND ($2 = 0 OR r.tenant = $3) "
      "ORDER BY a.since_us, a.run, a.path",
      {query.run, query.tenant ? 1 : 0, query.tenant.value_or("")}));
  std::vector<RequiredAction> actions;
  while (TRY(rows->next())) {
    if (std::ssize(actions) >= query.limit) break;
    RequiredAction action{.run = std::string(rows->text(0)),
                          .workflow = std::string(rows->text(1)),
                          .path = std::string(rows->text(2)),
                          .kind = std::string(rows->text(3)),
                          .body = {},
                          .since_us = rows->int64(5),
                          .deadline_us = rows->int64(6)};
    json::Value body = TRY(json::parse(
        TRY(store::opened(db, place_of_action(action.run, action.path), rows->text(4)))));
    if (body.is_object()) action.body = std::move(body.as_object());
    const json::Value* role = action.body.if_contains("role");
    if (!query.role.empty() && (role == nullptr || *role != json::Value(query.role))) continue;
    actions.push_back(std::move(action));
  }
  return actions;
}

Result<int64_t> child_waited_until(store::Db& db, std::string_view parent,
                                   std::string_view child) {
  const LoadedRun run = TRY(load(db, parent));
  const auto waiting = paths(run, [&](const Execution& e) {
    return e.phase == Phase::kSuspended && e.reason == WaitReason::kChildRun &&
           e.waiting != nullptr && e.waiting->name == child;
  });
  if (waiting.empty()) return run.folded.state.now_us;
  const Execution& execution = execution_at(run, waiting.front());
  if (execution.paused_us != 0) return 0;  // its clock stands still meanwhile
  const int64_t step = execution.deadline_us;
  const int64_t attempt = execution.attempt_deadline_us;
  return step == 0 || attempt == 0 ? std::max(step, attempt) : std::min(step, attempt);
}

}  // namespace weft::worker
