// SPDX-License-Identifier: Apache-2.0
//
// Several weft processes on one store in a simulated world, everything decided by a seed: who takes
// a turn, when time passes, which process is killed, stopped for a while, or finds its disk full.
// After every few turns the invariants of the store hold; at the end every accepted run has ended
// as an undisturbed one does, once, and its events fold to exactly what its tables say.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <map>

#include "base/file.h"
#include "store/postgres_cluster.h"
#include "worker/fsck.h"
#include "worker/run_acts.h"
#include "worker/run_context.h"
#include "worker/run_report.h"
#include "worker/schedules.h"
#include "worker/sim_world.h"
#include "workflow/input.h"
#include "workflow/loader.h"

namespace weft::worker {
namespace {

constexpr std::string_view kWorkflows[] = {
    R"(
weft: "1"
id: chain
steps:
  - {id: a, type: set, parameters: {value: 1}}
  - {id: b, type: set, dependencies: [a], parameters: {value: "{{ steps.a + 1 }}"}}
  - {id: pause, type: wait, dependencies: [b], parameters: {for: 5s}}
  - {id: c, type: set, dependencies: [pause], parameters: {value: "{{ steps.b + 1 }}"}}
output: "{{ steps.c }}"
)",
    R"(
weft: "1"
id: files
steps:
  - {id: list, type: set, parameters: {value: [5, 6, 7]}}
  - {id: each, type: file, dependencies: [list], for_each: "{{ steps.list }}", concurrency: 2,
     parameters: {action: write, path: "{{ run.id }}-{{ index }}", content: "{{ item }}"}}
  - {id: read, type: file, dependencies: [each], for_each: "{{ steps.list }}",
     parameters: {action: read, path: "{{ run.id }}-{{ index }}"}}
output: "{{ steps.read }}"
)",
    R"(
weft: "1"
id: trouble
steps:
  - {id: missing, type: file, retry: {attempts: 3, initial: 2s}, on_error: continue,
     parameters: {action: read, path: never}}
  - {id: wrong, type: validate, parameters: {value: 1, schema: {type: string}},
     fallback: [{id: rescue, type: set, parameters: {value: saved}}]}
  - {id: join, type: set, dependencies: [missing, wrong], parameters: {value: "{{ steps.wrong }}"}}
output: "{{ steps.join }}"
)",
    R"(
weft: "1"
id: people
steps:
  - {id: left, type: approval, parameters: {role: a, title: "{{ run.id }}"}}
  - {id: right, type: approval, timeout: 20s,
     parameters: {role: b, on_timeout: escalate, escalate_to: c, on_reject: continue},
     fallback: [{id: nobody, type: set, parameters: {value: {decision: late}}}]}
  - {id: go, type: signal, dependencies: [left, right], parameters: {name: go}}
  - {id: again, type: signal, dependencies: [go], parameters: {name: go}}
output: "{{ [steps.left.decision, steps.go, steps.again] }}"
)",
    R"(
weft: "1"
id: nested
steps:
  - {id: sub, type: workflow, for_each: [1, 2], parameters: {workflow: chain}}
  - {id: sum, type: set, dependencies: [sub], parameters: {value: "{{ steps.sub }}"}}
output: "{{ steps.sum }}"
)",
    R"(
weft: "1"
id: planned
input: {type: object, properties: {steps: {type: array, default: [
  {id: a, type: wait, parameters: {for: 3s}},
  {id: b, type: set, dependencies: [a], parameters: {value: 7}}]}}}
steps:
  - {id: plan, type: plan, parameters: {steps: "{{ input.steps }}", types: [set, wait]}}
output: "{{ steps.plan.b }}"
)"};
constexpr std::string_view kOutputs[] = {"3", R"(["5\n","6\n","7\n"])", R"("saved")",
                                         R"(["approved","go","go"])", "[3,3]", "7"};

// Fires by itself all the while; no time may be left out, none may fire twice.
constexpr std::string_view kTick = R"(
weft: "1"
id: tick
input: {type: object, properties: {at: {type: string}}}
schedule: {every: 9s, missed: all, time_as: at}
steps: [{id: tick, type: set, parameters: {value: "{{ input.at is defined }}"}}]
output: "{{ steps.tick }}"
)";
constexpr int64_t kTickUs = 9'000'000;

class World {
 public:
  // On SQLite, unless `url` names an empty database of PostgreSQL.
  explicit World(uint64_t seed, std::string url = "")
      : env_(seed), seed_(seed), url_(std::move(url)) {
    std::string pattern = (std::filesystem::temp_directory_path() / "weft-sim-XXXXXX").string();
    CHECK(::mkdtemp(pattern.data()) != nullptr);
    directory_ = pattern;
    reader_ = SimStore::open(store(), env_, reader_faults_).value();
  }
  ~World() {
    processes_.clear();
    reader_.reset();
    std::filesystem::remove_all(directory_);
  }

