// SPDX-License-Identifier: Apache-2.0
//
// The command line around a worker process: opens the store, shows runs live, waits for the ones
// it was asked for, handles Ctrl-C, and prints what came out. `weft run` and `weft runs resume`
// share it. A run that another process took over meanwhile is followed through the store.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/error.h"
#include "cli/config_encryption.h"
#include "cli/grants.h"
#include "cli/live_display.h"
#include "store/db.h"
#include "worker/process.h"

namespace weft::backend {
class Router;
}

namespace weft::cli {

struct SessionOptions {
  StoreFlags store = {};
  bool json = false;
  bool quiet = false;
  bool show_tokens = false;
  Grants grants = {};
  int64_t adopt_max = 0;      // runs of dead workers this process takes over meanwhile
  std::string command = {};   // that starts the same run, for hints; empty: none
  worker::Rehearsal* rehearsal = nullptr;  // a dry run; outlives the session
};

// Where the store is and what opens it; its directory created for this user alone.
Result<worker::StorePlace> prepare_store(const StoreFlags& store);
// The same, opened as the journal's. `any_key`: for who reads no payload.
Result<std::unique_ptr<store::Db>> open_store(const StoreFlags& store, bool any_key = false);

// Shows why a command about a stored run ends, and gives its exit code.
int refuse_run(const Error& error);

class RunSession {
 public:
  explicit RunSession(SessionOptions options);
  ~RunSession();

  Status start();
  worker::Process& process() { return *process_; }
  // As it names the store to other processes.
  const StoreFlags& store() const { return options_.store; }

  // Works until all `runs` have ended; prints them; the exit code. Runs that this process does not
  // own yet are claimed as soon as they belong to nobody.
  int follow(std::vector<std::string> runs);
  // The same without a word about them. False: Ctrl-C came before their end.
  Result<bool> wait(const std::vector<std::string>& runs);
  Result<json::Object> document(const std::string& run);
  // Writes what was decided and gives runs back, without working on them.
  Status close();

 private:
  void on_notice(const worker::Notice& notice);
  void ended(const std::string& run);
  void look_for_cut_off(const std::string& run);
  void say_who_decides(const std::string& run, const std::string& path);
  void poll();
  void interrupt();
  void give_up(Error error);
  int print_results(const std::vector<std::string>& runs);
  void print_failure(const std::string& run, const json::Object& document);
  void print_next_steps(const std::string& run);

  SessionOptions options_;
  LiveDisplay display_;
  std::unique_ptr<backend::Router> backend_;
  std::unique_ptr<store::Db> reader_;
  std::unique_ptr<worker::Process> process_;
  std::set<std::string> waiting_for_;
  std::set<std::string> stored_;  // of these, seen in the store
  bool interrupted_ = false;
  std::optional<Error> refused_;  // why follow() ended early
};

}  // namespace weft::cli
