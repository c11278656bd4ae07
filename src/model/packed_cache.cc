// SPDX-License-Identifier: Apache-2.0
#include "model/packed_cache.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <filesystem>
#include <vector>

#include "base/digest.h"
#include "base/file.h"
#include "base/json.h"
#include "model/cache_room.h"

namespace weft::model {
namespace {

constexpr std::string_view kHead = "weftpack";
constexpr std::string_view kTail = "packweft";
constexpr uint64_t kPage = 4096;
constexpr uint64_t kIndexBytesMax = uint64_t{64} << 20;
constexpr int64_t kChunk = int64_t{1} << 20;
constexpr size_t kTailBytes = 32;

// Chunks are checked by whichever thread reads them, so the whole is a sum over chunks.
uint64_t chunk_checksum(const uint8_t* bytes, int64_t count, int64_t index) {
  const std::string_view view(reinterpret_cast<const char*>(bytes), static_cast<size_t>(count));
  return (uint64_t{crc32c(view)} + 1) * (2 * static_cast<uint64_t>(index) + 1) *
         0x9e3779b97f4a7c15;
}

bool read_exactly(int file, uint8_t* to, size_t count, uint64_t offset) {
  while (count > 0) {
    const ssize_t got = ::pread(file, to, count, static_cast<off_t>(offset));
    if (got <= 0) return false;
    to += got;
    count -= static_cast<size_t>(got);
    offset += static_cast<uint64_t>(got);
  }
  return true;
}

// fn(chunk bytes' begin, count, index) over all chunks.
template <class Function>
void for_chunks(ThreadPool& pool, size_t bytes, Function&& fn) {
  const auto all = static_cast<int64_t>(bytes);
  pool.parallel_for((all + kChunk - 1) / kChunk, [&](int64_t index, int) {
    const int64_t begin = index * kChunk;
    fn(begin, std::min(kChunk, all - begin), index);
  });
}

std::optional<int64_t> integer(const json::Value& value) {
  if (value.is_int64()) return value.get_int64();
  return std::nullopt;
}

}  // namespace

PackedCache::PackedCache(const std::string& directory, std::string source,
                         std::string_view precision)
    : source_(std::move(source)) {
  // By path, not by time: a changed model replaces its old file.
  const std::string_view where = std::string_view(source_).substr(0, source_.find('\t'));
  path_ = fmt::format("{}/{}.{}.pack", directory, sha256_hex(where).substr(0, 24), precision);
  file_ = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC);
  if (file_ >= 0) {
    filled_ = read_index();
    if (filled_) {
      mark_used(file_);
      return;
    }
    ::close(file_);
    entries_.clear();
  }
  if (!make_directories(directory).ok()) {
    file_ = -1;
    return;
  }
  // Without a name until it is complete: a crash leaves nothing behind. Where the file system
  // cannot do that there is no cache.
  file_ = ::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  std::string head(kHead);
  const uint32_t words[2] = {kVersion, 0};
  head.append(reinterpret_cast<const char*>(words), sizeof words);
  write(head.data(), head.size(), 0);
  end_ = kPage;
}

PackedCache::~PackedCache() {
  if (file_ >= 0) ::close(file_);
}

// A failure ends the filling; loading goes on without.
bool PackedCache::write(const void* bytes, size_t count, uint64_t offset) {
  const auto* from = static_cast<const char*>(bytes);
  while (file_ >= 0 && count > 0) {
    const ssize_t put = ::pwrite(file_, from, count, static_cast<off_t>(offset));
    if (put <= 0) {
      ::close(file_);
      file_ = -1;
      break;
    }
    from += put;
    count -= static_cast<size_t>(put);
    offset += static_cast<uint64_t>(put);
  }
  return file_ >= 0;
}

bool PackedCache::read_index() {
  struct stat info{};
  if (::fstat(file_, &info) != 0 || !S_ISREG(info.st_mode)) return false;
  const auto size = static_cast<uint64_t>(info.st_size);
  if (size < kPage + kTailBytes) return false;
  uint8_t head[16];
  uint8_t tail[kTailBytes];
  if (!read_exactly(file_, head, sizeof head, 0)) return false;
  if (!read_exactly(file_, tail, sizeof tail, size - kTailBytes)) return false;
  uint32_t version = 0;
  uint64_t place[3];  // offset, bytes, checksum
  std::memcpy(&version, head + 8, 4);
  std::memcpy(place, tail, sizeof place);
  if (std::memcmp(head, kHead.data(), 8) != 0 || version != kVersion) return false;
  if (std::memcmp(tail + 24, kTail.data(), 8) != 0) return false;
  if (place[1] > kIndexBytesMax || place[0] > size || place[1] != size - kTailBytes - place[0]) {
    return false;
  }
  std::string text(place[1], '\0');
  auto* to = reinterpret_cast<uint8_t*>(text.data());
  if (!read_exactly(file_, to, text.size(), place[0])) return false;
  if (chunk_checksum(to, static_cast<int64_t>(text.size()), 0) != place[2]) return false;
  end_ = place[0];
  return parse_index(text);
}

