// SPDX-License-Identifier: Apache-2.0
//
// What comes from outside a run while it waits: decisions of people, signals, ends of child runs.
// Each becomes the answer of one suspended execution, which its step type then judges (kResume).
#include <algorithm>
#include <utility>

#include "workflow/machine.h"

namespace weft::workflow {

// What nobody waits for is kept, but not without end.
constexpr size_t kSignalsMax = 1'000;

void Machine::wake(const Target& t, Wake why) {
  CHECK(t.execution->phase == Phase::kSuspended, "who does not sleep cannot wake");
  CHECK(t.execution->woken == Wake::kNo && why != Wake::kNo, "woken twice");
  t.execution->woken = why;
  command(Command::Kind::kResume, t);
  decision_.commands.back().wake = why;
}

void Machine::answer(const Target& t, json::Value answer) {
  CHECK(t.execution->waiting != nullptr && !answer.is_null(), "an answer to no question");
  CHECK(t.execution->waiting->answer.is_null(), "answered twice");
  Waiting answered = *t.execution->waiting;
  answered.answer = std::move(answer);
  t.execution->waiting = std::make_shared<const Waiting>(std::move(answered));
  wake(t, Wake::kAnswer);
}

namespace {

json::Value signal_answer(const SignalReceived& signal, int64_t at_us) {
  return json::Object{{"payload", signal.payload}, {"by", signal.by}, {"at_us", at_us}};
}

}  // namespace

// A new listener takes the oldest kept signal of its name, or queues up.
void Machine::listen(const Target& t) {
  CHECK(t.execution->reason == WaitReason::kSignal && t.execution->waiting != nullptr,
        "listens for nothing");
  const std::string& name = t.execution->waiting->name;
  const auto kept = std::find_if(state_.signals.begin(), state_.signals.end(),
                                 [&](const SignalReceived& s) { return s.name == name; });
  if (kept == state_.signals.end()) {
    state_.listeners.push_back(t.id);
    return;
  }
  const SignalReceived signal = std::move(*kept);
  state_.signals.erase(kept);
  answer(t, signal_answer(signal, now_us_));
}

Status Machine::on(const SignalReceived& event) {
  if (state_.run.empty() || terminal(state_.status)) {
    decision_.stale = true;
    return ok_status();
  }
  for (const ExecutionId& id : state_.listeners) {
    const Target t = target(id);
    if (t.execution->waiting->name != event.name || t.execution->woken != Wake::kNo) continue;
    answer(t, signal_answer(event, now_us_));
    return ok_status();
  }
  decision_.stale = state_.signals.size() >= kSignalsMax;
  if (!decision_.stale) state_.signals.push_back(event);
  return ok_status();
}

Status Machine::on(const ApprovalDecided& event) {
  const Target t = TRY(target(event.path));
  const Execution& e = *t.execution;
  if (t.stale || e.phase != Phase::kSuspended || e.reason != WaitReason::kPerson ||
      e.woken != Wake::kNo || e.waiting == nullptr) {
    decision_.stale = true;
    return ok_status();
  }
  json::Object given{{"decision", name(event.decision)}, {"by", event.by}, {"at_us", now_us_}};
  if (!event.comment.empty()) given["comment"] = event.comment;
  answer(t, std::move(given));
  return ok_status();
}

Status Machine::on(const ChildEnded& event) {
  const Target t = TRY(target(event.path));
  const Execution& e = *t.execution;
  if (t.stale || e.phase != Phase::kSuspended || e.reason != WaitReason::kChildRun ||
      e.woken != Wake::kNo || e.waiting == nullptr || e.waiting->name != event.run) {
    decision_.stale = true;
    return ok_status();
  }
  json::Object given{{"run", event.run}, {"status", event.status}, {"output", event.output}};
  if (!(event.failure == Failure{})) given["failure"] = to_json(event.failure);
  answer(t, std::move(given));
  return ok_status();
}

}  // namespace weft::workflow
