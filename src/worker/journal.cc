// SPDX-License-Identifier: Apache-2.0
#include "worker/journal.h"

#include <algorithm>
#include <chrono>
#include <iterator>

#include "base/memory.h"
#include "obs/log.h"
#include "worker/places.h"

namespace weft::worker {
namespace {

// A group holds the store's write lock, so it ends early enough for other processes to get in.
constexpr size_t kGroupChangesMax = 1024;
constexpr size_t kGroupEventsMax = 16'384;

constexpr int64_t kNsPerMs = 1'000'000;
constexpr int64_t kRestMs = 1'000;
constexpr int64_t kHintMs = 5;  // between two looks for the sake of hints
constexpr int64_t kBusyUs = 10'000;  // before what others stood in the way of begins again

}  // namespace

Journal::Journal(Env& env, JournalOptions options, Listener listener)
    : env_(env), options_(std::move(options)), listener_(std::move(listener)), schedules_(env) {}

Result<std::unique_ptr<Journal>> Journal::open(Env& env, JournalOptions options,
                                               Listener listener) {
  CHECK(options.open != nullptr && listener != nullptr, "a journal needs a store and a listener");
  CHECK(options.heartbeat_ms < options.lease_ms, "a heartbeat must come within the lease");
  std::unique_ptr<Journal> journal(new Journal(env, std::move(options), std::move(listener)));
  TRY(journal->start());
  return Result<std::unique_ptr<Journal>>(std::move(journal));
}

Status Journal::start() {
  db_ = TRY(options_.open());
  writer_.emplace(*db_);
  worker_ = TRY(register_worker(*db_, env_, options_.labels, options_.lease_ms));
  chain_.emplace(worker_.id, worker_.epoch);
  audit_.emplace(worker_.id, worker_.epoch);
  writer_->audit_to(&*audit_);
  TRY(set_clock());
  TRY(exchange());
  const int64_t now = env_.mono_ns();
  next_heartbeat_ns_ = now + options_.heartbeat_ms * kNsPerMs;
  rests_at_ns_ = now + kRestMs * kNsPerMs;
  next_scan_ns_ = now;  // at once: runs of dead workers need not wait for a second
  if (options_.own_thread) thread_ = std::thread([this] { write_loop(); });
  return ok_status();
}

Journal::~Journal() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
}

Sequence Journal::append(Change change) {
  Sequence sequence;
  bool wake = false;
  {
    const std::lock_guard lock(mutex_);
    sequence.n = ++decided_;
    queue_.push_back({std::move(change), false, {}, sequence.n});
    wake = waiting_;
  }
  if (wake) wake_.notify_one();
  return sequence;
}

void Journal::release(const std::string& run, std::optional<int64_t> wake_us) {
  Change named;
  named.run = run;
  bool wake = false;
  {
    const std::lock_guard lock(mutex_);
    queue_.push_back({std::move(named), true, wake_us, ++decided_});
    wake = waiting_;
  }
  if (wake) wake_.notify_one();
}

void Journal::audit(security::AuditRecord record) {
  bool wake = false;
  {
    const std::lock_guard lock(mutex_);
    audits_.push_back(std::move(record));
    wake = waiting_;
  }
  if (wake) wake_.notify_one();
}

void Journal::take_audits() {
  const std::lock_guard lock(mutex_);
  if (failed_) audits_.clear();
  writing_.insert(writing_.end(), std::make_move_iterator(audits_.begin()),
                  std::make_move_iterator(audits_.end()));
  audits_.clear();
}

void Journal::poke() {
  bool wake = false;
  {
    const std::lock_guard lock(mutex_);
    poked_ = true;
    wake = waiting_;
  }
  if (wake) wake_.notify_one();
}

void Journal::hint() {
  bool wake = false;
  {
    const std::lock_guard lock(mutex_);
    hinted_ = true;
    wake = waiting_;
  }
  if (wake) wake_.notify_one();
}

void Journal::forget_fence() { fence_unheard_ = false; }

void Journal::set_room(ClaimRoom room) {
  CHECK(room.runs >= 0 && room.wakes >= 0, "room for {} runs and {}", room.runs, room.wakes);
  bool wake = false;
  {
    const std::lock_guard lock(mutex_);
    room_ = room;
    const bool again = hungry_ && (room.runs > 0 || room.wakes > 0);
    wake = again && waiting_;
    if (again) poked_ = true;
  }
  if (wake) wake_.notify_one();
}

