// SPDX-License-Identifier: Apache-2.0
//
// Hash chains of a store that was plain, written anew over sealed values. A link's hash covers what
// is stored, so that a value can only be sealed together with every link behind it; and to keep the
// hashes over plain values would let whoever copies the database test guesses with them.
//
//   before   1 ── 2 ── 3 ── 4 ── 5      over plain values, as checkpoints signed them
//   midway   1'── 2'── 3'│  4 ── 5      reseal: n = 3, hash of 3 before, hash of 3' after
//   after    1'── 2'── 3'── 4'── 5'     a signed line: 5 links, hash of 5 before and of 5' after
//
// A batch is a transaction, so that a crash costs at most one. Each old link is verified, and held
// to the checkpoints, in the moment in which it is replaced. The signed line comes last: from then
// on it stands for all that was signed of that chain before (security/checkpoint.h).
//
// For chains that nobody appends to. Of runs that were removed the links stay as they are.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/error.h"
#include "security/checkpoint.h"
#include "store/db.h"

namespace weft::worker {

// Whether chains are written anew and no line says so yet.
Result<bool> reseal_open(store::Db& db);
// E0512, for who meets such a store.
Error half_sealed();

struct ChainName {
  std::string kind;  // "event", "audit"
  std::string writer;
  int64_t epoch = 0;
};
// Those with plain values, and those begun before.
Result<std::vector<ChainName>> chains_to_seal(store::Db& db);

// Seals that chain to its end, `batch` links a transaction; how many values were sealed. E0607,
// E0765, E0766: it is not what was written.
Result<int64_t> seal_chain(store::Db& db, const security::Checkpoints& checkpoints,
                           const ChainName& chain, int64_t batch);

// Signs what was written anew; how many chains.
Result<int64_t> sign_sealed_chains(store::Db& db, const std::string& checkpoints,
                                   const security::Secret& seed);

}  // namespace weft::worker