bool PackedCache::parse_index(std::string_view text) {
  const auto parsed = json::parse(text);
  if (!parsed.ok() || !parsed.value().is_object()) return false;
  const json::Object& object = parsed.value().get_object();
  const json::Value* source = object.if_contains("source");
  const json::Value* hash = object.if_contains("weights_hash");
  const json::Value* matrices = object.if_contains("matrices");
  if (source == nullptr || hash == nullptr || matrices == nullptr) return false;
  if (!hash->is_string() || !matrices->is_object()) return false;
  if (!source->is_string() || std::string_view(source->get_string()) != source_) return false;
  for (const auto& [key, value] : matrices->get_object()) {
    if (!value.is_array() || value.get_array().size() != 5) return false;
    int64_t fields[5];
    for (size_t i = 0; i < 5; ++i) {
      const auto field = integer(value.get_array()[i]);
      if (!field) return false;
      fields[i] = *field;
    }
    const Entry entry{static_cast<tensor::WeightType>(fields[0]), fields[1], fields[2],
                      static_cast<uint64_t>(fields[3]), static_cast<uint64_t>(fields[4])};
    const bool known = fields[0] >= 0 && fields[0] <= int{static_cast<uint8_t>(
                                                          tensor::WeightType::kQ4Centred)};
    const auto limit = int64_t{1} << 31;
    if (!known || entry.rows <= 0 || entry.columns <= 0 || entry.rows > limit ||
        entry.columns > limit || entry.offset > end_) {
      return false;
    }
    if (tensor::Matrix::bytes_of(entry.type, entry.rows, entry.columns) > end_ - entry.offset) {
      return false;
    }
    entries_.emplace(std::string(key), entry);
  }
  weights_hash_ = std::string(hash->get_string());
  return true;
}

std::optional<tensor::Matrix> PackedCache::find(const std::string& key, int64_t rows,
                                                int64_t columns, ThreadPool& pool,
                                                tensor::Arena* arena) {
  if (!filled_ || broken_) return std::nullopt;
  const auto at = entries_.find(key);
  broken_ = at == entries_.end() || at->second.rows != rows || at->second.columns != columns;
  if (broken_) return std::nullopt;
  const Entry& entry = at->second;
  const size_t bytes = tensor::Matrix::bytes_of(entry.type, rows, columns);
  tensor::Buffer buffer = arena != nullptr ? arena->take(bytes) : tensor::Buffer(bytes);
  std::atomic<uint64_t> checksum = 0;
  std::atomic<bool> complete = true;
  for_chunks(pool, bytes, [&](int64_t begin, int64_t count, int64_t index) {
    uint8_t* to = buffer.data() + begin;
    const uint64_t from = entry.offset + static_cast<uint64_t>(begin);
    if (!read_exactly(file_, to, static_cast<size_t>(count), from)) complete = false;
    checksum += chunk_checksum(to, count, index);
  });
  broken_ = !complete || checksum != entry.checksum;
  if (broken_) return std::nullopt;
  return tensor::Matrix::of_packed(entry.type, rows, columns, std::move(buffer));
}

void PackedCache::remove() {
  CHECK(filled_, "{} is not there", path_);
  ::unlink(path_.c_str());
}

void PackedCache::add(const std::string& key, const tensor::Matrix& matrix, ThreadPool& pool) {
  if (filled_ || file_ < 0) return;
  const size_t bytes =
      tensor::Matrix::bytes_of(matrix.type(), matrix.rows(), matrix.columns());
  CHECK(bytes <= matrix.bytes(), "{} of {} bytes", bytes, matrix.bytes());
  std::atomic<uint64_t> checksum = 0;
  for_chunks(pool, bytes, [&](int64_t begin, int64_t count, int64_t index) {
    checksum += chunk_checksum(matrix.data() + begin, count, index);
  });
  if (!write(matrix.data(), bytes, end_)) return;
  entries_[key] = {matrix.type(), matrix.rows(), matrix.columns(), end_, checksum};
  end_ = (end_ + bytes + kPage - 1) / kPage * kPage;
}

void PackedCache::finish(const std::string& weights_hash) {
  if (filled_ || file_ < 0) return;
  json::Object matrices;
  for (const auto& [key, e] : entries_) {
    matrices[key] = json::Array{static_cast<int64_t>(e.type), e.rows, e.columns,
                                static_cast<int64_t>(e.offset), static_cast<int64_t>(e.checksum)};
  }
  std::string text = json::dump(json::Object{
      {"source", source_}, {"weights_hash", weights_hash}, {"matrices", std::move(matrices)}});
  const uint64_t place[3] = {end_, text.size(),
                             chunk_checksum(reinterpret_cast<const uint8_t*>(text.data()),
                                            static_cast<int64_t>(text.size()), 0)};
  text.append(reinterpret_cast<const char*>(place), sizeof place);
  text.append(kTail);
  if (!write(text.data(), text.size(), end_)) return;
  // A name of its own first: linking does not replace, renaming does.
  const std::string part = fmt::format("{}.{}", path_, ::getpid());
  const std::string self = fmt::format("/proc/self/fd/{}", file_);
  ::unlink(part.c_str());
  if (::linkat(AT_FDCWD, self.c_str(), AT_FDCWD, part.c_str(), AT_SYMLINK_FOLLOW) == 0 &&
      ::rename(part.c_str(), path_.c_str()) != 0) {
    ::unlink(part.c_str());
  }
  ::close(file_);
  file_ = -1;
  make_room(std::filesystem::path(path_).parent_path().string(), ".pack", path_);
}

}  // namespace weft::model
