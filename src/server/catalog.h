// SPDX-License-Identifier: Apache-2.0
//
// Which workflow an id means: those of the server's files, which every tenant may start and nobody
// may change over HTTP, and those that the caller's tenant has stored. A file wins over a stored
// definition of the same id.
//
// find() reads the store, so that a definition changed by another process counts at once; what it
// parses it keeps, by hash. Not thread-safe: Runs calls it under the lock of its connection.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"
#include "worker/new_run.h"
#include "worker/run_reader.h"
#include "workflow/definition.h"

namespace weft::server {

// A workflow that may be started by its id, and what its `workflow` steps mean.
struct Offered {
  std::shared_ptr<const workflow::Workflow> workflow;
  worker::Definitions definitions = {};
};

class Catalog {
 public:
  // E0753: the id is taken; E0602: a step type that this edition has not.
  Status add(Offered offered);
  const std::map<std::string, std::shared_ptr<const workflow::Workflow>>& offered() const {
    return workflows_;
  }
  // All that callers of a tenant may start, by id. What an older edition has stored and this one
  // cannot read is left out.
  using Workflows = std::map<std::string, std::shared_ptr<const workflow::Workflow>>;
  Result<Workflows> all(store::Db& db, std::string_view tenant);
  // E0753 no such workflow; E0616 a sub-workflow that does not exist.
  Result<Offered> find(store::Db& db, std::string_view tenant, const std::string& id);

 private:
  using WorkflowPtr = std::shared_ptr<const workflow::Workflow>;
  Result<WorkflowPtr> load(store::Db& db, std::string_view tenant, const std::string& id);
  Result<worker::Definitions> pin(store::Db& db, std::string_view tenant,
                                  const workflow::Workflow& outer);

  std::map<std::string, WorkflowPtr> workflows_;
  std::map<std::string, worker::Definitions> definitions_;  // by the id of the workflow
  std::map<std::string, WorkflowPtr> parsed_;               // by hash
};

}  // namespace weft::server
