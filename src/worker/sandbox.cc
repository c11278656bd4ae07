// SPDX-License-Identifier: Apache-2.0
#include "worker/sandbox.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>

#include "base/descriptor.h"
#include "base/env.h"
#include "worker/pipe.h"

namespace weft::worker {
namespace {

constexpr const char* kProgram = "/usr/bin/bwrap";
constexpr const char* kLimiter = "/usr/bin/prlimit";
constexpr const char* kProcesses = "--nproc=256:256";   // threads count, too
constexpr const char* kTemporaryBytes = "268435456";    // of /tmp, which lies in memory
constexpr const char* kSharedBytes = "67108864";        // of /dev/shm
constexpr int kPollMs = 100;

Error failure(std::string message, std::string hint = {}) {
  return make_error("E0627", std::move(message), std::move(hint));
}

// Since Linux 5.14 a limit that is set inside of a user namespace counts what runs in there. Before
// it counted whatever its user ran anywhere: a busy user's commands would fail for no reason.
bool counts_processes() {
  utsname system{};
  int major = 0, minor = 0;
  if (::uname(&system) != 0 || ::access(kLimiter, X_OK) != 0) return false;
  if (std::sscanf(system.release, "%d.%d", &major, &minor) != 2) return false;
  return major > 5 || (major == 5 && minor >= 14);
}

std::vector<std::string> bubblewrap_arguments(const SandboxRequest& request) {
  std::vector<std::string> out = {
      kProgram,     "--unshare-all", "--die-with-parent", "--new-session", "--clearenv",
      "--ro-bind",  "/usr",          "/usr",              "--symlink",     "usr/bin",
      "/bin",       "--symlink",     "usr/lib",           "/lib",          "--symlink",
      "usr/lib64",  "/lib64",        "--symlink",         "usr/sbin",      "/sbin",
      "--ro-bind-try", "/etc/fonts", "/etc/fonts", "--ro-bind-try", "/etc/alternatives",
      "/etc/alternatives", "--proc", "/proc", "--dev", "/dev", "--size", kSharedBytes,
      "--tmpfs", "/dev/shm", "--remount-ro", "/dev", "--size", kTemporaryBytes, "--tmpfs", "/tmp",
      "--setenv",   "PATH",          "/usr/bin:/bin",     "--setenv",      "LANG",  "C.UTF-8"};
  const auto add = [&](std::initializer_list<std::string> words) {
    out.insert(out.end(), words);
  };
  for (const auto& [name, value] : request.environment) add({"--setenv", name, value});
  if (request.directory.empty()) {
    add({"--chdir", "/tmp"});
  } else {
    add({"--bind", request.directory, "/work", "--chdir", "/work"});
  }
  add({"--remount-ro", "/", "--"});  // else every directory is one more place in memory
  if (counts_processes()) add({kLimiter, kProcesses, "--"});
  out.insert(out.end(), request.command.begin(), request.command.end());
  return out;
}

void limit(int resource, rlim_t value) {
  const rlimit both{value, value};
  ::setrlimit(resource, &both);
}

// Between fork and exec: only calls that are safe there.
[[noreturn]] void become(char* const* argv, const Pipe& in, const Pipe& out, const Pipe& error,
                         const SandboxRequest& request) {
  ::dup2(in.read.get(), 0);
  ::dup2(out.write.get(), 1);
  ::dup2(error.write.get(), 2);
  limit(RLIMIT_AS, request.memory_bytes_max);
  limit(RLIMIT_CORE, 0);
  limit(RLIMIT_FSIZE, 64u << 20);
  limit(RLIMIT_CPU, static_cast<rlim_t>(request.timeout_ms / 1000 + 1));
  ::signal(SIGPIPE, SIG_DFL);
  // Whatever the sandbox does for its command's environment, everybody in there can read that of
  // its first process, and weft's holds keys and passwords.
  char* const nothing[] = {nullptr};
  ::execve(argv[0], argv, nothing);
  ::_exit(127);
}

// The child while it runs; ends it if it is given up.
class Child {
 public:
  explicit Child(pid_t pid) : pid_(pid) {}
  ~Child() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    wait();
  }
  int wait() {
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    pid_ = 0;
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  }

