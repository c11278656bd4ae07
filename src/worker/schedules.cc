// SPDX-License-Identifier: Apache-2.0
#include "worker/schedules.h"

#include <algorithm>

#include "base/digest.h"
#include "base/file.h"
#include "base/strings.h"
#include "obs/log.h"
#include "worker/places.h"
#include "worker/folded_run.h"
#include "worker/step_type.h"
#include "workflow/input.h"
#include "workflow/loader.h"
#include "workflow/schedule.h"

namespace weft::worker {
namespace {

using workflow::Missed;
using workflow::Overlap;
using workflow::ScheduleSpec;

constexpr size_t kZoneBytesMax = size_t{1} << 20;
constexpr int64_t kUs = 1'000'000;
constexpr int64_t kLateUs = 60 * kUs;  // `missed: skip` lets go of what is later than this
constexpr size_t kCatchUpMax = 1'000;  // of one schedule in one transaction; the rest comes next
constexpr int64_t kDueMax = 256;       // schedules of one transaction
constexpr int64_t kAsideUs = 10 * kUs;        // after one refusal; then twice as long each time
constexpr int64_t kAsideMaxUs = 3'600 * kUs;

Error no_such_schedule(std::string_view name) {
  return make_error("E0622", fmt::format("there is no schedule {}", quoted(name)),
                    "`weft schedules list` shows them");
}

Status check_name(std::string_view name) {
  bool good = !name.empty() && name.size() <= 64;
  for (const char c : name) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    good = good && (letter || c == '_' || c == '-' || c == '.');
  }
  if (good) return ok_status();
  return make_error("E0622", fmt::format("expected the name of a schedule, found {}",
                                         quoted(name, 80)),
                    "up to 64 letters, digits, '.', '_' and '-'");
}

// The input of the run that is due at `slot_us`.
Result<json::Value> input_at(const workflow::Workflow& definition, const ScheduleSpec& spec,
                             int64_t slot_us) {
  json::Value input = spec.input.is_null() ? json::Value(json::Object()) : spec.input;
  if (!spec.time_as.empty()) input.as_object()[spec.time_as] = iso8601(slot_us);
  return workflow::completed_input(definition, std::move(input));
}

json::Object body_of(const NewSchedule& schedule) {
  const ScheduleSpec& spec = schedule.spec;
  json::Object body{{"cron", spec.cron},
                    {"every_us", spec.every_us},
                    {"timezone", spec.timezone},
                    {"missed", workflow::name(spec.missed)},
                    {"overlap", workflow::name(spec.overlap)},
                    {"input", spec.input.is_null() ? json::Value(json::Object()) : spec.input},
                    {"time_as", spec.time_as},
                    {"context", schedule.context}};
  json::Object pinned;
  for (const auto& [name, sub] : schedule.definitions) pinned[name] = sub->hash;
  body["definitions"] = std::move(pinned);
  return body;
}

Result<ScheduleSpec> spec_of(const json::Object& body) {
  ScheduleSpec spec;
  spec.cron = TRY(json::require_string(body, "cron", "schedule"));
  spec.every_us = TRY(json::require_int(body, "every_us", "schedule"));
  spec.timezone = TRY(json::require_string(body, "timezone", "schedule"));
  const std::string missed = TRY(json::require_string(body, "missed", "schedule"));
  const std::string overlap = TRY(json::require_string(body, "overlap", "schedule"));
  spec.missed = workflow::missed_of(missed).value_or(spec.missed);
  spec.overlap = workflow::overlap_of(overlap).value_or(spec.overlap);
  spec.time_as = TRY(json::require_string(body, "time_as", "schedule"));
  if (const json::Value* input = body.if_contains("input")) spec.input = *input;
  return spec;
}

std::string timetable_text(const ScheduleSpec& spec) {
  return spec.cron.empty() ? "every " + workflow::duration_text(spec.every_us) : spec.cron;
}

Status insert_definition(store::Db& db, const workflow::Workflow& definition) {
  const auto doc =
      TRY(store::kept(db, place_of_document(definition.hash), definition.canonical));
  TRY(db.run("INSERT INTO definition (hash, doc) VALUES ($1, $2) ON CONFLICT DO NOTHING",
             {definition.hash, doc.value()}));
  return ok_status();
}

// The newest time up to `now_us`, of a schedule that is due since `due_us`.
int64_t newest_slot(const workflow::Timetable& table, const workflow::Zone& zone, int64_t due_us,
                    int64_t now_us) {
  CHECK(due_us <= now_us, "due at {}, it is {}", due_us, now_us);
  // Looking back a little first: a schedule of every second may have slept for a year.
  for (int64_t back_us = 3'600 * kUs;; back_us *= 30) {
    int64_t slot = std::max(due_us - 1, now_us - back_us);
    int64_t newest = 0;
    while ((slot = table.next_us(slot, zone)) != 0 && slot <= now_us) newest = slot;
    if (newest != 0) return newest;
    if (now_us - back_us < due_us) return due_us;
  }
}

// The times to fire now, oldest first.
std::vector<int64_t> slots_due(const ScheduleSpec& spec, const workflow::Timetable& table,
                               const workflow::Zone& zone, int64_t due_us, int64_t now_us) {
  if (spec.missed != Missed::kAll) {
    const int64_t newest = newest_slot(table, zone, due_us, now_us);
    if (spec.missed == Missed::kSkip && now_us - newest > kLateUs) return {};
    return {newest};
  }
  std::vector<int64_t> slots;
  for (int64_t slot = due_us; slot != 0 && slot <= now_us && slots.size() < kCatchUpMax;
       slot = table.next_us(slot, zone)) {
    slots.push_back(slot);
  }
  return slots;
}

}  // namespace

