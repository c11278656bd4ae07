// SPDX-License-Identifier: Apache-2.0
#include "cli/options.h"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include <algorithm>
#include <memory>
#include <optional>

#include "base/strings.h"
#include "cli/definitions.h"
#include "cli/doctor.h"
#include "cli/exit.h"
#include "cli/options_examples.h"
#include "cli/options_models.h"
#include "cli/options_security.h"
#include "cli/options_tools.h"
#include "cli/run.h"
#include "cli/runs.h"
#include "cli/runs_acts.h"
#include "cli/schedules.h"
#include "cli/serve.h"
#include "cli/terminal.h"
#include "cli/verify.h"
#include "cli/worker.h"

namespace weft::cli {
namespace {

void add_doctor(CLI::App& app, Action& action) {
  auto options = std::make_shared<DoctorOptions>();
  CLI::App* command = app.add_subcommand("doctor", "What this machine offers, and what is missing");
  command->add_option("--config", options->config, "check this weft.yaml as well");
  command->add_flag("--json", options->json, "one JSON document on stdout");
  command->callback([&action, options] { action = [options] { return run_doctor(*options); }; });
}

void add_validate(CLI::App& app, Action& action) {
  auto options = std::make_shared<ValidateOptions>();
  CLI::App* command = app.add_subcommand("validate", "Every problem of workflow files, at once");
  CLI::Option* schema = command->add_flag("--schema", options->schema,
                                          "print the JSON Schema of such files, for editors");
  command->add_option("FILE", options->files, "workflow files, YAML or JSON")->excludes(schema);
  command->add_option("--config", options->config,
                      "weft.yaml: the classes and secrets that the workflows use");
  command->add_flag("--json", options->json, "one JSON document on stdout");
  command->callback([&action, options] {
    if (options->files.empty() && !options->schema) throw CLI::RequiredError("FILE");
    action = [options] { return run_validate(*options); };
  });
}

void add_graph(CLI::App& app, Action& action) {
  auto options = std::make_shared<GraphOptions>();
  CLI::App* command = app.add_subcommand("graph", "The steps of a workflow and what they wait for");
  command->add_option("FILE", options->file, "a workflow file")->required();
  command->add_option("--format", options->format, "mermaid, dot or json")
      ->check(CLI::IsMember({"mermaid", "dot", "json"}));
  command->add_flag("--json", options->json, "the same as --format json");
  command->callback([&action, options] { action = [options] { return run_graph(*options); }; });
}

void add_run(CLI::App& app, Action& action) {
  auto options = std::make_shared<RunOptions>();
  CLI::App* command = app.add_subcommand("run", "Run a workflow here and now, durably");
  command->add_option("file", options->file, "the workflow (YAML or JSON)")->required();
  command->add_option("-i,--input", options->inputs, "key=value, or @file.json")
      ->allow_extra_args(false);
  command->add_option("--model", options->model, "a name, or a model's directory or file");
  add_store(*command, options->store, "database file (default: the user's own)");
  check_seed(command->add_option("--seed", options->seed,
                                 "of everything random in the run (default 0)"));
  add_run_grants(*command, options->grants);
  command->add_flag("--json", options->json, "one JSON document on stdout");
  CLI::Option* follow = command->add_flag("--follow", options->follow, "show what models write");
  command->add_flag("--detach", options->detach, "store the run, work on it in the background")
      ->excludes(follow);
  add_dry_run(*command, *options);
  command->callback([&action, options] { action = [options] { return run_workflow(*options); }; });
}

void add_runs_list(CLI::App& runs, Action& action) {
  auto options = std::make_shared<RunsListOptions>();
  CLI::App* command = runs.add_subcommand("list", "The newest runs");
  add_store(*command, options->store, "database file");
  command->add_option("--status", options->status, "only these, e.g. failed");
  command->add_option("--workflow", options->workflow, "only those of this workflow id");
  command->add_option("--limit", options->limit, "at most so many (20)")
      ->check(CLI::Range(int64_t{1}, int64_t{100'000}));
  command->add_flag("--json", options->json, "a JSON list on stdout");
  command->callback([&action, options] { action = [options] { return list_runs(*options); }; });
}

void add_runs_resume(CLI::App& runs, Action& action) {
  auto options = std::make_shared<RunsResumeOptions>();
  CLI::App* command = runs.add_subcommand("resume", "Continue runs whose process is gone");
  command->add_option("run", options->run, "id of one run (default: all that are unfinished)");
  add_store(*command, options->store, "database file");
  command->add_flag("--json", options->json, "the runs as JSON on stdout");
  command->add_flag("--quiet", options->quiet, "only errors");
  command->add_flag("--follow", options->follow, "show what models write");
  add_run_grants(*command, options->grants);
  command->callback([&action, options] { action = [options] { return resume_runs(*options); }; });
}

// `runs show RUN` and `explain RUN [STEP]` take the same options.
void add_show(CLI::App& app, Action& action, int (*function)(const RunsShowOptions&)) {
  auto options = std::make_shared<RunsShowOptions>();
  app.add_option("run", options->run, "id of the run, or its unique end")->required();
  if (function == &explain) app.add_option("step", options->step, "only this step");
  add_store(app, options->store, "database file");
  app.add_flag("--json", options->json, "one JSON document on stdout");
  app.callback(
      [&action, options, function] { action = [=] { return function(*options); }; });
}

CLI::App* add_run_act(CLI::App& runs, Action& action, const std::string& act,
                      const std::string& text, const std::shared_ptr<RunActOptions>& options) {
  options->act = act;
  CLI::App* command = runs.add_subcommand(act, text);
  command->add_option("run", options->run, "id of the run, or its unique end")->required();
  add_store(*command, options->store, "database file");
  command->add_option("--by", options->by, "who acts (default: this machine's user)");
  command->add_flag("--detach", options->detach, "only store it, if nobody has the run");
  add_run_grants(*command, options->grants);
  command->add_flag("--json", options->json, "one JSON document on stdout");
  command->callback([&action, options] { action = [options] { return act_on_run(*options); }; });
  return command;
}

void add_runs_acts(CLI::App& runs, Action& action) {
  auto cancel = std::make_shared<RunActOptions>();
  add_run_act(runs, action, "cancel", "End a run, whoever works on it", cancel)
      ->add_option("--reason", cancel->comment, "told to whoever asks");
  auto signal = std::make_shared<RunActOptions>();
  CLI::App* command = add_run_act(runs, action, "signal", "Send a run a named signal", signal);
  command->add_option("name", signal->name, "of the signal")->required();
  command->add_option("--payload", signal->payload, "JSON, or @file.json");
  for (const char* act : {"approve", "reject"}) {
    auto decide = std::make_shared<RunActOptions>();
    command = add_run_act(runs, action, act, "Decide what an approval step asks", decide);
    command->add_option("step", decide->step, "which, if several wait");
    command->add_option("--comment", decide->comment, "kept with the decision");
  }
  auto resolve = std::make_shared<RunActOptions>();
  command = add_run_act(runs, action, "resolve", "Decide about a step that was cut off", resolve);
  command->add_option("step", resolve->step, "the step that is unknown")->required();
  command->add_option("decision", resolve->decision, "what to do")
      ->required()
      ->check(CLI::IsMember({"retry", "fail", "succeed"}));
  command->add_option("--output", resolve->output, "of a step that succeeded, as JSON");
}

void add_runs_again(CLI::App& runs, Action& action) {
  for (const bool fork : {false, true}) {
    auto options = std::make_shared<RunAgainOptions>();
    options->fork = fork;
    CLI::App* command =
        fork ? runs.add_subcommand("fork", "A new run from a step on, with an edited input")
             : runs.add_subcommand("retry", "A new run that does again only what failed");
    command->add_option("run", options->run, "id of the run, or its unique end")->required();
    CLI::Option* from = command->add_option("--from", options->from, "begin at this step");
    add_run_grants(*command, options->grants);
    if (fork) {
      from->required();
      command->add_option("--set", options->edits, "name=value of the input")
          ->allow_extra_args(false);
    }
    add_store(*command, options->store, "database file");
    command->add_flag("--detach", options->detach, "work on it in the background");
    command->add_flag("--json", options->json, "the run as JSON on stdout");
    command->callback([&action, options] { action = [options] { return run_again(*options); }; });
  }
}

void add_schedules_add(CLI::App& schedules, Action& action) {
  auto options = std::make_shared<ScheduleAddOptions>();
  CLI::App* command = schedules.add_subcommand("add", "Store a schedule, or replace it");
  command->add_option("file", options->file, "the workflow; its key `schedule` counts")->required();
  command->add_option("--name", options->name, "of the schedule (default: the workflow's id)");
  command->add_option("--cron", options->cron, "\"30 8 * * 1-5\": minute hour day month weekday");
  command->add_option("--every", options->every, "15m: at multiples of that");
  command->add_option("--timezone", options->timezone, "Europe/Berlin; UTC unless given");
  command->add_option("--missed", options->missed, "without a worker: once (default), skip, all")
      ->check(CLI::IsMember({"once", "skip", "all"}));
  command->add_option("--overlap", options->overlap, "allow (default), or skip while one runs")
      ->check(CLI::IsMember({"allow", "skip"}));
  command->add_option("--time-as", options->time_as, "the input that gets the time it is due");
  command->add_option("-i,--input", options->inputs, "key=value, or @file.json")
      ->allow_extra_args(false);
  command->add_option("--model", options->model, "a name, or a model's directory or file");
  add_store(*command, options->store, "database file, or postgres://…");
  command->add_flag("--json", options->json, "one JSON document on stdout");
  command->callback([&action, options] { action = [options] { return add_schedule(*options); }; });
}

void add_schedules(CLI::App& app, Action& action) {
  CLI::App* schedules = app.add_subcommand("schedules", "Workflows that run by themselves");
  schedules->require_subcommand(1);
  add_schedules_add(*schedules, action);
  auto next = std::make_shared<ScheduleNextOptions>();
  CLI::App* command = schedules->add_subcommand("next", "When a timetable would be due");
  command->add_option("--cron", next->cron, "\"30 8 * * 1-5\"");
  command->add_option("--every", next->every, "15m");
  command->add_option("--timezone", next->timezone, "Europe/Berlin")->capture_default_str();
  command->add_option("--count", next->count, "so many times")
      ->check(CLI::Range(int64_t{1}, int64_t{1'000}))
      ->capture_default_str();
  command->add_flag("--json", next->json, "a JSON list on stdout");
  command->callback([&action, next] { action = [next] { return show_next_times(*next); }; });
  for (const char* act : {"list", "pause", "resume", "remove"}) {
    auto options = std::make_shared<SchedulesOptions>();
    options->act = act;
    const bool all = options->act == "list";
    command = schedules->add_subcommand(act, all ? "Every schedule: when next, what last"
                                                 : "That, to one schedule");
    if (!all) command->add_option("name", options->name, "of the schedule")->required();
    add_store(*command, options->store, "database file, or postgres://…");
    command->add_flag("--json", options->json, "JSON on stdout");
    command->callback(
        [&action, options] { action = [options] { return act_on_schedules(*options); }; });
  }
}

void add_runs_actions(CLI::App& runs, Action& action) {
  auto options = std::make_shared<RunsActionsOptions>();
  CLI::App* command = runs.add_subcommand("actions", "What waits for a person or a signal");
  command->add_option("run", options->run, "only of this run");
  command->add_option("--role", options->role, "only approvals of this role");
  command->add_option("--limit", options->limit, "at most so many (100)")
      ->check(CLI::Range(int64_t{1}, int64_t{100'000}));
  add_store(*command, options->store, "database file");
  command->add_flag("--json", options->json, "a JSON list on stdout");
  command->callback([&action, options] { action = [options] { return list_actions(*options); }; });
}

void add_runs(CLI::App& app, Action& action) {
  CLI::App* runs = app.add_subcommand("runs", "What the store knows about runs; continue them");
  runs->require_subcommand(1);
  add_runs_list(*runs, action);
  add_show(*runs->add_subcommand("show", "One run with its steps and their outputs"), action,
           &show_run);
  add_runs_resume(*runs, action);
  add_runs_acts(*runs, action);
  add_runs_again(*runs, action);
  add_runs_actions(*runs, action);
  add_runs_removal(*runs, action);
  add_show(*app.add_subcommand("explain", "Why steps ran, waited, failed or were skipped"), action,
           &explain);
}

void add_serve(CLI::App& app, Action& action) {
  auto options = std::make_shared<ServeOptions>();
  CLI::App* command =
      app.add_subcommand("serve", "The HTTP API: OpenAI's for the models, weft's for workflows");
  command->add_option("--config", options->config, "weft.yaml; flags win over it");
  command->add_option("--host", options->host, "an address to listen at")->capture_default_str();
  command->add_option("--port", options->port, "0 = any free one")->capture_default_str();
  command->add_option("--model", options->models,
                      "NAME=SOURCE: a directory or .gguf file; may be repeated, the first is the "
                      "default")
      ->allow_extra_args(false);
  auto* const certificate = command->add_option(
      "--tls-cert", options->tls.certificate, "PEM: serve https; read again when it changes");
  command->add_option("--tls-key", options->tls.key, "PEM: the certificate's key")
      ->needs(certificate);
  command->add_option("--api-key-file", options->key_file,
                      "keys that clients must have, one a line; needed to listen elsewhere");
  command->add_option("--workflow", options->workflows,
                      "a workflow's file, which can then be started by its id; may be repeated")
      ->allow_extra_args(false);
  command->add_option("--files", options->files, "the directory that file steps may use");
  command->add_option("--allow-origin", options->origins, "a web page's origin that may ask")
      ->allow_extra_args(false);
  add_grants(*command, options->grants);
  add_model_flags(*command, options->grants.model);
  add_store(*command, options->store, "the store's file (default: the user's own)");
  command->add_option("--dtype", options->precision, "f32, native, q8 or q4")
      ->capture_default_str();
  check_threads(command->add_option("--threads", options->threads,
                                    "of a model; 0 = all usable cores"));
  command->add_option("--kv-memory", options->kv_memory_mib, "MiB of each model's cache")
      ->capture_default_str()
      ->check(CLI::Range(1, 1 << 24));
  command->add_option("--model-memory", options->model_memory_mib,
                      "MiB for all models together; idle ones make room. 0 = no budget")
      ->capture_default_str()
      ->check(CLI::Range(0, 1 << 24));
  command->add_option("--kv-spill", options->kv_spill,
                      "a directory: what leaves the cache is kept in a file there");
  command->add_option("--kv-spill-size", options->kv_spill_mib, "MiB of that file")
      ->capture_default_str()
      ->check(CLI::Range(1, 1 << 24));
  command->add_flag("!--no-preload", options->preload, "load models when they are asked for");
  command->add_option("--drain", options->drain_s, "seconds for answers under way at the end")
      ->capture_default_str()
      ->check(CLI::Range(0, 86400));
  command->add_flag("--json", options->json, "print {url, pid} on stdout when it listens");
  command->footer(
      "Examples:\n"
      "  weft serve\n"
      "  weft serve --model qwen=./Qwen3-0.6B --port 8000\n"
      "  weft serve --workflow examples/customer-service.yaml\n"
      "  weft keys create --name me --role admin && weft serve --host 0.0.0.0\n"
      "Then: curl http://127.0.0.1:8700/v1/models\n");
  command->callback([&action, options, command] {
    for (const CLI::Option* option : command->get_options()) {
      if (option->count() > 0) options->given.insert(option->get_name());
    }
    action = [options] { return run_serve(*options); };
  });
}

void add_worker(CLI::App& app, Action& action) {
  auto options = std::make_shared<WorkerOptions>();
  CLI::App* command =
      app.add_subcommand("worker", "Work on the runs of a store, beside other workers");
  add_store(*command, options->store, "a file, or postgres://USER@HOST/DATABASE");
  command->add_option("--runs", options->runs_max, "worked on at a time")
      ->check(CLI::Range(int64_t{1}, int64_t{100'000}))
      ->capture_default_str();
  add_run_grants(*command, options->grants);
  command->callback([&action, options] { action = [options] { return run_worker(*options); }; });
}

void add_verify(CLI::App& app, Action& action) {
  auto check = std::make_shared<FsckOptions>();
  CLI::App* fsck = app.add_subcommand("fsck", "Whether the store's tables and journal agree");
  add_store(*fsck, check->store, "database file");
  fsck->add_flag("--json", check->json, "one JSON document on stdout");
  fsck->callback([&action, check] { action = [check] { return run_fsck(*check); }; });
  auto again = std::make_shared<ReplayOptions>();
  CLI::App* replay =
      app.add_subcommand("replay", "Every decision of a run's models again, token by token");
  replay->add_option("run", again->run, "id of the run, or its unique end")->required();
  replay->add_flag("--verify", again->verify, "exit code 1 unless all tokens are equal");
  add_store(*replay, again->store, "database file");
  add_model_flags(*replay, again->model);
  replay->add_flag("--json", again->json, "a JSON list on stdout");
  replay->callback([&action, again] { action = [again] { return run_replay(*again); }; });
}

// CLI11 would only say that a subcommand is required.
std::optional<Error> unknown_command(CLI::App& app, int argc, char** argv) {
  if (argc < 2 || argv[1][0] == '-') return std::nullopt;
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands({})) names.push_back(command->get_name());
  if (std::find(names.begin(), names.end(), argv[1]) != names.end()) return std::nullopt;
  return make_error("E0901", fmt::format("there is no command {}", quoted(argv[1])),
                    name_hint(argv[1], names) + "; `weft --help` lists them");
}

}  // namespace

int run_command_line(int argc, char** argv) {
  CLI::App app{
      "weft: workflows whose steps can think, in one program.\n"
      "Durable YAML workflows with the language model inside the same process."};
  app.name("weft");
  app.set_version_flag("--version", WEFT_VERSION);
  app.require_subcommand(1);
  Action action;
  add_generate(app, action);
  add_chat(app, action);
  add_run(app, action);
  add_runs(app, action);
  add_tools(app, action);
  add_mcp(app, action);
  add_plan(app, action);
  add_new(app, action);
  add_schedules(app, action);
  add_serve(app, action);
  add_worker(app, action);
  add_operators_commands(app, action);
  add_verify(app, action);
  add_eval(app, action);
  add_doctor(app, action);
  add_logits(app, action);
  add_tokenize(app, action);
  add_template(app, action);
  add_models(app, action);
  add_validate(app, action);
  add_graph(app, action);
  add_examples(app);
  if (const auto wrong = unknown_command(app, argc, argv)) {
    say_error(*wrong);
    return kExitUsage;
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error);
    return code == 0 ? kExitOk : kExitUsage;
  }
  return action();
}

}  // namespace weft::cli
