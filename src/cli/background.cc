// SPDX-License-Identifier: Apache-2.0
#include "cli/background.h"

#include <spawn.h>
#include <unistd.h>

#include <filesystem>
#include <vector>

namespace weft::cli {

Status continue_in_background(const std::string& run, const StoreFlags& store,
                              const Grants& grants) {
  const std::string program = std::filesystem::read_symlink("/proc/self/exe").string();
  std::vector<std::string> words{"weft",    "runs",     "resume", run,
                                 "--store", store.path, "--quiet"};
  if (!store.master_key.empty()) {
    words.insert(words.end(), {"--master-key", store.master_key});
  }
  const std::vector<std::string> granted = words_of(grants);
  words.insert(words.end(), granted.begin(), granted.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    posix_spawn_file_actions_addopen(&files, fd, "/dev/null", fd == 0 ? 0 : 1, 0);
  }
  pid_t child = 0;
  const int failed =
      ::posix_spawn(&child, program.c_str(), &files, &attributes, argv.data(), ::environ);
  posix_spawn_file_actions_destroy(&files);
  posix_spawnattr_destroy(&attributes);
  if (failed == 0) return ok_status();
  return make_error("E0903", fmt::format("cannot start a process in the background ({})", failed),
                    fmt::format("the run is stored; continue it with: weft runs resume {}", run));
}

}  // namespace weft::cli