void Journal::want(const std::string& run) {
  const std::lock_guard lock(mutex_);
  wanted_.push_back(run);
}

int64_t Journal::now_us() {
  const int64_t now = env_.mono_ns() / 1000 + clock_offset_us_.load();
  int64_t last = clock_last_us_.load();
  while (now > last && !clock_last_us_.compare_exchange_weak(last, now)) {
  }
  return std::max(now, last);
}

Status Journal::set_clock() {
  const int64_t store_us = TRY(db_->now_ms()) * 1000;
  clock_offset_us_.store(store_us - env_.mono_ns() / 1000);
  return ok_status();
}

bool Journal::heartbeat_due() { return env_.mono_ns() >= next_heartbeat_ns_; }
bool Journal::scan_due() { return env_.mono_ns() >= next_scan_ns_; }
bool Journal::inbox_due() { return env_.mono_ns() >= next_inbox_ns_; }

bool Journal::unsigned_links() const {
  return options_.checkpoint != nullptr && signed_links_ != chain_->length() + audit_->length();
}

bool Journal::checkpoint_due() {
  return unsigned_links() && env_.mono_ns() >= next_checkpoint_ns_;
}

// A checkpoint that cannot be written moves the end of the proof, and stops no run.
void Journal::sign_links() {
  next_checkpoint_ns_ = env_.mono_ns() + options_.checkpoint_ms * kNsPerMs;
  signed_links_ = chain_->length() + audit_->length();
  std::vector<security::ChainState> chains;
  const auto add = [&](const char* kind, const auto& head) {
    if (head.length() == 0) return;
    chains.push_back({kind, worker_.id, worker_.epoch, head.length(), std::string(head.hash())});
  };
  add("event", *chain_);
  add("audit", *audit_);
  const Status written = options_.checkpoint(now_us(), chains);
  if (written.ok()) return;
  obs::log(obs::Level::kError, "audit", "{}", written.error().text());
}

bool Journal::schedules_due() {
  return options_.fires_schedules && env_.mono_ns() >= next_schedules_ns_;
}

int64_t Journal::idle_ns() {
  int64_t until = std::min({next_heartbeat_ns_, next_scan_ns_, next_inbox_ns_});
  if (options_.fires_schedules) until = std::min(until, next_schedules_ns_);
  if (unsigned_links()) until = std::min(until, next_checkpoint_ns_);
  until -= env_.mono_ns();
  return std::clamp<int64_t>(until, 0, 1000 * kNsPerMs);
}

void Journal::write_loop() {
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      if (queue_.empty() && audits_.empty() && !stopping_ && !poked_ && !hinted_) {
        waiting_ = true;
        wake_.wait_for(lock, std::chrono::nanoseconds(idle_ns()),
                       [this] {
                         return stopping_ || poked_ || hinted_ || !queue_.empty() ||
                                !audits_.empty();
                       });
        waiting_ = false;
      }
      if (stopping_) return;
    }
    pump();
  }
}

std::deque<Journal::Queued> Journal::take_group() {
  const std::lock_guard lock(mutex_);
  if (failed_) queue_.clear();
  size_t count = 0;
  size_t events = 0;
  while (count < queue_.size() && count < kGroupChangesMax && events < kGroupEventsMax) {
    events += queue_[count].change.events.size();
    ++count;
  }
  if (count == queue_.size()) return std::exchange(queue_, {});
  std::deque<Queued> group(std::make_move_iterator(queue_.begin()),
                           std::make_move_iterator(queue_.begin() + static_cast<long>(count)));
  queue_.erase(queue_.begin(), queue_.begin() + static_cast<long>(count));
  return group;
}

