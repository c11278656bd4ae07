// SPDX-License-Identifier: Apache-2.0
//
// Checkpoints: what makes a missing tail and a rolled-back store visible. Once a second, and when
// it ends, a process that has written signs (Ed25519) how long its chains are and the hash of their
// last links, and appends that as a line to a file outside the database:
//
//   {"n":7,"at_us":…,"previous":HASH OF THE LINE BEFORE,"chains":[["event",WRITER,EPOCH,N,HASH],…],
//    "key":PUBLIC KEY} TAB SIGNATURE, in hexadecimal digits
//
// Records that are removed on purpose are removed from the beginning of their chain up to a link
// that was signed, and a line says so first: "before_us", "records", and as "pruned" the last link
// that went of each chain, from whose hash the rest is verified on. Runs that are removed leave the
// links of their events in the chains; a line says so with "before_us", or "by" whom it was asked
// for, and as "runs" [[RUN,EVENTS,DIGEST OVER THEIR LINKS],…].
//
// A store that was plain and has been sealed has its chains written anew; a line says so with
// "sealed" [[KIND,WRITER,EPOCH,N,HASH BEFORE,HASH AFTER],…], and stands for all that was signed of
// these chains before.
//
// Lines are chained as well: one that is missing in the middle shows. Only the file's own tail can
// be cut unseen, which moves the end of the proof back in time; who fears that keeps the file where
// it cannot be cut (another machine, write-once storage), or has its lines told to a webhook there
// (checkpoint_outbox.h). A line that comes again as it was changes nothing: webhooks are told of
// some twice.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "base/error.h"
#include "security/crypto.h"

namespace weft::security {

struct ChainState {
  std::string kind;    // "event", "audit"
  std::string writer;
  int64_t epoch = 0;
  int64_t length = 0;
  std::string hash;    // 32 bytes, of link `length`
};

// Appends a line, whichever process did before, and syncs it. E0764: it cannot be written; E0766:
// the last line is none.
Status append_checkpoint(const std::string& path, const Secret& seed, int64_t at_us,
                         std::span<const ChainState> chains);

// What is removed: of each chain the links up to this one, which a checkpoint has signed.
struct Pruning {
  int64_t before_us = 0;  // younger records stay
  int64_t records = 0;
  std::vector<ChainState> chains;
};
// Before the records go. As append_checkpoint.
Status append_pruning(const std::string& path, const Secret& seed, int64_t at_us,
                      const Pruning& pruning);

// A run whose events were taken away but for their links.
struct PrunedRun {
  std::string run;
  int64_t events = 0;
  std::string digest = {};  // over the links' hashes (worker/run_prune.h)
};
struct RunPruning {
  int64_t at_us = 0;
  int64_t before_us = 0;  // they ended before that; 0: somebody asked for it,
  std::string by = {};    // this one
  std::span<const PrunedRun> runs = {};
};
// Before their events go. As append_checkpoint.
Status append_run_pruning(const std::string& path, const Secret& seed, const RunPruning& pruning);

// A chain whose values were sealed after they had been written plain (worker/chain_seal.h).
struct SealedChain {
  ChainState now;      // its length, and the hash of its last link
  std::string before;  // what that hash was
};
// When every link is written anew. As append_checkpoint.
Status append_sealing(const std::string& path, const Secret& seed, int64_t at_us,
                      std::span<const SealedChain> chains);

// The same as a text of its own, {"removal":1,"at_us":…,"runs":[…],"key":…} TAB SIGNATURE. It lies
// in the store beside the links, for those who have another file of checkpoints under the same key.
std::string signed_removal(const Secret& seed, const RunPruning& pruning);
// Nothing, if `key` (32 bytes) has not signed it so.
std::vector<PrunedRun> removed_by(std::string_view text, std::string_view key);

struct Checkpoints {
  int64_t lines = 0;
  int64_t newest_us = 0;
  std::string key;  // public, 32 bytes
  // By kind, writer, epoch: every state that was signed, the shortest first.
  using Chain = std::tuple<std::string, std::string, int64_t>;
  std::map<Chain, std::map<int64_t, std::string>> chains;
  // Of these, up to where chains may have been removed.
  std::map<Chain, std::map<int64_t, std::string>> pruned;
  int64_t pruned_before_us = 0;
  std::map<std::string, PrunedRun, std::less<>> pruned_runs;  // that may have been removed
  std::set<Chain> sealed;  // after they had been written plain: proven from then on
};
// E0766: a line is malformed, not signed by `key` (empty: by the first line's), out of order, or
// removes or seals what was not signed before.
Result<Checkpoints> read_checkpoints(std::string_view text, std::string_view key);

// What a line, without its line feed, says of its place among the others; nobody has looked at its
// signature. E0766.
struct CheckpointPlace {
  int64_t n = 0;
  int64_t at_us = 0;
  std::string previous;  // sha256_hex of the line before; empty: it is the first
};
Result<CheckpointPlace> checkpoint_place(std::string_view line);

}  // namespace weft::security
