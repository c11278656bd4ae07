// SPDX-License-Identifier: Apache-2.0
//
// What users of other engines asked for in public, one test a complaint, named after it: a run
// survives a restart and never hangs in silence; work that was paid for is kept; no effect happens
// twice; joins are right; approvals hold; every step shows its data and its true error, whatever
// crashed; a new definition breaks no run in flight.
#include <fstream>

#include "base/file.h"
#include "worker/executor_test.h"
#include "worker/fsck.h"
#include "worker/run_acts.h"

namespace weft::worker {
namespace {

class Regress : public ExecutorTest {
 protected:
  json::Object step(const std::string& run, std::string_view id) {
    return document(run).at("steps").as_object().at(id).as_object();
  }
  std::string word(const json::Object& object, std::string_view name) {
    const json::Value* value = object.if_contains(name);
    return value != nullptr && value->is_string() ? std::string(value->as_string()) : "";
  }
  std::string text_of(std::string_view file) {
    const auto text = read_file(directory_ / file);
    return text.ok() ? *text : std::string();
  }
  PostContext ada() { return {*reader_, env_, ada_}; }
  void crash(std::unique_ptr<SimProcess>& process) {
    process.reset();  // kill -9
    env_.advance_us(20'000'000);
    process = this->process(20);
  }
  Actor ada_{"ada", {}, true};
};

constexpr std::string_view kCount = R"(
weft: "1"
id: count
steps:
  - {id: count, type: file, parameters: {action: append, path: count.txt, content: x}}
  - {id: pause, type: wait, dependencies: [count], parameters: {for: 30s}}
  - {id: after, type: set, dependencies: [pause], parameters: {value: done}}
output: "{{ steps.after }}"
)";

// ---- 1: a run survives a restart and is never stuck in silence ---------------------------------

// "Tasks stay queued for ever": nobody was there when the run was stored.
TEST_F(Regress, regress_airflow_51569_a_queued_run_is_taken_up) {
  auto front = process();
  NewRun stored = request(kCount);
  stored.detached = true;
  const std::string run = front->executor().submit(std::move(stored)).value();
  settle(*front, 0);
  front.reset();
  env_.advance_us(int64_t{48} * 3'600'000'000);
  EXPECT_EQ(status(run), "queued");
  auto worker = process(4);
  settle(*worker, 60'000'000);
  EXPECT_EQ(status(run), "succeeded");
}

// "A restart killed the run, its output vanished."
TEST_F(Regress, regress_langflow_13507_a_restart_loses_no_run_and_no_output) {
  auto process = this->process();
  const std::string run = process->executor().submit(request(kCount)).value();
  settle(*process, 1'000'000);
  for (int restart = 0; restart < 3; ++restart) crash(process);
  settle(*process, 60'000'000);
  EXPECT_EQ(status(run), "succeeded");
  EXPECT_EQ(word(document(run), "output"), "done");
  EXPECT_EQ(text_of("count.txt"), "x");
}

// "CRASHED runs complete": two processes believe that they have the run; one of them counts.
TEST_F(Regress, regress_prefect_16429_a_run_given_up_for_dead_ends_once) {
  auto zombie = process();
  const std::string run = zombie->executor().submit(request(kCount)).value();
  settle(*zombie, 1'000'000);
  env_.advance_us(60'000'000);
  auto other = process(4);
  settle(*other, 40'000'000);
  settle(*zombie, 40'000'000);
  EXPECT_EQ(status(run), "succeeded");
  EXPECT_EQ(number("SELECT count(*) FROM event WHERE kind = 'run_finished'"), 1);
  EXPECT_EQ(text_of("count.txt"), "x");
}

// "The timeout was swept once and never again": the deadline passed while nobody was alive.
TEST_F(Regress, regress_conductor_244_a_deadline_that_passed_in_the_dark_ends_the_run) {
  auto process = this->process();
  const std::string run = process->executor().submit(request(R"(
weft: "1"
id: deadline
timeout: 2m
steps:
  - {id: missing, type: file, timeout: 1h, retry: {attempts: 1000, initial: 10s, max: 10s},
     parameters: {action: read, path: missing.txt}}
)")).value();
  settle(*process, 1'000'000);
  process.reset();
  env_.advance_us(600'000'000);
  auto next = this->process(4);
  settle(*next, 3'000'000);
  EXPECT_EQ(status(run), "timed_out");
  EXPECT_EQ(word(step(run, "missing"), "status"), "timed_out");
}

// "KILLING loop wrote 250 GB in six days": the end is one write, and silence after it.
TEST_F(Regress, regress_kestra_15829_killing_is_one_write) {
  auto process = this->process(4);
  const std::string run = process->executor().submit(request(kCount)).value();
  settle(*process, 1'000'000);
  ASSERT_TRUE(cancel_run(ada(), run, "enough").ok());
  settle(*process, 1'000'000);
  ASSERT_EQ(status(run), "cancelled");
  const int64_t rows = number("SELECT count(*) + (SELECT sum(version) FROM run) FROM event");
  settle(*process, int64_t{3'600'000'000});
  EXPECT_EQ(number("SELECT count(*) + (SELECT sum(version) FROM run) FROM event"), rows);
  EXPECT_EQ(number("SELECT count(*) FROM event WHERE kind = 'cancel_requested'"), 1);
}

// "Marked failed while its pod still runs": what the pod says later changes nothing.
TEST_F(Regress, regress_dagster_16535_work_of_a_failed_run_is_not_heard) {
  auto process = this->process(4);
  const std::string run = process->executor().submit(request(R"(
weft: "1"
id: late
steps:
  - {id: slow, type: file, parameters: {action: write, path: slow.txt, content: x}}
  - {id: wrong, type: validate, parameters: {value: 1, schema: {type: string}}}
)")).value();
  settle(*process, 1'000'000);
  EXPECT_EQ(status(run), "failed");
  EXPECT_NE(word(step(run, "slow"), "status"), "running");
  EXPECT_EQ(check_store(*reader_)->problems_total, 0);
}

// ---- 2: resume from the failed step ------------------------------------------------------------

constexpr std::string_view kExpensive = R"(
weft: "1"
id: expensive
steps:
  - {id: paid, type: file, parameters: {action: append, path: bill.txt, content: "$"}}
  - {id: other, type: file, parameters: {action: append, path: bill.txt, content: "$"}}
  - {id: fragile, type: file, dependencies: [paid], parameters: {action: read, path: input.txt}}
  - {id: all, type: set, dependencies: [fragile, other], parameters: {value: "{{ steps.fragile }}"}}
output: "{{ steps.all }}"
)";

TEST_F(Regress, regress_dify_14115_a_retry_does_not_pay_twice) {
  auto process = this->process(4);
  const std::string run = process->executor().submit(request(kExpensive)).value();
  settle(*process, 1'000'000);
  ASSERT_EQ(status(run), "failed");
  std::ofstream(directory_ / "input.txt") << "there now";
  const std::string again =
      process->executor().submit(retry_request(*reader_, run).value()).value();
  settle(*process, 1'000'000);
  EXPECT_EQ(word(document(again), "output"), "there now");
  EXPECT_EQ(text_of("bill.txt"), "$$");
  EXPECT_EQ(status(run), "failed") << "the first try stays as it was";
}

TEST_F(Regress, regress_langgraph_6792_any_step_can_be_the_one_to_go_on_from) {
  auto process = this->process(4);
  std::ofstream(directory_ / "input.txt") << "one";
  const std::string run = process->executor().submit(request(kExpensive)).value();
  settle(*process, 1'000'000);
  ASSERT_EQ(status(run), "succeeded");
  std::ofstream(directory_ / "input.txt") << "two";
  const std::string fork =
      process->executor().submit(fork_request(*reader_, run, "fragile", {}).value()).value();
  settle(*process, 1'000'000);
  EXPECT_EQ(word(document(fork), "output"), "two");
  EXPECT_EQ(text_of("bill.txt"), "$$");
}

// ---- 3: no effect twice ------------------------------------------------------------------------

// "Completed executions were replayed after a restart."
TEST_F(Regress, regress_kestra_19678_a_finished_run_is_not_done_again) {
  auto process = this->process();
  const std::string run = process->executor().submit(request(kCount)).value();
  settle(*process, 60'000'000);
  ASSERT_EQ(status(run), "succeeded");
  const int64_t events = number("SELECT count(*) FROM event");
  for (int restart = 0; restart < 3; ++restart) {
    crash(process);
    settle(*process, 5'000'000);
  }
  EXPECT_EQ(text_of("count.txt"), "x");
  EXPECT_EQ(number("SELECT count(*) FROM event"), events);
}

// "A stale sweeper took up work that was done": fencing, with effects.
TEST_F(Regress, regress_conductor_208_a_stale_owner_repeats_no_effect) {
  auto stale = process();
  const std::string run = stale->executor().submit(request(R"(
weft: "1"
id: stale
steps:
  - {id: pause, type: wait, parameters: {for: 30s}}
  - {id: count, type: file, dependencies: [pause],
     parameters: {action: append, path: count.txt, content: x}}
)")).value();
  settle(*stale, 1'000'000);
  env_.advance_us(40'000'000);
  auto owner = process(4);
  settle(*owner, 5'000'000);
  ASSERT_EQ(status(run), "succeeded");
  settle(*stale, 60'000'000);  // its timer fires; its effect needs an intent that it cannot write
  EXPECT_EQ(text_of("count.txt"), "x");
}

// "What is kept after a crash is decided by the thread scheduler": here by the order of decisions.
TEST_F(Regress, regress_langgraph_8039_what_a_crash_keeps_is_a_prefix) {
  for (int turns = 0; turns < 30; ++turns) {
    auto process = this->process();
    const std::string run = process->executor().submit(request(kExpensive)).value();
    for (int i = 0; i < turns; ++i) {
      if (i % 3 == 2) process->journal().pump();
      process->loop().turn();
    }
    process.reset();
    const FsckReport report = check_store(*reader_).value();
    EXPECT_EQ(report.problems_total, 0) << turns;
  }
  EXPECT_EQ(number("SELECT count(*) FROM (SELECT run FROM event GROUP BY run HAVING max(seq) <> "
                   "count(*)) AS gaps"), 0);
}

// ---- 4: joins ----------------------------------------------------------------------------------

// Branches of which one is not taken; the step behind both ran never, or before the other was done.
TEST_F(Regress, regress_dify_11756_a_branch_not_taken_does_not_hold_up_its_join) {
  auto process = this->process();
  const std::string run = process->executor().submit(request(R"(
weft: "1"
id: branches
steps:
  - {id: kind, type: set, parameters: {value: b}}
  - {id: a, type: set, dependencies: [kind], when: "{{ steps.kind == 'a' }}",
     parameters: {value: A}}
  - {id: b, type: file, dependencies: [kind], when: "{{ steps.kind == 'b' }}",
     parameters: {action: write, path: b, content: B}}
  - {id: read, type: file, dependencies: [b], parameters: {action: read, path: b}}
  - {id: both, type: set, dependencies: [a, read], parameters: {value: "{{ steps.read }}"}}
  - {id: first, type: set, dependencies: [a, read], join: any_ok,
     parameters: {value: "{{ steps.read }}"}}
output: ["{{ steps.both }}", "{{ steps.first }}"]
)")).value();
  settle(*process, 1'000'000);
  EXPECT_EQ(json::dump(document(run).at("output")), R"(["B","B"])");
}

// Parallel branches, one fails: the join said nothing and the run hung.
TEST_F(Regress, regress_dify_17377_a_failed_branch_ends_its_join_and_the_run) {
  auto process = this->process();
  const std::string run = process->executor().submit(request(R"(
weft: "1"
id: fails
steps:
  - {id: good, type: wait, parameters: {for: 5s}}
  - {id: bad, type: validate, parameters: {value: 1, schema: {type: string}}}
  - {id: both, type: set, dependencies: [good, bad], parameters: {value: 1}}
  - {id: always, type: file, dependencies: [good, bad], join: all_done,
     parameters: {action: write, path: cleaned, content: x}}
)")).value();
  settle(*process, 10'000'000);
  EXPECT_EQ(status(run), "failed");
  EXPECT_EQ(word(step(run, "both"), "status"), "failed");
  EXPECT_EQ(text_of("cleaned"), "x");
}

// ---- 7: approvals ------------------------------------------------------------------------------

// "Resuming runs everything again and takes both branches."
TEST_F(Regress, regress_flowise_4848_an_approval_resumes_one_branch_and_repeats_nothing) {
  auto process = this->process(4);
  const std::string run = process->executor().submit(request(R"(
weft: "1"
id: branch
steps:
  - {id: before, type: file, parameters: {action: append, path: before.txt, content: x}}
  - {id: ask, type: approval, dependencies: [before],
     parameters: {role: lead, on_reject: continue}}
  - {id: yes, type: file, dependencies: [ask], when: "{{ steps.ask.decision == 'approved' }}",
     parameters: {action: append, path: yes.txt, content: x}}
  - {id: no, type: file, dependencies: [ask], when: "{{ steps.ask.decision == 'rejected' }}",
     parameters: {action: append, path: no.txt, content: x}}
)")).value();
  settle(*process, 1'000'000);
  crash(process);
  ASSERT_TRUE(decide_approval(ada(), run, {"ask", false, ""}).ok());
  settle(*process, 5'000'000);
  EXPECT_EQ(status(run), "succeeded");
  EXPECT_EQ(text_of("before.txt"), "x");
  EXPECT_EQ(text_of("no.txt"), "x");
  EXPECT_EQ(text_of("yes.txt"), "");
}

// "Approvals are bypassed in branches and loops": one for each item, none left out.
TEST_F(Regress, regress_windmill_2639_every_item_of_a_loop_asks) {
  auto process = this->process(4);
  const std::string run = process->executor().submit(request(R"(
weft: "1"
id: items
steps:
  - {id: ask, type: approval, for_each: [1, 2, 3], parameters: {role: lead, show: "{{ item }}"}}
  - {id: pay, type: file, dependencies: [ask],
     parameters: {action: append, path: paid.txt, content: x}}
)")).value();
  settle(*process, 1'000'000);
  for (const std::string path : {"ask[2]", "ask[0]", "ask[1]"}) {
    EXPECT_EQ(text_of("paid.txt"), "");
    ASSERT_TRUE(decide_approval(ada(), run, {path, true, ""}).ok()) << path;
    settle(*process, 1'000'000);
  }
  EXPECT_EQ(text_of("paid.txt"), "x");
}

// ---- 8: data and errors of every step ----------------------------------------------------------

// "The execution was interrupted, so the data was not saved."
TEST_F(Regress, regress_n8n_30938_an_interrupted_run_shows_what_it_did) {
  auto process = this->process();
  const std::string run = process->executor().submit(request(kCount)).value();
  settle(*process, 1'000'000);
  process.reset();  // and nobody comes back
  EXPECT_EQ(word(step(run, "count"), "status"), "succeeded");
  EXPECT_FALSE(step(run, "count").at("output").is_null());
  EXPECT_EQ(word(step(run, "pause"), "status"), "waiting");
}

TEST_F(Regress, regress_n8n_20989_a_failure_names_its_step_and_its_reason) {
  auto process = this->process();
  const std::string run = process->executor().submit(request(kExpensive)).value();
  settle(*process, 1'000'000);
  const json::Object error = document(run).at("error").as_object();
  EXPECT_EQ(word(error, "step"), "fragile");
  EXPECT_EQ(word(error, "code"), "E0605");
  EXPECT_NE(word(error, "message").find("input.txt"), std::string::npos) << json::dump(error);
}

// ---- 10: new definitions -----------------------------------------------------------------------

// A deployment between two steps; the run is pinned to the content that it was accepted with.
TEST_F(Regress, regress_posthog_71077_a_new_definition_breaks_no_run_in_flight) {
  auto process = this->process();
  const std::string old = process->executor().submit(request(kCount)).value();
  settle(*process, 1'000'000);
  crash(process);
  std::string changed(kCount);
  changed.replace(changed.find("value: done"), 11, "value: new!");
  changed.replace(changed.find("id: pause"), 9, "id: other");
  changed.replace(changed.find("[pause]"), 7, "[other]");
  const std::string fresh = process->executor().submit(request(changed)).value();
  settle(*process, 60'000'000);
  EXPECT_EQ(word(document(old), "output"), "done");
  EXPECT_EQ(word(document(fresh), "output"), "new!");
  EXPECT_TRUE(document(old).at("steps").as_object().contains("pause"));
}

}  // namespace
}  // namespace weft::worker
