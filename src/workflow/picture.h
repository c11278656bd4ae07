// SPDX-License-Identifier: Apache-2.0
//
// The graph of a workflow as text that others draw: Mermaid (GitHub, the docs), Graphviz dot, and
// JSON for the dashboard. Nothing here depends on a run.
#pragma once

#include <string>

#include "base/json.h"
#include "workflow/definition.h"

namespace weft::workflow {

std::string mermaid(const Workflow& workflow);
std::string dot(const Workflow& workflow);
// {id, title, nodes: [{id, type, depth, when?, join?, for_each?, fallback?: [{id, type}]}],
//  edges: [{from, to}]}
json::Value picture_json(const Workflow& workflow);

}  // namespace weft::workflow
