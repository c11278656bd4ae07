// SPDX-License-Identifier: Apache-2.0
#include "worker/schema.h"

#include "security/sealed_db.h"
#include "store/postgres.h"
#include "store/sqlite.h"

namespace weft::worker {
namespace {

// Times ending in _us are microseconds since 1970 by the store's clock. `worker` and
// `worker_epoch` of a run are its fence: a change is written only while both still match, and
// `finished_us` (set once) keeps a terminal run as it is. `out_ref` names the event that holds a
// step's output ("event:7"), so that outputs are stored once. (worker, epoch, n) numbers the
// events of one writer; hash covers the event and prev_hash, the hash of the writer's event n-1.
constexpr std::string_view kTables = R"sql(
CREATE TABLE definition (
  hash TEXT PRIMARY KEY,
  doc TEXT NOT NULL
);
CREATE TABLE run (
  id TEXT PRIMARY KEY,
  def_hash TEXT NOT NULL REFERENCES definition (hash),
  workflow TEXT NOT NULL,
  tenant TEXT NOT NULL DEFAULT '',
  input TEXT NOT NULL,
  context TEXT NOT NULL,
  status TEXT NOT NULL,
  error TEXT,
  priority BIGINT NOT NULL,
  deadline BIGINT,
  idem_key TEXT UNIQUE,
  callback_url TEXT,
  parent TEXT,
  version BIGINT NOT NULL,
  worker TEXT,
  worker_epoch BIGINT,
  created_us BIGINT NOT NULL,
  started_us BIGINT,
  finished_us BIGINT
);
CREATE INDEX run_unclaimed ON run (priority, id) WHERE worker IS NULL AND finished_us IS NULL;
CREATE INDEX run_claimed ON run (worker) WHERE finished_us IS NULL;
CREATE TABLE step (
  run TEXT NOT NULL,
  path TEXT NOT NULL,
  attempt BIGINT NOT NULL,
  status TEXT NOT NULL,
  in_hash TEXT,
  out_ref TEXT,
  error TEXT,
  started_us BIGINT,
  finished_us BIGINT,
  PRIMARY KEY (run, path)
);
CREATE TABLE event (
  run TEXT NOT NULL,
  seq BIGINT NOT NULL,
  at_us BIGINT NOT NULL,
  kind TEXT NOT NULL,
  path TEXT NOT NULL,
  body TEXT NOT NULL,
  worker TEXT NOT NULL,
  epoch BIGINT NOT NULL,
  n BIGINT NOT NULL,
  prev_hash BYTEA NOT NULL,
  hash BYTEA NOT NULL,
  PRIMARY KEY (run, seq)
);
CREATE TABLE timer (
  run TEXT NOT NULL,
  path TEXT NOT NULL,
  kind TEXT NOT NULL,
  fire_at BIGINT NOT NULL,
  PRIMARY KEY (run, path, kind)
);
CREATE TABLE worker (
  id TEXT PRIMARY KEY,
  epoch BIGINT NOT NULL,
  lease_until BIGINT NOT NULL,
  labels TEXT NOT NULL
);
CREATE TABLE effect (
  key TEXT PRIMARY KEY,
  run TEXT NOT NULL,
  path TEXT NOT NULL,
  attempt BIGINT NOT NULL,
  state TEXT NOT NULL,
  req_hash TEXT NOT NULL,
  response TEXT
);
CREATE INDEX effect_run ON effect (run);
CREATE TABLE blob (
  sha256 TEXT PRIMARY KEY,
  enc TEXT NOT NULL,
  bytes BYTEA NOT NULL
);
CREATE TABLE ai_call (
  run TEXT NOT NULL,
  path TEXT NOT NULL,
  attempt BIGINT NOT NULL,
  n BIGINT NOT NULL,
  model TEXT NOT NULL,
  model_hash TEXT NOT NULL,
  template_hash TEXT NOT NULL,
  fingerprint TEXT NOT NULL,
  prompt_hash TEXT NOT NULL,
  sampler TEXT NOT NULL,
  prompt_ids BYTEA NOT NULL,
  output_ids BYTEA NOT NULL,
  reasoning TEXT NOT NULL,
  finish_reason TEXT NOT NULL,
  tokens_prompt BIGINT NOT NULL,
  tokens_reasoning BIGINT NOT NULL,
  tokens_answer BIGINT NOT NULL,
  prefill_us BIGINT NOT NULL,
  decode_us BIGINT NOT NULL,
  PRIMARY KEY (run, path, attempt, n)
);
)sql";

// What held a model's answer, and how sure it was of the values it chose: see AiCallRow.
constexpr std::string_view kAnswerForms = R"sql(
ALTER TABLE ai_call ADD COLUMN grammar TEXT NOT NULL DEFAULT '';
ALTER TABLE ai_call ADD COLUMN chosen TEXT NOT NULL DEFAULT '';
)sql";

