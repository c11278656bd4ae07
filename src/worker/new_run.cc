// SPDX-License-Identifier: Apache-2.0
#include "worker/new_run.h"

#include <utility>

#include "worker/run_context.h"

namespace weft::worker {

json::Object full_context(const NewRun& request) {
  json::Object context = request.context;
  json::Object pinned;
  for (const auto& [name, sub] : request.definitions) pinned[name] = sub->hash;
  if (!pinned.empty()) context["definitions"] = std::move(pinned);
  return context;
}

RunRow run_row(const NewRun& request, const std::string& id, int64_t now_us) {
  CHECK(request.workflow != nullptr && !id.empty(), "a run of nothing");
  const workflow::Workflow& definition = *request.workflow;
  RunRow row{.id = id,
             .definition_hash = definition.hash,
             .definition = definition.canonical,
             .workflow = definition.id,
             .input = json::dump(request.input),
             .context = json::dump(full_context(request)),
             .priority = request.priority.value_or(definition.priority),
             .created_us = now_us,
             .idem_key = request.idem_key,
             .claimed = !request.detached,
             .parent = request.parent,
             .origin = request.origin,
             .callback_url = request.callback_url,
             .tenant = run_context_from_json(request.context).tenant};
  for (const auto& [name, sub] : request.definitions) {
    row.more_definitions.emplace_back(sub->hash, sub->canonical);
  }
  return row;
}

workflow::RunAccepted run_accepted(NewRun& request, const std::string& id) {
  const workflow::Workflow& definition = *request.workflow;
  workflow::RunAccepted accepted;
  accepted.run = id;
  accepted.definition = definition.hash;
  accepted.input = std::move(request.input);
  accepted.env = request.env.is_null() ? json::Value(json::Object()) : std::move(request.env);
  accepted.priority = request.priority.value_or(definition.priority);
  accepted.timeout_us = definition.timeout_us;
  if (request.timeout_us_max > 0 &&
      (accepted.timeout_us == 0 || accepted.timeout_us > request.timeout_us_max)) {
    accepted.timeout_us = request.timeout_us_max;
  }
  accepted.seed = request.seed;
  accepted.parent = std::move(request.parent);
  accepted.parent_path = std::move(request.parent_path);
  accepted.origin = std::move(request.origin);
  accepted.effects_of = std::move(request.effects_of);
  return accepted;
}

}  // namespace weft::worker
