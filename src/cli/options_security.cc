// SPDX-License-Identifier: Apache-2.0
#include "cli/options_security.h"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include <memory>
#include <utility>

#include "cli/audit.h"
#include "cli/backup.h"
#include "cli/keys.h"
#include "cli/runs_removal.h"
#include "cli/secrets.h"
#include "cli/store.h"
#include "cli/users.h"

namespace weft::cli {
namespace {

CLI::App* add_keys_act(CLI::App& keys, Action& action, const std::string& act,
                       const std::string& text, const std::shared_ptr<KeysOptions>& options) {
  options->act = act;
  CLI::App* command = keys.add_subcommand(act, text);
  command->add_option("--config", options->config, "weft.yaml: its store and pepper");
  add_store(*command, options->store, "database file, or postgres://…");
  command->add_flag("--json", options->json, "JSON on stdout");
  command->callback([&action, options] { action = [options] { return act_on_keys(*options); }; });
  return command;
}

void add_removal(CLI::App& command, Action& action,
                 const std::shared_ptr<RunsRemovalOptions>& options,
                 int (*function)(const RunsRemovalOptions&)) {
  command.add_flag("--dry-run", options->dry_run, "only say what would go");
  command.add_option("--config", options->config, "weft.yaml: its store, checkpoints and key");
  add_store(command, options->store, "database file, or postgres://…");
  command.add_flag("--json", options->json, "one JSON document on stdout");
  command.callback([&action, options, function] { action = [=] { return function(*options); }; });
}

void add_keys(CLI::App& app, Action& action) {
  CLI::App* keys = app.add_subcommand("keys", "API keys: who may ask what; the master key");
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
  auto master = std::make_shared<KeysOptions>();
  command = add_keys_act(*keys, action, "rotate-master",
                         "Wrap the store's data keys by a new master key", master);
  command->add_flag("--new-data-keys", master->renew,
                    "and seal by new data keys from now on; the old ones still open");
  command->footer(
      "The new key stands before the old one where --master-key points; processes go on:\n"
      "  (umask 077; openssl rand -hex 32 > new; cat new master.key > both; mv both master.key)\n"
      "  weft keys rotate-master --master-key file:master.key\n");
}

void add_users(CLI::App& app, Action& action) {
  CLI::App* users = app.add_subcommand("users", "People who sign in by name and password");
  users->require_subcommand(1);
  const std::pair<const char*, const char*> acts[] = {
      {"add", "Somebody new; the password is asked for"},
      {"passwd", "Another password; signs them out everywhere"},
      {"list", "Everybody, without passwords"},
      {"remove", "Somebody leaves; signs them out everywhere"}};
  for (const auto& [act, text] : acts) {
    auto options = std::make_shared<UsersOptions>();
    options->act = act;
    CLI::App* command = users->add_subcommand(act, text);
    if (options->act != "list") {
      command->add_option("name", options->name, "who signs in so")->required();
    }
    if (options->act == "add") {
      command->add_option("--role", options->roles,
                          "viewer, operator, author, approver, admin; may be repeated")
          ->required()
          ->allow_extra_args(false);
      command->add_option("--tenant", options->tenant, "whose data they see");
    }
    command->add_option("--config", options->config, "weft.yaml: its store");
    add_store(*command, options->store, "database file, or postgres://…");
    command->add_flag("--json", options->json, "JSON on stdout");
    command->callback(
        [&action, options] { action = [options] { return act_on_users(*options); }; });
  }
}

void add_audit(CLI::App& app, Action& action) {
  CLI::App* audit = app.add_subcommand("audit", "Who did what, and whether history is unchanged");
  audit->require_subcommand(1);
  auto verify = std::make_shared<AuditVerifyOptions>();
  CLI::App* command = audit->add_subcommand("verify", "Every hash chain, beside its checkpoints");
  command->add_option("--checkpoints", verify->checkpoints, "file (default: beside the store)");
  command->add_option("--key", verify->key, "the public key that must have signed them");
  command->add_option("--config", verify->config, "weft.yaml");
  add_store(*command, verify->store, "database file, or postgres://…");
  command->add_flag("--json", verify->json, "one JSON document on stdout");
  command->callback([&action, verify] { action = [verify] { return run_audit_verify(*verify); }; });
  auto prune = std::make_shared<AuditPruneOptions>();
  command = audit->add_subcommand("prune", "Removes old records; what stays can still be proven");
  command->add_option("--before", prune->before, "2026-01-01, or 2026-01-01T09:00:00Z");
  command->add_option("--keep", prune->keep, "400d; else audit: { keep: 400d } of weft.yaml");
  command->add_flag("--dry-run", prune->dry_run, "only say how many");
  command->add_option("--config", prune->config, "weft.yaml");
  add_store(*command, prune->store, "database file, or postgres://…");
  command->add_flag("--json", prune->json, "one JSON document on stdout");
  command->callback([&action, prune] { action = [prune] { return run_audit_prune(*prune); }; });
  auto out = std::make_shared<AuditExportOptions>();
  command = audit->add_subcommand("export", "The records, the newest first, on stdout");
  command->add_option("--from", out->from, "2026-11-22, or 2026-11-22T09:00:00Z");
  command->add_option("--to", out->to, "likewise");
  command->add_option("--user", out->user, "only of this user");
  command->add_option("--action", out->action, "only this action");
  command->add_option("--tenant", out->tenant, "only of this tenant");
  command->add_option("--format", out->format, "jsonl or csv")
      ->check(CLI::IsMember({"jsonl", "csv"}));
  command->add_option("--config", out->config, "weft.yaml");
  add_store(*command, out->store, "database file, or postgres://…");
  command->callback([&action, out] { action = [out] { return run_audit_export(*out); }; });
}

void add_store_commands(CLI::App& app, Action& action) {
  CLI::App* stores = app.add_subcommand("store", "The store as a whole");
  stores->require_subcommand(1);
  auto options = std::make_shared<StoreSealOptions>();
  CLI::App* command =
      stores->add_subcommand("seal", "Seal what was stored before there was a master key");
  command->add_option("--config", options->config, "weft.yaml: its store, keys and checkpoints");
  command->add_option("--batch", options->batch, "rows a transaction")
      ->capture_default_str()
      ->check(CLI::Range(int64_t{1}, int64_t{100'000}));
  add_store(*command, options->store, "database file, or postgres://…");
  command->add_flag("--json", options->json, "one JSON document on stdout");
  command->callback(
      [&action, options] { action = [options] { return run_store_seal(*options); }; });
  command->footer(
      "Example, with servers and workers stopped:\n"
      "  weft store seal --store store.db --master-key file:master.key\n");
}

void add_backup(CLI::App& app, Action& action) {
  auto options = std::make_shared<BackupOptions>();
  CLI::App* command = app.add_subcommand("backup", "A copy of the store, while others write");
  command->add_option("file", options->file, "a new file")->required();
  add_store(*command, options->store, "database file (default: the user's own)");
  command->add_flag("--json", options->json, "one JSON document on stdout");
  command->callback([&action, options] { action = [options] { return run_backup(*options); }; });
}

void add_secrets(CLI::App& app, Action& action) {
  CLI::App* secrets = app.add_subcommand("secrets", "What workflows send without seeing it");
  secrets->require_subcommand(1);
  secrets->footer("Example:\n  weft secrets list --config weft.yaml\n");
  auto options = std::make_shared<SecretsListOptions>();
  CLI::App* command =
      secrets->add_subcommand("list", "Names, whence they come, where they may go; no values");
  command->add_option("--config", options->config, "weft.yaml, which declares them")->required();
  command->add_flag("--json", options->json, "JSON on stdout");
  command->callback(
      [&action, options] { action = [options] { return list_secrets(*options); }; });
}

}  // namespace

void add_operators_commands(CLI::App& app, Action& action) {
  add_keys(app, action);
  add_users(app, action);
  add_secrets(app, action);
  add_audit(app, action);
  add_backup(app, action);
  add_store_commands(app, action);
}

void add_runs_removal(CLI::App& runs, Action& action) {
  auto one = std::make_shared<RunsRemovalOptions>();
  CLI::App* command = runs.add_subcommand("delete", "Remove a run that has ended, provably");
  command->add_option("run", one->run, "id of the run, or its unique end")->required();
  add_removal(*command, action, one, &delete_run);
  auto old = std::make_shared<RunsRemovalOptions>();
  command = runs.add_subcommand("prune", "Remove runs that ended long ago, provably");
  command->add_option("--older-than", old->older_than,
                      "90d since their end; else retention: { runs: 90d } of weft.yaml");
  add_removal(*command, action, old, &prune_runs);
}

}  // namespace weft::cli