// `rank` orders claims: created_us - priority minutes, so that a run that waits gains on all that
// come later, at the same rate, by a key that never changes. `wake_us` of a run that nobody owns:
// it need not be claimed before that instant (NULL: at once), unless it has a message. `outcome`
// of a message is NULL until its run's owner has taken it; `n` orders the messages of a run.
constexpr std::string_view kActs = R"sql(
ALTER TABLE run ADD COLUMN rank BIGINT NOT NULL DEFAULT 0;
ALTER TABLE run ADD COLUMN wake_us BIGINT;
ALTER TABLE run ADD COLUMN origin TEXT;
UPDATE run SET rank = created_us - priority * 60000000;
DROP INDEX run_unclaimed;
CREATE INDEX run_unclaimed ON run (rank, id)
  WHERE worker IS NULL AND finished_us IS NULL AND wake_us IS NULL;
CREATE INDEX run_parked ON run (wake_us)
  WHERE worker IS NULL AND finished_us IS NULL AND wake_us IS NOT NULL;
CREATE INDEX run_parent ON run (parent) WHERE parent IS NOT NULL;
CREATE TABLE inbox (
  id TEXT PRIMARY KEY,
  run TEXT NOT NULL,
  n BIGINT NOT NULL,
  body TEXT NOT NULL,
  at_us BIGINT NOT NULL,
  outcome TEXT
);
CREATE INDEX inbox_new ON inbox (run, n) WHERE outcome IS NULL;
CREATE TABLE required_action (
  run TEXT NOT NULL,
  path TEXT NOT NULL,
  kind TEXT NOT NULL,
  body TEXT NOT NULL,
  since_us BIGINT NOT NULL,
  deadline BIGINT,
  PRIMARY KEY (run, path)
);
)sql";

// `body` of a schedule: what its runs are made of (schedules.cc). `next_us` NULL: never again. A
// slot is a time at which it was due; its row is what makes it fire once, whoever fires it; an
// empty `run`: left out, because the run before it had not ended. ai_partial: what a model has
// generated of an answer that is not complete, so that a crash costs a few tokens only; `draw`
// says which answer of its path, `request` is the hash of all that decides it.
constexpr std::string_view kSchedules = R"sql(
CREATE TABLE schedule (
  name TEXT PRIMARY KEY,
  def_hash TEXT NOT NULL REFERENCES definition (hash),
  workflow TEXT NOT NULL,
  body TEXT NOT NULL,
  paused BIGINT NOT NULL,
  created_us BIGINT NOT NULL,
  next_us BIGINT
);
CREATE INDEX schedule_due ON schedule (next_us) WHERE paused = 0;
CREATE TABLE schedule_slot (
  schedule TEXT NOT NULL,
  slot_us BIGINT NOT NULL,
  run TEXT NOT NULL,
  PRIMARY KEY (schedule, slot_us)
);
CREATE TABLE ai_partial (
  run TEXT NOT NULL,
  path TEXT NOT NULL,
  draw TEXT NOT NULL,
  first BIGINT NOT NULL,
  request TEXT NOT NULL,
  ids BYTEA NOT NULL,
  logprobs BYTEA NOT NULL,
  PRIMARY KEY (run, path, draw, first)
);
)sql";

constexpr std::string_view kResumed = R"sql(
ALTER TABLE ai_call ADD COLUMN tokens_resumed BIGINT NOT NULL DEFAULT 0;
)sql";

// The three tables that a step writes to, each kept in the order of its key: without that SQLite
// keeps rows and key apart and inserts twice. PostgreSQL has no such tables.
constexpr std::string_view kInKeyOrder = R"sql(
CREATE TABLE step_by_key (
  run TEXT NOT NULL,
  path TEXT NOT NULL,
  attempt BIGINT NOT NULL,
  status TEXT NOT NULL,
  in_hash TEXT,
  out_ref TEXT,
  error TEXT,
  started_us BIGINT,
  finished_us BIGINT,
  PRIMARY KEY (run, path)
) WITHOUT ROWID;
INSERT INTO step_by_key SELECT * FROM step;
DROP TABLE step;
ALTER TABLE step_by_key RENAME TO step;
CREATE TABLE event_by_key (
  run TEXT NOT NULL,
  seq BIGINT NOT NULL,
  at_us BIGINT NOT NULL,
  kind TEXT NOT NULL,
  path TEXT NOT NULL,
  body TEXT NOT NULL,
  worker TEXT NOT NULL,
  epoch BIGINT NOT NULL,
  n BIGINT NOT NULL,
  prev_hash BYTEA NOT NULL,
  hash BYTEA NOT NULL,
  PRIMARY KEY (run, seq)
) WITHOUT ROWID;
INSERT INTO event_by_key SELECT * FROM event;
DROP TABLE event;
ALTER TABLE event_by_key RENAME TO event;
CREATE TABLE timer_by_key (
  run TEXT NOT NULL,
  path TEXT NOT NULL,
  kind TEXT NOT NULL,
  fire_at BIGINT NOT NULL,
  PRIMARY KEY (run, path, kind)
) WITHOUT ROWID;
INSERT INTO timer_by_key SELECT * FROM timer;
DROP TABLE timer;
ALTER TABLE timer_by_key RENAME TO timer;
)sql";

