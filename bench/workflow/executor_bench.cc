// SPDX-License-Identifier: Apache-2.0
//
// Steps per second of 10-step runs of `set` steps through planner, executor and journal, durably,
// against the floor of the machine at that moment: one row a step written alone to SQLite, ten
// commits for a round of runs, as the storage of an engine without group commit across steps would.
// Both run in turns in the same minute; what counts are the ratios.
//
//   executor_bench [DIRECTORY] [ROUNDS]     the directory lies on the disk to be measured
#include <sys/resource.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include "base/env.h"
#include "store/sqlite.h"
#include "worker/process.h"
#include "workflow/loader.h"

namespace {

using weft::real_env;

constexpr int kSteps = 10;

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

std::shared_ptr<const weft::workflow::Workflow> ten_steps() {
  std::string yaml = "weft: \"1\"\nid: ten\nsteps:\n";
  for (int i = 0; i < kSteps; ++i) {
    yaml += fmt::format("  - {{id: s{}, type: set, {}parameters: {{value: {}}}}}\n", i,
                        i == 0 ? "" : fmt::format("dependencies: [s{}], ", i - 1), i);
  }
  auto loaded = weft::workflow::load(yaml);
  CHECK(loaded.workflow != nullptr, "the benchmark's workflow is valid");
  return loaded.workflow;
}

struct Measured {
  double steps_per_second = 0;
  double cpu_us_per_step = 0;
};

// Keeps `in_flight` runs going until `runs` have ended durably.
Measured measure_engine(const std::string& directory, int in_flight, int runs) {
  const std::string path = directory + "/engine.db";
  const auto workflow = ten_steps();
  int submitted = 0;
  int ended = 0;
  weft::worker::Process* running = nullptr;
  const auto submit = [&] {
    ++submitted;
    weft::worker::NewRun request;
    request.workflow = workflow;
    request.input = weft::json::Object();
    CHECK(running->executor().submit(std::move(request)).ok(), "submit");
  };
  auto process = weft::worker::Process::start({.store_path = path}, [&](const auto& notice) {
    if (notice.kind != weft::worker::Notice::Kind::kRun || !notice.terminal) return;
    CHECK(notice.status == "succeeded", "a run ended {}", notice.status);
    ++ended;
    if (submitted < runs) submit();
    if (ended == runs) running->stop();
  });
  CHECK(process.ok(), "{}", process.error().text());
  running = process->get();
  const int64_t begin = real_env().mono_ns();
  const double cpu = cpu_seconds();
  for (int i = 0; i < std::min(in_flight, runs); ++i) submit();
  const auto status = running->run();
  CHECK(status.ok(), "{}", status.error().text());
  const double seconds = static_cast<double>(real_env().mono_ns() - begin) * 1e-9;
  const double steps = static_cast<double>(runs) * kSteps;
  return {steps / seconds, (cpu_seconds() - cpu) * 1e6 / steps};
}

double measure_floor(const std::string& directory, int in_flight, int runs) {
  const std::string path = directory + "/floor.db";
  auto db = weft::store::open_sqlite({.path = path}).value();
  CHECK(db->run("CREATE TABLE steps (run BIGINT, step BIGINT, output TEXT, PRIMARY KEY (run, "
                "step)) WITHOUT ROWID", {}).ok(), "table");
  const std::string output(128, 'x');
  const int64_t begin = real_env().mono_ns();
  for (int first = 0; first < runs; first += in_flight) {
    for (int step = 0; step < kSteps; ++step) {
      auto tx = weft::store::Tx::begin(*db).value();
      for (int run = first; run < std::min(runs, first + in_flight); ++run) {
        CHECK(db->run("INSERT INTO steps VALUES ($1, $2, $3)", {run, step, output}).ok(), "row");
      }
      CHECK(tx.commit().ok(), "commit");
    }
  }
  const double seconds = static_cast<double>(real_env().mono_ns() - begin) * 1e-9;
  return static_cast<double>(runs) * kSteps / seconds;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

void measure(const std::string& base, int in_flight, int runs, int rounds) {
  std::vector<double> engine, floor, ratio, cpu;
  for (int round = 0; round < rounds; ++round) {
    const std::string directory = fmt::format("{}/{}-{}", base, in_flight, round);
    std::filesystem::create_directories(directory);
    const double below = measure_floor(directory, in_flight, runs);
    const Measured measured = measure_engine(directory, in_flight, runs);
    floor.push_back(below);
    engine.push_back(measured.steps_per_second);
    cpu.push_back(measured.cpu_us_per_step);
    ratio.push_back(measured.steps_per_second / below);
    std::filesystem::remove_all(directory);
  }
  std::printf(
      "%5d in flight  %9.0f steps/s  floor %9.0f  ratio %6.2f  %6.1f us of processor/step\n",
      in_flight, median(engine), median(floor), median(ratio), median(cpu));
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string parent = argc > 1 ? argv[1] : std::filesystem::temp_directory_path().string();
  const std::string base = parent + "/weft-executor-bench";
  int rounds = 5;
  if (argc > 2) {
    const std::string_view text = argv[2];
    std::from_chars(text.data(), text.data() + text.size(), rounds);
  }
  std::filesystem::remove_all(base);
  measure(base, 1, 100, rounds);
  measure(base, 64, 2000, rounds);
  measure(base, 1000, 10'000, rounds);
  std::filesystem::remove_all(base);
  return 0;
}