bool Journal::pump() {
  {
    const std::lock_guard lock(mutex_);
    if (failed_) return false;
    // Whom the message is for may wait in memory, or in the store.
    if (std::exchange(poked_, false)) next_inbox_ns_ = next_scan_ns_ = env_.mono_ns();
    if (hungry_ && (room_.runs > 0 || room_.wakes > 0)) next_scan_ns_ = env_.mono_ns();
    if (std::exchange(hinted_, false)) {
      const int64_t at_ns = std::max(env_.mono_ns(), hints_from_ns_);
      hints_from_ns_ = at_ns + kHintMs * kNsPerMs;
      next_inbox_ns_ = std::min(next_inbox_ns_, at_ns);
      next_scan_ns_ = std::min(next_scan_ns_, at_ns);
    }
  }
  auto spent = std::make_shared<const std::deque<Queued>>(take_group());
  const std::deque<Queued>& group = *spent;
  take_audits();
  const bool write = !group.empty() || !writing_.empty() || heartbeat_due();
  if (!write && !scan_due() && !inbox_due() && !schedules_due() && !checkpoint_due()) return false;
  Written written;
  written.spent = spent;
  Status status = ok_status();
  if (write) status = write_group(group, written);
  if (status.ok() && !reloads_.empty()) status = read_again(written);
  if (!group.empty()) rests_at_ns_ = env_.mono_ns() + kRestMs * kNsPerMs;
  rest_if_idle();
  if (status.ok() && schedules_due()) status = while_busy([this] { return fire_schedules(); });
  if (status.ok() && scan_due()) {
    status = while_busy([&] { return scan(written); });
    if (status.ok()) status = exchange();
  }
  if (status.ok() && inbox_due()) status = read_inbox(written);
  if (status.ok() && checkpoint_due()) sign_links();
  if (!status.ok()) {
    const std::lock_guard lock(mutex_);
    failed_ = std::move(status).error();
    written.failed = failed_;
  }
  written.durable = durable();
  spent.reset();
  report(std::move(written));
  return true;
}

// After a burst of work its memory goes back.
void Journal::rest_if_idle() {
  if (!options_.own_thread || rests_at_ns_ == 0 || env_.mono_ns() < rests_at_ns_) return;
  rests_at_ns_ = 0;
  db_->rest();
  return_freed_memory();
}

Status Journal::exchange() {
  if (options_.exchange == nullptr) return ok_status();
  return while_busy([this] { return options_.exchange(*db_, worker_); });
}

void Journal::report(Written written) { listener_(std::move(written)); }

// A deadlock, or a lock that others hold: nothing of the transaction is there, so it may begin
// again, as long as a lease lasts.
Status Journal::while_busy(const std::function<Status()>& transaction) {
  const int64_t until_ns = env_.mono_ns() + options_.lease_ms * kNsPerMs;
  for (bool again = false;; again = true) {
    Status status = transaction();
    if (status.ok() || status.error().code != "E0504" || env_.mono_ns() >= until_ns) return status;
    if (!again) {
      obs::log(obs::Level::kWarning, "journal", "begins again: {}", status.error().text());
    }
    env_.sleep_us(kBusyUs);
  }
}

// All of it, or nothing.
Status Journal::write_at_once(Part part, Written& written) {
  const ChainHead chain_before = *chain_;
  const security::AuditHead audit_before = *audit_;
  Status status = write_changes(part, written);
  if (status.ok()) return status;
  chain_ = chain_before;
  audit_ = audit_before;
  writer_->forget();
  return status;
}

Status Journal::write_group(const std::deque<Queued>& group, Written& written) {
  const Part all(group.begin(), group.end());
  Status status = while_busy([&] { return write_at_once(all, written); });
  if (!status.ok() && concerns_one(status.error())) status = write_apart(all, written);
  TRY(std::move(status));
  if (written.fenced) return on_fenced(written);
  if (!group.empty()) durable_.store(group.back().sequence);
  note_written(group, written);
  return ok_status();
}

// Messages whose outcome is on disk, or whose run is ours no more, need no memory.
void Journal::note_written(const std::deque<Queued>& group, const Written& written) {
  for (const Queued& queued : group) {
    for (const TakenRow& taken : queued.change.taken) delivered_.erase(taken.id);
    if (!queued.change.messages.empty()) next_inbox_ns_ = env_.mono_ns();
    const bool gone = queued.release || queued.change.state.finished_us != 0;
    const std::string& run = queued.change.run;
    if (gone) std::erase_if(delivered_, [&](const auto& m) { return m.second == run; });
  }
  for (const std::string& run : written.lost) {
    std::erase_if(delivered_, [&](const auto& m) { return m.second == run; });
  }
}

