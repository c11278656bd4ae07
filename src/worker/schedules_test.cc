// SPDX-License-Identifier: Apache-2.0
#include "worker/schedules.h"

#include <gtest/gtest.h>

#include <set>

#include "store/postgres_test.h"
#include "worker/executor_test.h"
#include "worker/fsck.h"

namespace weft::worker {
namespace {

constexpr std::string_view kTick = R"(
weft: "1"
id: tick
input: {type: object, properties: {at: {type: string}, who: {type: string, default: me}}}
schedule: {every: 10s, time_as: at}
steps: [{id: tick, type: set, parameters: {value: "{{ input.who }} {{ input.at }}"}}]
output: "{{ steps.tick }}"
)";

class SchedulesTest : public ExecutorTest {
 protected:
  NewSchedule tick(workflow::Missed missed = workflow::Missed::kOnce) {
    NewSchedule schedule{.name = "tick", .workflow = parsed(kTick)};
    schedule.spec = *schedule.workflow->schedule;
    schedule.spec.missed = missed;
    return schedule;
  }
  int64_t runs() { return number("SELECT count(*) FROM run"); }
  int64_t slots() { return number("SELECT count(*) FROM schedule_slot"); }
  void expect_sound() { EXPECT_EQ(check_store(*reader_)->problems_total, 0); }
};

TEST_F(SchedulesTest, FiresOnTimeWithItsTime) {
  const int64_t first = add_schedule(*reader_, tick()).value();
  EXPECT_EQ(first % 10'000'000, 0);
  auto process = this->process(4);
  settle(*process, 35'000'000);
  const auto all = list_schedules(*reader_).value();
  ASSERT_EQ(all.size(), 1U);
  EXPECT_GE(all[0].fired, 3);
  EXPECT_EQ(runs(), all[0].fired);
  EXPECT_EQ(number("SELECT count(*) FROM run WHERE status = 'succeeded'"), runs());
  EXPECT_EQ(json::dump(document(all[0].last_run).at("output")),
            fmt::format("\"me {}\"", iso8601(all[0].last_us)));
  EXPECT_LE(number("SELECT max(r.created_us - s.slot_us) FROM run r JOIN schedule_slot s ON "
                   "s.run = r.id"), 1'100'000);
  expect_sound();
}

TEST_F(SchedulesTest, ManyWorkersFireEachTimeOnce) {
  ASSERT_TRUE(add_schedule(*reader_, tick(workflow::Missed::kAll)).ok());
  std::vector<std::unique_ptr<SimProcess>> all;
  for (int i = 0; i < 5; ++i) all.push_back(process(4));
  for (int round = 0; round < 400; ++round) {
    env_.advance_us(500'000);
    for (auto& process : all) {
      while (process->loop().turn() || process->journal().pump()) {
      }
    }
    if (round % 50 == 49) all[static_cast<size_t>(round / 50) % all.size()] = process(4);
  }
  EXPECT_EQ(runs(), slots());
  EXPECT_EQ(number("SELECT (max(slot_us) - min(slot_us)) / 10000000 + 1 FROM schedule_slot"),
            slots()) << "no time was left out";
  EXPECT_GE(slots(), 19);
  expect_sound();
}

TEST_F(SchedulesTest, WhatWasMissedIsFiredOnceOrAllOrNot) {
  for (const auto missed :
       {workflow::Missed::kOnce, workflow::Missed::kSkip, workflow::Missed::kAll}) {
    const int64_t before = runs();
    ASSERT_TRUE(add_schedule(*reader_, tick(missed)).ok());
    env_.advance_us(int64_t{3'605'000'000});  // an hour with nobody there
    auto process = this->process(4);
    settle(*process, 3'000'000);
    const int64_t fired = runs() - before;
    const bool all = missed == workflow::Missed::kAll;
    EXPECT_NEAR(static_cast<double>(fired), all ? 360 : 1, all ? 1 : 0);
    ASSERT_TRUE(remove_schedule(*reader_, "tick").ok());
  }
}

TEST_F(SchedulesTest, SkipLetsGoOfWhatIsLate) {
  NewSchedule hourly = tick(workflow::Missed::kSkip);
  hourly.spec.every_us = int64_t{3'600'000'000};
  const int64_t first = add_schedule(*reader_, hourly).value();
  env_.advance_us(first - env_.wall_us() + 120'000'000);  // two minutes late
  auto process = this->process(4);
  settle(*process, 3'000'000);
  EXPECT_EQ(runs(), 0);
  settle(*process, int64_t{3'600'000'000});
  EXPECT_EQ(runs(), 1);
}

TEST_F(SchedulesTest, AYearOfSecondsIsCaughtUpWithoutAYearOfWork) {
  NewSchedule second = tick();
  second.spec.every_us = 1'000'000;
  ASSERT_TRUE(add_schedule(*reader_, second).ok());
  env_.advance_us(int64_t{365} * 24 * 3600 * 1'000'000);
  auto process = this->process(4);
  settle(*process, 0);
  EXPECT_EQ(runs(), 1);
}

TEST_F(SchedulesTest, OverlapSkipLeavesOutWhatWouldOverlap) {
  NewSchedule slow{.name = "slow", .workflow = parsed(R"(
weft: "1"
id: slow
steps: [{id: nap, type: wait, parameters: {for: 25s}}]
)")};
  slow.spec.every_us = 10'000'000;
  slow.spec.overlap = workflow::Overlap::kSkip;
  ASSERT_TRUE(add_schedule(*reader_, slow).ok());
  auto process = this->process(4);
  settle(*process, 120'000'000);
  EXPECT_GE(slots(), 11);
  EXPECT_LE(runs(), 5);
  EXPECT_EQ(number("SELECT count(*) FROM run WHERE finished_us IS NULL") <= 1, true);
  expect_sound();
}

TEST_F(SchedulesTest, PauseResumeReplaceRemove) {
  ASSERT_TRUE(add_schedule(*reader_, tick()).ok());
  ASSERT_TRUE(pause_schedule(*reader_, "tick", true).ok());
  auto process = this->process(4);
  settle(*process, 60'000'000);
  EXPECT_EQ(runs(), 0);
  ASSERT_TRUE(pause_schedule(*reader_, "tick", false).ok());
  settle(*process, 11'000'000);
  EXPECT_EQ(runs(), 1);
  NewSchedule cron = tick();
  cron.spec.every_us = 0;
  cron.spec.cron = "0 0 1 1 *";
  ASSERT_TRUE(add_schedule(*reader_, cron).ok());
  settle(*process, 60'000'000);
  EXPECT_EQ(runs(), 1);
  EXPECT_EQ(list_schedules(*reader_)->at(0).timetable, "0 0 1 1 *");
  ASSERT_TRUE(remove_schedule(*reader_, "tick").ok());
  EXPECT_EQ(remove_schedule(*reader_, "tick").error().code, "E0622");
  EXPECT_EQ(pause_schedule(*reader_, "tick", true).error().code, "E0622");
  expect_sound();
}

TEST_F(SchedulesTest, WhatCannotWorkIsRefusedWhenItIsAdded) {
  NewSchedule wrong = tick();
  wrong.name = "a b";
  EXPECT_EQ(add_schedule(*reader_, wrong).error().code, "E0622");
  wrong = tick();
  wrong.spec.timezone = "Europe/Atlantis";
  EXPECT_EQ(add_schedule(*reader_, wrong).error().code, "E0441");
  wrong.spec.timezone = "../../etc/passwd";
  EXPECT_EQ(add_schedule(*reader_, wrong).error().code, "E0441");
  wrong = tick();
  wrong.spec.cron = "* * * * *";  // and every
  EXPECT_EQ(add_schedule(*reader_, wrong).error().code, "E0441");
  wrong = tick();
  wrong.spec.input = json::Object{{"who", 7}};
  EXPECT_EQ(add_schedule(*reader_, wrong).error().code, "E0310");
  wrong = tick();
  workflow::Workflow foreign = *tick().workflow;
  foreign.steps.at(0).type = "teleport";
  wrong.workflow = std::make_shared<const workflow::Workflow>(std::move(foreign));
  EXPECT_EQ(add_schedule(*reader_, wrong).error().code, "E0602");
}

// A crash between the slot and its run: there is no such moment.
TEST_F(SchedulesTest, ACommitThatFailsLeavesNeitherSlotNorRun) {
  ASSERT_TRUE(add_schedule(*reader_, tick()).ok());
  for (const bool after : {false, true}) {
    const int64_t before = runs();
    auto process = this->process(4);
    settle(*process, 0);
    env_.advance_us(11'000'000);
    process->faults() = {0, after};
    settle(*process, 0);
    EXPECT_EQ(runs(), slots());
    process.reset();
    env_.advance_us(20'000'000);
    process = this->process(4);
    settle(*process, 1'000'000);
    EXPECT_EQ(runs(), slots());
    EXPECT_GT(runs(), before);
  }
  expect_sound();
}

// A trigger stands for a value or a constraint that the database does not take.
TEST_F(SchedulesTest, OneThatTheStoreRefusesIsSetAsideAndTheOthersFire) {
  ASSERT_TRUE(reader_->script(
      "CREATE TRIGGER taste BEFORE INSERT ON run WHEN new.idem_key LIKE 'schedule a-bad%' "
      "BEGIN SELECT RAISE(ABORT, 'a bad one'); END").ok());
  for (const char* name : {"a-bad", "b", "c"}) {
    NewSchedule one = tick();
    one.name = name;
    ASSERT_TRUE(add_schedule(*reader_, one).ok());
  }
  auto process = this->process(4);
  settle(*process, 65'000'000);
  auto all = list_schedules(*reader_).value();
  ASSERT_EQ(all.size(), 3U);
  EXPECT_EQ(all[0].fired, 0);
  EXPECT_GE(all[1].fired, 6);
  EXPECT_GE(all[2].fired, 6);
  EXPECT_NE(all[0].refusal.find("a bad one"), std::string::npos) << all[0].refusal;
  EXPECT_GE(all[0].refusals, 2) << "it is tried again";
  EXPECT_LE(all[0].refusals, 4) << "later each time";
  EXPECT_EQ(number("SELECT count(*) FROM schedule_slot WHERE schedule = 'a-bad'"), 0);
  EXPECT_EQ(all[1].refusals, 0);

  ASSERT_TRUE(reader_->script("DROP TRIGGER taste").ok());
  settle(*process, 100'000'000);
  all = list_schedules(*reader_).value();
  EXPECT_GE(all[0].fired, 1);
  EXPECT_EQ(all[0].refusals, 0);
  EXPECT_EQ(all[0].refusal, "");
  expect_sound();
}

TEST_F(SchedulesTest, ADamagedDataKeySetsTheSchedulesOfItsTenantAside) {
  const auto db = SimStore::open(sealed_store(), env_, reader_faults_).value();
  for (const char* tenant : {"acme", "bolt"}) {
    NewSchedule one = tick();
    one.name = tenant;
    one.context = to_json(RunContext{.roots = {}, .model = {}, .tenant = tenant});
    ASSERT_TRUE(add_schedule(*db, one).ok());
  }
  damage_newest_key("acme");
  auto process = sealed_process();
  settle(*process, 65'000'000);
  EXPECT_FALSE(process->executor().journal_error().has_value());
  const auto all = list_schedules(*db).value();
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0].fired, 0);
  EXPECT_GE(all[0].refusals, 2);
  EXPECT_NE(all[0].refusal.find("does not open"), std::string::npos) << all[0].refusal;
  EXPECT_GE(all[1].fired, 2);
  EXPECT_EQ(all[1].refusals, 0);
}

class SchedulesPostgres : public store::PostgresTest {};

TEST_F(SchedulesPostgres, ManyWorkersFireEachTimeOnce) {
  SimEnv env(1);
  SimFaults faults;
  auto reader = SimStore::open(url_, env, faults).value();
  NewSchedule tick{.name = "tick", .workflow = workflow::load(kTick).workflow};
  tick.spec = *tick.workflow->schedule;
  tick.spec.missed = workflow::Missed::kAll;
  ASSERT_TRUE(add_schedule(*reader, tick).ok());
  std::vector<std::unique_ptr<SimProcess>> all;
  for (int i = 0; i < 3; ++i) all.push_back(std::make_unique<SimProcess>(env, url_, 4));
  for (int round = 0; round < 60; ++round) {
    env.advance_us(1'000'000);
    for (auto& process : all) {
      while (process->loop().turn() || process->journal().pump()) {
      }
    }
  }
  auto rows = reader->query("SELECT count(*), (max(slot_us) - min(slot_us)) / 10000000 + 1, "
                            "(SELECT count(*) FROM run) FROM schedule_slot", {}).value();
  ASSERT_TRUE(rows->next().value());
  EXPECT_GE(rows->int64(0), 5);
  EXPECT_EQ(rows->int64(0), rows->int64(1));
  EXPECT_EQ(rows->int64(0), rows->int64(2));
}

// There the first statement that is refused ends its transaction, and its error may come late.
TEST_F(SchedulesPostgres, OneThatTheStoreRefusesIsSetAsideAndTheOthersFire) {
  SimEnv env(1);
  SimFaults faults;
  auto reader = SimStore::open(url_, env, faults).value();
  ASSERT_TRUE(reader->script("ALTER TABLE run ADD CONSTRAINT taste CHECK (idem_key NOT LIKE "
                             "'schedule a-bad%')").ok());
  for (const char* name : {"a-bad", "b"}) {
    NewSchedule tick{.name = name, .workflow = workflow::load(kTick).workflow};
    tick.spec = *tick.workflow->schedule;
    ASSERT_TRUE(add_schedule(*reader, tick).ok());
  }
  SimProcess process(env, url_, 4);
  for (int round = 0; round < 35; ++round) {
    env.advance_us(1'000'000);
    while (process.loop().turn() || process.journal().pump()) {
    }
  }
  const auto all = list_schedules(*reader).value();
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0].fired, 0);
  EXPECT_GE(all[0].refusals, 2);
  EXPECT_NE(all[0].refusal.find("taste"), std::string::npos) << all[0].refusal;
  EXPECT_GE(all[1].fired, 3);
}

}  // namespace
}  // namespace weft::worker
