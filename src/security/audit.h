// SPDX-License-Identifier: Apache-2.0
//
// The audit: who did what to what, when, and with which outcome. Records are appended by one writer
// at a time (a process's journal, a command), each in a hash chain of its own, so that a record
// that is changed, removed, inserted or moved no longer fits:
//
//   hash(0) = SHA-256("weft audit\n" writer "\n" epoch)
//   hash(n) = SHA-256(hash(n-1) | at_us | tenant | user | action | resource | outcome | details)
//
// with texts as u64 length and bytes, numbers as u64, all little-endian, and details as they are
// stored: who verifies a sealed store needs no key. A missing tail, or a whole
// store of yesterday, shows only beside the checkpoints, which lie outside it (checkpoint.h).
//
// What is worth a record is its callers' business. Functions run inside the caller's transaction.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/digest.h"
#include "base/error.h"
#include "store/db.h"
#include "store/sealer.h"

namespace weft::security {

struct AuditRecord {
  int64_t at_us = 0;
  std::string tenant = {};
  std::string user = {};
  std::string action = {};
  std::string resource = {};
  std::string outcome = "ok";  // ok, refused, failed
  std::string details = {};    // JSON; empty: none
};

// The newest link of a writer's chain, copied to be able to go back.
class AuditHead {
 public:
  AuditHead(std::string_view writer, int64_t epoch);
  // In the middle: what came before is gone. `hash`: 32 bytes.
  AuditHead(int64_t length, std::string_view hash);
  // `details` as they are stored: the chain is over sealed ones.
  void append(const AuditRecord& record, std::string_view details);
  int64_t length() const { return length_; }
  std::string_view hash() const {
    return {reinterpret_cast<const char*>(hash_.data()), hash_.size()};
  }

 private:
  Sha256 hash_;
  int64_t length_ = 0;
};

struct AuditWriter {
  std::string id;
  int64_t epoch = 0;
};
// Where the details of a record stand.
store::Place place_of_details(std::string_view writer, int64_t epoch, int64_t n,
                              std::string_view tenant = {});
// Appends the record to the writer's chain, in the store and in `head`.
Status write_audit(store::Db& db, const AuditWriter& writer, AuditHead& head,
                   const AuditRecord& record);

struct AuditRow {
  AuditRecord record;
  std::string writer;
  int64_t epoch = 0;
  int64_t n = 0;
};
struct AuditQuery {
  std::optional<std::string> tenant = {};  // nothing: of all
  std::string user = {};
  std::string action = {};
  int64_t from_us = 0;
  int64_t to_us = INT64_MAX;
  int64_t limit = 100;
  std::string before = {};  // a cursor: older than that record
};
// Newest first.
Result<std::vector<AuditRow>> read_audit(store::Db& db, const AuditQuery& query);
std::string cursor_of(const AuditRow& row);

// "2026-11-22T09:00:00Z", seconds and what follows the day optional: microseconds since 1970.
std::optional<int64_t> instant_of(std::string_view text);

// What is known of a link when a chain is gone through from its beginning.
struct Link {
  std::string_view writer;
  int64_t epoch = 0;
  int64_t n = 0;
  std::string_view hash;
};
using LinkSeen = std::function<void(const Link&)>;
// By writer and epoch: links up to which records may have been removed, with their hashes.
using ChainStarts = std::map<std::pair<std::string, int64_t>, std::map<int64_t, std::string>>;
// Recomputes every chain. How many records; E0765 names the first that does not fit.
Result<int64_t> verify_audit(store::Db& db, const LinkSeen& seen, const ChainStarts& starts = {});

}  // namespace weft::security