  void live(int turns) {
    start();
    schedule();
    for (int i = 0; i < 4; ++i) submit();
    for (int turn = 0; turn < turns; ++turn) {
      act();
      if (turn % 64 == 0) check_invariants();
    }
    settle();
    check_invariants();
    check_ends();
  }
  int crashes() const { return crashes_; }
  int acts() const { return acts_; }
  int64_t runs() const { return runs_; }
  int64_t slots() const { return slots_; }
  // Every event, in order: what two stores must agree on, byte for byte.
  std::string history() {
    std::string all;
    auto rows = reader_->query("SELECT run, seq, body FROM event ORDER BY run, seq", {}).value();
    while (rows->next().value()) {
      all += fmt::format("{} {} {}\n", rows->text(0), rows->int64(1), rows->text(2));
    }
    return all;
  }

 private:
  struct Member {
    std::unique_ptr<SimProcess> process;
    int frozen = 0;  // turns it sleeps, as under SIGSTOP
  };

  std::string store() const {
    return url_.empty() ? (directory_ / "store.db").string() : url_;
  }
  uint64_t dice(uint64_t sides) {
    uint8_t bytes[8];
    env_.random(bytes);
    uint64_t value = 0;
    for (const uint8_t byte : bytes) value = value << 8 | byte;
    return value % sides;
  }
  void start() {
    const int64_t park_us = dice(2) == 0 ? 0 : 1'000'000;
    const auto room = static_cast<int64_t>(1 + dice(20));
    processes_.push_back({std::make_unique<SimProcess>(env_, store(), room, park_us), 0});
  }
  void schedule() {
    NewSchedule tick{.name = "tick", .workflow = workflow::load(kTick).workflow};
    CHECK(tick.workflow != nullptr, "the schedule's workflow");
    tick.spec = *tick.workflow->schedule;
    ASSERT_TRUE(add_schedule(*reader_, tick).ok());
    expected_["tick"] = "true";
    expected_["planned-plan"] = R"({"b":7})";
  }
  // Somebody does what a run asks for, or tries what it does not.
  void people() {
    const Actor actor{"sim", {}, true};
    const PostContext context{*reader_, env_, actor};
    const auto actions = required_actions(*reader_, {.limit = 1'000}).value();
    if (actions.empty()) return;
    const RequiredAction& action = actions[dice(actions.size())];
    if (action.kind == "approval") {
      const bool yes = action.path == "left" || dice(2) == 0;
      acts_ += decide_approval(context, action.run, {action.path, yes, ""}).ok() ? 1 : 0;
    } else if (action.kind == "signal") {
      acts_ += signal_run(context, action.run, "go", "go").ok() ? 1 : 0;
    } else {
      (void)resolve_step(context, action.run, {.step = action.path});
    }
  }
  void submit() {
    const size_t which = dice(std::size(kWorkflows));
    NewRun run;
    run.workflow = workflow::load(kWorkflows[which]).workflow;
    CHECK(run.workflow != nullptr, "workflow {}", which);
    run.input = workflow::completed_input(*run.workflow, json::Object()).value();
    if (which == 4) run.definitions["chain"] = workflow::load(kWorkflows[0]).workflow;
    run.context = to_json(RunContext{.roots = {directory_.string()}, .model = {}});
    run.seed = dice(1000);
    expected_[run.workflow->id] = kOutputs[which];
    SimProcess& process = *processes_[dice(processes_.size())].process;
    ASSERT_TRUE(process.executor().submit(std::move(run)).ok());
  }
  void kill(size_t which) {
    processes_.erase(processes_.begin() + static_cast<long>(which));
    ++crashes_;
    if (processes_.empty()) start();
  }

  void act() {
    const size_t which = dice(processes_.size());
    Member& member = processes_[which];
    const uint64_t roll = dice(1000);
    if (member.process->executor().journal_error()) return kill(which);
    if (member.frozen > 0) {
      --member.frozen;
    } else if (roll < 600) {
      if (!member.process->loop().turn()) member.process->journal().pump();
    } else if (roll < 850) {
      member.process->journal().pump();
    } else if (roll < 930) {
      env_.advance_us(static_cast<int64_t>(dice(1'500'000)));
    } else if (roll < 960) {
      people();
    } else if (roll < 970) {
      kill(which);
    } else if (roll < 980) {
      if (processes_.size() < 3) start();
    } else if (roll < 990) {
      member.frozen = static_cast<int>(dice(300));
    } else if (roll < 996) {
      submit();
    } else {
      member.process->faults() = {static_cast<int64_t>(dice(3)), dice(2) == 0};
    }
  }

  // No more disturbance: everything that was accepted must end.
  void settle() {
    ASSERT_TRUE(pause_schedule(*reader_, "tick", true).ok());
    for (Member& member : processes_) {
      member.frozen = 0;
      member.process->faults() = {};
    }
    for (int seconds = 0; seconds < 300 && open_runs() > 0; ++seconds) {
      for (size_t i = 0; i < processes_.size(); ++i) {
        SimProcess& process = *processes_[i].process;
        while (process.loop().turn() || process.journal().pump()) {
        }
        if (process.executor().journal_error()) kill(i);
      }
      for (int i = 0; i < 10; ++i) people();
      env_.advance_us(500'000);
    }
  }

  int64_t number(std::string_view sql) {
    auto rows = reader_->query(sql, {}).value();
    CHECK(rows->next().value());
    return rows->int64(0);
  }
  int64_t open_runs() { return number("SELECT count(*) FROM run WHERE finished_us IS NULL"); }

  void check_invariants() {
    // I7, as far as this edition goes: an unfinished run belongs to a living epoch, or to nobody.
    EXPECT_EQ(number("SELECT count(*) FROM run r WHERE finished_us IS NULL AND worker IS NOT NULL "
                     "AND NOT EXISTS (SELECT 1 FROM worker w WHERE w.id = r.worker AND "
                     "w.epoch = r.worker_epoch)"),
              0);
    // I7: what nobody owns can be claimed, now, later, for a message, or when people act.
    EXPECT_EQ(number("SELECT count(*) FROM run r WHERE finished_us IS NULL AND worker IS NULL AND "
                     "wake_us = 9223372036854775807 AND NOT EXISTS (SELECT 1 FROM required_action "
                     "a WHERE a.run = r.id) AND NOT EXISTS (SELECT 1 FROM run c WHERE c.parent = "
                     "r.id AND c.finished_us IS NULL) AND NOT EXISTS (SELECT 1 FROM inbox i WHERE "
                     "i.run = r.id AND i.outcome IS NULL)"),
              0);
    // A child exists with its parent, and a parent that waits for one has it, or hears its end.
    EXPECT_EQ(number("SELECT count(*) FROM run c WHERE parent IS NOT NULL AND NOT EXISTS "
                     "(SELECT 1 FROM run p WHERE p.id = c.parent)"),
              0);
    EXPECT_EQ(number("SELECT count(*) FROM run c JOIN run p ON p.id = c.parent WHERE c.finished_us "
                     "IS NOT NULL AND p.finished_us IS NULL AND NOT EXISTS (SELECT 1 FROM inbox i "
                     "WHERE i.id = 'end of ' || c.id)"),
              0);
    // I1: no gap in any run's events, and nothing but the run's row without an event.
    EXPECT_EQ(number("SELECT count(*) FROM (SELECT run FROM event GROUP BY run HAVING max(seq) <> "
                     "count(*)) AS gaps"),
              0);
    EXPECT_EQ(number("SELECT count(*) FROM run r WHERE NOT EXISTS (SELECT 1 FROM event e WHERE "
                     "e.run = r.id)"),
              0);
    if (dice(8) == 0) {
      const FsckReport report = check_store(*reader_).value();
      EXPECT_EQ(report.problems_total, 0)
          << (report.problems.empty() ? "" : report.problems[0].what);
    }
    // I4: terminal rows stay as they were.
    auto rows = reader_->query("SELECT id, status, version FROM run WHERE finished_us IS NOT NULL",
                               {}).value();
    while (rows->next().value()) {
      const std::string now = fmt::format("{} {}", rows->text(1), rows->int64(2));
      const auto [place, fresh] = ended_.emplace(std::string(rows->text(0)), now);
      EXPECT_EQ(place->second, now) << "run " << place->first << " changed after its end";
    }
  }

  void check_ends() {
    EXPECT_EQ(open_runs(), 0);
    EXPECT_EQ(number("SELECT count(*) FROM timer"), 0);
    EXPECT_EQ(number("SELECT count(*) FROM required_action"), 0);
    EXPECT_EQ(number("SELECT count(*) FROM inbox WHERE outcome IS NULL"), 0);
    // Every message that counted became one event, and no event came from nowhere.
    EXPECT_EQ(number("SELECT count(*) FROM event WHERE kind = 'signal_received'"),
              number("SELECT count(*) FROM inbox WHERE outcome = 'applied' AND body LIKE "
                     "'%signal_received%'"));
    EXPECT_EQ(number("SELECT count(*) FROM event WHERE kind = 'child_ended'"),
              number("SELECT count(*) FROM inbox WHERE outcome = 'applied' AND id LIKE 'end of%'"));
    EXPECT_TRUE(verify_chains(*reader_).ok());
    check_slots();
    const std::vector<RunSummary> runs = list_runs(*reader_, {.limit = 10'000}).value();
    runs_ += std::ssize(runs);
    const FsckReport report = check_store(*reader_).value();
    EXPECT_EQ(report.problems_total, 0) << (report.problems.empty() ? "" : report.problems[0].what);
    for (const RunSummary& run : runs) {
      const StoredRun stored = load_run(*reader_, run.id).value();
      const auto folded = fold_run(stored);
      ASSERT_TRUE(folded.ok()) << folded.error().text();
      EXPECT_EQ(run.status, "succeeded") << run.id << " " << run.error;
      EXPECT_EQ(workflow::name(folded->state.status), run.status);
      EXPECT_EQ(json::dump(folded->state.output), expected_of(run.workflow)) << run.id;
    }
  }

  // Every time from the first on, each once, each with its one run.
  void check_slots() {
    EXPECT_EQ(number("SELECT count(*) FROM schedule_slot s WHERE NOT EXISTS (SELECT 1 FROM run r "
                     "WHERE r.id = s.run)"),
              0);
    EXPECT_EQ(number("SELECT count(*) FROM schedule_slot"),
              number("SELECT count(*) FROM run WHERE workflow = 'tick'"));
    const int64_t slots = number("SELECT count(*) FROM schedule_slot");
    if (slots == 0) return;
    EXPECT_EQ(number("SELECT max(slot_us) - min(slot_us) FROM schedule_slot"),
              (slots - 1) * kTickUs);
    slots_ += slots;
  }

  std::string expected_of(const std::string& workflow) {
    return workflow == "chain" ? "3" : expected_[workflow];
  }

  SimEnv env_;
  uint64_t seed_;
  std::string url_;
  std::filesystem::path directory_;
  SimFaults reader_faults_;
  std::unique_ptr<store::Db> reader_;
  std::vector<Member> processes_;
  std::map<std::string, std::string> expected_;
  std::map<std::string, std::string> ended_;
  int crashes_ = 0;
  int acts_ = 0;
  int64_t runs_ = 0;
  int64_t slots_ = 0;
};

TEST(Simulation, EveryAcceptedRunEndsAsIfUndisturbed) {
  uint64_t first = 1;
  uint64_t count = 60;
  if (const char* wanted = std::getenv("WEFT_SIM_SEEDS")) {
    const std::string_view text = wanted;
    const auto end = std::from_chars(text.data(), text.data() + text.size(), first);
    if (end.ptr < text.data() + text.size()) {
      std::from_chars(end.ptr + 1, text.data() + text.size(), count);
    }
  }
  int crashes = 0;
  int acts = 0;
  int64_t runs = 0;
  int64_t slots = 0;
  for (uint64_t seed = first; seed < first + count; ++seed) {
    SCOPED_TRACE(fmt::format("WEFT_SIM_SEEDS=\"{} 1\"", seed));
    World world(seed);
    world.live(1500);
    crashes += world.crashes();
    acts += world.acts();
    runs += world.runs();
    slots += world.slots();
    if (::testing::Test::HasFailure()) break;
  }
  if (count >= 20) {
    EXPECT_GT(crashes, 10);
    EXPECT_GT(runs, 5 * static_cast<int64_t>(count));
    EXPECT_GT(acts, 50) << "what people did";
    EXPECT_GT(slots, static_cast<int64_t>(count)) << "times of a schedule";
  }
  std::printf("%llu seeds, %lld runs, %d crashes, %d acts\n",
              static_cast<unsigned long long>(count), static_cast<long long>(runs), crashes, acts);
}

// The same seed on both stores: the same history, event by event.
TEST(Simulation, SqliteAndPostgresTellTheSameHistory) {
  const auto cluster = store::PostgresCluster::start();
  if (cluster == nullptr) GTEST_SKIP() << "SKIPPED: no PostgreSQL server can be started here";
  size_t events = 0;
  for (uint64_t seed = 1; seed <= 4; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    World sqlite(seed);
    sqlite.live(400);
    World postgres(seed, cluster->new_database());
    postgres.live(400);
    const std::string history = sqlite.history();
    EXPECT_EQ(history, postgres.history());
    events += static_cast<size_t>(std::count(history.begin(), history.end(), '\n'));
    if (::testing::Test::HasFailure()) return;
  }
  EXPECT_GT(events, 200U);
  std::printf("%zu events, the same on both\n", events);
}

}  // namespace
}  // namespace weft::worker
