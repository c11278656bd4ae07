// SPDX-License-Identifier: Apache-2.0
#include "server/catalog.h"

#include <fmt/format.h>

#include "base/strings.h"
#include "worker/step_type.h"
#include "worker/stored_definitions.h"
#include "workflow/loader.h"

namespace weft::server {
namespace {

constexpr size_t kParsedMax = 1024;
constexpr size_t kPinnedMax = 256;

}  // namespace

Status Catalog::add(Offered offered) {
  TRY(worker::check_step_types(*offered.workflow));
  const std::string id = offered.workflow->id;
  definitions_[id] = std::move(offered.definitions);
  if (workflows_.emplace(id, std::move(offered.workflow)).second) return ok_status();
  return make_error("E0753", fmt::format("two workflows are called {}", quoted(id)),
                    "give one of them another id");
}

Result<Catalog::WorkflowPtr> Catalog::load(store::Db& db, std::string_view tenant,
                                           const std::string& id) {
  if (const auto found = workflows_.find(id); found != workflows_.end()) return found->second;
  const auto stored = TRY(worker::find_definition(db, tenant, id));
  if (!stored) return WorkflowPtr();
  if (const auto known = parsed_.find(stored->hash); known != parsed_.end()) return known->second;
  WorkflowPtr workflow = TRY(workflow::load_or_error(stored->document, id, {.stored = true}));
  if (parsed_.size() >= kParsedMax) parsed_.clear();
  parsed_[stored->hash] = workflow;
  return workflow;
}

// All that can be reached through `workflow` steps, each by its id.
Result<worker::Definitions> Catalog::pin(store::Db& db, std::string_view tenant,
                                         const workflow::Workflow& outer) {
  worker::Definitions out;
  std::vector<std::string> todo = worker::sub_workflow_names(outer);
  while (!todo.empty()) {
    const std::string name = std::move(todo.back());
    todo.pop_back();
    if (out.contains(name)) continue;
    const WorkflowPtr found = TRY(load(db, tenant, name));
    if (found == nullptr || out.size() >= kPinnedMax) {
      return make_error("E0616",
                        found != nullptr
                            ? fmt::format("more than {} sub-workflows", kPinnedMax)
                            : fmt::format("the workflow {} has a step that starts {}, which does "
                                          "not exist here", quoted(outer.id), quoted(name)),
                        "PUT /definitions/" + name);
    }
    for (std::string& more : worker::sub_workflow_names(*found)) todo.push_back(std::move(more));
    out[name] = found;
  }
  return out;
}

Result<Catalog::Workflows> Catalog::all(store::Db& db, std::string_view tenant) {
  Workflows out = workflows_;
  for (const auto& stored : TRY(worker::list_definitions(db, tenant))) {
    if (out.contains(stored.id)) continue;
    auto workflow = load(db, tenant, stored.id);
    if (workflow.ok() && *workflow != nullptr) out[stored.id] = std::move(*workflow);
  }
  return out;
}

Result<Offered> Catalog::find(store::Db& db, std::string_view tenant, const std::string& id) {
  if (const auto found = workflows_.find(id); found != workflows_.end()) {
    return Offered{found->second, definitions_.at(id)};
  }
  const WorkflowPtr workflow = TRY(load(db, tenant, id));
  if (workflow != nullptr) return Offered{workflow, TRY(pin(db, tenant, *workflow))};
  std::vector<std::string> names;
  for (const auto& [name, known] : workflows_) names.push_back(name);
  for (const auto& stored : TRY(worker::list_definitions(db, tenant))) names.push_back(stored.id);
  return make_error("E0753", fmt::format("there is no workflow {}", quoted(id)),
                    names.empty() ? "PUT /definitions/ID stores one; or start the server with "
                                    "--workflow FILE"
                                  : name_hint(id, names));
}

}  // namespace weft::server
