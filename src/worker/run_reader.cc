// SPDX-License-Identifier: Apache-2.0
#include "worker/run_reader.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/json.h"
#include "base/strings.h"
#include "worker/places.h"
#include "workflow/state.h"

namespace weft::worker {
namespace {

using store::opened;
using store::Rows;

constexpr std::string_view kSummaryColumns =
    "SELECT id, workflow, status, coalesce(error, ''), coalesce(worker, ''), created_us, "
    "coalesce(started_us, 0), coalesce(finished_us, 0) FROM run ";

Result<RunSummary> summary_of(store::Db& db, const Rows& rows) {
  const std::string_view id = rows.text(0);
  return RunSummary{.id = std::string(id),
                    .workflow = std::string(rows.text(1)),
                    .status = std::string(rows.text(2)),
                    .error = TRY(opened(db, place_in_run("run.error", id), rows.text(3))),
                    .worker = std::string(rows.text(4)),
                    .created_us = rows.int64(5),
                    .started_us = rows.int64(6),
                    .finished_us = rows.int64(7)};
}

bool ends_a_run(std::string_view status) {
  for (auto each : {workflow::RunStatus::kSucceeded, workflow::RunStatus::kFailed,
                    workflow::RunStatus::kCancelled, workflow::RunStatus::kTimedOut}) {
    if (workflow::name(each) == status) return true;
  }
  return false;
}

std::string ascii_lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return out;
}

// As it stands inside a LIKE pattern whose escape is '!'.
std::string like_text(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '%' || c == '_' || c == '!') out += '!';
    out += c;
  }
  return out;
}

Error no_such_run(std::string_view run) {
  return make_error("E0601", fmt::format("there is no run {} in this store", quoted(run)),
                    "`weft runs list` shows them; --store PATH names another store");
}

}  // namespace

Status check_statuses(std::string_view code, std::string_view place, std::string_view statuses) {
  std::vector<std::string> names;
  for (int i = 0; i <= static_cast<int>(workflow::RunStatus::kTimedOut); ++i) {
    names.emplace_back(workflow::name(static_cast<workflow::RunStatus>(i)));
  }
  if (statuses.empty()) return ok_status();
  const std::string given = ascii_lower(statuses);
  for (const std::string_view one : split(given, ',')) {
    if (std::find(names.begin(), names.end(), one) != names.end()) continue;
    return make_error(std::string(code), fmt::format("{}: {} is no status of a run", place,
                                                     quoted(one, 40)),
                      name_hint(one, names));
  }
  return ok_status();
}

Result<std::vector<RunSummary>> list_runs(store::Db& db, const ListQuery& query) {
  // Only what is asked for stands in the statement: "($1 = '' OR status = $1)" would use no index.
  std::string sql(kSummaryColumns);
  std::vector<store::Value> values;
  const auto parameter = [&values](store::Value value) {
    values.push_back(value);
    return fmt::format("${}", values.size());
  };
  sql += "WHERE 1 = 1";
  const std::string statuses = ascii_lower(query.status);
  if (!statuses.empty()) {
    std::string list;
    int ended = 0;
    int alive = 0;
    for (const std::string_view status : split(statuses, ',')) {
      list += (list.empty() ? "" : ", ") + parameter(status);
      ++(ends_a_run(status) ? ended : alive);
    }
    sql += " AND status IN (" + list + ")";
    // which of the partial indexes serves
    if (alive == 0) sql += " AND finished_us IS NOT NULL";
    if (ended == 0) sql += " AND finished_us IS NULL";
  }
  if (query.tenant) sql += " AND tenant = " + parameter(*query.tenant);
  if (!query.workflow.empty()) sql += " AND workflow = " + parameter(query.workflow);
  const std::string pattern = "%" + like_text(ascii_lower(query.search)) + "%";
  if (!query.search.empty()) {
    sql += " AND (id LIKE " + parameter(pattern) + " ESCAPE '!'";
    sql += " OR lower(workflow) LIKE " + parameter(pattern) + " ESCAPE '!')";
  }
  if (!query.before.empty()) {
    sql += " AND (created_us, id) < (SELECT created_us, id FROM run WHERE id = " +
           parameter(query.before) + ")";
  }
  sql += " ORDER BY created_us DESC, id DESC LIMIT " + parameter(query.limit);
  auto rows = TRY(db.query(sql, store::Values(values)));
  std::vector<RunSummary> runs;
  while (TRY(rows->next())) runs.push_back(TRY(summary_of(db, *rows)));
  return runs;
}

Result<RunSummary> read_summary(store::Db& db, std::string_view run) {
  auto rows = TRY(db.query(std::string(kSummaryColumns).append("WHERE id = $1"), {run}));
  if (!TRY(rows->next())) return no_such_run(run);
  return summary_of(db, *rows);
}

Result<RunOwner> run_owner(store::Db& db, std::string_view run) {
  auto rows = TRY(
      db.query("SELECT tenant, workflow, coalesce(parent, '') FROM run WHERE id = $1", {run}));
  if (!TRY(rows->next())) return no_such_run(run);
  return RunOwner{std::string(rows->text(0)), std::string(rows->text(1)),
                  std::string(rows->text(2))};
}

