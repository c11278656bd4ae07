// SPDX-License-Identifier: Apache-2.0
//
// What a run brings along besides its input: where its file steps may reach, and which model was
// chosen on the command line. Stored with the run (column `context`), so that another worker
// continues under the same terms.
//
//   {"roots": ["/home/me/project"], "model": "deep"}     both may be missing
#pragma once

#include <string>
#include <vector>

#include "base/json.h"

namespace weft::worker {

struct RunContext {
  std::vector<std::string> roots;  // absolute directories; none: file steps are refused
  std::string model;               // replaces the model of every llm step; empty: as written
};

inline json::Object to_json(const RunContext& context) {
  json::Object object;
  json::Array roots;
  for (const std::string& root : context.roots) roots.emplace_back(root);
  if (!roots.empty()) object["roots"] = std::move(roots);
  if (!context.model.empty()) object["model"] = context.model;
  return object;
}

inline RunContext run_context_from_json(const json::Object& object) {
  RunContext context;
  if (const json::Value* roots = object.if_contains("roots"); roots && roots->is_array()) {
    for (const json::Value& root : roots->as_array()) {
      if (root.is_string()) context.roots.emplace_back(root.as_string());
    }
  }
  if (const json::Value* model = object.if_contains("model"); model && model->is_string()) {
    context.model = model->as_string();
  }
  return context;
}

}  // namespace weft::worker
