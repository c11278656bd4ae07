// SPDX-License-Identifier: Apache-2.0
#include "cli/options_tools.h"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include <memory>

#include "cli/tools.h"

namespace weft::cli {

void add_grants(CLI::App& command, Grants& grants) {
  command.add_option("--allow-host", grants.hosts,
                     "a private host that http steps may call; may be repeated")
      ->allow_extra_args(false);
  command.add_option("--database", grants.databases,
                     "NAME=URL, or NAME=write:URL: sqlite:FILE, postgres://…, env:VARIABLE")
      ->allow_extra_args(false);
  command.add_flag("--allow-shell", grants.shell, "shell steps run, in a sandbox");
  command.add_option("--smtp", grants.smtp, "smtp://HOST:PORT, for mail");
  command.add_option("--mail-from", grants.mail_from, "the address that mail comes from");
}

namespace {

void add_tools_call(CLI::App& tools, Action& action) {
  auto call = std::make_shared<ToolsCallOptions>();
  CLI::App* command = tools.add_subcommand("call", "Call a tool by hand");
  command->add_option("name", call->name, "of the tool")->required();
  command->add_option("-i,--input", call->inputs, "key=value, or @file.json")
      ->allow_extra_args(false);
  command->add_option("--workflow", call->workflow, "the file that declares it");
  command->add_option("--run-input", call->run_input, "JSON: what its templates see as `input`");
  command->add_option("--files", call->files, "the directory of file steps (default: this one)");
  command->add_option("--timeout", call->timeout_s, "seconds")->capture_default_str();
  add_grants(*command, call->grants);
  command->add_flag("--json", call->json, "JSON on stdout also where the result is text");
  command->callback([&action, call] { action = [call] { return call_tool(*call); }; });
}

}  // namespace

void add_tools(CLI::App& app, Action& action) {
  CLI::App* tools = app.add_subcommand("tools", "What agents may call");
  tools->require_subcommand(1);
  auto list = std::make_shared<ToolsListOptions>();
  CLI::App* command = tools->add_subcommand("list", "The tools of a workflow, and those built in");
  command->add_option("--workflow", list->workflow, "a file; without: those built in");
  command->add_flag("--json", list->json, "OpenAI's function definitions on stdout");
  command->callback([&action, list] { action = [list] { return list_tools(*list); }; });
  add_tools_call(*tools, action);
  auto import = std::make_shared<ToolsImportOptions>();
  command = tools->add_subcommand("import", "The operations of an OpenAPI document as tools");
  command->add_option("file", import->file, "OpenAPI 3, JSON or YAML")->required();
  command->add_option("--operation", import->operations, "only this one; may be repeated")
      ->allow_extra_args(false);
  command->add_option("--server", import->server, "base URL, if not the document's first");
  command->add_flag("--json", import->json, "a JSON list on stdout");
  command->callback([&action, import] { action = [import] { return import_tools(*import); }; });
}

}  // namespace weft::cli