// Definitions handed in over the API, a row a version (an empty hash: deleted), and the keys of
// whoever may ask: `hash` is keyed by a pepper that is not in the store.
constexpr std::string_view kTenants = R"sql(
CREATE TABLE stored_definition (
  tenant TEXT NOT NULL,
  id TEXT NOT NULL,
  version BIGINT NOT NULL,
  hash TEXT NOT NULL,
  source TEXT NOT NULL,
  created_us BIGINT NOT NULL,
  created_by TEXT NOT NULL,
  PRIMARY KEY (tenant, id, version)
);
CREATE TABLE api_key (
  id TEXT PRIMARY KEY,
  tenant TEXT NOT NULL,
  name TEXT NOT NULL,
  hash BYTEA NOT NULL,
  roles TEXT NOT NULL,
  scopes TEXT NOT NULL,
  requests_per_minute BIGINT NOT NULL,
  tokens_per_minute BIGINT NOT NULL,
  created_us BIGINT NOT NULL,
  created_by TEXT NOT NULL,
  expires_us BIGINT,
  revoked_us BIGINT,
  changed_us BIGINT NOT NULL
);
)sql";

// Who did what: each writer's records are a hash chain (security/audit.h).
constexpr std::string_view kAudit = R"sql(
CREATE TABLE audit (
  writer TEXT NOT NULL,
  epoch BIGINT NOT NULL,
  n BIGINT NOT NULL,
  at_us BIGINT NOT NULL,
  tenant TEXT NOT NULL,
  actor TEXT NOT NULL,
  action TEXT NOT NULL,
  resource TEXT NOT NULL,
  outcome TEXT NOT NULL,
  details TEXT NOT NULL,
  prev_hash BYTEA NOT NULL,
  hash BYTEA NOT NULL,
  PRIMARY KEY (writer, epoch, n)
);
CREATE INDEX audit_time ON audit (at_us);
)sql";

// Lists of runs, newest first, by what people filter them by or search for (id and workflow: then
// the index is read, not the rows), and what has ended since when. None of these columns changes
// after its index entry is written: a run is entered twice when it begins and twice when it ends.
constexpr std::string_view kLists = R"sql(
CREATE INDEX run_created ON run (created_us, id, workflow);
CREATE INDEX run_of_workflow ON run (workflow, created_us, id);
CREATE INDEX run_of_status ON run (status, created_us, id) WHERE finished_us IS NOT NULL;
CREATE INDEX run_ended ON run (finished_us, status, created_us, tenant)
  WHERE finished_us IS NOT NULL;
)sql";

// Who is to be told that a run has ended (callbacks.h).
constexpr std::string_view kCallbacks = R"sql(
CREATE TABLE callback (
  run TEXT PRIMARY KEY,
  tenant TEXT NOT NULL,
  url TEXT NOT NULL,
  state TEXT NOT NULL,
  attempts BIGINT NOT NULL,
  next_us BIGINT NOT NULL,
  created_us BIGINT NOT NULL,
  last_status BIGINT NOT NULL,
  last_error TEXT NOT NULL
);
CREATE INDEX callback_due ON callback (next_us) WHERE state = 'waiting';
)sql";

constexpr std::string_view kRoutes = R"sql(
ALTER TABLE ai_call ADD COLUMN route TEXT NOT NULL DEFAULT '';
)sql";

// Data keys, each wrapped by a master key that is not in the store (security/data_keys.h).
constexpr std::string_view kDataKeys = R"sql(
CREATE TABLE data_key (
  id TEXT PRIMARY KEY,
  tenant TEXT NOT NULL,
  version BIGINT NOT NULL,
  master TEXT NOT NULL,
  wrapped BYTEA NOT NULL,
  created_us BIGINT NOT NULL,
  UNIQUE (tenant, version)
);
)sql";

// What models have cost, as far as ceilings ask for it (spending.h).
constexpr std::string_view kSpending = R"sql(
CREATE TABLE spending (
  month BIGINT NOT NULL,
  kind TEXT NOT NULL,
  name TEXT NOT NULL,
  writer TEXT NOT NULL,
  price DOUBLE PRECISION NOT NULL,
  PRIMARY KEY (month, kind, name, writer)
);
)sql";