// Reads only: a message counts as taken when the event that it became is written.
Status Journal::read_inbox(Written& written) {
  next_inbox_ns_ = env_.mono_ns() + options_.inbox_ms * kNsPerMs;
  // CROSS: SQLite would else read all of our runs and look for messages to each.
  auto rows = TRY(db_->query(
      "SELECT i.id, i.run, i.body FROM inbox i CROSS JOIN run r WHERE i.outcome IS NULL "
      "AND r.id = i.run AND r.worker = $1 AND r.worker_epoch = $2 AND r.finished_us IS NULL "
      "ORDER BY i.run, i.n, i.id",
      {worker_.id, worker_.epoch}));
  while (TRY(rows->next())) {
    std::string id(rows->text(0));
    std::string run(rows->text(1));
    if (!delivered_.emplace(id, run).second) continue;
    auto body = store::opened(*db_, place_of_message(id, run), rows->text(2));
    if (!body.ok() && body.error().code == "E0510") {
      obs::log(obs::Level::kError, "journal", "message {} is left alone: {}", id,
               body.error().text());
      continue;
    }
    written.messages.push_back({std::move(id), std::move(run), TRY(std::move(body))});
  }
  return ok_status();
}

// One transaction: the fence, the lease if it is time, every change in order.
Status Journal::write_changes(Part part, Written& written) {
  store::Tx tx = TRY(store::Tx::begin(*db_));
  const bool renew = heartbeat_due();
  const bool current = renew ? TRY(renew_lease(*db_, worker_, options_.lease_ms))
                             : TRY(lease_is_current(*db_, worker_));
  if (!current) {
    written.fenced = true;
    return ok_status();  // leaving the scope rolls back
  }
  TRY(writer_->begin());
  std::vector<std::string> lost;
  for (const Queued& queued : part) {
    const std::string& run = queued.change.run;
    if (queued.reload || refused_.contains(run)) continue;
    if (queued.release) {
      TRY(release_run(*db_, worker_, run, queued.wake_us));
    } else if (!TRY(writer_->write(queued.change, worker_, *chain_))) {
      lost.push_back(run);
    }
  }
  TRY(writer_->finish());
  for (security::AuditRecord& record : writing_) {
    if (record.at_us == 0) record.at_us = now_us();
    TRY(security::write_audit(*db_, {worker_.id, worker_.epoch}, *audit_, record));
  }
  TRY(tx.commit());
  writing_.clear();
  for (const Queued& queued : part) {
    const std::string& run = queued.change.run;
    if (queued.reload && refused_.erase(run) > 0) reloads_.push_back(run);
  }
  std::ranges::move(lost, std::back_inserter(written.lost));
  if (renew) {
    next_heartbeat_ns_ = env_.mono_ns() + options_.heartbeat_ms * kNsPerMs;
    TRY(set_clock());
  }
  return ok_status();
}

// Our lease ended (the process was stopped, or starved) and another worker took our runs. All that
// is queued is void; we go on under a new name, with a new chain.
Status Journal::on_fenced(Written& written) {
  fence_unheard_ = true;
  obs::log(obs::Level::kWarning, "journal", "worker {} lost its lease; its runs were given back",
           worker_.id);
  {
    const std::lock_guard lock(mutex_);
    queue_.clear();
    written.fenced_until = decided();
    durable_.store(written.fenced_until.n);
  }
  if (unsigned_links()) sign_links();  // the last of this name
  TRY(while_busy([this]() -> Status {
    worker_ = TRY(register_worker(*db_, env_, options_.labels, options_.lease_ms));
    return ok_status();
  }));
  chain_.emplace(worker_.id, worker_.epoch);
  audit_.emplace(worker_.id, worker_.epoch);
  signed_links_ = 0;
  delivered_.clear();
  refused_.clear();
  reloads_.clear();
  left_alone_ = 0;
  {
    const std::lock_guard lock(mutex_);
    unheard_.clear();  // their runs are others' now
  }
  writer_->forget();
  next_heartbeat_ns_ = env_.mono_ns() + options_.heartbeat_ms * kNsPerMs;
  return set_clock();
}

