// SPDX-License-Identifier: Apache-2.0
#include "cli/options.h"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>

#include "base/strings.h"
#include "cli/doctor.h"
#include "cli/exit.h"
#include "cli/terminal.h"
#include "cli/tokenize.h"

namespace weft::cli {
namespace {

using Action = std::function<int()>;

void add_doctor(CLI::App& app, Action& action) {
  auto options = std::make_shared<DoctorOptions>();
  CLI::App* command = app.add_subcommand("doctor", "What this machine offers, and what is missing");
  command->add_flag("--json", options->json, "one JSON document on stdout");
  command->callback([&action, options] { action = [options] { return run_doctor(*options); }; });
}

void add_tokenize(CLI::App& app, Action& action) {
  auto options = std::make_shared<TokenizeOptions>();
  CLI::App* command = app.add_subcommand(
      "tokenize", "Text to tokens and back, JSON lines on stdin and stdout");
  command->add_option("--model", options->model, "a directory with tokenizer.json")->required();
  command->add_flag("--json", options->json, "accepted; the answers always are JSON");
  command->footer(
      "{\"text\": s, \"untrusted\": bool?, \"specials_as_text\": bool?} -> {\"ids\": [...]}\n"
      "{\"ids\": [...], \"skip_special\": bool?} -> {\"text\": s}\n");
  command->callback([&action, options] { action = [options] { return run_tokenize(*options); }; });
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
  app.footer(
      "Examples:\n"
      "  weft run examples/customer-service.yaml -i inquiry=\"I was charged twice\"\n"
      "  weft validate examples/*.yaml\n"
      "  weft doctor\n");
  Action action;
  add_doctor(app, action);
  add_tokenize(app, action);
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
