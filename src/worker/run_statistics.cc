// SPDX-License-Identifier: Apache-2.0
#include "worker/run_statistics.h"

#include <algorithm>
#include <cmath>

namespace weft::worker {
namespace {

Result<int64_t> counted(store::Db& db, std::string_view sql, const std::string& tenant) {
  auto rows = TRY(db.query(sql, {tenant}));
  TRY(rows->next());
  return rows->int64(0);
}

// The nearest-rank percentile: the smallest value that 95 of 100 do not exceed.
double p95(std::vector<double>& seconds) {
  const auto rank = static_cast<size_t>(std::ceil(0.95 * static_cast<double>(seconds.size())));
  const auto place = seconds.begin() + static_cast<std::ptrdiff_t>(std::max<size_t>(rank, 1) - 1);
  std::nth_element(seconds.begin(), place, seconds.end());
  return *place;
}

void add(RunWindow& window, double seconds, bool succeeded) {
  ++window.ended;
  window.succeeded += succeeded ? 1 : 0;
  window.seconds += seconds;
}

Status read_ended(store::Db& db, const StatisticsQuery& query, RunStatistics& out) {
  const int64_t begin_us = query.now_us - query.window_us;
  std::vector<std::vector<double>> seconds_of(out.buckets.size());
  auto rows = TRY(db.query(
      "SELECT finished_us, status, created_us FROM run WHERE finished_us IS NOT NULL AND "
      "finished_us >= $1 AND tenant = $2",
      {begin_us - query.window_us, query.tenant}));
  while (TRY(rows->next())) {
    const int64_t finished_us = rows->int64(0);
    const bool succeeded = rows->text(1) == "succeeded";
    const double seconds =
        static_cast<double>(std::max<int64_t>(0, finished_us - rows->int64(2))) / 1e6;
    if (finished_us < begin_us) {
      add(out.before, seconds, succeeded);
      continue;
    }
    add(out.now, seconds, succeeded);
    // a clock that another process sets may be ahead of ours
    const int64_t index = (finished_us - out.buckets.front().from_us) / out.bucket_us;
    const auto place = static_cast<size_t>(
        std::clamp<int64_t>(index, 0, std::ssize(out.buckets) - 1));
    ++out.buckets[place].ended;
    out.buckets[place].succeeded += succeeded ? 1 : 0;
    seconds_of[place].push_back(seconds);
  }
  for (size_t i = 0; i < out.buckets.size(); ++i) {
    if (seconds_of[i].empty()) continue;
    double sum = 0;
    for (const double each : seconds_of[i]) sum += each;
    out.buckets[i].mean_s = sum / static_cast<double>(seconds_of[i].size());
    out.buckets[i].p95_s = p95(seconds_of[i]);
  }
  return ok_status();
}

}  // namespace

Result<RunStatistics> run_statistics(store::Db& db, const StatisticsQuery& query) {
  CHECK(query.buckets > 0 && query.window_us >= query.buckets, "a window of {} us in {} parts",
        query.window_us, query.buckets);
  RunStatistics out;
  // Borders at multiples of a bucket, so that they stand still while time goes on.
  out.bucket_us = query.window_us / query.buckets;
  const int64_t last_us = query.now_us / out.bucket_us * out.bucket_us;
  for (int64_t i = query.buckets - 1; i >= 0; --i) {
    out.buckets.push_back({.from_us = last_us - i * out.bucket_us});
  }
  TRY(read_ended(db, query, out));
  const std::string& tenant = query.tenant;
  out.ended_ever = TRY(counted(
      db, "SELECT count(*) FROM run WHERE finished_us IS NOT NULL AND tenant = $1", tenant));
  out.actions = TRY(counted(
      db, "SELECT count(*) FROM required_action a JOIN run r ON r.id = a.run WHERE r.tenant = $1",
      tenant));
  auto rows = TRY(db.query("SELECT status, count(*) FROM run WHERE finished_us IS NULL AND "
                           "tenant = $1 GROUP BY status", {tenant}));
  while (TRY(rows->next())) out.alive[std::string(rows->text(0))] = rows->int64(1);
  return out;
}

Result<RunTokens> run_tokens(store::Db& db, std::string_view run) {
  auto rows = TRY(db.query("SELECT coalesce(sum(tokens_reasoning), 0), "
                           "coalesce(sum(tokens_answer), 0) FROM ai_call WHERE run = $1", {run}));
  TRY(rows->next());
  return RunTokens{rows->int64(0), rows->int64(1)};
}

}  // namespace weft::worker
