// SPDX-License-Identifier: Apache-2.0
#include "worker/change_writer.h"

#include <algorithm>
#include <array>
#include <vector>

#include "base/digest.h"
#include "base/json.h"
#include "worker/places.h"

namespace weft::worker {
namespace {

// What a remote model writes may hold one, and no PostgreSQL does.
std::string without_zero(std::string text) {
  for (size_t at = text.find('\0'); at != std::string::npos; at = text.find('\0', at)) {
    text.replace(at, 1, "\xef\xbf\xbd");
  }
  return text;
}

using store::Form;
using store::kept;
using store::Value;

// A priority of 1 more is worth so much waiting (schema.cc, `rank`).
constexpr int64_t kAgingUs = 60'000'000;

Value time_or_null(int64_t us) { return us == 0 ? Value(nullptr) : Value(us); }
Value text_or_null(const std::string& text) {
  return text.empty() ? Value(nullptr) : Value(text);
}

}  // namespace

// Nearly always nobody has said anything that is not heard yet; then no end of a run need look for
// it. Where writers do not come one after the other, somebody may at any moment.
Status ChangeWriter::begin() {
  unheard_ = true;
  if (!db_.skip_locked().empty()) return ok_status();
  const auto rows = TRY(db_.query("SELECT 1 FROM inbox WHERE outcome IS NULL LIMIT 1", {}));
  unheard_ = TRY(rows->next());
  return ok_status();
}

Result<bool> ChangeWriter::write(const Change& change, const WorkerIdentity& worker,
                                 ChainHead& chain) {
  CHECK(!change.run.empty(), "a change without a run");
  if (!TRY(write_run(change, worker))) return false;
  TRY(write_events(change, worker, chain));
  TRY(write_steps(change));
  TRY(write_timers(change));
  if (!change.effects.empty()) TRY(write_effects(change));
  if (!change.ai_calls.empty()) TRY(write_ai_calls(change, worker));
  if (!change.acts.empty()) TRY(write_act_records(change, worker));
  TRY(write_partials(change));
  // Children before messages: one may be for a child that begins and is stopped in this turn.
  for (const Change& child : change.children) {
    CHECK(child.insert && child.children.empty(), "a child run {} that is not new", child.run);
    TRY(write(child, worker, chain));
  }
  TRY(write_acts(change));
  return true;
}

Result<bool> ChangeWriter::write_run(const Change& change, const WorkerIdentity& worker) {
  if (change.insert) {
    if (TRY(key_is_taken(*change.insert))) return false;
    TRY(insert_run(change, worker));
    return true;
  }
  const RunState& state = change.state;
  const auto error = TRY(kept(db_, place_in_run("run.error", change.run), state.error));
  const int64_t touched = TRY(db_.run(
      "UPDATE run SET status = $1, error = $2, deadline = $3, started_us = $4, finished_us = $5, "
      "version = version + 1 "
      "WHERE id = $6 AND worker = $7 AND worker_epoch = $8 AND finished_us IS NULL",
      {state.status, error.or_null(), time_or_null(state.deadline_us),
       time_or_null(state.started_us), time_or_null(state.finished_us), change.run, worker.id,
       worker.epoch}));
  CHECK(touched <= 1, "{} runs are called {}", touched, change.run);
  return touched == 1;
}

// Another process may have taken it since somebody looked: then this run is none.
Result<bool> ChangeWriter::key_is_taken(const RunRow& row) {
  if (row.idem_key.empty()) return false;
  const auto rows = TRY(
      db_.query("SELECT 1 FROM run WHERE idem_key = $1 AND id <> $2", {row.idem_key, row.id}));
  return rows->next();
}

Status ChangeWriter::insert_run(const Change& change, const WorkerIdentity& worker) {
  const RunRow& row = *change.insert;
  const RunState& state = change.state;
  CHECK(row.id == change.run, "run {} in the change of {}", row.id, change.run);
  TRY(insert_definition(row.definition_hash, row.definition));
  for (const auto& [hash, document] : row.more_definitions) TRY(insert_definition(hash, document));
  const auto place = [&](std::string_view column) {
    return place_in_run(column, row.id, row.tenant);
  };
  const auto input = TRY(kept(db_, place("run.input"), row.input));
  const auto context = TRY(kept(db_, place("run.context"), row.context));
  const auto error = TRY(kept(db_, place("run.error"), state.error));
  const auto callback_url = TRY(kept(db_, place("run.callback_url"), row.callback_url));
  TRY(db_.post(
      "INSERT INTO run (id, def_hash, workflow, input, context, status, error, priority, deadline, "
      "version, worker, worker_epoch, created_us, started_us, finished_us, parent, origin, rank, "
      "tenant, callback_url, idem_key) "
      "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, "
      "$19, $20, $21)",
      {row.id, row.definition_hash, row.workflow, input.value(), context.value(), state.status,
       error.or_null(), int64_t{row.priority}, time_or_null(state.deadline_us), 1,
       row.claimed ? Value(worker.id) : Value(nullptr),
       row.claimed ? Value(worker.epoch) : Value(nullptr), row.created_us,
       time_or_null(state.started_us), time_or_null(state.finished_us), text_or_null(row.parent),
       text_or_null(row.origin), row.created_us - row.priority * kAgingUs, row.tenant,
       callback_url.or_null(), text_or_null(row.idem_key)}));
  return row.claimed ? ok_status() : db_.hint();
}

Status ChangeWriter::insert_definition(const std::string& hash, const std::string& document) {
  if (definitions_.contains(hash)) return ok_status();
  const auto doc = TRY(kept(db_, place_of_document(hash), document));
  TRY(db_.post("INSERT INTO definition (hash, doc) VALUES ($1, $2) ON CONFLICT DO NOTHING",
              {hash, doc.value()}));
  definitions_.insert(hash);
  return ok_status();
}

Status ChangeWriter::write_acts(const Change& change) {
  for (const ActionRow& action : change.actions) {
    if (action.kind.empty()) {
      TRY(db_.post("DELETE FROM required_action WHERE run = $1 AND path = $2",
                  {change.run, action.path}));
      continue;
    }
    const auto body = TRY(kept(db_, place_of_action(change.run, action.path), action.body));
    TRY(db_.post("INSERT INTO required_action (run, path, kind, body, since_us, deadline) "
                "VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (run, path) DO UPDATE SET "
                "kind = excluded.kind, body = excluded.body, since_us = excluded.since_us, "
                "deadline = excluded.deadline",
                {change.run, action.path, action.kind, body.value(), action.since_us,
                 time_or_null(action.deadline_us)}));
  }
  for (const TakenRow& taken : change.taken) {
    TRY(db_.post("UPDATE inbox SET outcome = $1 WHERE id = $2 AND outcome IS NULL",
                {taken.outcome, taken.id}));
  }
  for (const MessageRow& message : change.messages) {
    if (TRY(insert_message(db_, message))) unheard_ = true;
  }
  if (change.state.finished_us != 0 && change.may_call_back) {
    TRY(db_.post("INSERT INTO callback (run, tenant, url, state, attempts, next_us, created_us, "
                "last_status, last_error) SELECT id, tenant, callback_url, 'waiting', 0, $1, $1, "
                "0, '' FROM run WHERE id = $2 AND callback_url IS NOT NULL ON CONFLICT DO NOTHING",
                {change.state.finished_us, change.run}));
  }
  if (change.state.finished_us != 0 && unheard_) {
    // nobody will hear what was said to it
    TRY(db_.post("UPDATE inbox SET outcome = 'too late' WHERE run = $1 AND outcome IS NULL",
                {change.run}));
  }
  return ok_status();
}

Result<bool> insert_message(store::Db& db, const MessageRow& message) {
  CHECK(!message.id.empty() && !message.run.empty(), "a message of nobody, or to nobody");
  const int64_t now = TRY(db.now_ms()) * 1000;
  const auto body = TRY(kept(db, place_of_message(message.id, message.run), message.body));
  const int64_t inserted = TRY(db.run(
      "INSERT INTO inbox (id, run, n, body, at_us) SELECT $1, $2, "
      "(SELECT coalesce(max(n), 0) + 1 FROM inbox WHERE run = $2), $3, $4 "
      "WHERE EXISTS (SELECT 1 FROM run WHERE id = $2 AND finished_us IS NULL) "
      "ON CONFLICT (id) DO NOTHING",
      {message.id, message.run, body.value(), now}));
  return inserted == 1;
}

namespace {

// Rows of one kind go in together, up to so many: a statement costs as much as the row it writes.
constexpr size_t kRowsAtOnce = 8;

// "($1, $2), ($1, $3)": rows of `width` values; `shared(row, column)` names the parameter of a
// value that stands in the statement already, or 0.
template <class Shared>
std::string row_list(size_t rows, size_t width, const Shared& shared) {
  std::string out;
  size_t last = 0;
  for (size_t row = 0; row < rows; ++row) {
    out += row == 0 ? "(" : ", (";
    for (size_t column = 0; column < width; ++column) {
      const size_t known = row == 0 ? 0 : shared(row, column);
      out += fmt::format("{}${}", column == 0 ? "" : ", ", known != 0 ? known : ++last);
    }
    out += ")";
  }
  return out;
}

// Events of one change: one run, one writer, and each links to the one before it. The first row has
// parameters 1 to 11, each further one seven of its own.
std::string events_sql(size_t rows) {
  constexpr size_t kFirst = 11;
  constexpr size_t kOwn = 7;
  const auto shared = [](size_t row, size_t column) -> size_t {
    if (column == 0) return 1;                // run
    if (column == 6 || column == 7) return column + 1;  // worker, epoch
    if (column == 9) return kFirst + (row - 1) * kOwn;  // prev_hash: the hash before it
    return 0;
  };
  return "INSERT INTO event (run, seq, at_us, kind, path, body, worker, epoch, n, prev_hash, hash) "
         "VALUES " + row_list(rows, kFirst, shared);
}

std::string steps_sql(size_t rows) {
  const auto shared = [](size_t, size_t column) -> size_t { return column == 0 ? 1 : 0; };
  return "INSERT INTO step (run, path, attempt, status, in_hash, out_ref, error, started_us, "
         "finished_us) VALUES " + row_list(rows, 9, shared) +
         " ON CONFLICT (run, path) DO UPDATE SET attempt = excluded.attempt, "
         "status = excluded.status, in_hash = coalesce(excluded.in_hash, step.in_hash), "
         "out_ref = excluded.out_ref, error = excluded.error, started_us = excluded.started_us, "
         "finished_us = excluded.finished_us";
}

// The statement for 1 to kRowsAtOnce rows.
using Statements = std::array<std::string, kRowsAtOnce>;
Statements statements(std::string (*sql)(size_t rows)) {
  Statements out;
  for (size_t rows = 1; rows <= kRowsAtOnce; ++rows) out[rows - 1] = sql(rows);
  return out;
}

}  // namespace

Status ChangeWriter::write_events(const Change& change, const WorkerIdentity& worker,
                                  ChainHead& chain) {
  CHECK(change.events.empty() || change.first_seq > 0, "events of {} without a place", change.run);
  static const Statements kSql = statements(events_sql);
  const size_t count = change.events.size();
  for (size_t first = 0; first < count; first += kRowsAtOnce) {
    const size_t rows = std::min(kRowsAtOnce, count - first);
    std::vector<store::Kept> bodies;
    std::vector<std::string> links;
    bodies.reserve(rows);
    links.reserve(rows + 1);
    links.emplace_back(chain.hash());
    std::vector<Value> values;
    for (size_t i = first; i < first + rows; ++i) {
      const EventRow& event = change.events[i];
      const int64_t seq = change.first_seq + static_cast<int64_t>(i);
      bodies.push_back(TRY(kept(db_, place_of_event(change.run, seq), event.body)));
      chain.append({change.run, seq, event.at_us, event.kind, event.path, bodies.back().bytes()});
      links.emplace_back(chain.hash());
      if (i == first) values.emplace_back(change.run);
      values.insert(values.end(),
                    {seq, event.at_us, event.kind, event.path, bodies.back().value()});
      if (i == first) values.insert(values.end(), {worker.id, worker.epoch});
      values.emplace_back(chain.length());
      if (i == first) values.push_back(Value::blob(links.front()));
      values.push_back(Value::blob(links.back()));
    }
    TRY(db_.post(kSql[rows - 1], store::Values(values)));
  }
  return ok_status();
}

Status ChangeWriter::write_steps(const Change& change) {
  static const Statements kSql = statements(steps_sql);
  const size_t count = change.steps.size();
  for (size_t first = 0; first < count; first += kRowsAtOnce) {
    const size_t rows = std::min(kRowsAtOnce, count - first);
    std::vector<store::Kept> sealed;  // two a row: error, in_hash
    sealed.reserve(2 * rows);
    std::vector<std::string_view> paths;
    std::vector<Value> values{change.run};
    for (size_t i = first; i < first + rows; ++i) {
      const StepRow& step = change.steps[i];
      CHECK(std::ranges::find(paths, step.path) == paths.end(), "step {} of {} has two rows",
            step.path, change.run);
      paths.push_back(step.path);
      const auto keep = [&](std::string_view column, const std::string& plain) {
        return kept(db_, place_in_step(column, change.run, step.path), plain);
      };
      sealed.push_back(TRY(keep("step.error", step.error)));
      sealed.push_back(TRY(keep("step.in_hash", step.in_hash)));
      values.insert(values.end(),
                    {step.path, int64_t{step.attempt}, step.status, sealed.back().or_null(),
                     text_or_null(step.out_ref), sealed[sealed.size() - 2].or_null(),
                     time_or_null(step.started_us), time_or_null(step.finished_us)});
    }
    TRY(db_.post(kSql[rows - 1], store::Values(values)));
  }
  return ok_status();
}

Status ChangeWriter::write_timers(const Change& change) {
  for (const TimerRow& timer : change.timers) {
    if (timer.fire_at_us == 0) {
      TRY(db_.post("DELETE FROM timer WHERE run = $1 AND path = $2 AND kind = $3",
                  {change.run, timer.path, timer.kind}));
    } else {
      TRY(db_.post("INSERT INTO timer (run, path, kind, fire_at) VALUES ($1, $2, $3, $4) "
                  "ON CONFLICT (run, path, kind) DO UPDATE SET fire_at = excluded.fire_at",
                  {change.run, timer.path, timer.kind, timer.fire_at_us}));
    }
  }
  // A terminal run waits for nothing.
  if (change.state.finished_us != 0 && !change.insert) {
    TRY(db_.post("DELETE FROM timer WHERE run = $1", {change.run}));
  }
  return ok_status();
}

Status ChangeWriter::write_effects(const Change& change) {
  for (const EffectRow& effect : change.effects) {
    const auto place = [&](std::string_view column) {
      return place_in_effect(column, effect.key, change.run);
    };
    const auto req_hash = TRY(kept(db_, place("effect.req_hash"), effect.req_hash));
    const auto response = TRY(kept(db_, place("effect.response"), effect.response));
    TRY(db_.post(
        "INSERT INTO effect (key, run, path, attempt, state, req_hash, response) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7) "
        "ON CONFLICT (key) DO UPDATE SET run = excluded.run, "
        "attempt = excluded.attempt, state = excluded.state, "
        "req_hash = excluded.req_hash, response = excluded.response",
        {effect.key, change.run, effect.path, int64_t{effect.attempt}, effect.state,
         req_hash.value(), response.or_null()}));
  }
  return ok_status();
}

Status ChangeWriter::write_partials(const Change& change) {
  for (const PartialRow& piece : change.partials) {
    const auto place = [&](std::string_view column) {
      return place_in_partial(column, change.run, piece.path, piece.draw, piece.first);
    };
    const auto request = TRY(kept(db_, place("ai_partial.request"), piece.request));
    const auto ids = TRY(kept(db_, place("ai_partial.ids"), piece.ids, Form::kBlob));
    const auto logprobs =
        TRY(kept(db_, place("ai_partial.logprobs"), piece.logprobs, Form::kBlob));
    TRY(db_.post("INSERT INTO ai_partial (run, path, draw, first, request, ids, logprobs) "
                "VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (run, path, draw, first) "
                "DO UPDATE SET request = excluded.request, ids = excluded.ids, "
                "logprobs = excluded.logprobs",
                {change.run, piece.path, piece.draw, piece.first, request.value(),
                 ids.blob(), logprobs.blob()}));
  }
  for (const std::string& path : change.partials_done) {
    TRY(db_.post("DELETE FROM ai_partial WHERE run = $1 AND path = $2", {change.run, path}));
  }
  return ok_status();
}

namespace {

// Enough to find the decision again, and to see that its row is the one that was written.
security::AuditRecord decision_record(const std::string& run, const AiCallRow& call) {
  security::AuditRecord out;
  out.tenant = call.tenant;
  out.user = call.by;
  out.action = "ai_decision";
  out.resource = fmt::format("{}/{}", run, call.path);
  json::Object details{{"attempt", int64_t{call.attempt}}, {"n", int64_t{call.n}},
                       {"model", call.model}, {"model_hash", call.model_hash},
                       {"template_hash", call.template_hash}, {"prompt_hash", call.prompt_hash},
                       {"output_hash", sha256_hex(call.output_ids)},
                       {"finish_reason", call.finish_reason},
                       {"tokens", json::Object{{"prompt", call.tokens_prompt},
                                               {"reasoning", call.tokens_reasoning},
                                               {"answer", call.tokens_answer}}}};
  if (auto sampler = json::parse(call.sampler); sampler.ok()) {
    details["sampler"] = std::move(*sampler);
  }
  if (auto chosen = json::parse(call.chosen); !call.chosen.empty() && chosen.ok()) {
    details["chosen"] = std::move(*chosen);
  }
  if (!call.grammar.empty()) details["grammar"] = call.grammar;
  if (auto route = json::parse(call.route); !call.route.empty() && route.ok()) {
    details["routed"] = std::move(*route);
  }
  out.details = json::dump(details);
  return out;
}

}  // namespace

Status ChangeWriter::write_ai_calls(const Change& change, const WorkerIdentity& worker) {
  for (const AiCallRow& call : change.ai_calls) {
    const auto keep = [&](std::string_view column, std::string_view plain,
                          Form form = Form::kText) {
      return kept(db_, place_in_call(column, change.run, call.path, call.attempt, call.n), plain,
                  form);
    };
    const auto prompt_hash = TRY(keep("ai_call.prompt_hash", call.prompt_hash));
    const auto sampler = TRY(keep("ai_call.sampler", call.sampler));
    const auto prompt = TRY(keep("ai_call.prompt_ids", call.prompt_ids, Form::kBlob));
    const auto output = TRY(keep("ai_call.output_ids", call.output_ids, Form::kBlob));
    const std::string reasoned = without_zero(call.reasoning);
    const auto reasoning = TRY(keep("ai_call.reasoning", reasoned));
    const auto grammar = TRY(keep("ai_call.grammar", call.grammar));
    const auto chosen = TRY(keep("ai_call.chosen", call.chosen));
    const auto route = TRY(keep("ai_call.route", call.route));
    TRY(db_.post(
        "INSERT INTO ai_call (run, path, attempt, n, model, model_hash, template_hash, "
        "fingerprint, prompt_hash, sampler, prompt_ids, output_ids, reasoning, finish_reason, "
        "tokens_prompt, tokens_reasoning, tokens_answer, prefill_us, decode_us, grammar, "
        "chosen, tokens_resumed, route) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, "
        "$19, $20, $21, $22, $23)",
        {change.run, call.path, int64_t{call.attempt}, int64_t{call.n}, call.model,
         call.model_hash, call.template_hash, call.fingerprint, prompt_hash.value(),
         sampler.value(), prompt.blob(), output.blob(), reasoning.value(),
         call.finish_reason, call.tokens_prompt, call.tokens_reasoning, call.tokens_answer,
         call.prefill_us, call.decode_us, grammar.value(), chosen.value(),
         call.tokens_resumed, route.value()}));
    if (audit_ == nullptr) continue;
    security::AuditRecord record = decision_record(change.run, call);
    record.at_us = change.events.empty() ? TRY(db_.now_ms()) * 1000 : change.events.back().at_us;
    TRY(security::write_audit(db_, {worker.id, worker.epoch}, *audit_, record));
  }
  return ok_status();
}

namespace {

security::AuditRecord act_record(const std::string& run, const ActRow& act) {
  security::AuditRecord out;
  out.tenant = act.tenant;
  out.user = act.by;
  out.action = act.tool.empty() ? "step_act" : "tool_call";
  out.resource = fmt::format("{}/{}", run, act.path);
  out.outcome = act.outcome;
  json::Object details{{"attempt", int64_t{act.attempt}}};
  for (const auto& [name, value] : {std::pair("tool", &act.tool), std::pair("type", &act.type),
                                    std::pair("target", &act.target),
                                    std::pair("arguments_hash", &act.arguments_hash),
                                    std::pair("code", &act.code),
                                    std::pair("reason", &act.reason)}) {
    if (!value->empty()) details[name] = without_zero(*value);
  }
  out.details = json::dump(details);
  return out;
}

}  // namespace

Status ChangeWriter::write_act_records(const Change& change, const WorkerIdentity& worker) {
  if (audit_ == nullptr) return ok_status();
  for (const ActRow& act : change.acts) {
    security::AuditRecord record = act_record(change.run, act);
    record.at_us = change.events.empty() ? TRY(db_.now_ms()) * 1000 : change.events.back().at_us;
    TRY(security::write_audit(db_, {worker.id, worker.epoch}, *audit_, record));
  }
  return ok_status();
}

}  // namespace weft::worker
