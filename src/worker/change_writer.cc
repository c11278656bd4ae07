// SPDX-License-Identifier: Apache-2.0
#include "worker/change_writer.h"

namespace weft::worker {
namespace {

using store::Value;

Value time_or_null(int64_t us) { return us == 0 ? Value(nullptr) : Value(us); }
Value text_or_null(const std::string& text) {
  return text.empty() ? Value(nullptr) : Value(text);
}

}  // namespace

Result<bool> ChangeWriter::write(const Change& change, const WorkerIdentity& worker,
                                 ChainHead& chain) {
  CHECK(!change.run.empty(), "a change without a run");
  if (!TRY(write_run(change, worker))) return false;
  TRY(write_events(change, worker, chain));
  TRY(write_steps(change));
  TRY(write_timers(change));
  if (!change.effects.empty()) TRY(write_effects(change));
  if (!change.ai_calls.empty()) TRY(write_ai_calls(change));
  return true;
}

Result<bool> ChangeWriter::write_run(const Change& change, const WorkerIdentity& worker) {
  if (change.insert) {
    TRY(insert_run(change, worker));
    return true;
  }
  const RunState& state = change.state;
  const int64_t touched = TRY(db_.run(
      "UPDATE run SET status = $1, error = $2, deadline = $3, started_us = $4, finished_us = $5, "
      "version = version + 1 "
      "WHERE id = $6 AND worker = $7 AND worker_epoch = $8 AND finished_us IS NULL",
      {state.status, text_or_null(state.error), time_or_null(state.deadline_us),
       time_or_null(state.started_us), time_or_null(state.finished_us), change.run, worker.id,
       worker.epoch}));
  CHECK(touched <= 1, "{} runs are called {}", touched, change.run);
  return touched == 1;
}

Status ChangeWriter::insert_run(const Change& change, const WorkerIdentity& worker) {
  const RunRow& row = *change.insert;
  const RunState& state = change.state;
  CHECK(row.id == change.run, "run {} in the change of {}", row.id, change.run);
  if (!definitions_.contains(row.definition_hash)) {
    TRY(db_.run("INSERT INTO definition (hash, doc) VALUES ($1, $2) ON CONFLICT DO NOTHING",
                {row.definition_hash, row.definition}));
    definitions_.insert(row.definition_hash);
  }
  TRY(db_.run(
      "INSERT INTO run (id, def_hash, workflow, input, context, status, error, priority, deadline, "
      "version, worker, worker_epoch, created_us, started_us, finished_us) "
      "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)",
      {row.id, row.definition_hash, row.workflow, row.input, row.context, state.status,
       text_or_null(state.error), int64_t{row.priority}, time_or_null(state.deadline_us), 1,
       row.claimed ? Value(worker.id) : Value(nullptr),
       row.claimed ? Value(worker.epoch) : Value(nullptr), row.created_us,
       time_or_null(state.started_us), time_or_null(state.finished_us)}));
  return ok_status();
}

Status ChangeWriter::write_events(const Change& change, const WorkerIdentity& worker,
                                  ChainHead& chain) {
  CHECK(change.events.empty() || change.first_seq > 0, "events of {} without a place", change.run);
  int64_t seq = change.first_seq;
  for (const EventRow& event : change.events) {
    const std::string previous(chain.hash());
    chain.append({change.run, seq, event.at_us, event.kind, event.path, event.body});
    TRY(db_.run(
        "INSERT INTO event (run, seq, at_us, kind, path, body, worker, epoch, n, prev_hash, hash) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        {change.run, seq, event.at_us, event.kind, event.path, event.body, worker.id, worker.epoch,
         chain.length(), Value::blob(previous), Value::blob(chain.hash())}));
    ++seq;
  }
  return ok_status();
}

Status ChangeWriter::write_steps(const Change& change) {
  for (const StepRow& step : change.steps) {
    TRY(db_.run(
        "INSERT INTO step (run, path, attempt, status, in_hash, out_ref, error, started_us, "
        "finished_us) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) "
        "ON CONFLICT (run, path) DO UPDATE SET attempt = excluded.attempt, "
        "status = excluded.status, in_hash = coalesce(excluded.in_hash, in_hash), "
        "out_ref = excluded.out_ref, error = excluded.error, started_us = excluded.started_us, "
        "finished_us = excluded.finished_us",
        {change.run, step.path, int64_t{step.attempt}, step.status, text_or_null(step.in_hash),
         text_or_null(step.out_ref), text_or_null(step.error), time_or_null(step.started_us),
         time_or_null(step.finished_us)}));
  }
  return ok_status();
}

Status ChangeWriter::write_timers(const Change& change) {
  for (const TimerRow& timer : change.timers) {
    if (timer.fire_at_us == 0) {
      TRY(db_.run("DELETE FROM timer WHERE run = $1 AND path = $2 AND kind = $3",
                  {change.run, timer.path, timer.kind}));
    } else {
      TRY(db_.run("INSERT INTO timer (run, path, kind, fire_at) VALUES ($1, $2, $3, $4) "
                  "ON CONFLICT (run, path, kind) DO UPDATE SET fire_at = excluded.fire_at",
                  {change.run, timer.path, timer.kind, timer.fire_at_us}));
    }
  }
  // A terminal run waits for nothing.
  if (change.state.finished_us != 0 && !change.insert) {
    TRY(db_.run("DELETE FROM timer WHERE run = $1", {change.run}));
  }
  return ok_status();
}

Status ChangeWriter::write_effects(const Change& change) {
  for (const EffectRow& effect : change.effects) {
    TRY(db_.run(
        "INSERT INTO effect (key, run, path, attempt, state, req_hash, response) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7) "
        "ON CONFLICT (key) DO UPDATE SET attempt = excluded.attempt, state = excluded.state, "
        "req_hash = excluded.req_hash, response = excluded.response",
        {effect.key, change.run, effect.path, int64_t{effect.attempt}, effect.state,
         effect.req_hash, text_or_null(effect.response)}));
  }
  return ok_status();
}

Status ChangeWriter::write_ai_calls(const Change& change) {
  for (const AiCallRow& call : change.ai_calls) {
    TRY(db_.run(
        "INSERT INTO ai_call (run, path, attempt, n, model, model_hash, template_hash, "
        "fingerprint, prompt_hash, sampler, prompt_ids, output_ids, reasoning, finish_reason, "
        "tokens_prompt, tokens_reasoning, tokens_answer, prefill_us, decode_us, grammar, "
        "chosen) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, "
        "$19, $20, $21)",
        {change.run, call.path, int64_t{call.attempt}, int64_t{call.n}, call.model,
         call.model_hash, call.template_hash, call.fingerprint, call.prompt_hash, call.sampler,
         Value::blob(call.prompt_ids), Value::blob(call.output_ids), call.reasoning,
         call.finish_reason, call.tokens_prompt, call.tokens_reasoning, call.tokens_answer,
         call.prefill_us, call.decode_us, call.grammar, call.chosen}));
  }
  return ok_status();
}

}  // namespace weft::worker
