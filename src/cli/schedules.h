// SPDX-License-Identifier: Apache-2.0
//
// `weft schedules add | list | next | pause | resume | remove`: workflows that run by themselves. A
// schedule is stored; whoever works on that store (`weft worker`, `weft serve`) fires it, each time
// once. A thin caller of worker/schedules.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cli/config_encryption.h"

namespace weft::cli {

struct ScheduleAddOptions {
  std::string file;
  StoreFlags store;
  std::string name;         // empty: the workflow's id
  // Over the document's key `schedule`; empty: as it says.
  std::string cron;
  std::string every;
  std::string timezone;
  std::string missed;
  std::string overlap;
  std::string time_as;
  std::vector<std::string> inputs;  // "name=value", "@file.json"
  std::string model;
  bool json = false;
};
int add_schedule(const ScheduleAddOptions& options);

struct ScheduleNextOptions {
  std::string cron;
  std::string every;
  std::string timezone = "UTC";
  int64_t count = 5;
  bool json = false;
};
int show_next_times(const ScheduleNextOptions& options);

struct SchedulesOptions {
  std::string act = "list";  // "pause", "resume", "remove"
  StoreFlags store;
  std::string name;          // but for list
  bool json = false;
};
int act_on_schedules(const SchedulesOptions& options);

}  // namespace weft::cli
