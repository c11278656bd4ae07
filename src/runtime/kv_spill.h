// SPDX-License-Identifier: Apache-2.0
//
// Blocks of the KV cache that were evicted, in a file: reading one back takes a millisecond where
// computing its 32 positions takes many. The file has no name once it is open, so nothing of a
// prompt stays on the disk when the process ends, however it ends.
//
// Every block has a checksum, kept in memory. A block that does not come back as it was written, or
// cannot be read, is lost, never used: its positions are computed again. With a seal, nobody can
// read what is on the disk without this process's memory.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace weft::runtime {

// How blocks are sealed; whoever puts the program together knows a cipher. From several threads.
class SpillSeal {
 public:
  virtual ~SpillSeal() = default;
  virtual size_t overhead() const = 0;  // bytes that a sealed block is longer
  virtual std::string seal(int64_t slot, std::span<const uint8_t> block) = 0;
  // False: it is not what was sealed for this slot. `block` is as long as the sealed one was.
  virtual bool unseal(int64_t slot, std::string_view sealed, std::span<uint8_t> block) = 0;
};

class KvSpill {
 public:
  // A file in `directory` (made if needed) for at most `bytes_max` bytes of blocks of `block_bytes`
  // each, plain where `seal` is null. E0022 if it cannot be made.
  static Result<std::unique_ptr<KvSpill>> open(const std::string& directory, size_t block_bytes,
                                               uint64_t bytes_max,
                                               std::shared_ptr<SpillSeal> seal = nullptr);
  ~KvSpill();
  KvSpill(const KvSpill&) = delete;
  KvSpill& operator=(const KvSpill&) = delete;

  // The slot that now holds the block; nothing if all are taken or the disk refuses.
  std::optional<int64_t> write(std::span<const uint8_t> block);
  // False: damaged or unreadable; `block` may hold anything then.
  bool read(int64_t slot, std::span<uint8_t> block);
  void release(int64_t slot);

  int64_t slots() const { return slots_; }
  int64_t used() const { return used_; }
  int file() const { return file_; }  // for tests that damage it

 private:
  KvSpill(int file, size_t block_bytes, size_t slot_bytes, int64_t slots,
          std::shared_ptr<SpillSeal> seal)
      : file_(file), block_bytes_(block_bytes), slot_bytes_(slot_bytes), slots_(slots),
        seal_(std::move(seal)) {}
  bool put(int64_t slot, std::span<const uint8_t> bytes);
  bool get(int64_t slot, std::span<uint8_t> bytes);

  int file_;
  size_t block_bytes_;
  size_t slot_bytes_;  // a block, as it is on the disk
  int64_t slots_;
  int64_t used_ = 0;
  std::vector<uint32_t> checksums_;  // a slot ever written
  std::vector<int64_t> free_;        // of these
  std::shared_ptr<SpillSeal> seal_;  // may be null
};

}  // namespace weft::runtime
