// SPDX-License-Identifier: Apache-2.0
//
// Files below allowed directories, and nothing else. A path is taken relative to the first root, or
// is absolute and begins with a root; the kernel resolves it (openat2, RESOLVE_BENEATH), so that no
// "..", symbolic link or race leads outside. Everything here blocks: call it on a Pool.
//
// Errors: E0608 outside the roots, E0605 cannot read, write or list, or too large.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/error.h"

namespace weft::worker {

class RootedFiles {
 public:
  explicit RootedFiles(std::vector<std::string> roots) : roots_(std::move(roots)) {}

  Result<std::string> read(const std::string& path, size_t bytes_max) const;
  // Replaces the file, or leaves the old one: temporary file, sync, rename, sync of the directory.
  // `key` names the temporary file, so that what a crash left behind is found again; attempts of
  // one key count up.
  Status write(const std::string& path, std::string_view bytes, std::string_view key,
               uint32_t attempt) const;
  // Adds at the end and syncs; creates the file.
  Status append(const std::string& path, std::string_view bytes) const;
  // False: there was none.
  Result<bool> remove(const std::string& path) const;

  struct Entry {
    std::string name;
    std::string kind;  // "file", "directory", "other"
    int64_t bytes = 0;
  };
  // The real path of a directory, for what must be given one.
  Result<std::string> directory(const std::string& path) const;
  // By name. Refuses more than `entries_max`.
  Result<std::vector<Entry>> list(const std::string& path, size_t entries_max) const;

 private:
  struct Place {
    std::string root;
    std::string relative;  // never empty; "." is the root itself
  };
  Result<Place> place(const std::string& path) const;
  Result<int> open(const std::string& path, int flags, int mode) const;
  Result<int> open_parent(const std::string& path, std::string& name) const;

  std::vector<std::string> roots_;
};

}  // namespace weft::worker
