// SPDX-License-Identifier: Apache-2.0
//
// The seven invariants of durable execution, one test or more for each, under its number. What they
// rest on is tested where it lives (journal, planner, leases); here they are seen from outside.
#include <set>

#include "base/file.h"
#include "worker/executor_test.h"
#include "worker/fsck.h"
#include "worker/run_acts.h"

namespace weft::worker {
namespace {

class Invariants : public ExecutorTest {
 protected:
  void expect_sound() {
    const FsckReport report = check_store(*reader_).value();
    EXPECT_EQ(report.problems_total, 0)
        << (report.problems.empty() ? "" : report.problems[0].what);
  }
  std::string status_or(const std::string& run) {
    const auto summary = read_summary(*reader_, run);
    return summary.ok() ? summary->status : std::string("not stored");
  }
};

constexpr std::string_view kWrites = R"(
weft: "1"
id: writes
steps:
  - {id: text, type: set, parameters: {value: hello}}
  - {id: first, type: file, dependencies: [text],
     parameters: {action: write, path: first.txt, content: "{{ steps.text }}"}}
  - {id: second, type: file, dependencies: [first],
     parameters: {action: append, path: second.txt, content: x}}
  - {id: after, type: set, dependencies: [second], parameters: {value: done}}
output: "{{ steps.after }}"
)";

// The N-th commit fails, before or after it reached the disk: whatever the store then holds is
// whole, nothing was told that it does not hold, and another process ends the run.
TEST_F(Invariants, I1_every_state_change_is_one_transaction) {
  for (const bool after : {false, true}) {
    for (int64_t commit = 0; commit < 6; ++commit) {
      SCOPED_TRACE(fmt::format("commit {}, {} the disk", commit, after ? "behind" : "before"));
      auto first = process();
      first->faults() = {commit, after};
      const std::string run = first->executor().submit(request(kWrites)).value();
      settle(*first, 1'000'000);
      for (const Notice& notice : first->notices()) {
        if (notice.kind != Notice::Kind::kRun || !notice.terminal) continue;
        EXPECT_EQ(status(run), "succeeded") << "told before it was on disk";
      }
      expect_sound();
      const bool stored = number(fmt::format("SELECT count(*) FROM run WHERE id = '{}'", run)) == 1;
      first.reset();
      env_.advance_us(20'000'000);
      auto second = process(10);
      settle(*second, 3'000'000);
      expect_sound();
      if (!stored) continue;  // it was never accepted: nobody has heard of it
      const auto left = required_actions(*reader_, {.run = run}).value();
      if (status(run) == "succeeded") {
        EXPECT_TRUE(left.empty());
      } else {  // the one unsafe effect was cut off: it asks, and is not repeated
        ASSERT_EQ(left.size(), 1U) << status(run);
        EXPECT_EQ(left[0].kind, "resolve");
      }
      std::filesystem::remove(directory_ / "second.txt");
    }
  }
}

// Effects leave only after the transaction that decided them; a pure step need not wait.
TEST_F(Invariants, I1_nothing_leaves_before_it_is_durable) {
  auto process = this->process();
  ASSERT_TRUE(process->executor().submit(request(kWrites)).ok());
  while (process->loop().turn()) {
  }
  EXPECT_FALSE(file_exists(directory_ / "first.txt"));
  EXPECT_TRUE(process->notices().empty());
  process->journal().pump();
  while (process->loop().turn()) {
  }
  EXPECT_TRUE(file_exists(directory_ / "first.txt"));
  EXPECT_FALSE(file_exists(directory_ / "second.txt")) << "its intent is not on disk yet";
}

TEST_F(Invariants, I2_a_completion_of_a_fenced_worker_is_discarded) {
  auto first = process();
  const std::string run = first->executor().submit(request(kWrites)).value();
  while (first->loop().turn()) {
  }
  first->journal().pump();
  while (first->loop().turn()) {
  }  // the file is written; the result waits for the journal
  env_.advance_us(30'000'000);
  auto second = process(10);
  settle(*second, 2'000'000);
  EXPECT_EQ(status(run), "succeeded");
  const int64_t before = number("SELECT count(*) FROM event");
  settle(*first, 2'000'000);
  EXPECT_EQ(number("SELECT count(*) FROM event"), before);
  EXPECT_EQ(first->executor().active(), 0U);
  EXPECT_EQ(number("SELECT count(DISTINCT worker) FROM event"), 2);
  expect_sound();
}

TEST_F(Invariants, I3_predecessors_that_finish_together_start_their_join_once) {
  constexpr std::string_view join = R"(
weft: "1"
id: join
steps:
  - {id: left, type: file, parameters: {action: write, path: left, content: l}}
  - {id: right, type: file, parameters: {action: write, path: right, content: r}}
  - {id: both, type: file, dependencies: [left, right],
     parameters: {action: append, path: joined, content: x}}
  - {id: either, type: file, dependencies: [left, right], join: any_ok,
     parameters: {action: append, path: raced, content: x}}
)";
  for (int round = 0; round < 8; ++round) {
    auto process = this->process();
    const std::string run = process->executor().submit(request(join)).value();
    for (int i = 0; i < 400 && status_or(run) != "succeeded"; ++i) {
      if ((i * 7 + round) % 8 < 5 ? process->loop().turn() : process->journal().pump()) continue;
      process->journal().pump();
    }
    EXPECT_EQ(status(run), "succeeded");
  }
  EXPECT_EQ(read_file(directory_ / "joined").value(), "xxxxxxxx");
  EXPECT_EQ(read_file(directory_ / "raced").value(), "xxxxxxxx");
}

