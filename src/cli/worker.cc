// SPDX-License-Identifier: Apache-2.0
#include "cli/worker.h"

#include "base/env.h"
#include "cli/backends.h"
#include "cli/config_file.h"
#include "cli/exit.h"
#include "cli/run_session.h"
#include "cli/store_process.h"
#include "cli/terminal.h"

namespace weft::cli {
namespace {

constexpr int64_t kParkUs = 60'000'000;
constexpr int64_t kPauseUs = 2'000'000;  // before a lost database is tried again

void tell(const worker::Notice& notice) {
  const bool end = notice.kind == worker::Notice::Kind::kRun && notice.terminal;
  if (end) say(fmt::format("{}  {}  {}", notice.run, notice.status, notice.why));
  if (notice.kind == worker::Notice::Kind::kLost) {
    say(fmt::format("{}  lost  {}", notice.run, notice.why));
  }
}

// Until it is interrupted (true), or the store fails.
Result<bool> work(const WorkerOptions& options, const worker::StorePlace& store,
                  backend::Router& router, const Config& config) {
  worker::ProcessOptions working = TRY(process_options(store, router, options.grants, config));
  working.adopt_max = options.runs_max;
  working.park_us = kParkUs;
  working.park_asking = true;
  working.checkpoint = TRY(checkpoint_of(config, store.path));
  auto process = TRY(worker::Process::start(std::move(working), tell));
  bool interrupted = false;
  process->loop().on_interrupt([&] {
    interrupted = true;
    process->loop().default_interrupts();  // a second Ctrl-C ends the process at once
    process->stop();
  });
  const auto callbacks = TRY(callback_sender(*process, store, config));
  callbacks->start();
  const auto witness = TRY(checkpoint_sender(*process, store, config));
  if (witness) witness->start();
  say("working; Ctrl-C gives the runs back");
  const Status ended = process->run();
  callbacks->stop();
  if (witness) witness->finish();
  if (!interrupted) TRY(ended);
  if (!ended.ok()) say_error(ended.error());  // and nobody wants another try
  return interrupted;
}

}  // namespace

int run_worker(const WorkerOptions& options) {
  const auto config = load_config(options.grants.config);
  if (!config.ok()) {
    say_error(config.error());
    return kExitConfiguration;
  }
  const auto store = prepare_store(with_config(options.store, *config));
  if (!store.ok()) {
    say_error(store.error());
    return kExitConfiguration;
  }
  const auto router = open_router(models_options(config->models), options.grants,
                                  config->models);
  if (!router.ok()) {
    say_error(router.error());
    return kExitConfiguration;
  }
  for (bool begun = false;; begun = true) {
    const auto done = work(options, *store, **router, *config);
    if (done.ok()) return *done ? kExitInterrupted : kExitOk;
    say_error(done.error());
    // Locks that others hold too long end the work as a lost database does: what was decided is
    // void, and the runs begin anew from their journals.
    const bool gone = done.error().code == "E0507" || done.error().code == "E0504" ||
                      (begun && done.error().code == "E0501");
    if (!gone) return kExitConfiguration;
    real_env().sleep_us(kPauseUs);
  }
}

}  // namespace weft::cli
