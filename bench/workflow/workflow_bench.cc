// SPDX-License-Identifier: Apache-2.0
//
// Measures durable runs of `set` steps through planner, executor and journal, and the floor of the
// machine at that moment: the same rows written alone to SQLite. One measurement a call, so that
// bench/workflow/run can interleave them with peers; each prints one JSON line.
//
//   workflow_bench steps STORE IN_FLIGHT RUNS      steps a second, processor time a step
//   workflow_bench floor FILE IN_FLIGHT RUNS       the same rows alone, ten commits for each round
//   workflow_bench single STORE RUNS               one ten-step run after the other: latency
//   workflow_bench floor1 FILE RUNS                ten rows and one commit: the floor of `single`
//   workflow_bench fan STORE WIDTH RUNS            WIDTH parallel steps and a join: latency
//   workflow_bench timers STORE RUNS SECONDS [PARK]  all due at one instant: acceptance, lateness,
//                                                  and memory while they wait and at the most;
//                                                  who waits longer than PARK seconds leaves memory
//   workflow_bench waiting STORE RUNS              memory of runs that wait for an hour
#include <malloc.h>
#include <sys/resource.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <functional>
#include <string>
#include <vector>

#include "base/env.h"
#include "base/file.h"
#include "store/sqlite.h"
#include "worker/process.h"
#include "workflow/loader.h"

namespace {

using weft::real_env;
using weft::worker::Notice;
using Definition = std::shared_ptr<const weft::workflow::Workflow>;

constexpr int kSteps = 10;

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

double seconds_since(int64_t begin_ns) {
  return static_cast<double>(real_env().mono_ns() - begin_ns) * 1e-9;
}

// Resident megabytes now.
double resident_mb() {
  const auto text = weft::read_file("/proc/self/statm", 256);
  CHECK(text.ok(), "statm");
  long pages = 0;
  const size_t space = text->find(' ');
  std::from_chars(text->data() + space + 1, text->data() + text->size(), pages);
  return static_cast<double>(pages) * 4096 / 1e6;
}

double at_share(std::vector<double> values, double share) {
  CHECK(!values.empty(), "nothing was measured");
  std::sort(values.begin(), values.end());
  const auto at = static_cast<size_t>(share * static_cast<double>(values.size()));
  return values[std::min(at, values.size() - 1)];
}

Definition parsed(const std::string& yaml) {
  auto loaded = weft::workflow::load(yaml);
  CHECK(loaded.workflow != nullptr, "the benchmark's workflow is valid");
  return loaded.workflow;
}

Definition ten_steps() {
  std::string yaml = "weft: \"1\"\nid: ten\nsteps:\n";
  for (int i = 0; i < kSteps; ++i) {
    yaml += fmt::format("  - {{id: s{}, type: set, {}parameters: {{value: {}}}}}\n", i,
                        i == 0 ? "" : fmt::format("dependencies: [s{}], ", i - 1), i);
  }
  return parsed(yaml);
}

Definition fan(int width) {
  std::string yaml = "weft: \"1\"\nid: fan\nsteps:\n";
  std::string all;
  for (int i = 0; i < width; ++i) {
    yaml += fmt::format("  - {{id: s{}, type: set, parameters: {{value: {}}}}}\n", i, i);
    all += fmt::format("{}s{}", i == 0 ? "" : ", ", i);
  }
  yaml += fmt::format("  - {{id: join, type: set, dependencies: [{}], parameters: {{value: 1}}}}\n"
                      "output: \"{{{{ steps.join }}}}\"\n", all);
  return parsed(yaml);
}

Definition sleeper(const std::string& until) {
  return parsed(fmt::format("weft: \"1\"\nid: sleeper\nsteps:\n  - {{id: nap, type: wait, "
                            "parameters: {{{}}}}}\n", until));
}

// A process of its own store, with what happens to its runs told to `on_notice`.
class Engine {
 public:
  Engine(const std::string& store, std::function<void(const Notice&)> on_notice,
         int64_t park_us = 0) {
    weft::worker::ProcessOptions options;
    options.store = store;
    options.park_us = park_us;
    options.adopt_max = park_us > 0 ? 64 : 0;
    auto started = weft::worker::Process::start(std::move(options), std::move(on_notice));
    CHECK(started.ok(), "{}", started.error().text());
    process_ = std::move(started).value();
  }
  std::string submit(const Definition& workflow) {
    weft::worker::NewRun request;
    request.workflow = workflow;
    request.input = weft::json::Object();
    return process_->executor().submit(std::move(request)).value();
  }
  void run() {
    const auto status = process_->run();
    CHECK(status.ok(), "{}", status.error().text());
  }
  void stop() { process_->stop(); }
  weft::worker::Process& process() { return *process_; }