TEST_F(Invariants, I4_terminal_states_never_change) {
  auto process = this->process();
  const std::string ended = process->executor().submit(request(kWrites)).value();
  settle(*process, 1'000'000);
  ASSERT_EQ(status(ended), "succeeded");
  const int64_t before = number("SELECT count(*) + (SELECT version FROM run) FROM event");
  const Actor actor{"ada", {}, true};
  EXPECT_EQ(cancel_run({*reader_, env_, actor}, ended, "").error().code, "E0614");
  EXPECT_FALSE(process->executor().cancel(ended, "ada", "").ok());
  // Even what reaches the table of messages behind the front door's back.
  ASSERT_TRUE(reader_->run("INSERT INTO inbox (id, run, n, body, at_us) VALUES ('m', $1, 1, "
                           "'{\"kind\":\"cancel_requested\",\"at\":1}', 1)", {ended}).ok());
  settle(*process, 2'000'000);
  EXPECT_EQ(status(ended), "succeeded");
  EXPECT_EQ(number("SELECT count(*) + (SELECT version FROM run) FROM event"), before);
}

// Kill is a terminal write first and a cooperative stop second.
TEST_F(Invariants, I4_cancelling_writes_the_end_before_it_stops_the_work) {
  auto process = this->process();
  const std::string run = process->executor().submit(request(kWrites)).value();
  while (process->loop().turn()) {
  }
  process->journal().pump();
  process->loop().turn();  // the first file is being written
  ASSERT_TRUE(process->executor().cancel(run, "ada", "").ok());
  process->journal().pump();
  EXPECT_EQ(status(run), "cancelled");
  const int64_t before = number("SELECT count(*) FROM event");
  settle(*process, 60'000'000);
  EXPECT_EQ(number("SELECT count(*) FROM event"), before) << "what the work says late is not heard";
  expect_sound();
}

