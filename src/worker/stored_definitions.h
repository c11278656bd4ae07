// SPDX-License-Identifier: Apache-2.0
//
// Workflows that were handed in over the API: kept by tenant and id, each change a new version,
// none ever lost. A deletion is a version without a document. The text is kept as it came, comments
// included, for whoever edits it next; what runs is its canonical form, by hash, so that a run in
// flight never notices a change.
//
// Every function reads or writes one store and belongs on no event loop.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "store/db.h"
#include "worker/new_run.h"

namespace weft::worker {

struct StoredDefinition {
  std::string id;
  int64_t version = 0;      // from 1
  std::string hash;         // empty: deleted by this version
  int64_t created_us = 0;
  std::string created_by;
  std::string source = {};  // as it came; only where one is asked for
  std::string document = {};  // canonical; likewise
};

// The newest versions of a tenant that are not deleted, by id.
Result<std::vector<StoredDefinition>> list_definitions(store::Db& db, std::string_view tenant);
// All versions of one, the newest first.
Result<std::vector<StoredDefinition>> definition_versions(store::Db& db, std::string_view tenant,
                                                          std::string_view id);
// With its texts; nothing if there is none, or it is deleted. `version` 0: the newest.
Result<std::optional<StoredDefinition>> find_definition(store::Db& db, std::string_view tenant,
                                                        std::string_view id, int64_t version = 0);

struct DefinitionChange {
  std::string tenant;
  std::string id;
  std::string by;
  // Hash that the newest version must have; "": there must be none; nothing: whatever it is.
  std::optional<std::string> expected = {};
  std::shared_ptr<const workflow::Workflow> workflow = {};  // null: delete it
  std::string source = {};
};
// The version that holds now, in a transaction of its own. The same document again makes no new
// one. E0756: the newest version is not what was expected; E0753: nothing to delete.
Result<StoredDefinition> change_definition(store::Db& db, const DefinitionChange& change);

// Names that the `workflow` steps of a definition give as plain text.
std::vector<std::string> sub_workflow_names(const workflow::Workflow& workflow);

}  // namespace weft::worker
