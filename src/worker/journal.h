// SPDX-License-Identifier: Apache-2.0
//
// The journal: the one door through which runs reach the store. The executor appends Changes that
// it has decided and goes on at once; one writer thread puts whatever queued up into one
// transaction, syncs it, and reports. That is group commit: a sync serves all runs in flight.
//
//   append → queue → [begin · fence · changes … · commit] → Written{durable, lost, claimed}
//
// The same thread keeps this process's lease, looks for workers whose lease ended, and claims runs
// that belong to nobody; so recovery goes through the same door as normal work. The thread never
// waits for models or network, only for the store.
//
// Changes become durable in the order of append. A change whose run belongs to somebody else by
// now is discarded whole and its run reported lost; one that the database does not take, for what
// stands in it, or that cannot be sealed because a data key of its tenant is damaged, is discarded
// with all that follow of its run, and reported refused. What ends in a deadlock, or waits too long
// for a lock, begins again for as long as a lease lasts. After any other error of the store (full,
// damaged) nothing more is written: what the executor decided since is not durable and never seen.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <ranges>
#include <span>
#include <string>
#include <thread>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/env.h"
#include "base/error.h"
#include "security/audit.h"
#include "security/checkpoint.h"
#include "store/db.h"
#include "worker/chain.h"
#include "worker/change_writer.h"
#include "worker/lease.h"
#include "worker/records.h"
#include "worker/run_reader.h"
#include "worker/schedules.h"
#include "worker/sequence.h"

namespace weft::worker {

struct JournalOptions {
  std::function<Result<std::unique_ptr<store::Db>>()> open;  // a connection with current schema
  std::string labels = "{}";      // JSON about this process, for people
  int64_t lease_ms = 15'000;
  int64_t heartbeat_ms = 5'000;
  int64_t scan_ms = 1'000;
  int64_t inbox_ms = 100;         // how often messages to our runs are looked for
  KnownDead known_dead = nullptr; // null: only leases tell (liveness.h)
  bool fires_schedules = false;   // this process fires what is due (schedules.h)
  // Signs the newest links of this writer's chains, on its thread, once in `checkpoint_ms` while
  // there is something new and at the end; null: nobody does.
  std::function<Status(int64_t at_us, std::span<const security::ChainState>)> checkpoint = {};
  int64_t checkpoint_ms = 1'000;
  // Exchanges something with the other processes of the store, on the writer's thread and outside
  // of transactions: at the start, after each scan (before what it claimed is told) and at the
  // end. Null: nothing.
  std::function<Status(store::Db& db, const WorkerIdentity& self)> exchange = {};
  bool own_thread = true;         // false: the caller drives pump(), as simulations do
};

// Whether an error of the store concerns what one run or schedule writes, and nobody else: the
// database does not take it (E0513), or the data key of its tenant does not open (E0510).
inline bool concerns_one(const Error& error) {
  return error.code == "E0513" || error.code == "E0510";
}

// A change that the store does not take: a value or a constraint of its own is in the way, or its
// tenant's data key.
struct Refused {
  std::string run;
  Sequence sequence;    // of the change
  bool is_new = false;  // it would have made the run, which is none now
  Error why;
};

// What one turn of the writer brought about. `lost`, `refused` and `fenced` count before `durable`:
// their changes were discarded although their sequence is covered.
struct Written {
  Durable durable;
  std::vector<std::string> lost;        // runs that belong to somebody else now
  std::vector<Refused> refused;         // nothing of them is written before reload()
  bool fenced = false;                  // all runs up to `fenced_until` are lost
  Sequence fenced_until;
  std::vector<StoredRun> claimed;       // runs that are ours from now on
  std::vector<MessageRow> messages;     // to runs that are ours; each is delivered once
  std::optional<Error> failed;          // the journal has ended
  std::shared_ptr<const void> spent;    // the changes: freed by the thread that made them
};

class Journal {
 public:
  using Listener = std::function<void(Written)>;  // on the writer's thread; must not block

  static Result<std::unique_ptr<Journal>> open(Env& env, JournalOptions options,
                                               Listener listener);
  ~Journal();  // stops the thread without writing what is queued: as a crash would

  // Decides a change. From one thread at a time.
  Sequence append(Change change);
  Sequence decided() const { return Sequence{decided_.load()}; }
  Durable durable() const { return Durable(Sequence{durable_.load()}); }

  // How many further runs may be claimed now (none, the default), and runs wanted by name, which
  // are claimed as soon as they belong to nobody.
  void set_room(ClaimRoom room);
  // Written::fenced was heard. Until then nothing is claimed: it could be a run of before, whose
  // changes are still on their way.
  void forget_fence();
  void want(const std::string& run);

  // Microseconds of the store's clock, carried on by this process's monotonic clock since the last
  // heartbeat. Never goes back.
  int64_t now_us();