// The clock of the process is a year ahead, or behind: leases and timers go by the store's.
TEST_F(Invariants, I5_only_database_time_is_compared_with_leases_and_timers) {
  constexpr int64_t kYearUs = int64_t{365} * 24 * 3600 * 1'000'000;
  for (const int64_t off : {kYearUs, -kYearUs}) {
    SimEnv skewed(7, env_.wall_us() + off);
    SimFaults faults;
    JournalOptions options;
    options.open = [&] { return SimStore::open(store(), env_, faults); };
    options.own_thread = false;
    auto journal = Journal::open(skewed, std::move(options), [](Written) {}).value();
    EXPECT_LT(std::abs(journal->now_us() - env_.wall_us()), 1'000);
    skewed.advance_us(6'000'000);  // a heartbeat is due; the world has moved as far
    env_.advance_us(6'000'000);
    while (journal->pump()) {
    }
    EXPECT_EQ(number(fmt::format("SELECT count(*) FROM worker WHERE lease_until BETWEEN {} AND {}",
                                 env_.wall_us() / 1000 + 14'000, env_.wall_us() / 1000 + 16'000)),
              1);
    auto other = process(1);
    settle(*other, 3'000'000);
    skewed.advance_us(3'000'000);
    while (journal->pump()) {
    }
    EXPECT_EQ(number(fmt::format("SELECT epoch FROM worker WHERE id = '{}'",
                                 journal->worker().id)), 1) << "it was taken for dead";
    ASSERT_TRUE(journal->close().ok());
  }
}

// A worker that leaves takes nothing along that an unfinished run needs.
TEST_F(Invariants, I6_nothing_is_deleted_that_an_unfinished_run_refers_to) {
  auto process = this->process();
  NewRun parent = request(R"(
weft: "1"
id: parent
steps:
  - {id: sub, type: workflow, parameters: {workflow: child}}
  - {id: ask, type: approval, parameters: {role: lead}}
)");
  parent.definitions["child"] = parsed(R"(
weft: "1"
id: child
steps: [{id: pause, type: wait, parameters: {for: 1h}}]
)");
  ASSERT_TRUE(process->executor().submit(std::move(parent)).ok());
  settle(*process, 1'000'000);
  process->executor().shutdown();
  ASSERT_TRUE(process->journal().close().ok());
  EXPECT_EQ(number("SELECT count(*) FROM worker"), 0);
  EXPECT_EQ(number("SELECT count(*) FROM run WHERE worker IS NOT NULL"), 0);
  EXPECT_EQ(number("SELECT count(*) FROM run WHERE finished_us IS NULL"), 2);
  EXPECT_EQ(number("SELECT count(*) FROM definition"), 2);
  EXPECT_EQ(number("SELECT count(*) FROM required_action"), 1);
  EXPECT_GE(number("SELECT count(*) FROM timer"), 1);
  expect_sound();
  // Nothing in the program deletes what people may want to see again.
  EXPECT_EQ(number("SELECT count(DISTINCT run) FROM event"), 2);
}

// Every way of waiting leaves something behind that ends it: after a crash in each, the next
// process shows why the run waits, and can bring it on.
TEST_F(Invariants, I7_every_unfinished_run_has_something_that_brings_it_on) {
  const std::pair<std::string_view, std::string_view> waits[] = {
      {"wait_time", "{id: s, type: wait, parameters: {for: 1h}}"},
      {"wait_person", "{id: s, type: approval, parameters: {role: lead}}"},
      {"wait_signal", "{id: s, type: signal, parameters: {name: go}}"},
      {"wait_retry", "{id: s, type: file, retry: {attempts: 2, initial: 1h, max: 1h}, timeout: 1d, "
                     "parameters: {action: read, path: missing}}"}};
  std::set<std::string> seen;
  for (const auto& [id, step] : waits) {
    auto process = this->process();
    ASSERT_TRUE(process->executor().submit(request(fmt::format(
        "weft: \"1\"\nid: {}\nsteps:\n  - {}\n", id, step))).ok());
    settle(*process, 1'000'000);
  }
  env_.advance_us(30'000'000);
  auto next = process(20);
  settle(*next, 65'000'000);  // past a turn of the stuck detector
  auto rows = reader_->query(
      "SELECT r.workflow, EXISTS (SELECT 1 FROM timer t WHERE t.run = r.id) OR EXISTS "
      "(SELECT 1 FROM required_action a WHERE a.run = r.id) FROM run r WHERE finished_us IS NULL "
      "AND worker IS NOT NULL", {}).value();
  while (rows->next().value()) {
    EXPECT_EQ(rows->int64(1), 1) << rows->text(0) << " waits for nothing";
    seen.insert(std::string(rows->text(0)));
  }
  EXPECT_EQ(seen.size(), std::size(waits));
  // And says so to whoever asks.
  const std::pair<std::string_view, std::string_view> said[] = {
      {"wait_time", "It waits for: time."},
      {"wait_person", "It waits for: person of role 'lead'."},
      {"wait_signal", "It waits for: signal 'go'."},
      {"wait_retry", "It waits for its next attempt"}};
  for (const auto& [workflow, words] : said) {
    const auto runs = list_runs(*reader_, {.workflow = std::string(workflow)}).value();
    ASSERT_EQ(runs.size(), 1U);
    EXPECT_NE(json::dump(explain_run(*reader_, runs[0].id, "s").value()).find(words),
              std::string::npos) << workflow;
  }
  for (const Notice& notice : next->notices()) {
    EXPECT_NE(notice.kind, Notice::Kind::kLost) << "the detector took it for stuck";
  }
  expect_sound();
}

}  // namespace
}  // namespace weft::worker
