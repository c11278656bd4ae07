// SPDX-License-Identifier: Apache-2.0
#include "cli/store.h"

#include <fmt/format.h>

#include "base/file.h"
#include "base/json.h"
#include "base/strings.h"
#include "cli/audit.h"
#include "cli/config.h"
#include "cli/config_file.h"
#include "cli/exit.h"
#include "cli/run_session.h"
#include "cli/terminal.h"
#include "store/postgres.h"
#include "worker/schema.h"
#include "worker/store_seal.h"

namespace weft::cli {
namespace {

Result<worker::StoreSealed> seal(const StoreSealOptions& options) {
  const Config config = TRY(load_config(options.config));
  const worker::StorePlace place = TRY(prepare_store(with_config(options.store, config)));
  if (place.master == nullptr) {
    return make_error("E0511", "no master key is named",
                      "--master-key file:PATH, or `encryption` in weft.yaml");
  }
  if (!store::is_postgres_url(place.path) && !file_exists(place.path)) {
    return make_error("E0020", fmt::format("there is no store {}", quoted(place.path, 300)));
  }
  const auto db = TRY(worker::open_journal_store(place));
  worker::StoreSealing sealing;
  sealing.checkpoints = checkpoints_of(config, place.path);
  sealing.seed = TRY(audit_key(config));
  sealing.batch = options.batch;
  if (people_watch()) {
    sealing.on_phase = [](std::string_view doing) { say(fmt::format("{} …", doing)); };
  }
  worker::StoreSealed sealed = TRY(worker::seal_store(*db, sealing));
  const json::Object details{{"values", sealed.values},
                             {"events", sealed.events},
                             {"records", sealed.records},
                             {"chains", sealed.chains}};
  TRY(record_act(*db, config, place.path,
                 {.user = "local:" + environment("USER").value_or("unknown"),
                  .action = "store:seal", .details = json::dump(details)}));
  return sealed;
}

}  // namespace

int run_store_seal(const StoreSealOptions& options) {
  const auto sealed = seal(options);
  if (!sealed.ok()) {
    say_error(sealed.error());
    const std::string_view code = sealed.error().code;
    if (code == "E0020") return kExitNotFound;
    const bool failed = code == "E0607" || code == "E0765" || code == "E0766" || code == "E0512";
    return failed ? kExitFailed : kExitConfiguration;
  }
  if (options.json) {
    print_data(json::dump(json::Object{{"values", sealed->values},
                                       {"events", sealed->events},
                                       {"records", sealed->records},
                                       {"chains", sealed->chains},
                                       {"wiped", sealed->wiped}}));
  }
  say(fmt::format("sealed {} values, {} events and {} audit records; {} chains are written anew",
                  sealed->values, sealed->events, sealed->records, sealed->chains));
  if (!sealed->wiped) {
    say("the log beside the store is in use: what it holds goes when it is next emptied");
  }
  say("backups, copies and exports from before hold what they held");
  return kExitOk;
}

}  // namespace weft::cli
