// SPDX-License-Identifier: Apache-2.0
#include "cli/backup.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <filesystem>

#include "base/file.h"
#include "base/json.h"
#include "base/strings.h"
#include "cli/config.h"
#include "cli/exit.h"
#include "cli/run_session.h"
#include "cli/terminal.h"
#include "store/postgres.h"
#include "worker/chain.h"

namespace weft::cli {
namespace {

struct Backup {
  int64_t bytes = 0;
  int64_t events = 0;
};

// The copy is made by the database itself, in one reading transaction, and gone through before it
// counts as a backup.
Result<Backup> back_up(const BackupOptions& options) {
  const std::string store = TRY(prepare_store(options.store)).path;
  if (store::is_postgres_url(store)) {
    return make_error("E0951", "a PostgreSQL store is backed up by PostgreSQL",
                      "pg_dump --format=custom DATABASE > FILE");
  }
  if (!file_exists(store)) {
    return make_error("E0020", fmt::format("there is no store {}", quoted(store, 300)));
  }
  const std::string directory = std::filesystem::path(options.file).parent_path().string();
  std::error_code ignored;
  if (!directory.empty() && !std::filesystem::is_directory(directory, ignored)) {
    return make_error("E0022", fmt::format("cannot write {}: there is no directory {}",
                                           quoted(options.file, 300), quoted(directory, 300)),
                      "check the path, or make the directory");
  }
  if (file_exists(options.file)) {
    return make_error("E0951", fmt::format("{} is there already", quoted(options.file, 300)),
                      "a backup never overwrites; name a new file");
  }
  {
    const auto db = TRY(open_store(options.store, true));
    TRY(db->run("VACUUM INTO $1", {options.file}));
  }
  ::chmod(options.file.c_str(), 0600);
  const auto copy = TRY(open_store({.path = options.file}, true));
  return Backup{static_cast<int64_t>(std::filesystem::file_size(options.file)),
                TRY(worker::verify_chains(*copy)).events};
}

}  // namespace

int run_backup(const BackupOptions& options) {
  const auto done = back_up(options);
  if (!done.ok()) {
    say_error(done.error());
    return done.error().code == "E0020" ? kExitNotFound : kExitConfiguration;
  }
  if (options.json) {
    print_data(json::dump(json::Object{
        {"file", options.file}, {"bytes", done->bytes}, {"events", done->events}}));
  }
  say(fmt::format("{}: {} bytes, {} events, every link of their chains fits", options.file,
                  done->bytes, done->events));
  say(fmt::format("not in it: the secrets in {} (pepper, audit.key, callback.secret), the "
                  "checkpoints, weft.yaml", data_directory()));
  return kExitOk;
}

}  // namespace weft::cli