 private:
  std::unique_ptr<weft::worker::Process> process_;
};

bool ended(const Notice& notice) {
  if (notice.kind != Notice::Kind::kRun || !notice.terminal) return false;
  CHECK(notice.status == "succeeded", "a run ended {}", notice.status);
  return true;
}

// Keeps `in_flight` runs going until `runs` have ended durably.
void steps(const std::string& store, int in_flight, int runs) {
  const Definition workflow = ten_steps();
  int submitted = 0;
  int done = 0;
  Engine* engine = nullptr;
  Engine own(store, [&](const Notice& notice) {
    if (!ended(notice)) return;
    ++done;
    if (submitted < runs) {
      ++submitted;
      engine->submit(workflow);
    }
    if (done == runs) engine->stop();
  });
  engine = &own;
  const int64_t begin = real_env().mono_ns();
  const double cpu = cpu_seconds();
  for (int i = 0; i < std::min(in_flight, runs); ++i) {
    ++submitted;
    engine->submit(workflow);
  }
  engine->run();
  const double count = static_cast<double>(runs) * kSteps;
  std::printf("{\"steps_per_second\": %.1f, \"cpu_us_per_step\": %.2f}\n",
              count / seconds_since(begin), (cpu_seconds() - cpu) * 1e6 / count);
}

std::unique_ptr<weft::store::Db> floor_store(const std::string& path) {
  auto db = weft::store::open_sqlite({.path = path}).value();
  CHECK(db->run("CREATE TABLE IF NOT EXISTS steps (run BIGINT, step BIGINT, output TEXT, PRIMARY "
                "KEY (run, step)) WITHOUT ROWID", {}).ok(), "table");
  return db;
}

void put(weft::store::Db& db, int run, int step) {
  static const std::string output(128, 'x');
  CHECK(db.run("INSERT INTO steps VALUES ($1, $2, $3)", {run, step, output}).ok(), "row");
}

void floor(const std::string& path, int in_flight, int runs) {
  auto db = floor_store(path);
  const int64_t begin = real_env().mono_ns();
  for (int first = 0; first < runs; first += in_flight) {
    for (int step = 0; step < kSteps; ++step) {
      auto tx = weft::store::Tx::begin(*db).value();
      for (int run = first; run < std::min(runs, first + in_flight); ++run) put(*db, run, step);
      CHECK(tx.commit().ok(), "commit");
    }
  }
  std::printf("{\"steps_per_second\": %.1f}\n",
              static_cast<double>(runs) * kSteps / seconds_since(begin));
}

void print_latency(const std::vector<double>& ms, double commits_per_run) {
  std::printf("{\"p50_ms\": %.3f, \"p99_ms\": %.3f, \"commits_per_run\": %.2f}\n",
              at_share(ms, 0.5), at_share(ms, 0.99), commits_per_run);
}

// One run after the other: from submit until its end is on disk and told.
void one_by_one(const std::string& store, const Definition& workflow, int runs) {
  constexpr int kWarm = 10;
  std::vector<double> ms;
  int64_t begin = 0;
  int done = 0;
  Engine* engine = nullptr;
  const auto submit = [&] {
    begin = real_env().mono_ns();
    engine->submit(workflow);
  };
  Engine own(store, [&](const Notice& notice) {
    if (!ended(notice)) return;
    if (done >= kWarm) ms.push_back(seconds_since(begin) * 1e3);
    if (++done == runs + kWarm) return engine->stop();
    engine->process().loop().post(submit);
  });
  engine = &own;
  submit();
  engine->run();
  print_latency(ms, static_cast<double>(own.process().journal().decided().n) / (runs + kWarm));
}

void floor_of_one(const std::string& path, int runs) {
  auto db = floor_store(path);
  std::vector<double> ms;
  for (int run = 0; run < runs; ++run) {
    const int64_t begin = real_env().mono_ns();
    auto tx = weft::store::Tx::begin(*db).value();
    for (int step = 0; step < kSteps; ++step) put(*db, run, step);
    CHECK(tx.commit().ok(), "commit");
    ms.push_back(seconds_since(begin) * 1e3);
  }
  print_latency(ms, 1);
}

// A thousand are being accepted at any moment, as by a thousand clients.
void timers(const std::string& store, int runs, int seconds, int park_s) {
  constexpr int kAtOnce = 1000;
  std::vector<double> late_ms;
  late_ms.reserve(static_cast<size_t>(runs));
  double accepted_s = 0;
  double waiting_mb = 0;
  double most_mb = 0;
  int submitted = 0;
  int sleeping = 0;
  const int64_t due_us = (real_env().wall_us() / 1'000'000 + seconds) * 1'000'000;
  const Definition workflow = sleeper(fmt::format("until: \"{}\"", weft::iso8601(due_us)));
  int64_t begin = 0;
  Engine* engine = nullptr;
  const auto submit = [&] {
    ++submitted;
    engine->submit(workflow);
  };
  Engine own(store, [&](const Notice& notice) {
    if (notice.kind == Notice::Kind::kRun && notice.status == "waiting") {
      if (++sleeping == runs) accepted_s = seconds_since(begin);
      if (submitted < runs) engine->process().loop().post(submit);
      return;
    }
    if (!ended(notice)) return;
    late_ms.push_back(static_cast<double>(real_env().wall_us() - due_us) / 1e3);
    if (std::ssize(late_ms) == runs) engine->stop();
  }, int64_t{park_s} * 1'000'000);
  engine = &own;
  const double before_mb = resident_mb();
  const std::function<void()> look = [&] {
    most_mb = std::max(most_mb, resident_mb());
    if (late_ms.empty()) waiting_mb = resident_mb();
    engine->process().loop().after(10'000, look);
  };
  look();
  begin = real_env().mono_ns();
  for (int i = 0; i < std::min(kAtOnce, runs); ++i) submit();
  engine->run();
  std::printf("{\"accepted_s\": %.3f, \"late_p50_ms\": %.1f, \"late_p99_ms\": %.1f, "
              "\"waiting_mb\": %.1f, \"memory_mb\": %.1f}\n",
              accepted_s, at_share(late_ms, 0.5), at_share(late_ms, 0.99),
              waiting_mb - before_mb, most_mb - before_mb);
}

// Runs that wait for an hour leave the memory; what they leave in the store wakes them.
void waiting(const std::string& store, int runs) {
  constexpr int kAtOnce = 1000;
  const Definition workflow = sleeper("for: 1h");
  int submitted = 0;
  int sleeping = 0;
  const double before_mb = resident_mb();
  const int64_t begin = real_env().mono_ns();
  Engine* engine = nullptr;
  Engine own(store, [&](const Notice& notice) {
    if (notice.kind != Notice::Kind::kRun || notice.status != "waiting") return;
    ++sleeping;
    if (submitted < runs) {
      ++submitted;
      engine->process().loop().post([&] { engine->submit(workflow); });
    }
    if (sleeping == runs) engine->process().loop().after(3'000'000, [&] { engine->stop(); });
  }, 1'000'000);
  engine = &own;
  for (int i = 0; i < std::min(kAtOnce, runs); ++i) {
    ++submitted;
    engine->submit(workflow);
  }
  double after_mb = 0;
  size_t active = 0;
  const std::function<void()> look = [&] {
    if (sleeping == runs) {
      malloc_trim(0);
      after_mb = resident_mb();
      active = engine->process().executor().active();
    }
    engine->process().loop().after(500'000, look);
  };
  look();
  engine->run();
  std::printf("{\"accepted_s\": %.2f, \"memory_mb\": %.1f, \"active\": %zu}\n",
              seconds_since(begin) - 3, after_mb - before_mb, active);
}

int number(const char* text) {
  int value = 0;
  const std::string_view view = text;
  const auto read = std::from_chars(view.data(), view.data() + view.size(), value);
  CHECK(read.ec == std::errc() && value > 0, "expected a number, found {}", view);
  return value;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view what = argc > 3 ? argv[1] : "";
  const int first = argc > 3 ? number(argv[3]) : 0;
  const int second = argc > 4 ? number(argv[4]) : 0;
  if (what == "steps" && second > 0) {
    steps(argv[2], first, second);
  } else if (what == "floor" && second > 0) {
    floor(argv[2], first, second);
  } else if (what == "single") {
    one_by_one(argv[2], ten_steps(), first);
  } else if (what == "floor1") {
    floor_of_one(argv[2], first);
  } else if (what == "fan" && second > 0) {
    one_by_one(argv[2], fan(first), second);
  } else if (what == "timers" && second > 0) {
    timers(argv[2], first, second, argc > 5 ? number(argv[5]) : 0);
  } else if (what == "waiting") {
    waiting(argv[2], first);
  } else {
    std::fprintf(stderr, "usage: workflow_bench steps|floor|single|floor1|fan|timers|waiting STORE "
                         "NUMBER [NUMBER [NUMBER]]\n");
    return 2;
  }
  return 0;
}