Result<workflow::Zone> load_zone(const std::string& name) {
  if (name == "UTC") return workflow::Zone();
  TRY(workflow::check_zone_name(name));
  auto bytes = read_file("/usr/share/zoneinfo/" + name, kZoneBytesMax);
  if (!bytes.ok()) {
    return make_error("E0441", fmt::format("this machine has no time zone {}", quoted(name)),
                      "names as in the zone database, such as Europe/Berlin; package tzdata");
  }
  return workflow::Zone::parse(*bytes);
}

Result<int64_t> add_schedule(store::Db& db, const NewSchedule& schedule) {
  CHECK(schedule.workflow != nullptr, "a schedule of nothing");
  TRY(check_name(schedule.name));
  const workflow::Timetable table = TRY(workflow::timetable_of(schedule.spec));
  const workflow::Zone zone = TRY(load_zone(schedule.spec.timezone));
  TRY(check_step_types(*schedule.workflow));
  store::Tx tx = TRY(store::Tx::begin(db));
  const int64_t now_us = TRY(db.now_ms()) * 1000;
  const int64_t next_us = table.next_us(now_us, zone);
  TRY(input_at(*schedule.workflow, schedule.spec, next_us));
  TRY(insert_definition(db, *schedule.workflow));
  for (const auto& [name, sub] : schedule.definitions) TRY(insert_definition(db, *sub));
  const std::string text = json::dump(json::Value(body_of(schedule)));
  const auto body = TRY(store::kept(db, place_of_schedule(schedule.name), text));
  TRY(db.run("INSERT INTO schedule (name, def_hash, workflow, body, paused, created_us, next_us) "
             "VALUES ($1, $2, $3, $4, 0, $5, $6) ON CONFLICT (name) DO UPDATE SET "
             "def_hash = excluded.def_hash, workflow = excluded.workflow, body = excluded.body, "
             "paused = 0, next_us = excluded.next_us, due_us = NULL, refusals = 0, refusal = ''",
             {schedule.name, schedule.workflow->hash, schedule.workflow->id,
              body.value(), now_us, next_us}));
  TRY(tx.commit());
  return next_us;
}

