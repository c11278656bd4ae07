// SPDX-License-Identifier: Apache-2.0
#include "base/file_writer.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "base/strings.h"

namespace weft {
namespace {

Error cannot_write(const std::string& path) {
  const int number = errno;
  return make_error("E0022", fmt::format("cannot write {}: {}", quoted(path, 200),
                                         std::strerror(number)),
                    number == ENOSPC ? "free some space, or choose another directory"
                                     : "check the path and its permissions");
}

}  // namespace

Result<FileWriter> FileWriter::create(const std::string& path, bool resume) {
  std::string part = path + ".part";
  const int flags = O_WRONLY | O_CREAT | O_CLOEXEC | (resume ? 0 : O_TRUNC);
  const int fd = ::open(part.c_str(), flags, 0666);
  if (fd < 0) return cannot_write(part);
  const off_t size = ::lseek(fd, 0, SEEK_END);
  FileWriter out(path, std::move(part), fd, size > 0 ? static_cast<uint64_t>(size) : 0);
  if (size < 0) return cannot_write(out.part_);
  return out;
}

FileWriter::FileWriter(FileWriter&& other) noexcept
    : path_(std::move(other.path_)),
      part_(std::move(other.part_)),
      fd_(std::exchange(other.fd_, -1)),
      size_(other.size_),
      keep_(other.keep_) {}

FileWriter::~FileWriter() {
  if (fd_ < 0) return;
  ::close(fd_);
  if (!keep_) ::unlink(part_.c_str());
}

Status FileWriter::write(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd_, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return cannot_write(part_);
    bytes.remove_prefix(static_cast<size_t>(written));
    size_ += static_cast<uint64_t>(written);
  }
  return ok_status();
}

Status FileWriter::restart() {
  if (::ftruncate(fd_, 0) != 0 || ::lseek(fd_, 0, SEEK_SET) != 0) return cannot_write(part_);
  size_ = 0;
  return ok_status();
}

Status FileWriter::commit() {
  if (::fsync(fd_) != 0) return cannot_write(part_);
  if (::rename(part_.c_str(), path_.c_str()) != 0) return cannot_write(path_);
  ::close(std::exchange(fd_, -1));
  const std::string parent = std::filesystem::path(path_).parent_path().string();
  const int directory = ::open(parent.empty() ? "." : parent.c_str(), O_RDONLY | O_DIRECTORY);
  if (directory < 0) return cannot_write(path_);
  const int synced = ::fsync(directory);
  ::close(directory);
  if (synced != 0) return cannot_write(path_);
  return ok_status();
}

}  // namespace weft
