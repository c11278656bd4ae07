// SPDX-License-Identifier: Apache-2.0
#include "cli/config_encryption.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "base/descriptor.h"
#include "base/env.h"
#include "base/file.h"
#include "base/strings.h"
#include "cli/config.h"
#include "cli/config_file.h"

namespace weft::cli {
namespace {

constexpr size_t kMasterKeyBytesMax = 65'536;
constexpr int64_t kKeyCommandNsMax = 30'000'000'000;

Error no_master_key(std::string_view where, std::string_view why) {
  return make_error("E0511", fmt::format("the master key of {}: {}", where, why),
                    "64 hexadecimal digits, of: openssl rand -hex 32");
}

Result<std::string> key_of_file(const std::string& path) {
  struct stat about {};
  if (::stat(path.c_str(), &about) != 0) {
    return no_master_key("file " + quoted(path, 300), std::strerror(errno));
  }
  if ((about.st_mode & 007) != 0) {
    return no_master_key("file " + quoted(path, 300), "everybody can read it: chmod 600");
  }
  return read_file(path, kMasterKeyBytesMax);
}

// Its standard output, until it ends or has had its time.
Result<std::string> read_key(int end, int64_t until_ns) {
  std::string out;
  char buffer[4096];
  while (out.size() <= kMasterKeyBytesMax) {
    const int64_t left_ms = (until_ns - real_env().mono_ns()) / 1'000'000;
    if (left_ms <= 0) return make_error("E0511", "it took longer than 30 s");
    pollfd readable{end, POLLIN, 0};
    if (::poll(&readable, 1, static_cast<int>(left_ms)) <= 0) continue;
    const ssize_t got = ::read(end, buffer, sizeof buffer);
    if (got == 0) return out;
    if (got > 0) out.append(buffer, static_cast<size_t>(got));
    if (got < 0 && errno != EINTR) return make_error("E0511", std::strerror(errno));
  }
  return make_error("E0511", "it printed more than 64 KiB");
}

// In a process group of its own, which ends as a whole. Its stderr is ours.
Result<std::string> key_of_command(const std::string& line) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return no_master_key("a command", std::strerror(errno));
  const Descriptor out(ends[0]);
  pid_t child = 0;
  int failed = 0;
  {
    const Descriptor in(ends[1]);
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_adddup2(&files, in.get(), STDOUT_FILENO);
    posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
    std::string words[] = {"sh", "-c", line};
    char* argv[] = {words[0].data(), words[1].data(), words[2].data(), nullptr};
    failed = ::posix_spawn(&child, "/bin/sh", &files, &attributes, argv, ::environ);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attributes);
  }
  if (failed != 0) return no_master_key("a command", std::strerror(failed));
  auto text = read_key(out.get(), real_env().mono_ns() + kKeyCommandNsMax);
  if (!text.ok()) ::kill(-child, SIGKILL);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (!text.ok()) return no_master_key("a command", text.error().message);
  if (status != 0) return no_master_key("a command", "it failed");
  return text;
}

Result<std::string> key_of_environment(const std::string& name) {
  if (auto value = environment(name)) return std::move(*value);
  return no_master_key("the environment", fmt::format("{} is not set", quoted(name)));
}

}  // namespace

void read_encryption(workflow::Fields& fields, const ConfigScope& scope, EncryptionConfig& out) {
  int given = 0;
  if (const auto file = fields.text("key_file")) {
    out.master_key = "file:" + std::filesystem::absolute(scope.path(*file)).string();
    ++given;
  }
  if (const auto name = fields.text("key_env")) {
    out.master_key = "env:" + *name;
    ++given;
  }
  if (const auto line = fields.text("key_command")) {
    out.master_key = "command:" + *line;
    ++given;
  }
  if (given == 1) return;
  fields.problems().add("E0950", fields.place(),
                        fmt::format("encryption: expected one of 'key_file', 'key_env', "
                                    "'key_command', found {}", given), "");
}

StoreFlags with_config(StoreFlags flags, const Config& config) {
  if (flags.path.empty()) flags.path = config.server.store.value_or("");
  if (flags.master_key.empty()) flags.master_key = config.encryption.master_key;
  return flags;
}

Result<security::MasterKeySource> master_key_of(const StoreFlags& flags) {
  const std::string source = flags.master_key.empty()
                                 ? environment("WEFT_MASTER_KEY").value_or("")
                                 : flags.master_key;
  if (source.empty()) return security::MasterKeySource();
  const size_t colon = source.find(':');
  const std::string kind = source.substr(0, colon);
  const std::string rest = colon == source.npos ? std::string() : source.substr(colon + 1);
  const auto reader = kind == "file"      ? &key_of_file
                      : kind == "env"     ? &key_of_environment
                      : kind == "command" ? &key_of_command
                                          : nullptr;
  // the text itself may be the key: it is not shown
  if (reader == nullptr || rest.empty()) {
    return make_error("E0511", "--master-key: expected file:PATH, env:NAME or command:LINE",
                      "the key itself does not belong on a command line");
  }
  return security::MasterKeySource([reader, rest] { return reader(rest); });
}

}  // namespace weft::cli
