// SPDX-License-Identifier: Apache-2.0
#include "cli/run.h"

#include <spawn.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "base/env.h"
#include "base/file.h"
#include "base/strings.h"
#include "cli/config.h"
#include "cli/exit.h"
#include "cli/live_display.h"
#include "cli/run_input.h"
#include "cli/run_session.h"
#include "cli/terminal.h"
#include "worker/run_context.h"
#include "workflow/loader.h"

namespace weft::cli {
namespace {

constexpr size_t kDocumentBytesMax = size_t{16} << 20;

int exit_of(const Error& error) {
  if (error.code == "E0020") return kExitNotFound;
  if (error.code == "E0902" || error.code == "E0310") return kExitUsage;
  return error.code.starts_with("E05") ? kExitConfiguration : kExitFailed;
}

int refuse(const Error& error) {
  say_error(error);
  return exit_of(error);
}

// The workflow, or nothing after every problem of the document was shown.
std::shared_ptr<const workflow::Workflow> load_document(const std::string& file,
                                                        const std::string& text) {
  const workflow::Loaded loaded = workflow::load(text);
  for (const auto& problem : loaded.errors) say(workflow::text(problem, file));
  for (const auto& problem : loaded.warnings) say(workflow::text(problem, file));
  if (loaded.errors_left_out > 0) say(fmt::format("and {} more", loaded.errors_left_out));
  return loaded.workflow;
}

// A newcomer should know which model answers, and that it is a small one.
void tell_model(const workflow::Workflow& definition, const RunOptions& options) {
  const bool thinks = std::any_of(definition.steps.begin(), definition.steps.end(),
                                  [](const workflow::Step& step) { return step.type == "llm"; });
  if (!thinks || !options.model.empty() || !people_watch()) return;
  say(painted("models default, fast and deep: weft-mini, the small embedded one (--model DIR for "
              "another)",
              Colour::kDim));
}

// Another weft process that outlives this one and continues the run.
Status continue_in_background(const std::string& run, const std::string& store) {
  const std::string program = std::filesystem::read_symlink("/proc/self/exe").string();
  std::string words[] = {"weft", "runs", "resume", run, "--store", store, "--quiet"};
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

int detach(RunSession& session, worker::NewRun request, const RunOptions& options) {
  request.detached = true;
  auto run = session.process().executor().submit(std::move(request));
  if (!run.ok()) return refuse(run.error());
  if (Status closed = session.close(); !closed.ok()) return refuse(closed.error());
  if (Status started = continue_in_background(*run, session.store_path()); !started.ok()) {
    return refuse(started.error());
  }
  print_data(options.json ? json::dump(json::Object{{"run", *run}, {"status", "queued"}}) : *run);
  say(fmt::format("runs in the background; see how it goes with: weft runs show {}", *run));
  return kExitOk;
}

}  // namespace

int run_workflow(const RunOptions& options) {
  auto text = read_file(options.file, kDocumentBytesMax);
  if (!text.ok()) return refuse(text.error());
  const auto definition = load_document(options.file, *text);
  if (definition == nullptr) return kExitFailed;
  auto input = input_of(*definition, options.inputs);
  if (!input.ok()) return refuse(input.error());

  RunSession session({.store = options.store,
                      .json = options.json,
                      .show_tokens = options.follow,
                      .allowed_hosts = options.allowed_hosts,
                      .adopt_max = options.detach ? 0 : 16,
                      .file = options.file});
  if (Status started = session.start(); !started.ok()) return refuse(started.error());
  worker::NewRun request;
  request.workflow = definition;
  request.input = std::move(input).value();
  request.context = worker::to_json(worker::RunContext{
      .roots = {std::filesystem::current_path().string()}, .model = options.model});
  request.seed = options.seed;
  if (options.detach) return detach(session, std::move(request), options);
  tell_model(*definition, options);
  auto run = session.process().executor().submit(std::move(request));
  if (!run.ok()) return refuse(run.error());
  return session.follow({*run});
}

}  // namespace weft::cli