 private:
  pid_t pid_;
};

// Feeds and reads the child until it closes its output.
class Conversation {
 public:
  Conversation(const SandboxRequest& request, Descriptor in, Descriptor out, Descriptor error)
      : request_(request), in_(std::move(in)), out_(std::move(out)), error_(std::move(error)),
        until_ns_(real_env().mono_ns() + request.timeout_ms * 1'000'000) {
    for (const int file : {in_.get(), out_.get(), error_.get()}) {
      ::fcntl(file, F_SETFL, ::fcntl(file, F_GETFL) | O_NONBLOCK);
    }
    if (request.input.empty()) in_.reset();
  }

  Status run(SandboxResult& result) {
    while (out_.get() >= 0 || error_.get() >= 0) {
      if (request_.stop != nullptr && *request_.stop) {
        return failure(fmt::format("{} was stopped", request_.command[0]));
      }
      if (real_env().mono_ns() > until_ns_) {
        return failure(fmt::format("{} took longer than {} ms", request_.command[0],
                                   request_.timeout_ms), "raise the step's timeout");
      }
      pollfd files[] = {{out_.get(), POLLIN, 0}, {error_.get(), POLLIN, 0},
                        {in_.get(), POLLOUT, 0}};
      ::poll(files, 3, kPollMs);
      if (files[2].revents != 0) write_some();
      if (files[0].revents != 0) TRY(read_some(out_, result.output));
      if (files[1].revents != 0) TRY(read_some(error_, result.error_output));
    }
    return ok_status();
  }

 private:
  void write_some() {
    const std::string_view rest = std::string_view(request_.input).substr(written_);
    const ssize_t count = ::write(in_.get(), rest.data(), rest.size());
    if (count > 0) written_ += static_cast<size_t>(count);
    const bool over = written_ == request_.input.size() || (count < 0 && errno != EAGAIN);
    if (over) in_.reset();
  }
  Status read_some(Descriptor& from, std::string& to) {
    char buffer[16384];
    const ssize_t count = ::read(from.get(), buffer, sizeof buffer);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) return ok_status();
    if (count <= 0) {
      from.reset();
      return ok_status();
    }
    to.append(buffer, static_cast<size_t>(count));
    if (to.size() <= request_.output_bytes_max) return ok_status();
    return failure(fmt::format("{} wrote more than {} bytes", request_.command[0],
                               request_.output_bytes_max));
  }

  const SandboxRequest& request_;
  Descriptor in_, out_, error_;
  const int64_t until_ns_;
  size_t written_ = 0;
};

}  // namespace

Result<SandboxResult> run_sandboxed(const SandboxRequest& request) {
  CHECK(!request.command.empty(), "nothing to run");
  if (::access(kProgram, X_OK) != 0) {
    return failure("there is no sandbox: bubblewrap is not installed",
                   "apt-get install bubblewrap");
  }
  ignore_broken_pipes();
  Pipe in = TRY(Pipe::make()), out = TRY(Pipe::make()), error = TRY(Pipe::make());
  const std::vector<std::string> words = bubblewrap_arguments(request);
  std::vector<char*> argv;
  for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  const pid_t pid = ::fork();
  if (pid < 0) return failure(fmt::format("cannot start a process: {}", std::strerror(errno)));
  if (pid == 0) become(argv.data(), in, out, error, request);
  Child child(pid);
  in.read.reset();
  out.write.reset();
  error.write.reset();
  SandboxResult result;
  Conversation conversation(request, std::move(in.write), std::move(out.read),
                            std::move(error.read));
  TRY(conversation.run(result));
  result.exit_code = child.wait();
  const bool not_found = result.exit_code == 127 && result.error_output.starts_with("prlimit: ");
  if (result.error_output.starts_with("bwrap: ") || not_found) {
    return failure(fmt::format("the sandbox did not start: {}", result.error_output),
                   "user namespaces must be allowed here, and the program exist in /usr");
  }
  return result;
}

}  // namespace weft::worker