Result<std::optional<KeyedRun>> find_keyed_run(store::Db& db, std::string_view idem_key) {
  auto rows = TRY(db.query("SELECT id, workflow, input FROM run WHERE idem_key = $1", {idem_key}));
  if (!TRY(rows->next())) return std::optional<KeyedRun>();
  const std::string id(rows->text(0));
  return std::optional(KeyedRun{
      id, std::string(rows->text(1)),
      TRY(opened(db, place_in_run("run.input", id), rows->text(2)))});
}

Result<std::vector<StoredEvent>> events_after(store::Db& db, std::string_view run, int64_t seq) {
  auto rows = TRY(
      db.query("SELECT seq, body FROM event WHERE run = $1 AND seq > $2 ORDER BY seq", {run, seq}));
  std::vector<StoredEvent> events;
  while (TRY(rows->next())) {
    const int64_t at = rows->int64(0);
    events.push_back({at, TRY(opened(db, place_of_event(run, at), rows->text(1)))});
  }
  return events;
}

// {"definitions": {name: hash}} of the run's context, with the documents.
Result<std::vector<std::pair<std::string, std::string>>> load_definitions(
    store::Db& db, std::string_view context) {
  std::vector<std::pair<std::string, std::string>> definitions;
  if (context.find("\"definitions\"") == std::string_view::npos) return definitions;
  const json::Value value = TRY(json::parse(context));
  const json::Object* object = value.if_object();
  const json::Value* pinned = object != nullptr ? object->if_contains("definitions") : nullptr;
  if (pinned == nullptr || !pinned->is_object()) return definitions;
  for (const auto& member : pinned->as_object()) {
    const std::string hash = member.value().is_string() ? std::string(member.value().as_string())
                                                        : std::string();
    auto rows = TRY(db.query("SELECT doc FROM definition WHERE hash = $1", {hash}));
    if (!TRY(rows->next())) {
      return make_error("E0604", fmt::format("the store lacks sub-workflow {} ({})",
                                             quoted(std::string_view(member.key())), hash));
    }
    definitions.emplace_back(member.key(),
                             TRY(opened(db, place_of_document(hash), rows->text(0))));
  }
  return definitions;
}

Result<StoredRun> load_run(store::Db& db, std::string_view run) {
  StoredRun stored;
  stored.summary = TRY(read_summary(db, run));
  {
    auto rows =
        TRY(db.query("SELECT d.doc, d.hash, r.input, r.context FROM run r JOIN definition d "
                     "ON d.hash = r.def_hash WHERE r.id = $1",
                     {run}));
    if (!TRY(rows->next())) return no_such_run(run);
    stored.definition_hash = rows->text(1);
    stored.definition =
        TRY(opened(db, place_of_document(stored.definition_hash), rows->text(0)));
    stored.input = TRY(opened(db, place_in_run("run.input", run), rows->text(2)));
    stored.context = TRY(opened(db, place_in_run("run.context", run), rows->text(3)));
  }
  stored.definitions = TRY(load_definitions(db, stored.context));
  stored.events = TRY(events_after(db, run, 0));
  auto rows =
      TRY(db.query("SELECT key, path, attempt, state, req_hash, coalesce(response, '') FROM effect "
                   "WHERE run = $1 ORDER BY key",
                   {run}));
  while (TRY(rows->next())) {
    const auto open = [&](std::string_view column, int at) {
      return opened(db, place_in_effect(column, rows->text(0), run), rows->text(at));
    };
    stored.effects.push_back({.key = std::string(rows->text(0)),
                              .path = std::string(rows->text(1)),
                              .attempt = static_cast<uint32_t>(rows->int64(2)),
                              .state = std::string(rows->text(3)),
                              .req_hash = TRY(open("effect.req_hash", 4)),
                              .response = TRY(open("effect.response", 5))});
  }
  rows = TRY(db.query("SELECT path, kind, fire_at FROM timer WHERE run = $1 ORDER BY path, kind",
                      {run}));
  while (TRY(rows->next())) {
    stored.timers.push_back({std::string(rows->text(0)), std::string(rows->text(1)),
                             rows->int64(2)});
  }
  rows = TRY(db.query("SELECT path, draw, first, request, ids, logprobs FROM ai_partial "
                      "WHERE run = $1 ORDER BY path, draw, first", {run}));
  while (TRY(rows->next())) {
    PartialRow row{.path = std::string(rows->text(0)),
                   .draw = std::string(rows->text(1)),
                   .first = rows->int64(2)};
    const auto open = [&](std::string_view column, std::string_view bytes) {
      return opened(db, place_in_partial(column, run, row.path, row.draw, row.first), bytes);
    };
    auto request = open("ai_partial.request", rows->text(3));
    auto ids = open("ai_partial.ids", rows->blob(4));
    auto logprobs = open("ai_partial.logprobs", rows->blob(5));
    // A piece that does not open is generated anew, as any damaged one.
    if (request.ok() && ids.ok() && logprobs.ok()) {
      row.request = std::move(*request);
      row.ids = std::move(*ids);
      row.logprobs = std::move(*logprobs);
    } else {
      const Error& error = !request.ok() ? request.error()
                           : !ids.ok()   ? ids.error()
                                         : logprobs.error();
      if (error.code != "E0510") return error;
    }
    stored.partials.push_back(std::move(row));
  }
  return stored;
}

