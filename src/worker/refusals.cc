// SPDX-License-Identifier: Apache-2.0
//
// What becomes of a change that the database does not take, for a value or a constraint (E0513), or
// that cannot be sealed (E0510). Nothing of its group is written then, so the group is written anew
// in halves of halves, until the refused one stands alone. It is discarded with all that follow of
// its run, whose row stays ours:
//
//   refused → Executor drops the run → reload() → its changes are behind us → read again → it ends
//
// So one run ends, cancelled by weft with the reason, and all others go on. A run whose end is
// refused as well is left alone until this process ends. So is, at once, a run whose tenant has a
// damaged data key: not even its end could be written, and it goes on once the key is restored.
// Schedules that are due at one moment are a group, too: the one of which nothing can be written is
// set aside, and the others fire.
#include "base/strings.h"
#include "obs/log.h"
#include "worker/executor.h"

namespace weft::worker {

// The audit by itself first, so that no run answers for it. Each part is tried again alone: what a
// constraint has refused may have been somebody else's at that moment, and is his by now.
Status Journal::write_apart(Part group, Written& written) {
  const Part none(group.begin(), group.begin());
  TRY(while_busy([&] { return write_at_once(none, written); }));
  return write_halves(group, written);
}

Status Journal::write_halves(Part part, Written& written) {
  if (part.empty() || written.fenced) return ok_status();
  Status status = while_busy([&] { return write_at_once(part, written); });
  if (status.ok() || !concerns_one(status.error())) return status;
  if (part.size() == 1) return refuse(part.front(), std::move(status).error(), written);
  const auto middle = part.begin() + static_cast<long>(part.size() / 2);
  TRY(write_halves({part.begin(), middle}, written));
  return write_halves({middle, part.end()}, written);
}

Status Journal::refuse(const Queued& queued, Error why, Written& written) {
  const std::string& run = queued.change.run;
  CHECK(!queued.reload && !refused_.contains(run), "what {} does not write is refused", run);
  if (queued.release) return why;
  obs::log(obs::Level::kError, "journal", "a change of run {} is refused: {}", run, why.text());
  refused_.insert(run);
  {
    const std::lock_guard lock(mutex_);
    unheard_.emplace(run, why);
  }
  const bool is_new = queued.change.insert.has_value();
  written.refused.push_back({run, Sequence{queued.sequence}, is_new, std::move(why)});
  return ok_status();
}

void Journal::forget_refusal(const std::string& run) {
  const std::lock_guard lock(mutex_);
  unheard_.erase(run);
}

// For close(): whoever listened is gone by then.
Status Journal::unheard() const {
  if (unheard_.empty()) return ok_status();
  const auto& [run, why] = *unheard_.begin();
  const std::string more =
      unheard_.size() == 1 ? "" : fmt::format(" (and of {} more)", unheard_.size() - 1);
  return make_error(why.code, fmt::format("what was to be written last of run {}{} is refused: {}",
                                          run, more, why.message),
                    "it goes on from what is stored when a worker takes it up");
}

void Journal::leave_alone(const std::string& run, const Error& why) {
  obs::log(obs::Level::kError, "journal", "run {} is left alone: {}", run, why.text());
  ++left_alone_;
}

void Journal::reload(const std::string& run) {
  Change named;
  named.run = run;
  bool wake = false;
  {
    const std::lock_guard lock(mutex_);
    queue_.push_back({std::move(named), false, {}, ++decided_, true});
    unheard_.erase(run);
    wake = waiting_;
  }
  if (wake) wake_.notify_one();
}

Status Journal::read_again(Written& written) {
  for (const std::string& run : std::exchange(reloads_, {})) {
    std::erase_if(delivered_, [&](const auto& message) { return message.second == run; });
    auto stored = load_run(*db_, run);
    const std::string code = stored.ok() ? "" : stored.error().code;
    if (code == "E0601") continue;  // it was removed
    if (code == "E0510") {
      leave_alone(run, stored.error());
      continue;
    }
    StoredRun found = TRY(std::move(stored));
    if (found.summary.worker != worker_.id || found.summary.finished_us != 0) {
      written.lost.push_back(run);
    } else {
      written.claimed.push_back(std::move(found));
    }
  }
  return ok_status();
}

// Schedules that are due, in one transaction; how many runs came to be.
Result<int64_t> Journal::fire_due(std::string_view only) {
  const ChainHead chain_before = *chain_;
  const auto fire = [&]() -> Result<int64_t> {
    store::Tx tx = TRY(store::Tx::begin(*db_));
    if (!TRY(lease_is_current(*db_, worker_))) return 0;  // the next group will tell
    const int64_t runs = TRY(schedules_.fire_due(*db_, *writer_, worker_, *chain_, only));
    TRY(tx.commit());
    return runs;
  };
  auto fired = fire();
  if (!fired.ok()) {
    chain_ = chain_before;
    writer_->forget();
  }
  return fired;
}

// One transaction each. Somebody may have taken a run's key at that moment: it has one more try.
Result<int64_t> Journal::fire_apart() {
  int64_t runs = 0;
  for (const std::string& name : TRY(ScheduleRunner::due_names(*db_))) {
    const auto fired = fire_due(name);
    if (fired.ok()) {
      runs += *fired;
      continue;
    }
    if (!concerns_one(fired.error())) return fired.error();
    obs::log(obs::Level::kError, "schedules", "schedule {} is set aside: {}", name,
             fired.error().text());
    TRY(ScheduleRunner::set_aside(*db_, name, fired.error()));
  }
  return runs;
}

// Notices of what was written before stay: they are true.
void Executor::on_refused(const Refused& refused) {
  CHECK(refused.sequence.n > 0 && !refused.run.empty(), "nothing of nobody is refused");
  CHECK(!stopping_, "run {} is refused in a process that ends", refused.run);
  journal_.forget_refusal(refused.run);
  drop_run(refused.run);
  const auto is_void = [&](const auto& held) {
    return held.inside().run == refused.run && held.until() >= refused.sequence;
  };
  std::erase_if(notices_, is_void);
  std::erase_if(effects_, is_void);
  std::erase_if(continuations_, is_void);
  if (refused.is_new) return tell_refused(refused);
  if (refused.why.code == "E0510") {
    journal_.leave_alone(refused.run, refused.why);
    // Behind the notices of what was written before.
    services_.loop.post([weak = weak_from_this(), refused] {
      if (const auto self = weak.lock(); self && !self->stopping_) self->tell_refused(refused);
    });
    return;
  }
  std::string why = fmt::format("the store refuses what it would write (E0513): {}",
                                quoted(refused.why.message, 300));
  if (refused_.emplace(refused.run, std::move(why)).second) return journal_.reload(refused.run);
  journal_.leave_alone(refused.run, in_context(refused.why, "its end is refused as well"));
}

void Executor::tell_refused(const Refused& refused) {
  CHECK(!refused.why.message.empty(), "run {} is refused without a reason", refused.run);
  const Notice lost{.kind = Notice::Kind::kLost, .run = refused.run, .why = refused.why.message,
                    .code = refused.why.code};
  if (observer_) observer_(lost);
}

}  // namespace weft::worker
