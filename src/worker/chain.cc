// SPDX-License-Identifier: Apache-2.0
#include "worker/chain.h"

#include <algorithm>
#include <optional>

#include "base/strings.h"
#include "worker/run_prune.h"

namespace weft::worker {
namespace {

constexpr size_t kHashBytes = 32;

void append_number(std::string& out, uint64_t number) {
  char bytes[8];
  for (int i = 0; i < 8; ++i) bytes[i] = static_cast<char>(number >> (8 * i) & 0xff);
  out.append(bytes, sizeof(bytes));
}

void append_field(std::string& out, std::string_view bytes) {
  append_number(out, bytes.size());
  out += bytes;
}

Error broken(std::string_view worker, int64_t epoch, int64_t n, std::string_view how) {
  return make_error("E0607",
                    fmt::format("the journal of worker {} epoch {} does not fit at event {}: {}",
                                quoted(worker), epoch, n, how),
                    "a record was changed, removed or inserted after it was written");
}

// An event that was removed on purpose is nothing but a link.
bool is_bare(const store::Rows& row) {
  return row.text(7).empty() && row.text(8).empty() && row.blob(10).size() == kHashBytes;
}

}  // namespace

ChainHead::ChainHead(std::string_view worker, int64_t epoch)
    : hash_(sha256(fmt::format("weft chain\n{}\n{}", worker, epoch))) {}

ChainHead::ChainHead(int64_t length, std::string_view hash) : length_(length) {
  CHECK(hash.size() == hash_.size(), "a hash of {} bytes", hash.size());
  std::copy(hash.begin(), hash.end(), hash_.begin());
}

void ChainHead::append(const ChainedEvent& event) {
  buffer_.assign(hash());
  append_field(buffer_, event.run);
  append_number(buffer_, static_cast<uint64_t>(event.seq));
  append_number(buffer_, static_cast<uint64_t>(event.at_us));
  append_field(buffer_, event.kind);
  append_field(buffer_, event.path);
  append_field(buffer_, event.body);
  hash_ = sha256(buffer_);
  ++length_;
}

Result<ChainReport> verify_chains(store::Db& db, const security::LinkSeen& seen) {
  ChainReport report;
  auto rows = TRY(db.query(
      "SELECT worker, epoch, n, run, seq, at_us, kind, path, body, prev_hash, hash FROM event "
      "ORDER BY worker, epoch, n",
      {}));
  std::string worker;
  int64_t epoch = 0;
  std::optional<ChainHead> head;
  while (TRY(rows->next())) {
    if (!head || rows->text(0) != worker || rows->int64(1) != epoch) {
      worker = rows->text(0);
      epoch = rows->int64(1);
      head.emplace(worker, epoch);
      ++report.chains;
    }
    const int64_t n = rows->int64(2);
    if (n != head->length() + 1) return broken(worker, epoch, n, "an event before it is missing");
    if (rows->blob(9) != head->hash()) return broken(worker, epoch, n, "the link back is another");
    if (rows->text(6) == kPrunedEvent) {
      if (!is_bare(*rows)) return broken(worker, epoch, n, "it was removed, and is not empty");
      head.emplace(n, rows->blob(10));
      const std::string run(rows->text(3));
      add_pruned_link(report.pruned.try_emplace(run, security::PrunedRun{run}).first->second,
                      head->hash());
    } else {
      head->append({rows->text(3), rows->int64(4), rows->int64(5), rows->text(6), rows->text(7),
                    rows->text(8)});
    }
    if (rows->blob(10) != head->hash()) return broken(worker, epoch, n, "its content was changed");
    if (seen) seen({worker, epoch, n, head->hash()});
    ++report.events;
  }
  return report;
}

}  // namespace weft::worker
