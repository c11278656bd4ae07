// SPDX-License-Identifier: Apache-2.0
//
// Writes a Change as rows, inside the journal's transaction. The run's row comes first and is the
// fence: where it no longer belongs to this worker, or is terminal, nothing of the change is
// written (false). No commit, no thread, no decision here.
#pragma once

#include <string>
#include <unordered_set>

#include "base/error.h"
#include "security/audit.h"
#include "store/db.h"
#include "worker/chain.h"
#include "worker/lease.h"
#include "worker/records.h"

namespace weft::worker {

class ChangeWriter {
 public:
  explicit ChangeWriter(store::Db& db) : db_(db) {}

  // True: written. False: the run belongs to somebody else now, or has ended, or would be new and
  // another one has its key.
  Result<bool> write(const Change& change, const WorkerIdentity& worker, ChainHead& chain);
  // Decisions of models are audited there as well, by the same writer; null: nowhere.
  void audit_to(security::AuditHead* head) { audit_ = head; }
  // The transaction was rolled back: nothing written in it may be taken as present.
  void forget() { definitions_.clear(); }
  // A transaction of changes begins.
  Status begin();

 private:
  Result<bool> write_run(const Change& change, const WorkerIdentity& worker);
  Result<bool> key_is_taken(const RunRow& row);
  Status insert_run(const Change& change, const WorkerIdentity& worker);
  Status insert_definition(const std::string& hash, const std::string& document);
  Status write_events(const Change& change, const WorkerIdentity& worker, ChainHead& chain);
  Status write_steps(const Change& change);
  Status write_timers(const Change& change);
  Status write_effects(const Change& change);
  Status write_ai_calls(const Change& change, const WorkerIdentity& worker);
  Status write_act_records(const Change& change, const WorkerIdentity& worker);
  Status write_partials(const Change& change);
  Status write_acts(const Change& change);

  store::Db& db_;
  security::AuditHead* audit_ = nullptr;
  std::unordered_set<std::string> definitions_;  // known to be in the store
  bool unheard_ = true;                          // there may be messages that nobody has heard
};

// Puts a message into the inbox of a run that has not ended; false: it has, or the message is there
// already. Inside the caller's transaction.
Result<bool> insert_message(store::Db& db, const MessageRow& message);

}  // namespace weft::worker
