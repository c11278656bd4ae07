// SPDX-License-Identifier: Apache-2.0
//
// The hash chain of one writer (worker id, epoch): event n carries the hash of event n-1 and its
// own, so that a change, removal, insertion or reordering inside the chain shows.
//
//   hash(0) = SHA-256("weft chain\n" worker "\n" epoch)
//   hash(n) = SHA-256(hash(n-1) | run | seq | at_us | kind | path | body)
//
// with texts as u64 length and bytes, numbers as u64, all little-endian, and the body as it is
// stored: in a sealed store a hash over the plain one would let guesses be tested, and who verifies
// would need the key.
//
// Of a run that was removed on purpose the links stay (run_prune.h); that it was meant to go, and
// that these are all of its links, a signed line says.
//
// A missing tail cannot be seen from the chain alone; signed checkpoints outside the store do that.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "base/digest.h"
#include "base/error.h"
#include "security/audit.h"
#include "security/checkpoint.h"
#include "store/db.h"

namespace weft::worker {

struct ChainedEvent {
  std::string_view run;
  int64_t seq = 0;
  int64_t at_us = 0;
  std::string_view kind;
  std::string_view path;
  std::string_view body;
};

// The newest link. A new writer starts a new chain.
class ChainHead {
 public:
  ChainHead(std::string_view worker, int64_t epoch);
  // Behind an event whose content is gone. `hash`: 32 bytes.
  ChainHead(int64_t length, std::string_view hash);
  // Appends: length() grows by one and hash() becomes that of the event.
  void append(const ChainedEvent& event);
  int64_t length() const { return length_; }
  std::string_view hash() const {
    return {reinterpret_cast<const char*>(hash_.data()), hash_.size()};
  }

 private:
  Sha256 hash_;
  int64_t length_ = 0;
  std::string buffer_;
};

struct ChainReport {
  int64_t chains = 0;
  int64_t events = 0;
  std::map<std::string, security::PrunedRun, std::less<>> pruned;  // as their links say
};
// Recomputes every chain of the store, and shows each link that fits. E0607 names the first event
// that does not.
Result<ChainReport> verify_chains(store::Db& db, const security::LinkSeen& seen = {});

}  // namespace weft::worker