// Looks once a scan, and at the moment at which the next one is due.
Status Journal::fire_schedules() {
  const int64_t scan_ns = options_.scan_ms * kNsPerMs;
  next_schedules_ns_ = env_.mono_ns() + scan_ns;
  int64_t due_us = TRY(ScheduleRunner::next_due_us(*db_));
  if (due_us == INT64_MAX) return ok_status();
  if (due_us <= TRY(db_->now_ms()) * 1000) {
    auto fired = fire_due({});
    if (!fired.ok() && concerns_one(fired.error())) fired = fire_apart();
    if (!fired.ok()) return fired.error();
    if (*fired > 0) next_scan_ns_ = env_.mono_ns();  // somebody should take them
    due_us = TRY(ScheduleRunner::next_due_us(*db_));
    if (due_us == INT64_MAX) return ok_status();
    // What is due and cannot be fired (no such time zone here) is looked at in a while again.
    if (*fired == 0 && due_us <= TRY(db_->now_ms()) * 1000) return ok_status();
  }
  const int64_t wait_us = std::max<int64_t>(due_us - now_us(), 1'000);
  next_schedules_ns_ = std::min(next_schedules_ns_, env_.mono_ns() + wait_us * 1'000);
  return ok_status();
}

// Looks without a lock, and writes only when there is something to take.
Status Journal::scan(Written& written) {
  next_scan_ns_ = env_.mono_ns() + options_.scan_ms * kNsPerMs;
  if (fence_unheard_) return ok_status();
  ClaimRoom room = 0;
  std::vector<std::string> wanted;
  {
    const std::lock_guard lock(mutex_);
    hungry_ = false;
    room = room_;
    wanted = wanted_;
  }
  if (options_.known_dead != nullptr) TRY(end_leases_of_dead(*db_, options_.known_dead));
  const ScanNeeds needs = TRY(scan_needs(*db_));
  const bool takes = room.runs + room.wakes > 0 || !wanted.empty();
  if (!needs.expired && !(needs.unclaimed && takes)) return ok_status();
  store::Tx tx = TRY(store::Tx::begin(*db_));
  if (!TRY(lease_is_current(*db_, worker_))) return ok_status();  // the next group will tell
  if (needs.expired) TRY(expire_workers(*db_, worker_));
  std::vector<std::string> ids;
  for (const std::string& run : wanted) {
    for (std::string& id : TRY(claim_runs(*db_, worker_, 1, run))) ids.push_back(std::move(id));
  }
  if (room.runs + room.wakes > 0) {
    for (std::string& id : TRY(claim_runs(*db_, worker_, room))) ids.push_back(std::move(id));
  }
  std::vector<StoredRun> claimed;
  std::vector<std::pair<std::string, Error>> closed;
  for (const std::string& id : ids) {
    auto stored = load_run(*db_, id);
    const bool asked_for = std::find(wanted.begin(), wanted.end(), id) != wanted.end();
    if (!stored.ok() && stored.error().code == "E0510" && !asked_for) {
      closed.emplace_back(id, std::move(stored).error());
      continue;
    }
    claimed.push_back(TRY(std::move(stored)));
  }
  TRY(tx.commit());
  std::ranges::move(claimed, std::back_inserter(written.claimed));
  for (const auto& [run, why] : closed) leave_alone(run, why);
  // What they were claimed for comes with them: a run that only waits is parked again right away.
  if (!ids.empty()) next_inbox_ns_ = env_.mono_ns();
  const std::lock_guard lock(mutex_);
  // Many timers may be due at one moment: the rest is taken as soon as there is room again.
  const auto count = static_cast<int64_t>(ids.size());
  hungry_ = count > 0 && (count >= room.runs || count >= room.wakes);
  room_ = {std::max<int64_t>(0, room_.runs - count), std::max<int64_t>(0, room_.wakes - count)};
  std::erase_if(wanted_, [&](const std::string& run) {
    return std::find(ids.begin(), ids.end(), run) != ids.end();
  });
  return ok_status();
}

Status Journal::close() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
  for (;;) {
    {
      const std::lock_guard lock(mutex_);
      if (failed_ || (queue_.empty() && audits_.empty() && writing_.empty())) break;
    }
    pump();
  }
  if (unsigned_links()) sign_links();
  const std::lock_guard lock(mutex_);
  if (failed_) return *failed_;  // the lease will end by itself
  TRY(exchange());
  TRY(while_busy([this]() -> Status {
    store::Tx tx = TRY(store::Tx::begin(*db_));
    TRY(release_worker(*db_, worker_));
    return tx.commit();
  }));
  return unheard();
}

}  // namespace weft::worker
