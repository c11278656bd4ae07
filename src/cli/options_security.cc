// SPDX-License-Identifier: Apache-2.0
#include "cli/options_security.h"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include <memory>

#include "cli/keys.h"

namespace weft::cli {
namespace {

CLI::App* add_keys_act(CLI::App& keys, Action& action, const std::string& act,
                       const std::string& text, const std::shared_ptr<KeysOptions>& options) {
  options->act = act;
  CLI::App* command = keys.add_subcommand(act, text);
  command->add_option("--config", options->config, "weft.yaml: its store and pepper");
  command->add_option("--store", options->store, "database file, or postgres://…");
  command->add_flag("--json", options->json, "JSON on stdout");
  command->callback([&action, options] { action = [options] { return act_on_keys(*options); }; });
  return command;
}

}  // namespace

void add_keys(CLI::App& app, Action& action) {
  CLI::App* keys = app.add_subcommand("keys", "API keys: who may ask the server for what");
  keys->require_subcommand(1);
  auto create = std::make_shared<KeysOptions>();
  CLI::App* command = add_keys_act(*keys, action, "create", "A new key, shown once", create);
  command->add_option("--name", create->name, "whose it is, for people and records")->required();
  command->add_option("--role", create->roles,
                      "viewer, operator, author, approver, admin; may be repeated")
      ->required()
      ->allow_extra_args(false);
  command->add_option("--scope", create->scopes,
                      "only that: ACTION or ACTION:RESOURCE, e.g. runs:execute:triage-*")
      ->allow_extra_args(false);
  command->add_option("--tenant", create->tenant, "whose data it sees");
  command->add_option("--expires", create->lifetime, "after so long: 90d, 12h");
  command->add_option("--requests-per-minute", create->requests_per_minute, "0: as all");
  command->add_option("--tokens-per-minute", create->tokens_per_minute, "0: as all");
  command->footer("Example:\n  weft keys create --name ci --role operator --expires 90d\n");
  auto list = std::make_shared<KeysOptions>();
  add_keys_act(*keys, action, "list", "All keys, without their secrets", list)
      ->add_option("--tenant", list->tenant, "only this tenant's");
  auto revoke = std::make_shared<KeysOptions>();
  add_keys_act(*keys, action, "revoke", "End a key; servers notice within a second", revoke)
      ->add_option("id", revoke->id, "the middle part of the key")
      ->required();
  auto rotate = std::make_shared<KeysOptions>();
  command = add_keys_act(*keys, action, "rotate", "A new secret for the same rights", rotate);
  command->add_option("id", rotate->id, "the middle part of the old key")->required();
  command->add_option("--grace", rotate->grace, "the old one holds so long: 24h")
      ->capture_default_str();
}

}  // namespace weft::cli
