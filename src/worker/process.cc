// SPDX-License-Identifier: Apache-2.0
#include "worker/process.h"

#include "net/client.h"
#include "store/postgres.h"
#include "worker/liveness.h"
#include "worker/pipe.h"

namespace weft::worker {
namespace {

constexpr int kDiskThreads = 4;  // file work is short; more would only queue at the disk
constexpr int kSlowThreads = 8;  // commands, or databases: they may take minutes

}  // namespace

Process::Process(ProcessOptions options)
    : options_(std::move(options)),
      pool_(kDiskThreads),
      file_pool_(kDiskThreads),
      command_pool_(kSlowThreads),
      peer_pool_(kSlowThreads),
      http_(std::make_unique<net::Client>(
          loop_.io_context(),
          net::ClientOptions{.policy = {.allow_private = false,
                                        .allowed_hosts = options_.allowed_hosts}})),
      mcp_(std::make_unique<McpClient>(loop_, options_.tools.mcp)),
      services_{real_env(), loop_, {file_pool_, command_pool_, peer_pool_}, options_.backend,
                http_.get(), &options_.tools, mcp_.get(), options_.rehearsal} {}

Result<std::unique_ptr<Process>> Process::start(ProcessOptions options,
                                                Executor::Observer observer) {
  ignore_broken_pipes();
  std::unique_ptr<Process> process(new Process(std::move(options)));
  Process& self = *process;
  JournalOptions journal_options;
  journal_options.open = [store = self.options_.store] { return open_journal_store(store); };
  journal_options.labels = process_labels();
  journal_options.known_dead = &known_dead;
  journal_options.checkpoint = self.options_.checkpoint;
  journal_options.fires_schedules = self.options_.adopt_max > 0;
  if (self.options_.ledger != nullptr && self.options_.ledger->has_ceilings()) {
    self.spending_.emplace(real_env(), self.options_.ledger);
    journal_options.exchange = [&self](store::Db& db, const WorkerIdentity& worker) {
      return self.spending_->exchange(db, worker);
    };
  }
  // The first report may come before the executor exists: it finds it through the loop, later.
  self.journal_ = TRY(Journal::open(real_env(), std::move(journal_options), [&self](Written w) {
    auto written = std::make_shared<Written>(std::move(w));
    self.loop_.post([&self, written] {
      const bool failed = written->failed.has_value();
      self.executor_->handle(std::move(*written));
      // Nothing more is written, whatever others may still wait for: run() says why.
      if (failed) self.loop_.stop();
    });
  }));
  if (self.options_.adopt_max > 0 && store::is_postgres_url(self.options_.store.path)) {
    self.hints_ = TRY(store::PostgresHints::start(self.options_.store.path,
                                                  [&self] { self.journal_->hint(); }));
  }
  self.executor_ = std::make_shared<Executor>(
      self.services_, *self.journal_, std::move(observer),
      ExecutorOptions{.runs_max = self.options_.adopt_max,
                      .park_us = self.options_.park_us,
                      .park_asking = self.options_.park_asking,
                      .on_tokens = self.options_.on_tokens});
  return Result<std::unique_ptr<Process>>(std::move(process));
}

Process::~Process() {
  if (executor_) executor_->shutdown();
  executor_.reset();
  hints_.reset();
  journal_.reset();  // its thread ends before the loop it posts to
}

Status Process::run() {
  loop_.run();
  executor_->shutdown();
  hints_.reset();
  return journal_->close();
}

}  // namespace weft::worker
