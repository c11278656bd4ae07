// SPDX-License-Identifier: Apache-2.0
//
// A file too large to hold in memory, written piece by piece and put in its place all at once:
// until commit() there is only NAME.part beside it, which the destructor removes unless kept.
// write_file_atomic (base/file.h) is the same for a text in memory. One thread at a time.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"

namespace weft {

class FileWriter {
 public:
  // E0022. With `resume` what PATH.part already holds stays, and size() tells how much that is.
  static Result<FileWriter> create(const std::string& path, bool resume = false);
  FileWriter(FileWriter&& other) noexcept;
  FileWriter& operator=(FileWriter&&) = delete;
  ~FileWriter();

  Status write(std::string_view bytes);  // at the end
  Status restart();                      // forgets everything written
  uint64_t size() const { return size_; }
  const std::string& part_path() const { return part_; }
  void keep() { keep_ = true; }  // a part left behind stays for a later resume
  // Syncs, renames over PATH, syncs the directory.
  Status commit();

 private:
  FileWriter(std::string path, std::string part, int fd, uint64_t size)
      : path_(std::move(path)), part_(std::move(part)), fd_(fd), size_(size) {}
  std::string path_;
  std::string part_;
  int fd_ = -1;
  uint64_t size_ = 0;
  bool keep_ = false;
};

}  // namespace weft
