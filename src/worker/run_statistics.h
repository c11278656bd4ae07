// SPDX-License-Identifier: Apache-2.0
//
// Runs in numbers, for the overview that people leave open: how many ended, how long they took, how
// many succeeded, now and in the time before it, and the same over time. One pass over an index
// that holds just these columns; nothing is kept between two questions.
//
// It reads the state tables and says nothing about single runs (run_reader does).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "store/db.h"

namespace weft::worker {

struct RunWindow {
  int64_t ended = 0;
  int64_t succeeded = 0;
  double seconds = 0;  // of all that ended, from their being accepted to their end
};
// What ended in one slice of time; seconds of runs from their being accepted.
struct RunBucket {
  int64_t from_us = 0;
  int64_t ended = 0;
  int64_t succeeded = 0;
  double mean_s = 0;
  double p95_s = 0;
};
struct RunStatistics {
  int64_t ended_ever = 0;
  RunWindow now;                    // the window that ends now
  RunWindow before;                 // as much time before it
  std::map<std::string, int64_t> alive;  // status -> runs that have not ended
  std::vector<RunBucket> buckets;   // of the window, oldest first; empty ones have ended == 0
  int64_t bucket_us = 0;
  int64_t actions = 0;              // what runs wait for people to do
};
struct StatisticsQuery {
  std::string tenant = {};
  int64_t now_us = 0;
  int64_t window_us = 0;
  int64_t buckets = 60;  // that the window is divided into
};
Result<RunStatistics> run_statistics(store::Db& db, const StatisticsQuery& query);

// Of all calls of models in a run.
struct RunTokens {
  int64_t reasoning = 0;
  int64_t answer = 0;
};
Result<RunTokens> run_tokens(store::Db& db, std::string_view run);

}  // namespace weft::worker
