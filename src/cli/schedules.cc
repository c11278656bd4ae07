// SPDX-License-Identifier: Apache-2.0
#include "cli/schedules.h"

#include <filesystem>

#include "base/env.h"
#include "base/file.h"
#include "cli/exit.h"
#include "cli/run_input.h"
#include "cli/run_session.h"
#include "cli/sub_workflows.h"
#include "cli/terminal.h"
#include "worker/run_context.h"
#include "worker/schedules.h"
#include "workflow/loader.h"
#include "workflow/schedule.h"

namespace weft::cli {
namespace {

constexpr size_t kScheduleBytesMax = size_t{16} << 20;

int refuse_schedule(const Error& error) {
  say_error(error);
  if (error.code == "E0622" || error.code == "E0020") return kExitNotFound;
  if (error.code == "E0441" || error.code == "E0440" || error.code == "E0902") return kExitUsage;
  return error.code.starts_with("E05") ? kExitConfiguration : kExitFailed;
}

Status set_times(const std::string& cron, const std::string& every,
                 workflow::ScheduleSpec& spec) {
  if (cron.empty() && every.empty()) return ok_status();
  spec.cron = cron;
  spec.every_us = every.empty() ? 0 : TRY(workflow::parse_duration(every));
  return ok_status();
}

// What the document says, and over it what the command does.
Result<workflow::ScheduleSpec> spec_of(const workflow::Workflow& definition,
                                       const ScheduleAddOptions& options) {
  workflow::ScheduleSpec spec;
  if (definition.schedule != nullptr) spec = *definition.schedule;
  TRY(set_times(options.cron, options.every, spec));
  if (!options.timezone.empty()) spec.timezone = options.timezone;
  if (!options.missed.empty()) spec.missed = *workflow::missed_of(options.missed);
  if (!options.overlap.empty()) spec.overlap = *workflow::overlap_of(options.overlap);
  if (!options.time_as.empty()) spec.time_as = options.time_as;
  if (!spec.input.is_object()) spec.input = json::Object();
  const json::Object members = TRY(input_members(definition, options.inputs));
  for (const auto& member : members) spec.input.as_object()[member.key()] = member.value();
  return spec;
}

Result<worker::NewSchedule> schedule_of(const ScheduleAddOptions& options) {
  const std::string text = TRY(read_file(options.file, kScheduleBytesMax));
  worker::NewSchedule schedule;
  schedule.workflow = TRY(workflow::load_or_error(text, options.file));
  schedule.name = options.name.empty() ? schedule.workflow->id : options.name;
  schedule.spec = TRY(spec_of(*schedule.workflow, options));
  schedule.definitions = TRY(sub_workflows(*schedule.workflow, options.file));
  schedule.context = worker::to_json(worker::RunContext{
      .roots = {std::filesystem::current_path().string()}, .model = options.model});
  return schedule;
}

}  // namespace

int add_schedule(const ScheduleAddOptions& options) {
  const auto schedule = schedule_of(options);
  if (!schedule.ok()) return refuse_schedule(schedule.error());
  auto db = open_store(options.store);
  if (!db.ok()) return refuse_schedule(db.error());
  const auto next = worker::add_schedule(**db, *schedule);
  if (!next.ok()) return refuse_schedule(next.error());
  if (options.json) {
    print_data(json::dump(json::Object{{"schedule", schedule->name}, {"next", iso8601(*next)}}));
  } else {
    print_data(fmt::format("{}  next {}", schedule->name, iso8601(*next)));
    say("fired by whoever works on this store: weft worker, weft serve");
  }
  return kExitOk;
}

int show_next_times(const ScheduleNextOptions& options) {
  workflow::ScheduleSpec spec;
  spec.timezone = options.timezone;
  if (Status set = set_times(options.cron, options.every, spec); !set.ok()) {
    return refuse_schedule(set.error());
  }
  const auto table = workflow::timetable_of(spec);
  if (!table.ok()) return refuse_schedule(table.error());
  const auto zone = worker::load_zone(options.timezone);
  if (!zone.ok()) return refuse_schedule(zone.error());
  json::Array times;
  int64_t at = real_env().wall_us();
  for (int64_t i = 0; i < options.count && (at = table->next_us(at, *zone)) != 0; ++i) {
    const int64_t offset_s = zone->offset_s(at / 1'000'000);
    const std::string utc = iso8601(at);
    if (options.json) {
      times.emplace_back(utc);
    } else {
      print_data(fmt::format("{}   local {}", utc,
                             iso8601(at + offset_s * 1'000'000).substr(0, 16)));
    }
  }
  if (options.json) print_data(json::dump(json::Value(std::move(times))));
  return kExitOk;
}

namespace {

int list(store::Db& db, const SchedulesOptions& options) {
  const auto schedules = worker::list_schedules(db);
  if (!schedules.ok()) return refuse_schedule(schedules.error());
  if (options.json) {
    json::Array out;
    for (const worker::ScheduleRow& row : *schedules) {
      json::Object one{{"schedule", row.name},         {"workflow", row.workflow},
                       {"timetable", row.timetable},   {"timezone", row.timezone},
                       {"paused", row.paused},         {"fired", row.fired},
                       {"last_run", row.last_run}};
      one["next"] = row.next_us == 0 ? json::Value() : json::Value(iso8601(row.next_us));
      if (row.last_us != 0) one["last"] = iso8601(row.last_us);
      if (row.refusals > 0) {
        one["refusals"] = row.refusals;
        one["refusal"] = row.refusal;
      }
      out.push_back(std::move(one));
    }
    print_data(json::dump(json::Value(std::move(out)), {.spaces = true, .indent = 2}));
    return kExitOk;
  }
  if (schedules->empty()) say("no schedules; weft schedules add FILE");
  for (const worker::ScheduleRow& row : *schedules) {
    print_data(fmt::format("{}  {}  {}  {}  {}{}", row.name, row.workflow, row.timetable,
                           row.timezone,
                           row.paused         ? std::string("paused")
                           : row.next_us == 0 ? std::string("never again")
                                              : "next " + iso8601(row.next_us),
                           row.last_run.empty() ? "" : "  last " + row.last_run));
    if (row.refusals > 0) {
      say(fmt::format("{}: refused {} time{} in a row, is tried again then: {}", row.name,
                      row.refusals, row.refusals == 1 ? "" : "s", row.refusal));
    }
  }
  return kExitOk;
}

}  // namespace

int act_on_schedules(const SchedulesOptions& options) {
  auto db = open_store(options.store);
  if (!db.ok()) return refuse_schedule(db.error());
  if (options.act == "list") return list(**db, options);
  const Status done = options.act == "remove"
                          ? worker::remove_schedule(**db, options.name)
                          : worker::pause_schedule(**db, options.name, options.act == "pause");
  if (!done.ok()) return refuse_schedule(done.error());
  if (options.json) {
    print_data(json::dump(json::Object{{"schedule", options.name}, {"act", options.act}}));
  } else {
    say(fmt::format("{}: {}", options.act, options.name));
  }
  return kExitOk;
}

}  // namespace weft::cli
