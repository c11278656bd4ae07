// SPDX-License-Identifier: Apache-2.0
#include "runtime/kv_spill.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "base/digest.h"
#include "base/file.h"

namespace weft::runtime {
namespace {

uint32_t checksum(std::span<const uint8_t> block) {
  return crc32c({reinterpret_cast<const char*>(block.data()), block.size()});
}

}  // namespace

Result<std::unique_ptr<KvSpill>> KvSpill::open(const std::string& directory, size_t block_bytes,
                                               uint64_t bytes_max,
                                               std::shared_ptr<SpillSeal> seal) {
  CHECK(block_bytes > 0);
  TRY(make_directories(directory));
  std::string name = directory + "/weft-kv-XXXXXX";
  const int file = ::mkostemp(name.data(), O_CLOEXEC);
  if (file < 0) {
    return make_error("E0022", fmt::format("{}: {}", name, std::strerror(errno)),
                      "give a directory that this user may write to");
  }
  ::unlink(name.c_str());
  const size_t slot_bytes = block_bytes + (seal ? seal->overhead() : 0);
  const auto slots = static_cast<int64_t>(bytes_max / slot_bytes);
  return std::unique_ptr<KvSpill>(
      new KvSpill(file, block_bytes, slot_bytes, slots, std::move(seal)));
}

KvSpill::~KvSpill() { ::close(file_); }

bool KvSpill::put(int64_t slot, std::span<const uint8_t> bytes) {
  CHECK(bytes.size() == slot_bytes_, "{} bytes", bytes.size());
  const auto begin = static_cast<off_t>(slot) * static_cast<off_t>(slot_bytes_);
  for (size_t done = 0; done < bytes.size();) {
    const ssize_t wrote = ::pwrite(file_, bytes.data() + done, bytes.size() - done,
                                   begin + static_cast<off_t>(done));
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) return false;
    done += static_cast<size_t>(wrote);
  }
  return true;
}

bool KvSpill::get(int64_t slot, std::span<uint8_t> bytes) {
  CHECK(bytes.size() == slot_bytes_, "{} bytes", bytes.size());
  const auto begin = static_cast<off_t>(slot) * static_cast<off_t>(slot_bytes_);
  for (size_t done = 0; done < bytes.size();) {
    const ssize_t got = ::pread(file_, bytes.data() + done, bytes.size() - done,
                                begin + static_cast<off_t>(done));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    done += static_cast<size_t>(got);
  }
  return true;
}

std::optional<int64_t> KvSpill::write(std::span<const uint8_t> block) {
  CHECK(block.size() == block_bytes_, "{} bytes", block.size());
  int64_t slot = std::ssize(checksums_);
  if (!free_.empty()) {
    slot = free_.back();
  } else if (slot >= slots_) {
    return std::nullopt;
  }
  if (seal_) {
    const std::string sealed = seal_->seal(slot, block);
    if (!put(slot, {reinterpret_cast<const uint8_t*>(sealed.data()), sealed.size()})) {
      return std::nullopt;
    }
  } else if (!put(slot, block)) {
    return std::nullopt;
  }
  if (!free_.empty()) {
    free_.pop_back();
  } else {
    checksums_.push_back(0);
  }
  checksums_[static_cast<size_t>(slot)] = checksum(block);
  ++used_;
  return slot;
}

bool KvSpill::read(int64_t slot, std::span<uint8_t> block) {
  CHECK(slot >= 0 && slot < std::ssize(checksums_), "slot {}", slot);
  CHECK(block.size() == block_bytes_, "{} bytes", block.size());
  if (seal_) {
    std::string sealed(slot_bytes_, '\0');
    if (!get(slot, {reinterpret_cast<uint8_t*>(sealed.data()), sealed.size()})) return false;
    if (!seal_->unseal(slot, sealed, block)) return false;
  } else if (!get(slot, block)) {
    return false;
  }
  return checksum(block) == checksums_[static_cast<size_t>(slot)];
}

void KvSpill::release(int64_t slot) {
  CHECK(slot >= 0 && slot < std::ssize(checksums_), "slot {}", slot);
  free_.push_back(slot);
  --used_;
  CHECK(used_ >= 0, "slot {} is freed twice", slot);
}

}  // namespace weft::runtime
