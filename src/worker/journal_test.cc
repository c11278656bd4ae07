// SPDX-License-Identifier: Apache-2.0
#include "worker/journal.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>

#include "worker/liveness.h"
#include "worker/sim_store.h"

namespace weft::worker {
namespace {

// One store, any number of simulated processes on it.
class JournalTest : public ::testing::Test {
 protected:
  struct Process {
    SimFaults faults;
    int64_t exchanges_in_the_way = 0;  // so many to come find a row locked
    std::vector<Written> written;
    std::unique_ptr<Journal> journal;
  };

  JournalTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "weft-journal-XXXXXX").string();
    CHECK(::mkdtemp(pattern.data()) != nullptr);
    directory_ = pattern;
    db_ = SimStore::open(path(), env_, reader_faults_).value();
  }
  ~JournalTest() override {
    db_.reset();
    std::filesystem::remove_all(directory_);
  }
  std::string path() const { return (directory_ / "store.db").string(); }

  std::unique_ptr<Process> process() {
    auto made = std::make_unique<Process>();
    Process* self = made.get();
    JournalOptions options;
    options.open = [this, self] { return SimStore::open(path(), env_, self->faults); };
    options.own_thread = false;
    options.exchange = [self](store::Db&, const WorkerIdentity&) -> Status {
      if (self->exchanges_in_the_way == 0) return ok_status();
      --self->exchanges_in_the_way;
      return make_error("E0504", "injected: a row is locked");
    };
    made->journal = Journal::open(env_, std::move(options), [self](Written written) {
                      self->written.push_back(std::move(written));
                    }).value();
    return made;
  }

  static Change new_run(const std::string& id, bool claimed = true) {
    Change change;
    change.run = id;
    change.insert = RunRow{.id = id, .definition_hash = "h", .definition = "{}",
                           .workflow = "w", .input = "{}", .context = "{}",
                           .created_us = 1, .claimed = claimed};
    change.first_seq = 1;
    change.events.push_back({"run_accepted", "", "{}", 5});
    change.state.status = "running";
    return change;
  }
  static Change next(const std::string& id, int64_t seq, std::string status = "running") {
    Change change;
    change.run = id;
    change.state.status = std::move(status);
    change.first_seq = seq;
    change.events.push_back({"attempt_started", "a", "{}", 6});
    change.steps.push_back({.path = "a", .attempt = 1, .status = "running"});
    return change;
  }
  int64_t number(std::string_view sql) {
    auto rows = db_->query(sql, {}).value();
    CHECK(rows->next().value());
    return rows->int64(0);
  }
  static void pump_all(Process& process) {
    while (process.journal->pump()) {
    }
  }

  SimEnv env_{1};
  SimFaults reader_faults_;
  std::filesystem::path directory_;
  std::unique_ptr<store::Db> db_;
};

TEST_F(JournalTest, DecidedIsNotDurableUntilTheGroupIsWritten) {
  auto process = this->process();
  Journal& journal = *process->journal;
  const Sequence first = journal.append(new_run("r1"));
  const Sequence second = journal.append(next("r1", 2));
  EXPECT_EQ(first.n, 1U);
  EXPECT_FALSE(journal.durable().covers(first));
  EXPECT_EQ(number("SELECT count(*) FROM run"), 0);
  pump_all(*process);
  EXPECT_TRUE(journal.durable().covers(second));
  EXPECT_EQ(number("SELECT count(*) FROM event WHERE run = 'r1'"), 2);
  ASSERT_FALSE(process->written.empty());
  EXPECT_EQ(process->written[0].durable.until(), second);  // one group, one report
  EXPECT_EQ(number("SELECT version FROM run"), 2);
}

TEST_F(JournalTest, WhatIsHeldComesOutOnlyWhenDurable) {
  auto process = this->process();
  Journal& journal = *process->journal;
  Held<std::string> answer("42", journal.append(new_run("r1")));
  EXPECT_EQ(answer.inside(), "42");
  EXPECT_DEATH((void)std::move(answer).release(journal.durable()), "before it is on disk");
  pump_all(*process);
  EXPECT_EQ(std::move(answer).release(journal.durable()), "42");
}