Result<std::vector<std::string>> with_parts(store::Db& db, std::string_view run) {
  std::vector<std::string> runs{std::string(run)};
  for (size_t i = 0; i < runs.size(); ++i) {
    const std::string parent = runs[i];
    auto rows = TRY(db.query("SELECT id FROM run WHERE parent = $1 ORDER BY id", {parent}));
    while (TRY(rows->next())) runs.emplace_back(rows->text(0));
  }
  return runs;
}

Result<std::vector<AiCallRow>> ai_calls(store::Db& db, std::string_view run) {
  auto rows = TRY(db.query(
      "SELECT path, attempt, n, model, model_hash, template_hash, fingerprint, prompt_hash, "
      "sampler, prompt_ids, output_ids, reasoning, finish_reason, tokens_prompt, "
      "tokens_reasoning, tokens_answer, prefill_us, decode_us, grammar, chosen, "
      "tokens_resumed, route FROM ai_call "
      "WHERE run = $1 "
      "ORDER BY path, attempt, n",
      {run}));
  std::vector<AiCallRow> calls;
  while (TRY(rows->next())) {
    const auto open = [&](std::string_view column, std::string_view bytes) {
      return opened(db, place_in_call(column, run, rows->text(0), rows->int64(1), rows->int64(2)),
                    bytes);
    };
    calls.push_back({.path = std::string(rows->text(0)),
                     .attempt = static_cast<uint32_t>(rows->int64(1)),
                     .n = static_cast<uint32_t>(rows->int64(2)),
                     .model = std::string(rows->text(3)),
                     .model_hash = std::string(rows->text(4)),
                     .template_hash = std::string(rows->text(5)),
                     .fingerprint = std::string(rows->text(6)),
                     .prompt_hash = TRY(open("ai_call.prompt_hash", rows->text(7))),
                     .sampler = TRY(open("ai_call.sampler", rows->text(8))),
                     .prompt_ids = TRY(open("ai_call.prompt_ids", rows->blob(9))),
                     .output_ids = TRY(open("ai_call.output_ids", rows->blob(10))),
                     .reasoning = TRY(open("ai_call.reasoning", rows->text(11))),
                     .finish_reason = std::string(rows->text(12)),
                     .tokens_prompt = rows->int64(13),
                     .tokens_reasoning = rows->int64(14),
                     .tokens_answer = rows->int64(15),
                     .prefill_us = rows->int64(16),
                     .decode_us = rows->int64(17),
                     .grammar = TRY(open("ai_call.grammar", rows->text(18))),
                     .chosen = TRY(open("ai_call.chosen", rows->text(19))),
                     .tokens_resumed = rows->int64(20),
                     .route = TRY(open("ai_call.route", rows->text(21)))});
  }
  return calls;
}

Result<std::string> find_run(store::Db& db, std::string_view text) {
  auto whole = TRY(db.query("SELECT id FROM run WHERE id = $1", {text}));
  if (TRY(whole->next())) return std::string(text);
  if (text.size() < 4) return no_such_run(text);
  // substr, not LIKE: an underscore in an id is no wildcard.
  const auto length = static_cast<int64_t>(text.size());
  auto rows = TRY(db.query(
      "SELECT id FROM run WHERE substr(id, length(id) - CAST($1 AS INTEGER) + 1) = $2 OR "
      "substr(id, 1, CAST($1 AS INTEGER)) = $2 LIMIT 2",
      {length, text}));
  if (!TRY(rows->next())) return no_such_run(text);
  std::string id(rows->text(0));
  if (TRY(rows->next())) {
    return make_error("E0601", fmt::format("{} fits several runs", quoted(text)),
                      "give more characters of the id");
  }
  return id;
}

// Always as many places in the statement, so that it is prepared once.
Result<std::map<std::string, int64_t>> run_versions(store::Db& db,
                                                    std::span<const std::string> runs) {
  constexpr size_t kAtOnce = 64;
  static const std::string sql = [] {
    std::string out = "SELECT id, version FROM run WHERE id IN ($1";
    for (size_t i = 2; i <= kAtOnce; ++i) out += fmt::format(", ${}", i);
    return out + ")";
  }();
  std::map<std::string, int64_t> out;
  while (!runs.empty()) {
    const auto part = runs.first(std::min(runs.size(), kAtOnce));
    runs = runs.subspan(part.size());
    std::vector<store::Value> values(part.begin(), part.end());
    values.resize(kAtOnce, store::Value(""));
    auto rows = TRY(db.query(sql, store::Values(values)));
    while (TRY(rows->next())) out.emplace(rows->text(0), rows->int64(1));
  }
  return out;
}

}  // namespace weft::worker
