// SPDX-License-Identifier: Apache-2.0
#include "base/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "base/descriptor.h"
#include "base/strings.h"

namespace weft {
namespace {

Error system_error(std::string code, std::string_view what, const std::string& path) {
  const int number = errno;
  return make_error(std::move(code),
                    fmt::format("{} {}: {}", what, quoted(path, 200), std::strerror(number)),
                    number == ENOENT ? "check the path"
                                     : number == EACCES ? "check the permissions" : "");
}

Status write_all(int fd, std::string_view bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return system_error("E0022", "cannot write", path);
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return ok_status();
}

// Of the open file, not of what stands at its path by now.
std::string identity_of(int file, const struct stat& info) {
  std::error_code failed;
  const std::string path =
      std::filesystem::read_symlink(fmt::format("/proc/self/fd/{}", file), failed).string();
  if (failed || path.ends_with(" (deleted)")) return {};
  return fmt::format("{}\t{}\t{}.{:09}", path, info.st_size, info.st_mtim.tv_sec,
                     info.st_mtim.tv_nsec);
}

}  // namespace

Result<std::string> read_file(const std::string& path, size_t bytes_max) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) return system_error("E0020", "cannot open", path);
  std::string out;
  char buffer[65536];
  for (;;) {
    const ssize_t got = ::read(file.get(), buffer, sizeof(buffer));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return system_error("E0020", "cannot read", path);
    if (got == 0) return out;
    if (out.size() + static_cast<size_t>(got) > bytes_max) {
      return make_error("E0021", fmt::format("{} has more than {} bytes", quoted(path, 200),
                                             bytes_max));
    }
    out.append(buffer, static_cast<size_t>(got));
  }
}

Result<MappedFile> MappedFile::open(const std::string& path) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) return system_error("E0020", "cannot open", path);
  struct stat info {};
  if (::fstat(file.get(), &info) != 0) return system_error("E0020", "cannot read", path);
  if (!S_ISREG(info.st_mode)) {
    return make_error("E0020", fmt::format("{} is not a regular file", quoted(path, 200)));
  }
  const auto size = static_cast<size_t>(info.st_size);
  std::string identity = identity_of(file.get(), info);
  if (size == 0) return MappedFile(path, std::move(identity), nullptr, 0);
  void* data = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, file.get(), 0);
  if (data == MAP_FAILED) return system_error("E0020", "cannot map", path);
  return MappedFile(path, std::move(identity), data, size);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_(std::move(other.path_)),
      identity_(std::move(other.identity_)),
      data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(identity_, other.identity_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(data_, size_);
}

void release_mapped(std::string_view bytes) {
  constexpr uintptr_t kPage = 4096;
  const auto from = reinterpret_cast<uintptr_t>(bytes.data());
  const uintptr_t begin = (from + kPage - 1) / kPage * kPage;  // pages shared with others stay
  const uintptr_t end = (from + bytes.size()) / kPage * kPage;
  if (begin >= end) return;
  ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
}

Status write_file_atomic(const std::string& path, std::string_view bytes) {
  std::string temporary = path + ".XXXXXX";
  {
    const Descriptor file(::mkstemp(temporary.data()));
    if (file.get() < 0) return system_error("E0022", "cannot create a file beside", path);
    Status written = write_all(file.get(), bytes, temporary);
    if (written.ok() && ::fchmod(file.get(), 0644) != 0) {
      written = system_error("E0022", "cannot set the mode of", temporary);
    }
    if (written.ok() && ::fsync(file.get()) != 0) {
      written = system_error("E0022", "cannot sync", temporary);
    }
    if (!written.ok()) {
      ::unlink(temporary.c_str());
      return written;
    }
  }
  if (::rename(temporary.c_str(), path.c_str()) != 0) {
    Error error = system_error("E0022", "cannot replace", path);
    ::unlink(temporary.c_str());
    return error;
  }
  const std::string parent = std::filesystem::path(path).parent_path().string();
  const Descriptor directory(
      ::open(parent.empty() ? "." : parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory.get() < 0 || ::fsync(directory.get()) != 0) {
    return system_error("E0022", "cannot sync the directory of", path);
  }
  return ok_status();
}

bool file_exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

Status make_directories(const std::string& path) {
  std::error_code ec;
  std::filesystem::create_directories(path, ec);
  if (ec) {
    return make_error("E0022", fmt::format("cannot create the directory {}: {}",
                                           quoted(path, 200), ec.message()));
  }
  return ok_status();
}

}  // namespace weft
