// SPDX-License-Identifier: Apache-2.0
//
// What a run brings along besides its input: where its file steps may reach, which model was chosen
// on the command line, whose it is and who asked for it. Stored with the run (column `context`), so
// that another worker, a sub-workflow or a retry continues under the same terms.
//
//   {"roots": ["/home/me/project"], "model": "deep", "tenant": "acme", "by": "ci", "key": "k1"}
//
// All are optional.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"

namespace weft::worker {

struct RunContext {
  std::vector<std::string> roots;  // absolute directories; none: file steps are refused
  std::string model;               // replaces the model of every llm step; empty: as written
  std::string tenant = {};
  std::string by = {};             // name of the key that asked; empty: this machine's user
  std::string key = {};            // its id: whose tokens its models use; empty: nobody's
  bool proposed = false;           // its steps, or those around it, were proposed (`plan`)
};

inline json::Object to_json(const RunContext& context) {
  json::Object object;
  json::Array roots;
  for (const std::string& root : context.roots) roots.emplace_back(root);
  if (!roots.empty()) object["roots"] = std::move(roots);
  if (!context.model.empty()) object["model"] = context.model;
  if (!context.tenant.empty()) object["tenant"] = context.tenant;
  if (!context.by.empty()) object["by"] = context.by;
  if (!context.key.empty()) object["key"] = context.key;
  if (context.proposed) object["proposed"] = true;
  return object;
}

inline RunContext run_context_from_json(const json::Object& object) {
  RunContext context;
  if (const json::Value* roots = object.if_contains("roots"); roots && roots->is_array()) {
    for (const json::Value& root : roots->as_array()) {
      if (root.is_string()) context.roots.emplace_back(root.as_string());
    }
  }
  const auto text = [&](std::string_view name, std::string& value) {
    const json::Value* found = object.if_contains(name);
    if (found != nullptr && found->is_string()) value = found->get_string();
  };
  text("model", context.model);
  text("tenant", context.tenant);
  text("by", context.by);
  text("key", context.key);
  const json::Value* proposed = object.if_contains("proposed");
  context.proposed = proposed != nullptr && proposed->is_bool() && proposed->get_bool();
  return context;
}

}  // namespace weft::worker
