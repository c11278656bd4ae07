// SPDX-License-Identifier: Apache-2.0
#include "cli/run.h"

#include <algorithm>
#include <filesystem>

#include "base/env.h"
#include "base/file.h"
#include "base/strings.h"
#include "cli/background.h"
#include "cli/class_warnings.h"
#include "cli/config.h"
#include "cli/config_file.h"
#include "cli/demo_model.h"
#include "cli/dry_run.h"
#include "cli/exit.h"
#include "cli/live_display.h"
#include "cli/run_input.h"
#include "cli/run_session.h"
#include "cli/sub_workflows.h"
#include "cli/terminal.h"
#include "worker/run_context.h"
#include "workflow/loader.h"

namespace weft::cli {
namespace {

constexpr size_t kDocumentBytesMax = size_t{16} << 20;

int exit_of(const Error& error) {
  if (error.code == "E0020") return kExitNotFound;
  if (error.code == "E0902" || error.code == "E0310" || error.code == "E0905") return kExitUsage;
  if (error.code == "E0773") return kExitConfiguration;
  return error.code.starts_with("E05") ? kExitConfiguration : kExitFailed;
}

int refuse(const Error& error) {
  say_error(error);
  return exit_of(error);
}

// The workflow, or nothing after every problem of the document was shown.
std::shared_ptr<const workflow::Workflow> load_shown(const std::string& file,
                                                     const std::string& text) {
  const workflow::Loaded loaded = workflow::load(text);
  for (const auto& problem : loaded.errors) say(workflow::text(problem, file));
  for (const auto& problem : loaded.warnings) say(workflow::text(problem, file));
  if (loaded.errors_left_out > 0) say(fmt::format("and {} more", loaded.errors_left_out));
  return loaded.workflow;
}

// Before anything starts. What is wrong with the configuration is told by who uses it.
void warn_of_models(const workflow::Workflow& definition, const RunOptions& options) {
  const auto config = load_config(options.grants.config);
  if (!config.ok()) return;
  const auto demo = [&](const std::string& model) {
    const std::string& name = options.model.empty() ? model : options.model;
    const bool elsewhere = std::ranges::any_of(options.grants.backends, [&](const auto& given) {
      return given.starts_with(name + "=");
    });
    return !elsewhere && is_demo_model(config->models, name);
  };
  auto problems = class_warnings(definition, config->models.rules);
  for (auto& problem : demo_model_warnings(definition, config->models.rules, demo)) {
    problems.push_back(std::move(problem));
  }
  for (const auto& problem : problems) {
    say(painted("warning: ", Colour::kYellow) + workflow::text(problem, options.file));
  }
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

// What starts the same run anew; empty if an address in it may hold a password.
std::string command_again(const RunOptions& options) {
  std::vector<std::string> words{"weft", "run", options.file};
  const auto add = [&words](const char* flag, const std::string& value) {
    if (value.empty()) return;
    words.emplace_back(flag);
    words.push_back(value);
  };
  for (const std::string& input : options.inputs) add("-i", input);
  add("--model", options.model);
  if (options.seed != 0) add("--seed", std::to_string(options.seed));
  for (std::string& word : words_of(options.grants)) words.push_back(std::move(word));
  add("--store", options.store.path);
  add("--master-key", options.store.master_key);
  const bool secret = std::ranges::any_of(words, [](const std::string& word) {
    const size_t begin = word.find("://");
    return begin != std::string::npos && word.find('@', begin) != std::string::npos;
  });
  return secret ? "" : command_text(words);
}

int detach(RunSession& session, worker::NewRun request, const RunOptions& options) {
  request.detached = true;
  auto run = session.process().executor().submit(std::move(request));
  if (!run.ok()) return refuse(run.error());
  if (Status closed = session.close(); !closed.ok()) return refuse(closed.error());
  const Status started = continue_in_background(*run, session.store(), options.grants);
  if (!started.ok()) return refuse(started.error());
  print_data(options.json ? json::dump(json::Object{{"run", *run}, {"status", "queued"}}) : *run);
  say(fmt::format("runs in the background; see how it goes with: weft runs show {}", *run));
  return kExitOk;
}

int rehearse(const RunOptions& options, std::shared_ptr<const workflow::Workflow> definition,
             json::Value input, worker::Definitions definitions) {
  const auto report = dry_run({.workflow = std::move(definition),
                               .input = std::move(input),
                               .definitions = std::move(definitions),
                               .answers = options.answers,
                               .model = options.model,
                               .grants = options.grants,
                               .seed = options.seed});
  if (!report.ok()) return refuse(report.error());
  if (options.json) {
    print_data(json::dump(*report, {.spaces = true, .indent = 2}));
  } else {
    print_raw(dry_run_text(*report));
  }
  return dry_run_exit(*report);
}

}  // namespace

int run_workflow(const RunOptions& options) {
  auto text = read_file(options.file, kDocumentBytesMax);
  if (!text.ok()) return refuse(text.error());
  const auto definition = load_shown(options.file, *text);
  if (definition == nullptr) return kExitFailed;
  warn_of_models(*definition, options);
  auto input = input_of(*definition, options.inputs);
  if (!input.ok()) return refuse(input.error());

  auto definitions = sub_workflows(*definition, options.file);
  if (!definitions.ok()) return refuse(definitions.error());

  if (options.dry_run) {
    return rehearse(options, definition, std::move(*input), std::move(*definitions));
  }
  RunSession session({.store = options.store,
                      .json = options.json,
                      .show_tokens = options.follow,
                      .grants = options.grants,
                      .adopt_max = options.detach ? 0 : 16,
                      .command = command_again(options)});
  if (Status started = session.start(); !started.ok()) {
    const int exit = refuse(started.error());
    return exit == kExitFailed ? kExitConfiguration : exit;  // nothing has run that could fail
  }
  worker::NewRun request;
  request.workflow = definition;
  request.input = std::move(input).value();
  request.definitions = std::move(definitions).value();
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
