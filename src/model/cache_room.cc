// SPDX-License-Identifier: Apache-2.0
#include "model/cache_room.h"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>

namespace weft::model {

std::vector<std::string> least_used(std::vector<CachedFile> files, uint64_t bytes_max,
                                    std::string_view kept) {
  std::ranges::sort(files, {}, &CachedFile::used_ns);
  uint64_t bytes = 0;
  for (const CachedFile& file : files) bytes += file.bytes;
  std::vector<std::string> out;
  for (CachedFile& file : files) {
    if (bytes <= bytes_max) break;
    if (file.path == kept) continue;
    bytes -= file.bytes;
    out.push_back(std::move(file.path));
  }
  return out;
}

void make_room(const std::string& directory, std::string_view suffix, std::string_view kept) {
  namespace fs = std::filesystem;
  std::error_code error;
  std::vector<CachedFile> files;
  uint64_t bytes = 0;
  for (fs::directory_iterator at(directory, error), end; !error && at != end; at.increment(error)) {
    const std::string path = at->path().string();
    struct stat info{};
    if (!path.ends_with(suffix) || ::lstat(path.c_str(), &info) != 0) continue;
    if (!S_ISREG(info.st_mode)) continue;
    files.push_back({path, static_cast<uint64_t>(info.st_size),
                     info.st_mtim.tv_sec * int64_t{1'000'000'000} + info.st_mtim.tv_nsec});
    bytes += files.back().bytes;
  }
  const fs::space_info disk = fs::space(directory, error);
  if (error) return;
  for (const std::string& path : least_used(std::move(files), (disk.available + bytes) / 2, kept)) {
    fs::remove(path, error);
  }
}

void mark_used(int file) { (void)::futimens(file, nullptr); }

}  // namespace weft::model