Result<std::vector<ScheduleRow>> list_schedules(store::Db& db) {
  auto rows = TRY(db.query(
      "SELECT s.name, s.workflow, s.body, s.paused, coalesce(s.next_us, 0), "
      "coalesce((SELECT max(slot_us) FROM schedule_slot t WHERE t.schedule = s.name), 0), "
      "coalesce((SELECT run FROM schedule_slot t WHERE t.schedule = s.name AND run <> '' "
      "ORDER BY slot_us DESC LIMIT 1), ''), "
      "(SELECT count(*) FROM schedule_slot t WHERE t.schedule = s.name AND run <> ''), "
      "s.refusals, s.refusal FROM schedule s ORDER BY s.name", {}));
  std::vector<ScheduleRow> all;
  while (TRY(rows->next())) {
    std::string refusal =
        TRY(store::opened(db, place_of_refusal(rows->text(0)), rows->text(9)));
    const json::Value body = TRY(json::parse(
        TRY(store::opened(db, place_of_schedule(rows->text(0)), rows->text(2)))));
    if (!body.is_object()) return make_error("E0604", "the body of a schedule is no object");
    const ScheduleSpec spec = TRY(spec_of(body.get_object()));
    all.push_back({.name = std::string(rows->text(0)),
                   .workflow = std::string(rows->text(1)),
                   .timetable = timetable_text(spec),
                   .timezone = spec.timezone,
                   .paused = rows->int64(3) != 0,
                   .next_us = rows->int64(4),
                   .last_us = rows->int64(5),
                   .last_run = std::string(rows->text(6)),
                   .fired = rows->int64(7),
                   .refusals = rows->int64(8),
                   .refusal = std::move(refusal)});
  }
  return all;
}

Status pause_schedule(store::Db& db, std::string_view name, bool paused) {
  store::Tx tx = TRY(store::Tx::begin(db));
  int64_t next_us = 0;
  {
    auto rows = TRY(db.query("SELECT body FROM schedule WHERE name = $1", {name}));
    if (!TRY(rows->next())) return no_such_schedule(name);
    const json::Value body = TRY(json::parse(
        TRY(store::opened(db, place_of_schedule(name), rows->text(0)))));
    if (!body.is_object()) return make_error("E0604", "the body of a schedule is no object");
    const ScheduleSpec spec = TRY(spec_of(body.get_object()));
    const workflow::Timetable table = TRY(workflow::timetable_of(spec));
    const workflow::Zone zone = TRY(load_zone(spec.timezone));
    next_us = table.next_us(TRY(db.now_ms()) * 1000, zone);
  }
  TRY(db.run("UPDATE schedule SET paused = $1, next_us = $2, due_us = NULL, refusals = 0, "
             "refusal = '' WHERE name = $3", {paused ? 1 : 0, next_us, name}));
  return tx.commit();
}

Status remove_schedule(store::Db& db, std::string_view name) {
  store::Tx tx = TRY(store::Tx::begin(db));
  if (TRY(db.run("DELETE FROM schedule WHERE name = $1", {name})) == 0) {
    return no_such_schedule(name);
  }
  TRY(db.run("DELETE FROM schedule_slot WHERE schedule = $1", {name}));
  return tx.commit();
}

// ---- firing ------------------------------------------------------------------------------------

struct ScheduleRunner::Due {
  std::string name;
  std::string definition;
  std::string body;
  int64_t due_us = 0;
};

Result<int64_t> ScheduleRunner::next_due_us(store::Db& db) {
  auto rows = TRY(db.query("SELECT next_us FROM schedule WHERE paused = 0 AND next_us IS NOT NULL "
                           "ORDER BY next_us LIMIT 1", {}));
  return TRY(rows->next()) ? rows->int64(0) : INT64_MAX;
}

