// SPDX-License-Identifier: Apache-2.0
//
// Files: bounded reading, memory mapping, replacement that is all or nothing. Errors carry path
// and system message. E0020 cannot open or read, E0021 too large, E0022 cannot write.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/error.h"

namespace weft {

// The whole file. Refuses directories, devices that do not end, and more than `bytes_max` bytes.
Result<std::string> read_file(const std::string& path, size_t bytes_max = size_t{1} << 30);

// A file mapped read-only. The mapping ends with the object; the bytes must not change meanwhile.
class MappedFile {
 public:
  static Result<MappedFile> open(const std::string& path);
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  std::string_view bytes() const { return {static_cast<const char*>(data_), size_}; }
  const std::string& path() const { return path_; }
  // Absolute path, bytes and time of change of this very file, separated by tabs: whatever stands
  // at the path later, these are the bytes. Empty if it was gone from there when it was opened.
  const std::string& identity() const { return identity_; }

 private:
  MappedFile(std::string path, std::string identity, void* data, size_t size)
      : path_(std::move(path)), identity_(std::move(identity)), data_(data), size_(size) {}
  std::string path_;
  std::string identity_;
  void* data_ = nullptr;
  size_t size_ = 0;
};

// Writes to a temporary file beside `path`, syncs it, renames it over `path` and syncs the
// directory: after a crash there is the old content or the new, never a mixture.
Status write_file_atomic(const std::string& path, std::string_view bytes);

bool file_exists(const std::string& path);

// These pages of a MappedFile are not needed soon: the process holds them no longer, the system may
// keep them. Never for other memory, which would lose its content.
void release_mapped(std::string_view bytes);

// Creates the directory and its parents.
Status make_directories(const std::string& path);

}  // namespace weft
