// SPDX-License-Identifier: Apache-2.0
#include "worker/rooted_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/descriptor.h"
#include "base/digest.h"
#include "base/strings.h"

namespace weft::worker {
namespace {

Error outside(const std::string& path) {
  return make_error("E0608", fmt::format("{} is outside the directories this run may use",
                                         quoted(path, 200)),
                    "file steps reach what lies below the directory `weft run` was started in");
}

Error system_error(std::string_view what, const std::string& path) {
  const int number = errno;
  if (number == EXDEV || number == ELOOP) return outside(path);
  return make_error("E0605", fmt::format("cannot {} {}: {}", what, quoted(path, 200),
                                         std::strerror(number)),
                    number == ENOENT ? "check the path" : "");
}

int open_beneath(int directory, const char* path, int flags, int mode) {
  open_how how{};
  how.flags = static_cast<uint64_t>(flags | O_CLOEXEC);
  how.mode = (flags & O_CREAT) != 0 ? static_cast<uint64_t>(mode) : 0;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  int fd = -1;
  do {  // EAGAIN: something was renamed while the kernel walked the path
    fd = static_cast<int>(::syscall(SYS_openat2, directory, path, &how, sizeof(how)));
  } while (fd < 0 && (errno == EINTR || errno == EAGAIN));
  return fd;
}

Status write_all(int fd, std::string_view bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return system_error("write", path);
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return ok_status();
}

Status sync(int fd, const std::string& path) {
  if (::fsync(fd) != 0) return system_error("sync", path);
  return ok_status();
}

std::string temporary_name(std::string_view key, uint32_t attempt) {
  return fmt::format(".weft-{}-{}", sha256_hex(key).substr(0, 16), attempt);
}

}  // namespace

Result<RootedFiles::Place> RootedFiles::place(const std::string& path) const {
  if (path.empty() || path.find('\0') != std::string::npos) {
    return make_error("E0605", "expected a path, found empty text or a zero byte");
  }
  if (roots_.empty()) return outside(path);
  if (path[0] != '/') return Place{roots_[0], path};
  for (const std::string& root : roots_) {
    if (path == root) return Place{root, "."};
    const std::string prefix = root.ends_with('/') ? root : root + "/";
    if (path.starts_with(prefix)) {
      std::string relative = path.substr(prefix.size());
      relative.erase(0, std::min(relative.find_first_not_of('/'), relative.size()));
      return Place{root, relative.empty() ? "." : relative};
    }
  }
  return outside(path);
}

Result<int> RootedFiles::open(const std::string& path, int flags, int mode) const {
  const Place at = TRY(place(path));
  const Descriptor root(::open(at.root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (root.get() < 0) return system_error("open", at.root);
  const int fd = open_beneath(root.get(), at.relative.c_str(), flags, mode);
  if (fd < 0) return system_error("open", path);
  return fd;
}

// The directory that holds `path`, and the last name of it.
Result<int> RootedFiles::open_parent(const std::string& path, std::string& name) const {
  const size_t slash = path.find_last_of('/');
  name = slash == std::string::npos ? path : path.substr(slash + 1);
  if (name.empty() || name == "." || name == "..") {
    return make_error("E0605", fmt::format("expected the path of a file, found {}",
                                           quoted(path, 200)));
  }
  if (slash == std::string::npos) return open(".", O_RDONLY | O_DIRECTORY, 0);
  return open(slash == 0 ? "/" : path.substr(0, slash), O_RDONLY | O_DIRECTORY, 0);
}

Result<std::string> RootedFiles::directory(const std::string& path) const {
  const Descriptor file(TRY(open(path, O_RDONLY | O_DIRECTORY, 0)));
  char real[PATH_MAX + 1];
  const std::string link = fmt::format("/proc/self/fd/{}", file.get());
  const ssize_t size = ::readlink(link.c_str(), real, PATH_MAX);
  if (size < 0) return system_error("open", path);
  return std::string(real, static_cast<size_t>(size));
}

Result<std::string> RootedFiles::read(const std::string& path, size_t bytes_max) const {
  const Descriptor file(TRY(open(path, O_RDONLY | O_NONBLOCK, 0)));
  struct stat info {};
  if (::fstat(file.get(), &info) != 0) return system_error("read", path);
  if (!S_ISREG(info.st_mode)) {
    return make_error("E0605", fmt::format("{} is not a regular file", quoted(path, 200)));
  }
  std::string out;
  char buffer[65536];
  for (;;) {
    const ssize_t got = ::read(file.get(), buffer, sizeof(buffer));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return system_error("read", path);
    if (got == 0) return out;
    if (out.size() + static_cast<size_t>(got) > bytes_max) {
      return make_error("E0605", fmt::format("{} has more than {} bytes", quoted(path, 200),
                                             bytes_max));
    }
    out.append(buffer, static_cast<size_t>(got));
  }
}

Status RootedFiles::write(const std::string& path, std::string_view bytes, std::string_view key,
                          uint32_t attempt) const {
  std::string name;
  const Descriptor parent(TRY(open_parent(path, name)));
  // An earlier attempt that still lives somewhere loses its temporary file, so it cannot replace
  // what this one writes.
  for (uint32_t i = attempt > 8 ? attempt - 8 : 1; i <= attempt; ++i) {
    ::unlinkat(parent.get(), temporary_name(key, i).c_str(), 0);
  }
  const std::string temporary = temporary_name(key, attempt);
  Status status = ok_status();
  {
    const Descriptor file(::openat(parent.get(), temporary.c_str(),
                                   O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644));
    if (file.get() < 0) return system_error("create a file beside", path);
    status = write_all(file.get(), bytes, path);
    if (status.ok()) status = sync(file.get(), path);
  }
  if (status.ok() &&
      ::renameat(parent.get(), temporary.c_str(), parent.get(), name.c_str()) != 0) {
    status = system_error("replace", path);
  }
  if (!status.ok()) {
    ::unlinkat(parent.get(), temporary.c_str(), 0);
    return status;
  }
  return sync(parent.get(), path);
}

Status RootedFiles::append(const std::string& path, std::string_view bytes) const {
  const Descriptor file(TRY(open(path, O_WRONLY | O_CREAT | O_APPEND | O_NONBLOCK, 0644)));
  TRY(write_all(file.get(), bytes, path));
  return sync(file.get(), path);
}

Result<bool> RootedFiles::remove(const std::string& path) const {
  std::string name;
  const Descriptor parent(TRY(open_parent(path, name)));
  if (::unlinkat(parent.get(), name.c_str(), 0) != 0) {
    if (errno == ENOENT) return false;
    return system_error("delete", path);
  }
  TRY(sync(parent.get(), path));
  return true;
}

Result<std::vector<RootedFiles::Entry>> RootedFiles::list(const std::string& path,
                                                          size_t entries_max) const {
  Descriptor opened(TRY(open(path, O_RDONLY | O_DIRECTORY, 0)));
  DIR* directory = ::fdopendir(opened.get());
  if (directory == nullptr) return system_error("list", path);
  const int fd = opened.release();  // closed by closedir
  std::vector<Entry> entries;
  Status status = ok_status();
  while (const dirent* entry = ::readdir(directory)) {
    const std::string_view name = entry->d_name;
    if (name == "." || name == "..") continue;
    if (entries.size() >= entries_max) {
      status = make_error("E0605", fmt::format("{} has more than {} entries", quoted(path, 200),
                                               entries_max));
      break;
    }
    struct stat info {};
    if (::fstatat(fd, entry->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0) continue;  // just gone
    const bool file = S_ISREG(info.st_mode);
    entries.push_back({std::string(name),
                       file ? "file" : S_ISDIR(info.st_mode) ? "directory" : "other",
                       file ? int64_t{info.st_size} : 0});
  }
  ::closedir(directory);
  TRY(std::move(status));
  std::sort(entries.begin(), entries.end(),
            [](const Entry& a, const Entry& b) { return a.name < b.name; });
  return entries;
}

}  // namespace weft::worker