// Those that no other process is firing at this moment; of one name only, unless it is empty.
Result<std::vector<ScheduleRunner::Due>> ScheduleRunner::read_due(store::Db& db, int64_t now_us,
                                                                  std::string_view only) {
  auto rows = TRY(db.query(
      fmt::format("SELECT name, body, coalesce(due_us, next_us), (SELECT doc FROM definition d "
                  "WHERE d.hash = schedule.def_hash), def_hash FROM schedule WHERE paused = 0 AND "
                  "next_us <= $1 AND ($2 = '' OR name = $2) ORDER BY next_us LIMIT $3{}",
                  db.skip_locked()),
      {now_us, only, kDueMax}));
  std::vector<Due> due;
  while (TRY(rows->next())) {
    const std::string name(rows->text(0));
    auto definition = store::opened(db, place_of_document(rows->text(4)), rows->text(3));
    auto body = store::opened(db, place_of_schedule(name), rows->text(1));
    const bool closed = (!definition.ok() && definition.error().code == "E0510") ||
                        (!body.ok() && body.error().code == "E0510");
    if (closed) {  // the others go on
      obs::log(obs::Level::kError, "schedules", "schedule {} cannot be fired here: {}", name,
               (body.ok() ? definition : body).error().text());
      continue;
    }
    due.push_back({name, TRY(std::move(definition)), TRY(std::move(body)), rows->int64(2)});
  }
  return due;
}

Result<std::vector<std::string>> ScheduleRunner::due_names(store::Db& db) {
  auto rows = TRY(db.query("SELECT name FROM schedule WHERE paused = 0 AND next_us <= $1 "
                           "ORDER BY next_us LIMIT $2", {TRY(db.now_ms()) * 1000, kDueMax}));
  std::vector<std::string> names;
  while (TRY(rows->next())) names.emplace_back(rows->text(0));
  return names;
}

Status ScheduleRunner::set_aside(store::Db& db, std::string_view name, const Error& why) {
  const int64_t now_us = TRY(db.now_ms()) * 1000;
  store::Tx tx = TRY(store::Tx::begin(db));
  int64_t refusals = 0;
  {
    auto rows = TRY(db.query("SELECT refusals FROM schedule WHERE name = $1", {name}));
    if (!TRY(rows->next())) return ok_status();  // removed meanwhile
    refusals = rows->int64(0) + 1;
  }
  const int doublings = static_cast<int>(std::min<int64_t>(refusals - 1, 16));
  const int64_t again_us = now_us + std::min(kAsideUs << doublings, kAsideMaxUs);
  const std::string text = quoted(why.text(), 300);
  const auto refusal = TRY(store::kept(db, place_of_refusal(name), text));
  TRY(db.run("UPDATE schedule SET due_us = coalesce(due_us, next_us), next_us = $1, "
             "refusals = $2, refusal = $3 WHERE name = $4 AND next_us <= $5",
             {again_us, refusals, refusal.value(), name, now_us}));
  return tx.commit();
}

namespace {

struct Prepared {
  ScheduleSpec spec;
  workflow::Timetable table;
  NewRun request;  // but for the input
};

Result<Definitions> definitions_of(store::Db& db, const json::Object& body) {
  Definitions definitions;
  const json::Value* pinned = body.if_contains("definitions");
  if (pinned == nullptr || !pinned->is_object()) return definitions;
  for (const auto& member : pinned->get_object()) {
    const std::string hash(member.value().is_string()
                               ? std::string_view(member.value().get_string())
                               : std::string_view());
    auto rows = TRY(db.query("SELECT doc FROM definition WHERE hash = $1", {hash}));
    if (!TRY(rows->next())) return make_error("E0604", "a schedule lacks a sub-workflow");
    definitions[std::string(member.key())] =
        TRY(workflow::load_or_error(
            TRY(store::opened(db, place_of_document(hash), rows->text(0))),
            std::string(member.key()), {.stored = true}));
  }
  return definitions;
}

Result<Prepared> prepare(store::Db& db, const std::string& body_text,
                         const std::string& definition) {
  const json::Value body = TRY(json::parse(body_text));
  if (!body.is_object()) return make_error("E0604", "the body of a schedule is no object");
  Prepared out;
  out.spec = TRY(spec_of(body.get_object()));
  out.table = TRY(workflow::timetable_of(out.spec));
  out.request.workflow = TRY(workflow::load_or_error(definition, "definition of a schedule",
                                                    {.stored = true}));
  out.request.definitions = TRY(definitions_of(db, body.get_object()));
  const json::Value* context = body.get_object().if_contains("context");
  if (context != nullptr && context->is_object()) out.request.context = context->get_object();
  out.request.detached = true;
  return out;
}

Result<bool> has_open_run(store::Db& db, std::string_view schedule) {
  auto rows = TRY(db.query("SELECT 1 FROM schedule_slot s JOIN run r ON r.id = s.run WHERE "
                           "s.schedule = $1 AND r.finished_us IS NULL LIMIT 1", {schedule}));
  return rows->next();
}

// A run that is stored and belongs to nobody yet, as one transaction of the journal.
Result<Change> stored_run(const Prepared& prepared, const std::string& schedule, int64_t slot_us,
                          const std::string& id, int64_t now_us) {
  NewRun request = prepared.request;
  request.input = TRY(input_at(*request.workflow, prepared.spec, slot_us));
  request.idem_key = fmt::format("schedule {} {}", schedule, iso8601(slot_us));
  const Sha256 digest = sha256(request.idem_key);
  for (size_t i = 0; i < 8; ++i) request.seed = request.seed << 8 | digest[i];
  request.seed >>= 1;
  Change change;
  change.run = id;
  change.insert = run_row(request, id, now_us);
  const workflow::Event event{now_us, run_accepted(request, id)};
  change.first_seq = 1;
  change.events.push_back({std::string(workflow::kind(event)), "", workflow::to_text(event),
                           now_us});
  return change;
}

}  // namespace