// I1: a crash before the commit loses the whole change and all that follow, never a part.
TEST_F(JournalTest, ACrashLosesASuffixOfWholeChanges) {
  auto process = this->process();
  process->journal->append(new_run("r1"));
  pump_all(*process);
  process->journal->append(next("r1", 2));
  process->journal->append(next("r1", 3, "waiting"));
  process->journal.reset();  // as kill -9: the queue is gone
  EXPECT_EQ(number("SELECT count(*) FROM event"), 1);
  EXPECT_EQ(number("SELECT count(*) FROM step"), 0);
  EXPECT_EQ(read_summary(*db_, "r1")->status, "running");
}

// The database's clock jumps past our own lease, or we slept in the middle of a turn: whoever scans
// must not end its own epoch and go on claiming under it: such runs would wait for ever.
TEST_F(JournalTest, AWorkerDoesNotExpireItself) {
  SimEnv own_clock(9);
  std::vector<Written> written;
  SimFaults faults;
  JournalOptions options;
  options.open = [&] { return SimStore::open(path(), env_, faults); };
  options.own_thread = false;
  auto journal = Journal::open(own_clock, std::move(options), [&](Written w) {
                   written.push_back(std::move(w));
                 }).value();
  while (journal->pump()) {
  }
  auto other = process();
  other->journal->append(new_run("r1", false));
  pump_all(*other);
  other->journal.reset();
  env_.advance_us(int64_t{3'600'000'000});  // the store's clock alone
  journal->set_room(10);
  own_clock.advance_us(1'500'000);          // a scan is due, a heartbeat is not
  while (journal->pump()) {
  }
  EXPECT_EQ(number("SELECT count(*) FROM run r JOIN worker w ON w.id = r.worker AND "
                   "w.epoch = r.worker_epoch"), 1);
  own_clock.advance_us(6'000'000);
  while (journal->pump()) {
  }
  for (const Written& one : written) EXPECT_FALSE(one.fenced);
}

TEST_F(JournalTest, ARunOfAnEndedEpochIsGivenBackByWhoeverComesNext) {
  auto first = process();
  first->journal->append(new_run("r1"));
  pump_all(*first);
  ASSERT_TRUE(db_->run("UPDATE worker SET epoch = epoch + 1, lease_until = $1",
                       {INT64_MAX}).ok());
  first->journal.reset();
  auto second = process();
  second->journal->set_room(1);
  pump_all(*second);
  EXPECT_EQ(number("SELECT count(*) FROM run r JOIN worker w ON w.id = r.worker AND "
                   "w.epoch = r.worker_epoch"), 1);
}

// Two processes looked for a key, found nothing and made a run each: the second one is none.
TEST_F(JournalTest, AKeyMakesOneRun) {
  auto first = process();
  auto second = process();
  const auto keyed = [](const std::string& run) {
    Change change = new_run(run);
    change.insert->idem_key = "key";
    return change;
  };
  first->journal->append(keyed("r1"));
  second->journal->append(keyed("r2"));
  second->journal->append(next("r2", 2));
  pump_all(*first);
  pump_all(*second);
  EXPECT_EQ(number("SELECT count(*) FROM run"), 1);
  EXPECT_EQ(number("SELECT count(*) FROM event WHERE run = 'r2'"), 0);
  std::vector<std::string> lost;
  for (const Written& one : second->written) {
    lost.insert(lost.end(), one.lost.begin(), one.lost.end());
  }
  ASSERT_FALSE(lost.empty());
  EXPECT_EQ(lost.front(), "r2");
  second->journal->append(new_run("r3"));
  pump_all(*second);
  EXPECT_EQ(number("SELECT count(*) FROM run"), 2) << "the chain goes on";
}

// I2: a completion of a worker whose lease ended is discarded.
TEST_F(JournalTest, AStoppedWorkerIsFencedAndItsRunGoesToAnother) {
  auto first = process();
  auto second = process();
  second->journal->set_room(10);
  first->journal->append(new_run("r1"));
  pump_all(*first);
  for (int i = 0; i < 4; ++i) {  // second lives on, first does not
    env_.advance_us(5'000'000);
    pump_all(*second);
  }
  ASSERT_EQ(second->written.back().claimed.size(), 1U);
  EXPECT_EQ(second->written.back().claimed[0].summary.id, "r1");
  EXPECT_EQ(second->written.back().claimed[0].events.size(), 1U);

  first->journal->append(next("r1", 2, "succeeded"));  // it wakes and reports a result
  pump_all(*first);
  EXPECT_TRUE(first->written.back().fenced || first->written[first->written.size() - 2].fenced);
  EXPECT_EQ(number("SELECT count(*) FROM event"), 1);
  EXPECT_EQ(read_summary(*db_, "r1")->worker, second->journal->worker().id);

  second->journal->append(next("r1", 2));
  pump_all(*second);
  EXPECT_TRUE(second->written.back().lost.empty());
  EXPECT_EQ(number("SELECT count(*) FROM event"), 2);
}

TEST_F(JournalTest, RowsOfExpiredWorkersGo) {
  auto first = process();
  auto second = process();
  second->journal->set_room(10);
  first->journal->append(new_run("r1"));
  pump_all(*first);
  EXPECT_EQ(working(*db_).value(), 2);
  // as an older weft left it
  ASSERT_TRUE(db_->run("INSERT INTO worker (id, epoch, lease_until, labels) VALUES ('old', 2, $1, "
                       "'{}')", {INT64_MAX}).ok());
  EXPECT_EQ(working(*db_).value(), 2);
  for (int i = 0; i < 4; ++i) {  // second lives on, first does not
    env_.advance_us(5'000'000);
    pump_all(*second);
  }
  EXPECT_EQ(number("SELECT count(*) FROM worker"), 1);
  EXPECT_EQ(working(*db_).value(), 1);
  first->journal->append(next("r1", 2));  // it wakes up
  pump_all(*first);
  EXPECT_EQ(number("SELECT count(*) FROM event"), 1) << "it was not fenced";
  EXPECT_EQ(working(*db_).value(), 2) << "it goes on under a new name";
}

TEST_F(JournalTest, AHeartbeatKeepsTheLeaseWithoutAnyChange) {
  auto first = process();
  auto second = process();
  second->journal->set_room(10);
  first->journal->append(new_run("r1"));
  for (int i = 0; i < 10; ++i) {
    env_.advance_us(5'000'000);
    pump_all(*first);
    pump_all(*second);
  }
  EXPECT_EQ(read_summary(*db_, "r1")->worker, first->journal->worker().id);
  for (const Written& written : first->written) EXPECT_FALSE(written.fenced);
}

// A run that another worker took: only this run is lost, the rest of the group is written.
TEST_F(JournalTest, ALostRunDoesNotTakeOthersWithIt) {
  auto process = this->process();
  process->journal->append(new_run("r1"));
  process->journal->append(new_run("r2"));
  pump_all(*process);
  ASSERT_TRUE(db_->run("UPDATE run SET worker = 'other' WHERE id = 'r1'", {}).ok());
  process->journal->append(next("r1", 2));
  process->journal->append(next("r2", 2));
  pump_all(*process);
  EXPECT_EQ(process->written.back().lost, std::vector<std::string>{"r1"});
  EXPECT_EQ(number("SELECT count(*) FROM event WHERE run = 'r1'"), 1);
  EXPECT_EQ(number("SELECT count(*) FROM event WHERE run = 'r2'"), 2);
  EXPECT_TRUE(verify_chains(*db_).ok());
}

// I4: terminal states never change.
TEST_F(JournalTest, ATerminalRunNeverChanges) {
  auto process = this->process();
  process->journal->append(new_run("r1"));
  Change end = next("r1", 2, "cancelled");
  end.state.finished_us = 77;
  end.timers.push_back({"a", "retry", 100});
  process->journal->append(std::move(end));
  process->journal->append(next("r1", 3, "succeeded"));
  pump_all(*process);
  const RunSummary summary = read_summary(*db_, "r1").value();
  EXPECT_EQ(summary.status, "cancelled");
  EXPECT_EQ(summary.finished_us, 77);
  EXPECT_EQ(number("SELECT count(*) FROM event"), 2);
  EXPECT_EQ(number("SELECT count(*) FROM timer"), 0);
}

TEST_F(JournalTest, AfterAnErrorNothingMoreIsWritten) {
  auto process = this->process();
  process->journal->append(new_run("r1"));
  pump_all(*process);
  process->faults.commits_until_fault = 0;
  const Sequence lost = process->journal->append(next("r1", 2));
  pump_all(*process);
  ASSERT_TRUE(process->written.back().failed.has_value());
  EXPECT_EQ(process->written.back().failed->code, "E0503");
  EXPECT_FALSE(process->journal->durable().covers(lost));
  process->journal->append(next("r1", 3));
  pump_all(*process);
  EXPECT_EQ(number("SELECT count(*) FROM event"), 1);
  EXPECT_TRUE(verify_chains(*db_).ok());
}

// A run whose change the database does not take: all others are written, in their order.
TEST_F(JournalTest, ARefusedChangeTakesNoOtherRunWithIt) {
  auto process = this->process();
  Journal& journal = *process->journal;
  for (const char* id : {"r1", "r2"}) journal.append(new_run(id));
  pump_all(*process);
  journal.append(next("r2", 2));
  const Sequence refused = journal.append(next("r1", 1));  // this place is taken
  journal.append(next("r1", 2));
  journal.append(next("r2", 3));
  journal.append(new_run("r3"));
  const Sequence last = journal.append(next("r2", 4));
  pump_all(*process);
  ASSERT_EQ(process->written.back().refused.size(), 1U);
  EXPECT_EQ(process->written.back().refused[0].run, "r1");
  EXPECT_EQ(process->written.back().refused[0].sequence, refused);
  EXPECT_EQ(process->written.back().refused[0].why.code, "E0513");
  EXPECT_FALSE(process->written.back().failed.has_value());
  EXPECT_TRUE(journal.durable().covers(last));
  EXPECT_EQ(number("SELECT count(*) FROM event WHERE run = 'r1'"), 1);
  EXPECT_EQ(number("SELECT count(*) FROM event WHERE run = 'r2'"), 4);
  EXPECT_EQ(number("SELECT count(*) FROM run"), 3);
  EXPECT_TRUE(verify_chains(*db_).ok());
  journal.append(next("r1", 2));  // decided before anybody heard
  journal.release("r1");
  journal.reload("r1");
  pump_all(*process);
  ASSERT_EQ(process->written.back().claimed.size(), 1U);
  EXPECT_EQ(process->written.back().claimed[0].events.size(), 1U);
  journal.append(next("r1", 2));
  pump_all(*process);
  EXPECT_EQ(number("SELECT count(*) FROM event WHERE run = 'r1'"), 2);
}

// Two workers wait for each other's rows: the database ends one of the transactions, and nothing
// of it is there. It begins again, and no run is the worse for it.
TEST_F(JournalTest, ADeadlockBeginsAgain) {
  auto process = this->process();
  process->faults.deadlocks = 3;
  process->journal->append(new_run("r1"));
  const Sequence last = process->journal->append(next("r1", 2));
  pump_all(*process);
  EXPECT_FALSE(process->written.back().failed.has_value());
  EXPECT_TRUE(process->journal->durable().covers(last));
  EXPECT_EQ(number("SELECT count(*) FROM event"), 2);
  process->journal->append(new_run("r2", false));
  pump_all(*process);
  process->journal->set_room(3);
  process->faults.deadlocks = 2;
  env_.advance_us(1'000'000);
  pump_all(*process);
  EXPECT_EQ(read_summary(*db_, "r2")->worker, process->journal->worker().id);
  EXPECT_TRUE(verify_chains(*db_).ok());
  process->exchanges_in_the_way = 3;
  env_.advance_us(1'000'000);
  pump_all(*process);
  EXPECT_EQ(process->exchanges_in_the_way, 0);
  EXPECT_FALSE(process->written.back().failed.has_value()) << "sums of ceilings can wait as well";
  process->faults.deadlocks = 1'000'000;  // for ever
  process->journal->append(next("r1", 3));
  pump_all(*process);
  ASSERT_TRUE(process->written.back().failed.has_value());
  EXPECT_EQ(process->written.back().failed->code, "E0504");
}

TEST_F(JournalTest, ClosingWritesTheQueueAndGivesRunsBack) {
  auto first = process();
  first->journal->append(new_run("r1"));
  first->journal->append(next("r1", 2));
  ASSERT_TRUE(first->journal->close().ok());
  EXPECT_EQ(number("SELECT count(*) FROM event"), 2);
  EXPECT_EQ(number("SELECT count(*) FROM worker"), 0);
  EXPECT_EQ(read_summary(*db_, "r1")->worker, "");
  auto second = process();
  second->journal->want("r1");
  env_.advance_us(1'000'000);
  pump_all(*second);
  EXPECT_EQ(read_summary(*db_, "r1")->worker, second->journal->worker().id);
}

// Nobody hears the listener any more: the caller must.
TEST_F(JournalTest, ClosingTellsWhatItCouldNotWrite) {
  auto process = this->process();
  process->journal->append(new_run("r1"));
  process->faults.commits_until_fault = 0;
  const Status closed = process->journal->close();
  ASSERT_FALSE(closed.ok());
  EXPECT_EQ(closed.error().code, "E0503");
  EXPECT_EQ(number("SELECT count(*) FROM run"), 0);
}

TEST_F(JournalTest, ClosingTellsWhatTheStoreRefused) {
  for (const bool heard : {false, true}) {
    auto process = this->process();
    const std::string bad = heard ? "r3" : "r1", good = heard ? "r4" : "r2";
    process->journal->append(new_run(bad));
    process->journal->append(new_run(good));
    process->journal->append(next(bad, 1));  // this place is taken
    process->journal->append(next(good, 2));
    if (heard) {
      pump_all(*process);
      process->journal->forget_refusal(bad);
    }
    const Status closed = process->journal->close();
    EXPECT_EQ(closed.ok(), heard);
    if (!closed.ok()) {
      EXPECT_EQ(closed.error().code, "E0513");
      EXPECT_NE(closed.error().message.find("run r1 is refused"), std::string::npos);
    }
    EXPECT_EQ(number("SELECT count(*) FROM worker"), 0);
    EXPECT_EQ(read_summary(*db_, good)->worker, "");
    EXPECT_EQ(number(fmt::format("SELECT count(*) FROM event WHERE run = '{}'", good)), 2);
  }
}

TEST_F(JournalTest, OnlyAsManyRunsAreClaimedAsThereIsRoom) {
  auto process = this->process();
  for (int i = 0; i < 5; ++i) process->journal->append(new_run(fmt::format("r{}", i), false));
  pump_all(*process);
  EXPECT_EQ(number("SELECT count(*) FROM run WHERE worker IS NULL"), 5);
  process->journal->set_room(3);
  for (int i = 0; i < 3; ++i) {
    env_.advance_us(1'000'000);
    pump_all(*process);
  }
  EXPECT_EQ(number("SELECT count(*) FROM run WHERE worker IS NULL"), 2);
}

TEST_F(JournalTest, ChainsShowEveryKindOfTampering) {
  auto process = this->process();
  process->journal->append(new_run("r1"));
  for (int i = 2; i < 8; ++i) process->journal->append(next("r1", i));
  pump_all(*process);
  const auto intact = verify_chains(*db_);
  ASSERT_TRUE(intact.ok());
  EXPECT_EQ(intact->chains, 1);
  EXPECT_EQ(intact->events, 7);
  for (const std::string_view tampering :
       {"UPDATE event SET body = '{\"x\":1}' WHERE seq = 3", "DELETE FROM event WHERE seq = 4",
        "UPDATE event SET at_us = 7 WHERE seq = 2", "UPDATE event SET n = n + 1 WHERE seq = 7",
        "UPDATE event SET hash = prev_hash WHERE seq = 5"}) {
    auto tx = store::Tx::begin(*db_).value();
    ASSERT_EQ(db_->run(tampering, {}).value(), 1);
    const auto report = verify_chains(*db_);
    ASSERT_FALSE(report.ok()) << tampering;
    EXPECT_EQ(report.error().code, "E0607");
  }
  EXPECT_TRUE(verify_chains(*db_).ok());
}

TEST_F(JournalTest, EvidenceAndEffectsComeBack) {
  auto process = this->process();
  process->journal->append(new_run("r1"));
  Change change = next("r1", 2);
  change.effects.push_back({"r1/a#1", "a", 1, "intent", "q", ""});
  AiCallRow call;
  call.path = "a";
  call.attempt = 1;
  call.model = "weft-mini";
  call.prompt_ids = std::string("\1\0\0\0\2\0\0\0", 8);
  call.tokens_answer = 5;
  call.grammar = "regex:ab";
  call.chosen = R"({"/a":{"value":1,"probability":0.5}})";
  call.route = R"({"remote":{"server":"vllm"}})";
  change.ai_calls.push_back(call);
  process->journal->append(std::move(change));
  pump_all(*process);
  const StoredRun stored = load_run(*db_, "r1").value();
  ASSERT_EQ(stored.effects.size(), 1U);
  EXPECT_EQ(stored.effects[0].state, "intent");
  const auto calls = ai_calls(*db_, "r1").value();
  ASSERT_EQ(calls.size(), 1U);
  EXPECT_EQ(calls[0].prompt_ids, call.prompt_ids);
  EXPECT_EQ(calls[0].tokens_answer, 5);
  EXPECT_EQ(calls[0].grammar, call.grammar);
  EXPECT_EQ(calls[0].chosen, call.chosen);
  EXPECT_EQ(calls[0].route, call.route);
}

TEST_F(JournalTest, RunsAreFoundByTheEndOfTheirId) {
  auto process = this->process();
  process->journal->append(new_run("run_aaaa1111"));
  process->journal->append(new_run("run_aaaa2222"));
  pump_all(*process);
  EXPECT_EQ(find_run(*db_, "2222").value(), "run_aaaa2222");
  EXPECT_EQ(find_run(*db_, "run_aaaa1111").value(), "run_aaaa1111");
  EXPECT_EQ(find_run(*db_, "run_aaaa").error().code, "E0601");
  EXPECT_EQ(find_run(*db_, "9999").error().code, "E0601");
  EXPECT_EQ(list_runs(*db_, {})->size(), 2U);
}

TEST_F(JournalTest, AProcessThatIsGoneNeedNotRunOutItsLease) {
  EXPECT_FALSE(known_dead(process_labels()));
  EXPECT_FALSE(known_dead("{}"));
  EXPECT_FALSE(known_dead("nonsense"));
  std::string others = process_labels();
  const pid_t child = ::fork();
  if (child == 0) ::_exit(0);
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  const std::string own = fmt::format("\"pid\":\"{}\"", ::getpid());
  ASSERT_NE(others.find(own), std::string::npos);
  others.replace(others.find(own), own.size(), fmt::format("\"pid\":\"{}\"", child));
  EXPECT_TRUE(known_dead(others));
  // A process whose file cannot be read (there is no /proc/00…) may live.
  std::string hidden = process_labels();
  hidden.replace(hidden.find(own), own.size(), fmt::format("\"pid\":\"00{}\"", ::getpid()));
  EXPECT_FALSE(known_dead(hidden));
  // The same id in another world proves nothing.
  others.replace(others.find("pid:["), 5, "pid:[9");
  EXPECT_FALSE(known_dead(others));
}

// The real thing: its own thread, real time.
TEST_F(JournalTest, TheWriterThreadGroupsWhatQueuesUp) {
  std::atomic<int> groups = 0;
  std::atomic<uint64_t> until = 0;
  JournalOptions options;
  options.open = [this] { return open_journal_store(path()); };
  auto journal = Journal::open(real_env(), std::move(options), [&](Written written) {
                   ++groups;
                   until = written.durable.until().n;
                 }).value();
  journal->append(new_run("r1"));
  for (int i = 2; i <= 500; ++i) journal->append(next("r1", i));
  for (int i = 0; i < 1000 && until < 500; ++i) real_env().sleep_us(5000);
  EXPECT_EQ(until, 500U);
  EXPECT_LT(groups, 400);
  ASSERT_TRUE(journal->close().ok());
  EXPECT_EQ(number("SELECT count(*) FROM event"), 500);
}

}  // namespace
}  // namespace weft::worker