  // Gives a run back to whoever claims it next, after all changes appended so far. With `wake_us`
  // it is parked: nobody need claim it before then, unless it gets a message.
  void release(const std::string& run, std::optional<int64_t> wake_us = {});
  // Written::refused was heard: close() need not tell it.
  void forget_refusal(const std::string& run);
  // … and the run dropped: it is claimed once more, as it is in the store.
  void reload(const std::string& run);
  // … or nothing more is done for it here, and it stays ours: whoever else took it would find the
  // same, again and again. From any thread.
  void leave_alone(const std::string& run, const Error& why);
  // Runs of ours that were left alone. From any thread.
  int64_t left_alone() const { return left_alone_; }
  // Puts a record into this writer's audit, with the next group. From any thread.
  void audit(security::AuditRecord record);
  // Looks for messages at once: this process has just left one. From any thread.
  void poke();
  // Somebody else has left something to do, or says so: looks for messages and for runs that nobody
  // owns, soon. From any thread.
  void hint();
  // Writes everything queued, gives all runs back and removes the worker's row. The error with
  // which the journal has ended, now or before: not everything was written. E0513, E0510: the store
  // has refused changes, and nobody has heard it (forget_refusal); the others are written. Then
  // only the destructor may follow.
  Status close();

  // One turn of the writer: a group of changes, and what is due. False: there was nothing to do.
  bool pump();
  const WorkerIdentity& worker() const { return worker_; }

 private:
  struct Queued {
    Change change;
    bool release = false;  // the run is given back; `change` only names it
    std::optional<int64_t> wake_us = {};
    uint64_t sequence = 0;
    bool reload = false;   // the run's refused changes are behind us; `change` only names it
  };
  using Part = std::ranges::subrange<std::deque<Queued>::const_iterator>;
  Journal(Env& env, JournalOptions options, Listener listener);
  Status start();
  void write_loop();
  std::deque<Queued> take_group();
  void take_audits();
  Status while_busy(const std::function<Status()>& transaction);
  Status write_group(const std::deque<Queued>& group, Written& written);
  Status write_at_once(Part part, Written& written);
  Status write_changes(Part part, Written& written);
  // refusals.cc
  Status write_apart(Part group, Written& written);
  Status write_halves(Part part, Written& written);
  Status refuse(const Queued& queued, Error why, Written& written);
  Status read_again(Written& written);
  Result<int64_t> fire_due(std::string_view only);
  Result<int64_t> fire_apart();
  Status unheard() const;
  Status on_fenced(Written& written);
  Status scan(Written& written);
  Status exchange();
  Status fire_schedules();
  Status read_inbox(Written& written);
  void note_written(const std::deque<Queued>& group, const Written& written);
  Status set_clock();
  int64_t idle_ns();
  bool heartbeat_due();
  bool scan_due();
  bool inbox_due();
  bool schedules_due();
  bool unsigned_links() const;
  bool checkpoint_due();
  void sign_links();
  void report(Written written);
  void rest_if_idle();

  Env& env_;
  JournalOptions options_;
  Listener listener_;
  std::unique_ptr<store::Db> db_;
  std::optional<ChangeWriter> writer_;
  WorkerIdentity worker_;
  std::optional<ChainHead> chain_;
  std::optional<security::AuditHead> audit_;
  std::vector<security::AuditRecord> writing_;  // audits that are not on disk yet
  int64_t signed_links_ = 0;                    // of both chains
  int64_t next_checkpoint_ns_ = 0;
  int64_t next_heartbeat_ns_ = 0;
  int64_t next_scan_ns_ = 0;
  int64_t next_inbox_ns_ = 0;
  int64_t next_schedules_ns_ = 0;
  int64_t hints_from_ns_ = 0;                   // until then they wait: many may come at once
  int64_t rests_at_ns_ = 0;                     // if nothing is written until then; 0: it rests
  ScheduleRunner schedules_;
  std::unordered_map<std::string, std::string> delivered_;  // message -> run; outcome not on disk

  std::unordered_set<std::string> refused_;  // runs of which nothing is written
  std::vector<std::string> reloads_;         // runs to be read again

  std::mutex mutex_;               // guards what follows, up to wanted_
  std::condition_variable wake_;
  std::deque<Queued> queue_;
  std::vector<security::AuditRecord> audits_;
  bool waiting_ = false;           // the writer sleeps: append() must wake it
  bool poked_ = false;
  bool hinted_ = false;
  bool hungry_ = false;            // the last scan left runs behind for want of room
  std::atomic<bool> fence_unheard_ = false;  // whose runs were lost still stand in memory
  bool stopping_ = false;
  std::optional<Error> failed_;    // nothing more is written
  ClaimRoom room_ = 0;
  std::vector<std::string> wanted_;

  std::atomic<uint64_t> decided_ = 0;
  std::atomic<uint64_t> durable_ = 0;
  std::atomic<int64_t> clock_offset_us_ = 0;  // store's clock minus mono
  std::atomic<int64_t> clock_last_us_ = 0;
  std::atomic<int64_t> left_alone_ = 0;
  std::thread thread_;
  std::map<std::string, Error> unheard_;      // refusals, by run; mutex_ guards it
};

}  // namespace weft::worker