// How far the chains of a store that was plain have been sealed (chain_seal.h); mostly empty.
constexpr std::string_view kReseal = R"sql(
CREATE TABLE reseal (
  kind TEXT NOT NULL,
  writer TEXT NOT NULL,
  epoch BIGINT NOT NULL,
  n BIGINT NOT NULL,
  old_hash BYTEA NOT NULL,
  new_hash BYTEA NOT NULL,
  PRIMARY KEY (kind, writer, epoch)
);
)sql";

// Sign-ins of browsers (security/sessions.h).
constexpr std::string_view kSessions = R"sql(
CREATE TABLE session (
  hash BYTEA PRIMARY KEY,
  key TEXT NOT NULL,
  person TEXT NOT NULL,
  created_us BIGINT NOT NULL,
  end_us BIGINT NOT NULL,
  ended_us BIGINT
);
CREATE INDEX session_ended ON session (ended_us) WHERE ended_us IS NOT NULL;
)sql";

// People who sign in by name and password (security/people.h).
constexpr std::string_view kPeople = R"sql(
CREATE TABLE person (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  tenant TEXT NOT NULL,
  roles TEXT NOT NULL,
  hash TEXT NOT NULL,
  created_us BIGINT NOT NULL,
  created_by TEXT NOT NULL,
  changed_us BIGINT NOT NULL
);
CREATE INDEX session_of_key ON session (key);
)sql";

// What says that runs were removed on purpose, signed (security/checkpoint.h, signed_removal).
constexpr std::string_view kRemovals = R"sql(
CREATE TABLE removal (
  id TEXT PRIMARY KEY,
  line TEXT NOT NULL
);
)sql";

// Runs that belong to somebody. Those that wait in the store belong to nobody: with them in it,
// SQLite would look here for what can be claimed and read a hundred thousand parked runs a second.
constexpr std::string_view kOwned = R"sql(
DROP INDEX run_claimed;
CREATE INDEX run_claimed ON run (worker) WHERE worker IS NOT NULL AND finished_us IS NULL;
)sql";

// Of a schedule whose runs the store refuses: since when it is due (`next_us` is when it is tried
// again; NULL: that is when it is due), how often it was refused in a row, and why.
constexpr std::string_view kRefusedSchedules = R"sql(
ALTER TABLE schedule ADD COLUMN due_us BIGINT;
ALTER TABLE schedule ADD COLUMN refusals BIGINT NOT NULL DEFAULT 0;
ALTER TABLE schedule ADD COLUMN refusal TEXT NOT NULL DEFAULT '';
)sql";

constexpr store::Migration kMigrations[] = {
    {1, "runs, steps, events, workers, effects, model calls", kTables},
    {2, "grammars of answers, probabilities of chosen values", kAnswerForms},
    {3, "messages to runs, required actions, aging, parked runs", kActs},
    {4, "schedules; answers of models as far as they came", kSchedules},
    {5, "how much of an answer was resumed", kResumed},
    {6, "steps, events and timers in the order of their keys", "SELECT 1", kInKeyOrder},
    {7, "definitions of tenants, API keys", kTenants},
    {8, "the audit", kAudit},
    {9, "lists of runs by age, workflow and status", kLists},
    {10, "callbacks", kCallbacks},
    {11, "who answered for a model, and why that one", kRoutes},
    {12, "data keys of sealed payloads", kDataKeys},
    {13, "what models have cost, for ceilings", kSpending},
    {14, "how far plain chains have been sealed", kReseal},
    {15, "sign-ins of browsers", kSessions},
    {16, "people with passwords", kPeople},
    {17, "what says that runs were removed", kRemovals},
    {18, "runs that belong to somebody", kOwned},
    {19, "schedules whose runs the store refuses", kRefusedSchedules},
};

}  // namespace

std::span<const store::Migration> journal_migrations() { return kMigrations; }

Result<std::unique_ptr<store::Db>> open_journal_store(const StorePlace& place, bool any_key) {
  const auto fill = [](store::Db& db) { return store::migrate(db, journal_migrations()); };
  auto db = TRY(store::is_postgres_url(place.path)
                    ? store::open_postgres({.url = place.path})
                    : store::open_sqlite({.path = place.path, .fill = fill}));
  TRY(store::migrate(*db, journal_migrations()));
  if (place.master != nullptr) {
    return security::open_sealed(std::move(db),
                                 {.master = place.master,
                                  .tenant_of_run = "SELECT tenant FROM run WHERE id = $1"});
  }
  if (!any_key) TRY(security::check_plain(*db));
  return Result<std::unique_ptr<store::Db>>(std::move(db));
}

}  // namespace weft::worker