const workflow::Zone* ScheduleRunner::zone(const std::string& name) {
  const auto known = zones_.find(name);
  if (known != zones_.end()) return &known->second;
  auto loaded = load_zone(name);
  if (!loaded.ok()) return nullptr;
  return &(zones_[name] = std::move(loaded).value());
}

Result<int64_t> ScheduleRunner::fire_due(store::Db& db, ChangeWriter& writer,
                                         const WorkerIdentity& worker, ChainHead& chain,
                                         std::string_view only) {
  const int64_t now_us = TRY(db.now_ms()) * 1000;
  int64_t runs = 0;
  for (const Due& due : TRY(read_due(db, now_us, only))) {
    const auto prepared = prepare(db, due.body, due.definition);
    const workflow::Zone* zone = prepared.ok() ? this->zone(prepared->spec.timezone) : nullptr;
    if (zone == nullptr) {
      obs::log(obs::Level::kError, "schedules", "schedule {} cannot be fired here: {}", due.name,
               prepared.ok() ? "no time zone " + prepared->spec.timezone
                             : prepared.error().text());
      continue;
    }
    int64_t last_us = std::max(due.due_us, now_us);
    for (const int64_t slot :
         slots_due(prepared->spec, prepared->table, *zone, due.due_us, now_us)) {
      if (prepared->spec.missed == Missed::kAll) last_us = slot;
      std::string id = new_id(env_, "run_");
      const auto change = stored_run(*prepared, due.name, slot, id, now_us);
      if (!change.ok()) {
        obs::log(obs::Level::kError, "schedules", "schedule {}: {}", due.name,
                 change.error().text());
        break;
      }
      if (prepared->spec.overlap == Overlap::kSkip && TRY(has_open_run(db, due.name))) id.clear();
      const int64_t fresh = TRY(db.run("INSERT INTO schedule_slot (schedule, slot_us, run) VALUES "
                                       "($1, $2, $3) ON CONFLICT DO NOTHING",
                                       {due.name, slot, id}));
      if (fresh == 0 || id.empty()) continue;
      if (TRY(writer.write(*change, worker, chain))) {
        ++runs;
      } else {
        obs::log(obs::Level::kError, "schedules", "schedule {}: somebody has taken the key {}",
                 due.name, quoted(change->insert->idem_key));
      }
    }
    const int64_t next_us = prepared->table.next_us(last_us, *zone);
    TRY(db.run("UPDATE schedule SET next_us = $1, due_us = NULL, refusals = 0, refusal = '' "
               "WHERE name = $2",
               {next_us == 0 ? store::Value(nullptr) : store::Value(next_us), due.name}));
  }
  return runs;
}

}  // namespace weft::worker
