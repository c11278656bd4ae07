// SPDX-License-Identifier: Apache-2.0
#include "cli/keys.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/env.h"
#include "base/json.h"
#include "base/strings.h"
#include "cli/audit.h"
#include "cli/config.h"
#include "cli/config_file.h"
#include "cli/exit.h"
#include "cli/run_session.h"
#include "cli/terminal.h"
#include "security/data_keys.h"
#include "security/keys.h"
#include "worker/schema.h"
#include "workflow/schedule.h"

namespace weft::cli {
namespace {

using security::Key;

std::string state_of(const Key& key, int64_t now_us) {
  if (key.revoked_us != 0) return "revoked " + iso8601(key.revoked_us).substr(0, 10);
  if (key.expires_us == 0) return "holds";
  const std::string day = iso8601(key.expires_us).substr(0, 16);
  return (now_us < key.expires_us ? "until " : "expired ") + day;
}

void print_key(const Key& key, const KeysOptions& options) {
  if (options.json) return;
  std::vector<std::string> roles = key.roles;
  for (const security::Scope& scope : key.scopes) roles.push_back(security::text(scope));
  print_data(fmt::format("{}  {}  {}{}  {}", key.id, key.name,
                         key.tenant.empty() ? "" : "tenant " + key.tenant + "  ",
                         join(roles, ","), state_of(key, real_env().wall_us())));
}

void print_new(const security::NewKey& made, const KeysOptions& options) {
  if (options.json) {
    json::Object out = security::to_json(made.key);
    out["key"] = made.text;
    print_data(json::dump(json::Value(std::move(out)), {.spaces = true, .indent = 2}));
    return;
  }
  print_data(made.text);
  say(fmt::format("key {} for {}: keep it now, it is not shown again", made.key.id,
                  quoted(made.key.name)));
}

// A person's word, "90d" or "1h", in seconds.
Result<int64_t> seconds_of(const std::string& text) {
  if (text.empty()) return int64_t{0};
  return TRY(workflow::parse_duration(text)) / 1'000'000;
}

std::string this_user() { return "local:" + environment("USER").value_or("unknown"); }

Result<security::NewKey> make_key(store::Db& db, const security::Secret& pepper,
                                  const KeysOptions& options) {
  const auto names = security::role_names();
  for (const std::string& role : options.roles) {
    if (std::find(names.begin(), names.end(), role) == names.end()) {
      say(fmt::format("note: {} is none of weft's roles ({}): it counts for approvals only",
                      quoted(role), join(names, ", ")));
    }
  }
  return security::create_key(db, pepper,
                              {.name = options.name,
                               .tenant = options.tenant,
                               .roles = options.roles,
                               .scopes = options.scopes,
                               .lifetime_s = TRY(seconds_of(options.lifetime)),
                               .requests_per_minute = options.requests_per_minute,
                               .tokens_per_minute = options.tokens_per_minute,
                               .by = this_user()});
}

// The data keys are wrapped anew; payloads stay as they are.
Status rotate_master(store::Db& db, const Config& config, const worker::StorePlace& place,
                     const KeysOptions& options) {
  if (place.master == nullptr) {
    return make_error("E0511", "no master key is named",
                      "--master-key file:PATH, where the new key stands before the old one");
  }
  const auto masters = TRY(security::MasterKeys::read(place.master));
  const std::string& id = masters.current().id;
  const auto done = TRY(security::rewrap_data_keys(db, masters, options.renew));
  const json::Object out{{"master", id},
                         {"rewrapped", done.keys},
                         {"already", done.already},
                         {"new_versions", done.fresh}};
  if (options.json) print_data(json::dump(json::Value(out), {.spaces = true, .indent = 2}));
  say(fmt::format("master key {} wraps every data key: {} anew, {} as before; {} new versions", id,
                  done.keys, done.already, done.fresh));
  say("the old key may leave its place when every process has the new one");
  return record_act(db, config, place.path,
                    {.user = this_user(), .action = "keys:manage",
                     .resource = "rotate-master " + id, .details = json::dump(out)});
}

Status act(const KeysOptions& options) {
  const Config config = TRY(load_config(options.config));
  const StoreFlags flags = with_config(options.store, config);
  const worker::StorePlace place = TRY(prepare_store(flags));
  const auto db = TRY(worker::open_journal_store(place));
  const std::string& store = place.path;
  if (options.act == "rotate-master") return rotate_master(*db, config, place, options);
  const auto record = [&](const Key& key) {
    return record_act(*db, config, store,
                      {.tenant = key.tenant, .user = this_user(), .action = "keys:manage",
                       .resource = fmt::format("{} {}", options.act, key.id),
                       .details = json::dump(security::to_json(key))});
  };
  if (options.act == "list") {
    json::Array out;
    const std::optional<std::string> tenant =
        options.tenant.empty() ? std::nullopt : std::optional(options.tenant);
    for (const Key& key : TRY(security::list_keys(*db, tenant))) {
      print_key(key, options);
      out.push_back(security::to_json(key));
    }
    if (options.json) print_data(json::dump(json::Value(std::move(out)), {.indent = 2}));
    return ok_status();
  }
  if (options.act == "revoke") {
    const Key key = TRY(security::revoke_key(*db, std::nullopt, options.id));
    print_key(key, options);
    if (options.json) print_data(json::dump(json::Value(security::to_json(key)), {.indent = 2}));
    return record(key);
  }
  const security::Secret pepper = TRY(pepper_of(config));
  const security::NewKey made =
      options.act == "create" ? TRY(make_key(*db, pepper, options))
                              : TRY(security::rotate_key(*db, pepper, std::nullopt, options.id,
                                                         TRY(seconds_of(options.grace)),
                                                         this_user()));
  print_new(made, options);
  return record(made.key);
}

}  // namespace

int act_on_keys(const KeysOptions& options) {
  const Status done = act(options);
  if (done.ok()) return kExitOk;
  say_error(done.error());
  if (done.error().code == "E0767") return kExitNotFound;
  return done.error().code == "E0763" || done.error().code == "E0440" ? kExitUsage
                                                                      : kExitConfiguration;
}

}  // namespace weft::cli
