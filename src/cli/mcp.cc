// SPDX-License-Identifier: Apache-2.0
#include "cli/mcp.h"

#include <poll.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <thread>

#include "base/env.h"
#include "base/json.h"
#include "cli/backends.h"
#include "cli/config.h"
#include "cli/config_file.h"
#include "cli/exit.h"
#include "cli/offered_runs.h"
#include "cli/run_session.h"
#include "cli/store_process.h"
#include "cli/terminal.h"
#include "server/mcp.h"
#include "server/runs.h"
#include "worker/process.h"

namespace weft::cli {
namespace {

constexpr size_t kLineBytesMax = size_t{16} << 20;
constexpr int kPollMs = 100;

// Lines of standard input, handed over one by one; then the end.
class StdinLines {
 public:
  StdinLines(std::function<void(std::string)> line, std::function<void()> end)
      : line_(std::move(line)), end_(std::move(end)), thread_([this] { read_all(); }) {}
  ~StdinLines() {
    stopping_ = true;
    thread_.join();
  }

 private:
  void read_all() {
    std::string text;
    char buffer[65536];
    while (!stopping_) {
      pollfd input{STDIN_FILENO, POLLIN, 0};
      if (::poll(&input, 1, kPollMs) <= 0) continue;
      const ssize_t size = ::read(STDIN_FILENO, buffer, sizeof(buffer));
      if (size <= 0) break;
      text.append(buffer, static_cast<size_t>(size));
      size_t begin = 0;
      for (size_t end = 0; (end = text.find('\n', begin)) != std::string::npos; begin = end + 1) {
        line_(text.substr(begin, end - begin));
      }
      text.erase(0, begin);
      if (text.size() > kLineBytesMax) break;
    }
    end_();
  }

  const std::function<void(std::string)> line_;
  const std::function<void()> end_;
  std::atomic<bool> stopping_ = false;
  std::thread thread_;
};

// Who starts a program may do with it what he likes.
security::Caller local_user() {
  security::Caller caller;
  caller.everything = true;
  return caller;
}

class McpServing {
 public:
  explicit McpServing(const McpOptions& options) : options_(options) {}

  // As weft serve: models stop before the loop that their answers are posted to.
  ~McpServing() {
    input_.reset();
    if (session_) session_->end();
    if (process_) process_->executor().shutdown();
    backend_.reset();
    process_.reset();
  }

  Status start() {
    Config config = TRY(load_config(options_.config));
    backend::ModelsOptions models = models_options(config.models);
    models.load.cache_directory = cache_directory();
    backend_ = TRY(open_router(std::move(models), options_.grants, config.models));
    server::RunsOptions runs = TRY(offered_runs(with_config(options_.store, config),
                                                options_.files, options_.workflows));
    worker::ProcessOptions process =
        TRY(process_options(runs.store, *backend_, options_.grants, config));
    process.checkpoint = TRY(checkpoint_of(config, process.store.path));
    process_ = TRY(worker::Process::start(std::move(process), [this](const auto& notice) {
      if (runs_) runs_->tell(notice);
    }));
    context_ = std::make_unique<server::ServerContext>(server::ServerContext{
        real_env(), process_->loop(), process_->pool(), *backend_, backend_->local(), metrics_});
    context_->version = WEFT_VERSION;
    context_->audit = [this](security::AuditRecord record) {
      process_->journal().audit(std::move(record));
    };
    runs_ = TRY(server::Runs::open(real_env(), process_->loop(), process_->pool(), metrics_,
                                   std::move(runs)));
    runs_->set_executor(process_->executor());
    context_->runs = runs_.get();
    session_ = std::make_shared<server::McpSession>(
        *context_, std::make_shared<server::McpDocuments>(std::move(config.mcp.resources),
                                                          std::move(config.mcp.prompts)),
        local_user());
    session_->set_listener([](json::Object message, bool) { print_data(json::dump(message)); });
    return ok_status();
  }

  Status run() {
    process_->loop().on_interrupt([this] {
      process_->loop().default_interrupts();
      process_->stop();
    });
    input_ = std::make_unique<StdinLines>(
        [this](std::string line) {
          process_->loop().post([this, line = std::move(line)] { take(line); });
        },
        [this] {
          process_->loop().post([this] {
            closed_ = true;
            stop_if_done();
          });
        });
    return process_->run();
  }

 private:
  void take(const std::string& line) {
    if (line.find_first_not_of(" \t\r") == std::string::npos) return;
    auto message = json::parse(line);
    if (!message.ok()) {
      return print_data(json::dump(server::mcp_error(json::Value(), server::McpError::kParse,
                                                     message.error().message)));
    }
    open_ += 1;
    auto open = std::make_shared<bool>(true);
    session_->handle(std::move(*message), [this, open](json::Object answer, bool last) {
      if (!answer.empty()) print_data(json::dump(answer));
      if (!last) return;
      *open = false;
      open_ -= 1;
      process_->loop().post([this] { stop_if_done(); });
    });
    if (open.use_count() == 1 && *open) open_ -= 1;  // it has no answer
  }

  // What was asked before the input ended is still answered.
  void stop_if_done() {
    if (closed_ && open_ == 0) process_->stop();
  }

  const McpOptions& options_;
  server::Metrics metrics_;
  std::unique_ptr<server::Runs> runs_;
  std::unique_ptr<server::ServerContext> context_;
  std::unique_ptr<backend::Router> backend_;
  std::unique_ptr<worker::Process> process_;
  std::shared_ptr<server::McpSession> session_;
  std::unique_ptr<StdinLines> input_;
  int64_t open_ = 0;  // messages without their answer
  bool closed_ = false;
};

}  // namespace

int run_mcp(const McpOptions& options) {
  McpServing serving(options);
  if (const Status started = serving.start(); !started.ok()) {
    say_error(started.error());
    return kExitConfiguration;
  }
  if (const Status ended = serving.run(); !ended.ok()) {
    say_error(ended.error());
    return kExitFailed;
  }
  return kExitOk;
}

}  // namespace weft::cli
