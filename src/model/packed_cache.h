// SPDX-License-Identifier: Apache-2.0
//
// Packed matrices of one model in one precision, kept in a file, so that the next start reads them
// instead of packing (and hashing) the weights again. The one idea: the file is only a copy. It is
// believed while the sources have the sizes and times they had, the version is ours and every
// checksum holds; otherwise it is written again, and whoever loads never notices.
//
//   | "weftpack" | u32 version | u32 0 | matrices, each from a multiple of 4,096 on |
//   | JSON {source, weights_hash, matrices: {KEY: [type, rows, columns, offset, checksum]}} |
//   | u64 offset of the index | u64 its bytes | u64 its checksum | "packweft" |
//
// A file appears complete, by renaming, or not at all. Losing it costs time only, so nothing is
// synced and no failure to write is an error; and of many models those not used for longest lose
// theirs when all of them would take more than half of the disk (cache_room.h).
// Not here: which tensor becomes which matrix (weights.h), vectors (they are read at the source).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/threads.h"
#include "tensor/matrix.h"

namespace weft::model {

class PackedCache {
 public:
  static constexpr uint32_t kVersion = 3;  // another layout of matrices or file: one more

  // The cache of the model whose weights `source` identifies (Checkpoint::identity()), packed as
  // `precision`, in `directory`, which is made if need be. One that does not fit is being filled.
  PackedCache(const std::string& directory, std::string source, std::string_view precision);
  ~PackedCache();  // what is not finish()ed goes
  PackedCache(const PackedCache&) = delete;
  PackedCache& operator=(const PackedCache&) = delete;

  bool filled() const { return filled_; }
  const std::string& path() const { return path_; }

  // --- of a filled one ---
  const std::string& weights_hash() const { return weights_hash_; }
  // Nothing if it is not there, of another shape, or damaged; then broken() holds: the matrices
  // given so far are sound, the file should be removed and filled again.
  // It comes to lie in the arena, if there is one.
  std::optional<tensor::Matrix> find(const std::string& key, int64_t rows, int64_t columns,
                                     ThreadPool& pool, tensor::Arena* arena = nullptr);
  bool broken() const { return broken_; }
  void remove();

  // --- of one being filled ---
  void add(const std::string& key, const tensor::Matrix& matrix, ThreadPool& pool);
  void finish(const std::string& weights_hash);

 private:
  struct Entry {
    tensor::WeightType type = tensor::WeightType::kF32;
    int64_t rows = 0;
    int64_t columns = 0;
    uint64_t offset = 0;
    uint64_t checksum = 0;
  };
  bool read_index();
  bool parse_index(std::string_view text);
  bool write(const void* bytes, size_t count, uint64_t offset);

  std::string path_;
  std::string source_;
  std::string weights_hash_;
  std::map<std::string, Entry> entries_;
  int file_ = -1;
  uint64_t end_ = 0;       // where the next matrix goes, or the index begins
  bool filled_ = false;
  bool broken_ = false;
};

}  // namespace weft::model
