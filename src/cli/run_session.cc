// SPDX-License-Identifier: Apache-2.0
#include "cli/run_session.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "base/env.h"
#include "base/file.h"
#include "cli/backends.h"
#include "cli/config.h"
#include "cli/config_file.h"
#include "cli/exit.h"
#include "cli/runs_acts.h"
#include "cli/store_process.h"
#include "cli/terminal.h"
#include "store/postgres.h"
#include "worker/run_acts.h"
#include "worker/run_reader.h"
#include "worker/run_report.h"
#include "worker/schema.h"

namespace weft::cli {
namespace {

// How often a run that another process works on is looked at.
constexpr int64_t kPollUs = 300'000;

std::string_view text_of(const json::Object& object, std::string_view name) {
  const json::Value* value = object.if_contains(name);
  return value != nullptr && value->is_string() ? std::string_view(value->as_string())
                                                : std::string_view();
}

Error cut_off(const std::string& run, const std::string& path) {
  return make_error("E0606",
                    fmt::format("step '{}' of run {} was cut off; nobody knows whether it acted",
                                path, run),
                    fmt::format("look, then decide: weft runs resolve {} {} retry|fail|succeed",
                                run, path));
}

}  // namespace

Result<worker::StorePlace> prepare_store(const StoreFlags& store) {
  security::MasterKeySource master = TRY(master_key_of(store));
  if (store::is_postgres_url(store.path)) {
    return worker::StorePlace(store.path, std::move(master));
  }
  std::string path = store.path.empty() ? default_store_path() : store.path;
  const std::string directory = std::filesystem::path(path).parent_path().string();
  if (!directory.empty() && !file_exists(directory)) {
    TRY(make_directories(directory));
    ::chmod(directory.c_str(), 0700);
  }
  return worker::StorePlace(std::move(path), std::move(master));
}

Result<std::unique_ptr<store::Db>> open_store(const StoreFlags& store, bool any_key) {
  return worker::open_journal_store(TRY(prepare_store(store)), any_key);
}

int refuse_run(const Error& error) {
  say_error(error);
  if (error.code == "E0601") return kExitNotFound;
  if (error.code == "E0613") return kExitRefused;
  if (error.code == "E0902") return kExitUsage;
  if (error.code == "E0614" || error.code == "E0310") return kExitFailed;
  return kExitConfiguration;
}

RunSession::RunSession(SessionOptions options)
    : options_(std::move(options)),
      display_(real_env(), {.quiet = options_.quiet || (options_.json && !people_watch()),
                            .show_tokens = options_.show_tokens}) {}

// Models stop before the loop that their answers are posted to.
RunSession::~RunSession() {
  if (process_) process_->executor().shutdown();
  backend_.reset();
  process_.reset();
}

Status RunSession::start() {
  const Config config = TRY(load_config(options_.grants.config));
  if (options_.store.master_key.empty()) {  // the store itself is not the server's
    options_.store.master_key = config.encryption.master_key;
  }
  const worker::StorePlace store = TRY(prepare_store(options_.store));
  options_.store.path = store.path;
  reader_ = TRY(worker::open_journal_store(store));
  backend::ModelsOptions models = models_options(config.models);
  models.load.cache_directory = cache_directory();
  backend_ = TRY(open_router(std::move(models), options_.grants, config.models));
  worker::ProcessOptions process =
      TRY(process_options(store, *backend_, options_.grants, config));
  process.adopt_max = options_.adopt_max;
  process.rehearsal = options_.rehearsal;
  process_ = TRY(worker::Process::start(std::move(process),
                                        [this](const worker::Notice& n) { on_notice(n); }));
  return ok_status();
}

Status RunSession::close() {
  process_->stop();
  return process_->run();
}

void RunSession::on_notice(const worker::Notice& notice) {
  const bool ours = waiting_for_.contains(notice.run);
  if (ours || notice.kind == worker::Notice::Kind::kClaimed) display_.show(notice);
  if (!ours) return;
  if (notice.kind == worker::Notice::Kind::kRun && notice.terminal) ended(notice.run);
  if (notice.kind == worker::Notice::Kind::kLost) {
    if (!notice.why.empty()) return give_up(make_error(notice.code, notice.why));
    process_->journal().want(notice.run);
  }
  if (notice.kind == worker::Notice::Kind::kStep && notice.status == "unknown") {
    give_up(cut_off(notice.run, notice.path));
  }
  if (notice.kind == worker::Notice::Kind::kStep && notice.status == "waiting") {
    say_who_decides(notice.run, notice.path);
  }
  if (notice.kind == worker::Notice::Kind::kClaimed) look_for_cut_off(notice.run);
}

// What a person types elsewhere so that the run goes on.
void RunSession::say_who_decides(const std::string& run, const std::string& path) {
  if (options_.quiet || (options_.json && !people_watch())) return;
  const auto actions = worker::required_actions(*reader_, {.run = run});
  if (!actions.ok()) return;
  for (const worker::RequiredAction& action : *actions) {
    if (action.path != path || action.kind == "resolve") continue;
    display_.clear();
    say("  decide it in another terminal: " + action_command(action, options_.store.path));
  }
}

// A run taken over may wait for a decision since long, which no notice tells.
void RunSession::look_for_cut_off(const std::string& run) {
  const auto decided = worker::has_messages(*reader_, run);
  if (!decided.ok() || *decided) return;
  const auto actions = worker::required_actions(*reader_, {.run = run});
  if (!actions.ok()) return;
  for (const worker::RequiredAction& action : *actions) {
    if (action.kind == "resolve") return give_up(cut_off(run, action.path));
  }
}

// Ends follow(); the runs stay as they are.
void RunSession::give_up(Error error) {
  refused_ = std::move(error);
  process_->stop();
}

void RunSession::ended(const std::string& run) {
  waiting_for_.erase(run);
  if (waiting_for_.empty()) process_->stop();
}

// For runs that others work on; ours are reported by notices.
void RunSession::poll() {
  const std::set<std::string> runs = waiting_for_;
  for (const std::string& run : runs) {
    const auto summary = worker::read_summary(*reader_, run);
    // A store that is busy at this moment says nothing about the run, nor does one where it is not
    // yet: it is on its way to a slow disk. One that was there and is gone has been removed.
    if (!summary.ok() && (summary.error().code != "E0601" || !stored_.contains(run))) continue;
    stored_.insert(run);
    if (!summary.ok() || summary->finished_us != 0) ended(run);
  }
  process_->loop().after(kPollUs, [this] { poll(); });
}

void RunSession::interrupt() {
  interrupted_ = true;
  process_->loop().default_interrupts();  // a second Ctrl-C ends the process at once
  display_.clear();
  process_->stop();
}

Result<bool> RunSession::wait(const std::vector<std::string>& runs) {
  waiting_for_.insert(runs.begin(), runs.end());
  process_->loop().on_interrupt([this] { interrupt(); });
  process_->loop().after(kPollUs, [this] { poll(); });
  const Status status = waiting_for_.empty() ? close() : process_->run();
  display_.clear();
  TRY(status);
  return !interrupted_;
}

Result<json::Object> RunSession::document(const std::string& run) {
  return worker::read_run_document(*reader_, run);
}

int RunSession::follow(std::vector<std::string> runs) {
  const auto ended = wait(runs);
  if (!ended.ok()) {
    say_error(ended.error());
    return kExitConfiguration;
  }
  if (refused_) {
    say_error(*refused_);
    return kExitFailed;
  }
  if (!*ended) {
    for (const std::string& run : waiting_for_) {
      say(fmt::format("interrupted; the run is kept. continue it with: weft runs resume {}", run));
    }
    return kExitInterrupted;
  }
  return print_results(runs);
}

int RunSession::print_results(const std::vector<std::string>& runs) {
  int exit = kExitOk;
  for (const std::string& run : runs) {
    auto document = worker::read_run_document(*reader_, run);
    if (!document.ok()) {
      say_error(document.error());
      exit = kExitFailed;
      continue;
    }
    const bool good = text_of(*document, "status") == "succeeded";
    if (!good) exit = kExitFailed;
    if (options_.json) {
      print_data(json::dump(json::Value(*document), {.spaces = true, .indent = 2}));
    } else if (good) {
      print_data(json::dump(document->at("output"), {.spaces = true, .indent = 2}));
    }
    if (!good && !options_.quiet) print_failure(run, *document);
    if (good && !options_.json && !options_.quiet) print_next_steps(run);
  }
  return exit;
}

void RunSession::print_failure(const std::string& run, const json::Object& document) {
  const json::Value* failure = document.if_contains("error");
  say(painted(fmt::format("run {} {}", run, text_of(document, "status")), Colour::kRed));
  if (failure == nullptr || !failure->is_object()) return;
  const json::Object& error = failure->as_object();
  Error shown = make_error(std::string(text_of(error, "code")),
                           std::string(text_of(error, "message")),
                           std::string(text_of(error, "hint")));
  if (!text_of(error, "step").empty()) {
    shown = in_context(std::move(shown), fmt::format("step '{}'", text_of(error, "step")));
  }
  say_error(shown);
  say(fmt::format("why, step by step: weft explain {}", run));
}

// Only after the first run of a store: later it would be noise.
void RunSession::print_next_steps(const std::string& run) {
  const auto runs = worker::list_runs(*reader_, {.limit = 2});
  if (!runs.ok() || runs->size() > 1) return;
  say("");
  say(painted("Next things to try:", Colour::kBold));
  say(fmt::format("  weft runs show {}   every step with its output and tokens", run));
  say(fmt::format("  weft explain {}     why each step ran, and what its model was asked", run));
  if (!options_.command.empty()) {
    say(fmt::format("  {} --json   the same for programs", options_.command));
  }
}

}  // namespace weft::cli
